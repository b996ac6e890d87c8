"""The life of one alarm, as a table: what happens, when, and the state after it."""

import math

import pytest

from vppd.ops.alarms import state as life
from vppd.ops.alarms.state import NAN, Alarm, Delays, State, exceeds

AT_ONCE = Delays()
SLOW = Delays(on_s=10.0, off_s=5.0)
NORMAL, UNACKED, ACKED = State.NORMAL, State.UNACKNOWLEDGED, State.ACKNOWLEDGED
RETURNED, SHELVED, OUT = State.RETURNED, State.SHELVED, State.OUT_OF_SERVICE
SUPPRESSED = State.SUPPRESSED


def lived(delays, *steps):
    """States after each of (instant, what)."""
    alarm, states = Alarm(), []
    for now_s, what, *arguments in steps:
        if what in ("on", "off"):
            alarm = life.sense(alarm, delays, now_s, present=what == "on")
        elif what == "elapse":
            alarm = life.elapse(alarm, delays, now_s)
        else:
            alarm = getattr(life, what)(alarm, *arguments)
        states.append(alarm.state)
    return states


@pytest.mark.parametrize(
    ("steps", "states"),
    [
        ([(0, "on"), (1, "acknowledge"), (2, "off")], [UNACKED, ACKED, NORMAL]),
        ([(0, "on"), (1, "off"), (2, "acknowledge")], [UNACKED, RETURNED, NORMAL]),
        ([(0, "on"), (1, "off"), (2, "on")], [UNACKED, RETURNED, UNACKED]),
        ([(0, "on"), (1, "acknowledge"), (2, "off"), (3, "on")], [UNACKED, ACKED, NORMAL, UNACKED]),
        ([(0, "on"), (1, "shelve", 5), (4, "elapse"), (5, "elapse")],
         [UNACKED, SHELVED, SHELVED, UNACKED]),
        ([(0, "on"), (1, "shelve", 5), (2, "off"), (5, "elapse")],
         [UNACKED, SHELVED, SHELVED, NORMAL]),
        ([(0, "shelve", 9), (1, "on"), (2, "unshelve")], [SHELVED, SHELVED, UNACKED]),
        ([(0, "on"), (1, "acknowledge"), (2, "shelve", 9), (3, "unshelve")],
         [UNACKED, ACKED, SHELVED, UNACKED]),
        ([(0, "on"), (1, "suppress", "flood"), (2, "suppress", "")],
         [UNACKED, SUPPRESSED, UNACKED]),
        ([(0, "on"), (1, "suppress", "flood"), (2, "off"), (3, "suppress", "")],
         [UNACKED, SUPPRESSED, SUPPRESSED, NORMAL]),
        ([(0, "on"), (1, "remove_from_service"), (2, "off"), (3, "on"), (4, "return_to_service")],
         [UNACKED, OUT, OUT, OUT, UNACKED]),
        ([(0, "remove_from_service"), (1, "shelve", 5), (5, "elapse"), (6, "return_to_service")],
         [OUT, OUT, OUT, NORMAL]),
        ([(0, "on"), (1, "shelve", 9), (2, "suppress", "x"), (3, "unshelve"), (4, "suppress", "")],
         [UNACKED, SHELVED, SHELVED, SUPPRESSED, UNACKED]),
        ([(0, "shelve", 9), (0, "on"), (0, "remove_from_service"), (9, "elapse"),
          (10, "return_to_service")], [SHELVED, SHELVED, OUT, OUT, UNACKED]),
    ],
)  # fmt: skip
def test_states_without_delays(steps, states):
    assert lived(AT_ONCE, *steps) == states


@pytest.mark.parametrize(
    ("steps", "states"),
    [
        ([(0, "on"), (9.9, "elapse"), (10, "elapse")], [NORMAL, NORMAL, UNACKED]),
        ([(0, "on"), (9, "off"), (10, "elapse"), (12, "on"), (21, "on"), (22, "on")],
         [NORMAL, NORMAL, NORMAL, NORMAL, NORMAL, UNACKED]),
        ([(0, "on"), (10, "on"), (20, "off"), (24, "elapse"), (25, "elapse")],
         [NORMAL, UNACKED, UNACKED, UNACKED, RETURNED]),
        ([(0, "on"), (10, "on"), (20, "off"), (24, "on"), (30, "on")],
         [NORMAL, UNACKED, UNACKED, UNACKED, UNACKED]),
        ([(0, "on"), (10, "on"), (11, "off"), (12, "acknowledge"), (16, "elapse")],
         [NORMAL, UNACKED, UNACKED, ACKED, NORMAL]),
        ([(0, "on"), (1, "shelve", 5), (10, "elapse")], [NORMAL, SHELVED, UNACKED]),
    ],
)  # fmt: skip
def test_states_with_delays(steps, states):
    assert lived(SLOW, *steps) == states


def test_it_counts_and_dates_how_often_it_was_raised():
    alarm = Alarm()
    for now_s, present in ((1.0, True), (2.0, False), (3.0, True)):
        alarm = life.sense(alarm, AT_ONCE, now_s, present=present)
    assert (alarm.count, alarm.raised_s) == (2, 3.0)


def test_what_is_due_is_the_next_instant_that_changes_something():
    assert life.due_s(Alarm(), SLOW) == math.inf
    pending = life.sense(Alarm(), SLOW, 3.0, present=True)
    assert life.due_s(pending, SLOW) == 13.0
    assert life.due_s(life.shelve(pending, 7.0), SLOW) == 7.0
    assert life.elapse(pending, SLOW, 12.999) is pending


@pytest.mark.parametrize(
    ("value", "was", "now"),
    [
        (0.9, False, False), (0.91, False, True), (0.89, True, True), (0.88, True, False),
        (NAN, True, True), (NAN, False, False),
    ],
)  # fmt: skip
def test_a_value_is_back_only_beyond_the_dead_band(value, was, now):
    assert exceeds(value, 0.9, 0.02, was=was) is now
