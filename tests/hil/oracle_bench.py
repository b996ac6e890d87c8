"""Small fleets and requests for the tests of the oracle."""

from dataclasses import replace

import numpy as np

from hil import fleet as fleets
from hil.fleet import Fleet, Unit
from hil.oracle.request import Request
from hil.scenario import Scenario, load


def scenario(*settings: str) -> Scenario:
    return load("zhejiang", [tuple(setting.split("=", 1)) for setting in settings])


REFERENCE = fleets.draw(scenario("seed=5"), 0)


def unit(kind: str, **traits) -> Unit:
    """First unit of a kind in the reference fleet, with other traits."""
    first = next(u for u in REFERENCE.units if u.kind == kind)
    return replace(first, **traits)


def bare(**traits) -> Unit:
    """Load of +-1 MW around -1 MW without store or dead time, quick unless told otherwise."""
    neutral = {
        "rated_mw": 2.0, "basepoint_mw": -1.0, "p_min_mw": -2.0, "p_max_mw": 0.0,
        "ramp_mw_per_s": 100.0, "dead_time_true_s": 0.0, "lag_true_s": 0.0,
    }  # fmt: skip
    return unit("industrial", **{**neutral, **traits})


def fleet(*units: Unit, regulation_mw: float = 1.0) -> Fleet:
    numbered = tuple(replace(u, index=i, id=f"u{i}") for i, u in enumerate(units))
    return replace(REFERENCE, regulation_mw=regulation_mw, units=numbered)


def request(mw, *, skipped: int = 0, lead_s: float = 4.0, regulation_mw: float = 1.0) -> Request:
    return Request(np.asarray(mw, dtype=np.float64), skipped, lead_s, regulation_mw)
