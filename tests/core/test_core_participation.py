"""Who takes part, where the ramps begin, what the others are counted with, each by itself."""

import dataclasses

import kernels_taking_part as who
import numpy as np
import pytest
from builders import NAN, image, params

from vppd.core.participation import has_good_reading
from vppd.core.state import initial_state
from vppd.core.types import Mode, Quality, Reason, WriteResult

N, R, U = WriteResult.NONE, WriteResult.REFUSED, WriteResult.UNKNOWN
P = params()  # watchdog 10 s, telemetry good for 5 s; the image is of 100 s


def one(**changes):
    """A plant of three whose first unit has these numbers."""
    seen = image()
    arrays = {name: getattr(seen, name).copy() for name in changes}
    for name, value in changes.items():
        arrays[name][0] = value
    return dataclasses.replace(seen, **arrays)


def adrift_of(seen, p):
    return who.who_takes_part(initial_state(p), seen, p)[1]


def reason(**changes):
    reasons = who.who_takes_part(initial_state(P), one(**changes), P)[0].tolist()
    assert reasons[1:] == [Reason.NONE, Reason.NONE]
    return Reason(reasons[0])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"write_result": R}, Reason.REFUSED),
        ({"write_result": U}, Reason.NONE),
        ({"write_result": R, "accepted_at_s": 90.0}, Reason.REFUSED),
        ({"write_result": R, "accepted_at_s": 89.9}, Reason.FALLBACK),
        ({"write_result": U, "accepted_at_s": 90.0}, Reason.NONE),
        ({"write_result": U, "accepted_at_s": 89.9}, Reason.FALLBACK),
        ({"accepted_at_s": 89.9}, Reason.NONE),
        ({"measured_at_s": 95.0}, Reason.NONE),
        ({"measured_at_s": 94.9}, Reason.TELEMETRY_AGE),
        ({"measured_at_s": 94.9, "accepted_at_s": 90.0}, Reason.TELEMETRY_AGE),
        ({"measured_at_s": 94.9, "accepted_at_s": 89.9}, Reason.FALLBACK),
        ({"measured_at_s": 94.9, "accepted_at_s": NAN}, Reason.FALLBACK),
        ({"p_meas_mw": 1e5}, Reason.NONE),
        ({"p_meas_mw": -1e5}, Reason.NONE),
        ({"p_meas_mw": 100_000.5}, Reason.TELEMETRY_AGE),
        ({"p_meas_mw": -100_000.5}, Reason.TELEMETRY_AGE),
        ({"p_meas_mw": NAN}, Reason.TELEMETRY_AGE),
        ({"connected": 0}, Reason.UNREACHABLE),
        ({"quality": Quality.OVER_RANGE}, Reason.UNREACHABLE),
        ({"connected": 0, "quality": Quality.COMM_LOST}, Reason.UNREACHABLE),
        ({"remote": 0}, Reason.LOCAL_CONTROL),
        ({"remote": 0, "write_result": R}, Reason.LOCAL_CONTROL),
        ({"remote": 0, "connected": 0}, Reason.UNREACHABLE),
        ({"locked": 1}, Reason.OPERATOR),
        ({"locked": 1, "write_result": R}, Reason.OPERATOR),
        ({"locked": 1, "remote": 0}, Reason.LOCAL_CONTROL),
        ({"locked": 1, "connected": 0}, Reason.UNREACHABLE),
    ],
)
def test_why_a_unit_takes_no_part(changes, expected):
    assert reason(**changes) is expected


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"connected": 0}, False),
        ({"quality": Quality.RESTART}, False),
        ({"connected": 0, "quality": Quality.RESTART}, False),
        ({"measured_at_s": 95.0}, True),
        ({"measured_at_s": 94.0}, False),
        ({"p_meas_mw": NAN}, False),
    ],
)
def test_a_good_reading(changes, good):
    assert has_good_reading(one(**changes), P).tolist() == [good, True, True]


@pytest.mark.parametrize(
    ("changes", "adrift"),
    [
        ({}, False),
        ({"accepted_at_s": 90.0}, False),
        ({"accepted_at_s": 89.9}, True),
        ({"accepted_at_s": 89.9, "connected": 0}, False),
        ({"accepted_at_s": 89.9, "measured_at_s": 94.0}, False),
        ({"accepted_at_s": NAN}, False),
    ],
)
def test_a_unit_adrift_is_read_but_accepts_nothing(changes, adrift):
    assert adrift_of(one(**changes), P).tolist() == [adrift, False, False]


def starts_mw_of(before, seen, p):
    return who.who_takes_part(before, seen, p)[2]


