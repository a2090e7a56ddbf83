"""Questions: a request (sizes, or saved rows) in, rows out. No torch, no rich, no matplotlib."""
