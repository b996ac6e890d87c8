"""Events: one row for each change, with its unit and its value."""

import dataclasses

import numpy as np
import pytest
from builders import params

from vppd.core.events import changes, unserved_sign, unserved_told
from vppd.core.state import initial_state
from vppd.core.types import EventCode, Mode, Reason, Verdict
from vppd.kernels import status

QUIET = dataclasses.replace(
    initial_state(params()), mode=Mode.HOLD, verdict=Verdict.STALE,
    out_reason=np.zeros(3, np.uint8),
)  # fmt: skip


def rows(before, after, unserved_mw=0.0, kernel_status=status.OK, dropped_mw=None):
    events = changes(
        before, after, unserved_mw=unserved_mw, kernel_status=kernel_status,
        dropped_mw=dropped_mw or {},
    )  # fmt: skip
    columns = events.code.tolist(), events.unit.tolist(), events.value.tolist()
    return [(EventCode(code), i, value) for code, i, value in zip(*columns, strict=True)]


@pytest.mark.parametrize(
    ("unserved_mw", "sign"),
    [(0.0, 0), (1e-3, 0), (-1e-3, 0), (1.1e-3, 1), (-1.1e-3, -1), (0.5, 1), (-0.5, -1), (9.0, 1)],
)
def test_less_than_a_kilowatt_is_served(unserved_mw, sign):
    assert unserved_sign(unserved_mw) == sign
    assert unserved_told(0, unserved_mw, Mode.REGULATING) == sign
    assert unserved_told(-1, unserved_mw, Mode.SAFE) == -1


def test_what_stays_is_no_event():
    assert rows(QUIET, QUIET) == []
    assert rows(QUIET, dataclasses.replace(QUIET, now_s=7.0, lam=3.0)) == []


@pytest.mark.parametrize("mode", [Mode.REGULATING, Mode.SAFE])
def test_a_new_mode(mode):
    after = dataclasses.replace(QUIET, mode=mode)
    assert rows(QUIET, after) == [(EventCode.MODE, -1, float(mode))]


@pytest.mark.parametrize("verdict", [Verdict.FRESH, Verdict.OLD])
def test_a_new_verdict(verdict):
    after = dataclasses.replace(QUIET, verdict=verdict)
    assert rows(QUIET, after) == [(EventCode.SIGNAL_VERDICT, -1, float(verdict))]


def test_unserved_begins_turns_and_ends():
    above, below = (dataclasses.replace(QUIET, unserved=sign) for sign in (1, -1))
    assert rows(QUIET, above, 2.5) == [(EventCode.UNSERVED, -1, 2.5)]
    assert rows(above, below, -0.5) == [(EventCode.UNSERVED, -1, -0.5)]
    assert rows(below, QUIET, 1e-9) == [(EventCode.UNSERVED, -1, 0.0)]
    assert rows(above, above, 2.0) == []


@pytest.mark.parametrize("code", [status.BAD_INPUT, status.MISMATCH])
def test_a_split_that_was_refused(code):
    assert rows(QUIET, QUIET, kernel_status=code) == [
        (EventCode.ALLOCATION_REFUSED, -1, float(code))
    ]


@pytest.mark.parametrize("code", [status.UNSERVED_UP, status.UNSERVED_DOWN])
def test_a_split_that_is_not_served_is_not_refused(code):
    assert rows(QUIET, QUIET, kernel_status=code) == []


def test_what_the_guard_dropped():
    assert rows(QUIET, QUIET, dropped_mw={0: 11.0, 2: -12.5}) == [
        (EventCode.GUARD_DROPPED, 0, 11.0),
        (EventCode.GUARD_DROPPED, 2, -12.5),
    ]


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        (Reason.NONE, Reason.UNREACHABLE, EventCode.UNIT_LOST),
        (Reason.UNREACHABLE, Reason.TELEMETRY_AGE, EventCode.UNIT_LOST),
        (Reason.UNREACHABLE, Reason.FALLBACK, EventCode.UNIT_FALLBACK),
        (Reason.TELEMETRY_AGE, Reason.FALLBACK, EventCode.UNIT_FALLBACK),
        (Reason.UNREACHABLE, Reason.LOCAL_CONTROL, EventCode.UNIT_LOST),
        (Reason.NONE, Reason.FALLBACK, EventCode.UNIT_LOST),
        (Reason.REFUSED, Reason.FALLBACK, EventCode.UNIT_LOST),
        (Reason.FALLBACK, Reason.OPERATOR, EventCode.UNIT_LOST),
        (Reason.FALLBACK, Reason.NONE, EventCode.UNIT_BACK),
    ],
)
def test_a_unit_goes_and_comes(before, after, code):
    states = (
        dataclasses.replace(QUIET, out_reason=np.array([0, reason, 0], np.uint8))
        for reason in (before, after)
    )
    assert rows(*states) == [(code, 1, float(after))]


def test_the_columns_are_read_only():
    events = changes(
        QUIET, dataclasses.replace(QUIET, mode=Mode.SAFE), unserved_mw=0.0, kernel_status=0,
        dropped_mw={},
    )  # fmt: skip
    assert [column.flags.writeable for column in (events.code, events.unit, events.value)] == [
        False, False, False,
    ]  # fmt: skip


def test_events_are_for_reading_whether_there_are_any_or_none():
    for after in (QUIET, dataclasses.replace(QUIET, mode=Mode.REGULATING)):
        events = changes(QUIET, after, unserved_mw=0.0, kernel_status=status.OK, dropped_mw={})
        assert not any(c.flags.writeable for c in (events.code, events.unit, events.value))


def test_an_award_beyond_headroom_is_told_with_nothing_if_nobody_says_by_how_much():
    after = dataclasses.replace(QUIET, award_short=1)
    assert rows(QUIET, after) == [(EventCode.AWARD_ABOVE_HEADROOM, -1, 0.0)]
