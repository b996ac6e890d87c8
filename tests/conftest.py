"""Lets every test import `helpers`, and Hypothesis take its time."""

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path[:0] = [
    str(Path(__file__).parent),
    str(Path(__file__).parent / "core"),
    str(Path(__file__).parent / "market"),
    str(Path(__file__).parent / "runtime"),
    str(Path(__file__).parent / "system"),
]
# No limit on the time of a case, or of making one: a busy machine must not fail a test.
settings.register_profile(
    "vppd", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("vppd")
