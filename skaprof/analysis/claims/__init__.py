"""Claims: what a cost is said to be, in one line, and whether the closed forms and the measurements agree."""
