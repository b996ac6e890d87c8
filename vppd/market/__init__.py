"""Scores: pure functions of series."""
