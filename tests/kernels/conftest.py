"""Hypothesis without its time limit a case: a busy machine must not fail a test."""

from hypothesis import settings

settings.register_profile("vppd", deadline=None, print_blob=True)
settings.load_profile("vppd")