# The last tick was at 99 s and sent 4 MW; 6 MW were accepted, -3 MW is measured.
# What is different, what the unit was, whether that was sent -> where its ramp starts.
STARTS = [
    ({}, Reason.NONE, 1, 4.0),
    ({"write_result": R}, Reason.NONE, 1, 6.0),
    ({"write_result": R, "accepted_at_s": 90.0}, Reason.NONE, 1, 6.0),
    ({"write_result": U}, Reason.NONE, 1, 4.0),
    ({"accepted_at_s": 99.0}, Reason.REFUSED, 1, 4.0),
    ({"accepted_at_s": 99.1}, Reason.REFUSED, 1, 6.0),
    ({"accepted_at_s": 99.1, "write_result": R}, Reason.REFUSED, 1, 6.0),
    ({"accepted_at_s": 99.1}, Reason.NONE, 1, 4.0),
    ({"accepted_at_s": 98.0}, Reason.UNREACHABLE, 0, 4.0),  # counted with it, and is back in time
    # never accepted anything
    ({"accepted_at_s": NAN, "measured_at_s": 99.0}, Reason.NONE, 1, 4.0),
    ({"accepted_at_s": NAN, "measured_at_s": 99.1}, Reason.NONE, 1, -3.0),
    ({"accepted_mw": NAN, "measured_at_s": 99.1}, Reason.NONE, 1, -3.0),
    ({"accepted_at_s": NAN, "measured_at_s": 99.0}, Reason.NONE, 0, -3.0),
    ({"accepted_at_s": NAN, "measured_at_s": 99.1}, Reason.NONE, 0, -3.0),
    ({"accepted_at_s": NAN, "measured_at_s": 99.0, "write_result": R}, Reason.NONE, 1, -3.0),
    ({"accepted_at_s": NAN, "measured_at_s": 99.0}, Reason.FALLBACK, 0, -3.0),
    ({"accepted_at_s": NAN, "measured_at_s": 99.0}, Reason.FALLBACK, 1, 4.0),
    ({"accepted_at_s": NAN, "measured_at_s": 99.0}, Reason.OPERATOR, 1, 4.0),
    # accepted nothing for longer than its watchdog
    ({"accepted_at_s": 80.0, "measured_at_s": 99.0}, Reason.NONE, 1, 4.0),
    ({"accepted_at_s": 80.0, "measured_at_s": 99.0}, Reason.FALLBACK, 0, -3.0),
    ({"accepted_at_s": 80.0, "measured_at_s": 99.1}, Reason.NONE, 1, -3.0),
    ({"accepted_at_s": 80.0, "measured_at_s": 99.0, "write_result": R}, Reason.NONE, 1, -3.0),
    ({"p_meas_mw": NAN, "accepted_at_s": NAN}, Reason.NONE, 0, 1.5),
    ({"p_meas_mw": -30.0, "accepted_at_s": NAN}, Reason.NONE, 0, -10.0),
    ({"p_meas_mw": 30.0, "accepted_at_s": NAN}, Reason.NONE, 0, 10.0),
]


# The same, but 4 MW were counted, and what was sent last, some ticks ago, was 7 MW or nothing.
TOLD = [
    ({}, Reason.UNREACHABLE, 0, 7.0, 7.0),
    ({}, Reason.UNREACHABLE, 0, NAN, 4.0),
    ({}, Reason.UNREACHABLE, 1, 7.0, 4.0),
    ({}, Reason.LOCAL_CONTROL, 0, 7.0, 4.0),
    ({"p_meas_mw": NAN}, Reason.LOCAL_CONTROL, 0, 7.0, 7.0),  # it tripped, and is not read
    ({"quality": Quality.COMM_LOST}, Reason.LOCAL_CONTROL, 0, 7.0, 7.0),
    ({"quality": Quality.COMM_LOST}, Reason.LOCAL_CONTROL, 0, NAN, 4.0),
    ({"accepted_at_s": 99.1}, Reason.UNREACHABLE, 0, 7.0, 6.0),
    ({"write_result": R}, Reason.UNREACHABLE, 0, 7.0, 6.0),
    ({"accepted_at_s": 80.0}, Reason.UNREACHABLE, 0, 7.0, -3.0),
]


@pytest.mark.parametrize(("changes", "was", "sent", "told_mw", "starts_mw"), TOLD)
def test_the_ramp_of_a_unit_that_was_away_begins_where_it_was_told_last(
    changes, was, sent, told_mw, starts_mw
):
    before = dataclasses.replace(
        initial_state(P), now_s=99.0, p_setpoint_mw=np.array([4.0, 4.0, 4.0]),
        out_reason=np.array([was, 0, 0], np.uint8), sent=np.array([sent, 1, 1], np.uint8),
        told_mw=np.array([told_mw, 9.0, 9.0]),
    )  # fmt: skip
    seen = one(**({"accepted_mw": 6.0, "p_meas_mw": -3.0, "accepted_at_s": 98.0} | changes))
    last_mw = starts_mw_of(before, seen, P)
    assert last_mw.tolist() == [starts_mw, 4.0, 4.0]


