"""Interim."""
def load():
    pass
