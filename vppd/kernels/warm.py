"""Interim."""


def load():
    pass
