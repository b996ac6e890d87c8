"""Plants in which everything goes wrong somewhere, for the rules of participation."""

import dataclasses
from collections.abc import Iterator

import kernels_taking_part as who
import numpy as np

from vppd.core.participation import has_good_reading
from vppd.core.state import initial_state
from vppd.core.types import Image, Mode, Params, Quality, Reason, State, WriteResult
from vppd.kernels import tally as sums

NAN = float("nan")
N = 400  # units: most pairs of odd values meet
NOW_S = 100.0


def filled(record, n, rng):
    """A record of the core with plausible numbers in every array, and odd ones among them."""
    values = {}
    for field in dataclasses.fields(record):
        name = field.name
        if field.type in (int, float, bool):
            values[name] = 0
        elif name in ("ids", "kinds"):
            values[name] = tuple(f"u{i}" for i in range(n))
        elif record is Image and name.startswith("energy_"):  # of no meter
            values[name] = np.full(n, NAN)
        else:
            values[name] = rng.uniform(-9.0, 9.0, n)
    return values


def instants(rng, *odd):
    """Instants around now: some just at a limit, some never."""
    often = np.array([NAN, NOW_S, NOW_S - 5.0, NOW_S - 10.0, NOW_S - 1.0, NOW_S + 0.5, *odd])
    return np.where(rng.random(N) < 0.4, rng.choice(often, N), NOW_S - rng.uniform(0.0, 15.0, N))


def flags(rng, *values):
    return rng.choice(np.array(values, np.uint8), N)


def some_nan(rng, values, share=0.2):
    return np.where(rng.random(values.size) < share, NAN, values)


def plant(seed):
    """State, image and params of a plant in which everything goes wrong somewhere."""
    rng = np.random.default_rng(seed)
    image = filled(Image, N, rng) | {
        "now_s": NOW_S,
        "measured_at_s": instants(rng, 95.0 - 1e-9),
        "accepted_at_s": instants(rng, 90.0 - 1e-9),
        "p_meas_mw": some_nan(rng, rng.choice([-3.0, 2.5, 1e5, -1.1e5, 40.0], N)),
        "accepted_mw": some_nan(rng, rng.uniform(-9.0, 9.0, N)),
        "operator_mw": some_nan(rng, rng.uniform(-9.0, 9.0, N), 0.5),
        "pardon": -1,
        "p_avail_min_mw": some_nan(rng, rng.uniform(-9.0, 3.0, N)),
        "p_avail_max_mw": some_nan(rng, rng.uniform(-3.0, 9.0, N)),
        "quality": flags(rng, *Quality),
        "write_result": flags(rng, *WriteResult),
        "remote": flags(rng, 0, 1, 1, 1),
        "connected": flags(rng, 0, 1, 1, 1),
        "locked": flags(rng, 0, 0, 0, 1),
    }
    params = filled(Params, N, rng) | {
        "p_min_mw": np.full(N, -10.0), "p_max_mw": np.full(N, 10.0),
        "ramp_up_mw_per_s": rng.uniform(0.1, 5.0, N),
        "ramp_down_mw_per_s": rng.uniform(0.1, 5.0, N),
        "telemetry_age_max_s": np.full(N, 5.0), "watchdog_s": np.full(N, 10.0),
        "dead_time_s": np.zeros(N), "tick_s": 1.0, "unit_group": np.full(N, -1),
        "group_parent": np.empty(0, np.int64), "group_lower_mw": np.empty(0),
        "group_upper_mw": np.empty(0),
    }  # fmt: skip
    before = dataclasses.replace(
        initial_state(Params(**params)),
        now_s=rng.choice([NAN, 99.0]), mode=rng.choice([Mode.STARTING, Mode.REGULATING]),
        p_setpoint_mw=some_nan(rng, rng.uniform(-9.0, 9.0, N)),
        out_reason=flags(rng, *Reason), sent=flags(rng, 0, 1),
        told_mw=some_nan(rng, rng.uniform(-9.0, 9.0, N)),
    )  # fmt: skip
    assert isinstance(before, State)
    return before, Image(**image), Params(**params)


def outputs(seed: int) -> Iterator[object]:
    """All that the rules say of such a plant, and the sums over it, for the digest."""
    before, image, params = plant(seed)
    reason, adrift, last_mw = who.who_takes_part(before, image, params)
    yield from (reason, adrift, last_mw, has_good_reading(image, params))
    for why in (reason, before.out_reason):
        given = last_mw, image, params
        told = [who.pinned_mw(m, why, adrift, *given, 0.7) for m in (Mode.SAFE, Mode.REGULATING)]
        yield from (who.counted_mw(why, *given), told[0][1], *(told_mw for told_mw, _ in told))
    yield who.within_ramp_mw(image.operator_mw, last_mw, image, params, 0.7)
    low_mw, high_mw = np.sort([image.basepoint_mw, params.safe_mw], axis=0)
    held = before.out_reason.copy()
    yield sums.tally(last_mw, low_mw, high_mw, params.p_min_mw, high_mw, reason, held)
    yield from (held, sums.count_known(image.p_meas_mw), sums.count_changed(reason, held))