@pytest.mark.parametrize(("changes", "was", "sent", "starts_mw"), STARTS)
def test_where_the_ramp_begins(changes, was, sent, starts_mw):
    p = params(fallback_mw=np.full(3, 1.5))
    before = dataclasses.replace(
        initial_state(p), now_s=99.0, p_setpoint_mw=np.array([4.0, 4.0, NAN]),
        out_reason=np.array([was, 0, 0], np.uint8), sent=np.array([sent, 1, 1], np.uint8),
    )  # fmt: skip
    seen = one(**({"accepted_mw": 6.0, "p_meas_mw": -3.0, "accepted_at_s": 98.0} | changes))
    p_meas_mw = seen.p_meas_mw.copy()
    p_meas_mw[2] = 2.25
    seen = dataclasses.replace(seen, p_meas_mw=p_meas_mw)
    last_mw = starts_mw_of(before, seen, p)
    assert last_mw.tolist() == [starts_mw, 4.0, 2.25]


def test_a_unit_never_told_that_has_since_accepted_is_ramped_from_there():
    """No setpoint is known of it, and none was sent: both are true at once."""
    before = dataclasses.replace(initial_state(P), now_s=99.0)
    seen = one(accepted_mw=6.0, accepted_at_s=99.5, p_meas_mw=-3.0)
    last_mw = starts_mw_of(before, seen, P)
    assert last_mw.tolist() == [6.0, 0.0, 0.0]
    seen = one(accepted_mw=NAN, accepted_at_s=NAN, p_meas_mw=-3.0, measured_at_s=98.0)
    last_mw = starts_mw_of(before, seen, P)
    assert last_mw.tolist() == [-3.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("code", "counted_mw"),
    [
        (Reason.NONE, 1.0),
        (Reason.RATING, 1.0),
        (Reason.TELEMETRY_AGE, 2.0),
        (Reason.UNREACHABLE, 2.0),
        (Reason.FALLBACK, -7.0),
        (Reason.OPERATOR, 1.0),
        (Reason.CROSSED, 1.0),
        (Reason.LOCAL_CONTROL, 3.0),
        (Reason.REFUSED, 2.0),
    ],
)
def test_what_a_unit_is_counted_with(code, counted_mw):
    p = params(fallback_mw=np.full(3, -7.0))
    seen = image(accepted_mw=np.array([2.0, NAN, 2.0]), p_meas_mw=np.array([3.0, NAN, 3.0]))
    out_mw = who.counted_mw(np.array([code, code, 0], np.uint8), np.full(3, 1.0), seen, p)
    assert out_mw.tolist() == [counted_mw, -7.0 if code is Reason.FALLBACK else 1.0, 1.0]


@pytest.mark.parametrize(
    ("wanted_mw", "dt_s", "reached_mw"),
    [(9.0, 0.5, 2.0), (-9.0, 0.5, -2.5), (9.0, 2.0, 5.0), (-9.0, 2.0, -7.0), (1.5, 1.0, 1.5)],
)
def test_on_the_way_within_the_ramp(wanted_mw, dt_s, reached_mw):
    p = params(ramp_up_mw_per_s=np.full(3, 2.0), ramp_down_mw_per_s=np.full(3, 4.0 - 0.0) - 1.0)
    came_mw = who.within_ramp_mw(np.full(3, wanted_mw), np.full(3, 1.0), image(), p, dt_s)
    assert came_mw == pytest.approx([max(reached_mw, 1.0 - 3.0 * dt_s)] * 3)


@pytest.mark.parametrize(
    ("available_mw", "reached_mw"),
    [((NAN, NAN), 3.0), ((NAN, 2.0), 2.0), ((4.0, NAN), 4.0), ((2.5, 2.5), 2.5), ((6.0, 5.0), 3.0)],
)
def test_on_the_way_physics_beats_the_ramp(available_mw, reached_mw):
    """From 0 MW to 3 MW; limits that contradict each other leave the rating."""
    seen = one(p_avail_min_mw=available_mw[0], p_avail_max_mw=available_mw[1])
    came_mw = who.within_ramp_mw(np.full(3, 3.0), np.zeros(3), seen, P, 1.0)
    assert came_mw.tolist() == [reached_mw, 3.0, 3.0]


