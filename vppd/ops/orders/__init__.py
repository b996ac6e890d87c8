"""Orders of operators: what may be asked, what is in force, and until when."""
