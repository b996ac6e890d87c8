"""One file for each peer. `measure(n)` gives rows, or one row that says why there is none."""