@pytest.mark.parametrize(
    ("code", "changes", "pinned_mw"),
    [
        (Reason.FALLBACK, {"measured_at_s": 80.0}, -9.0),  # not read: where it is, nobody knows
        (Reason.FALLBACK, {"accepted_at_s": 80.0}, -5.0),  # read: on its way to -9 MW
        (
            Reason.FALLBACK,
            {"accepted_at_s": 80.0, "connected": 0},
            -9.0,
        ),  # nobody tells it anything: it is there
        (Reason.UNREACHABLE, {"connected": 0}, 8.0),
        # it may have taken what it was sent since without an answer: back from there by its ramp
        (Reason.UNREACHABLE, {"quality": Quality.COMM_LOST}, 5.0),
        (Reason.TELEMETRY_AGE, {}, 5.0),
        (Reason.TELEMETRY_AGE, {"accepted_mw": -3.0}, -3.0),
        (Reason.TELEMETRY_AGE, {"accepted_mw": -8.0}, -5.0),
        # its range is as old as its telemetry
        (Reason.TELEMETRY_AGE, {"p_avail_max_mw": 1.0}, 5.0),
        (Reason.REFUSED, {}, 5.0),  # it is told again
        (Reason.REFUSED, {"connected": 0}, 8.0),
        (Reason.LOCAL_CONTROL, {}, 0.5),
        (Reason.OPERATOR, {"operator_mw": 7.0}, 5.0),
        (Reason.OPERATOR, {"operator_mw": 7.0, "connected": 0}, 5.0),
        (Reason.OPERATOR, {"operator_mw": NAN}, 0.0),
        (Reason.NONE, {"operator_mw": 7.0}, 0.0),
    ],
)
def test_what_a_unit_outside_the_split_is_told(code, changes, pinned_mw):
    """It stands at 0 MW; ramp 5 MW/s, which binds what is told, and no mere prediction."""
    p = params(fallback_mw=np.full(3, -9.0))
    seen = one(**({"accepted_mw": 8.0, "p_meas_mw": 0.5} | changes))
    reasons = np.array([code, Reason.NONE, Reason.NONE], np.uint8)
    adrift = adrift_of(seen, p)
    told_mw, _ = who.pinned_mw(Mode.HOLD, reasons, adrift, np.zeros(3), seen, p, 1.0)
    assert told_mw.tolist() == [pinned_mw, 0.0, 0.0]


def test_at_a_stop_predictions_of_units_that_cannot_be_told_stay():
    p = params(safe_mw=np.full(3, 9.0))
    reasons = np.array([Reason.UNREACHABLE, Reason.LOCAL_CONTROL, Reason.TELEMETRY_AGE], np.uint8)
    seen = image(
        connected=np.array([0, 1, 1], np.uint8), accepted_mw=np.full(3, 8.0),
        p_meas_mw=np.full(3, 0.5),
    )  # fmt: skip
    adrift = adrift_of(seen, p)
    told_mw, _ = who.pinned_mw(Mode.SAFE, reasons, adrift, np.zeros(3), seen, p, 1.0)
    assert told_mw.tolist() == [8.0, 0.5, 5.0]


@pytest.mark.parametrize(
    ("code", "changes", "sent"),
    [
        (Reason.NONE, {}, 1),
        (Reason.LOCAL_CONTROL, {}, 0),
        (Reason.REFUSED, {}, 1),
        (Reason.UNREACHABLE, {"connected": 0}, 0),
        (Reason.LOCAL_CONTROL, {"connected": 0}, 0),
        (Reason.FALLBACK, {"accepted_at_s": 80.0}, 1),
        (Reason.FALLBACK, {"accepted_at_s": 80.0, "measured_at_s": 80.0}, 0),
        (Reason.FALLBACK, {"accepted_at_s": 80.0, "quality": Quality.COMM_LOST}, 0),
        (Reason.FALLBACK, {"p_meas_mw": NAN}, 0),
        (Reason.FALLBACK, {"accepted_at_s": NAN, "p_meas_mw": NAN}, 0),
        (Reason.FALLBACK, {"accepted_mw": NAN, "p_meas_mw": NAN}, 0),
        (Reason.LOCAL_CONTROL, {"accepted_mw": NAN, "p_meas_mw": NAN}, 0),
    ],
)
def test_who_is_told(code, changes, sent):
    reasons = np.array([code, Reason.NONE, Reason.NONE], np.uint8)
    seen = one(**changes)
    adrift = adrift_of(seen, P)
    _, takes = who.pinned_mw(Mode.HOLD, reasons, adrift, np.zeros(3), seen, P, 1.0)
    assert takes.tolist() == [sent, 1, 1]
