"""Write, read, verify and replay the tick journal."""
