"""How a package adds a token mixer to skaprof."""
