"""Many alarms: causes, first-out, flood control, orders; and laws that hold for any history."""

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from vppd.config.sections import AlarmConfig, AlarmsConfig
from vppd.ops.alarms.board import AlarmError, Board
from vppd.ops.alarms.catalogue import CATALOGUE, KINDS, Priority, Scope
from vppd.ops.alarms.settings import BY_CATALOGUE, settings_of
from vppd.ops.alarms.state import HIDDEN, State

UNITS = tuple(f"u{i:02}" for i in range(40))
SHOWN_MAX, SHOWN_AGAIN_BELOW = BY_CATALOGUE.shown_max, BY_CATALOGUE.shown_again
WINDOW_S = BY_CATALOGUE.window_s


def board():
    return Board({Scope.UNIT: frozenset(UNITS), Scope.LINK: frozenset({"gw"})})


def states(seen):
    return {shown.id: shown.state for shown in seen.snapshot()}


def bench(seen, now_s, *units, present=True):
    """`unit_benched` has no delay, and is LOW."""
    for unit in units:
        seen.sense("unit_benched", now_s, present=present, subject=unit)
    seen.elapse(now_s)


def test_an_alarm_is_told_once_for_each_change_with_who_and_why():
    seen = board()
    seen.sense("agc_lost", 1.0, present=True, detail="HOLD")
    seen.sense("agc_lost", 2.0, present=True, detail="RETURN")
    seen.acknowledge("agc_lost", "ann", "called the TSO", 3.0)
    seen.sense("agc_lost", 4.0, present=False)
    seen.elapse(9.0)
    told = [(c.at_s, c.was, c.state, c.detail, c.who, c.why) for c in seen.take_changes()]
    assert told == [
        (1.0, State.NORMAL, State.UNACKNOWLEDGED, "HOLD", "", ""),
        (3.0, State.UNACKNOWLEDGED, State.ACKNOWLEDGED, "RETURN", "ann", "called the TSO"),
        (9.0, State.ACKNOWLEDGED, State.NORMAL, "RETURN", "", ""),
    ]
    assert seen.take_changes() == ()
    assert seen.snapshot() == ()


def test_what_happened_and_is_over_stays_for_its_off_delay_after_the_last_time():
    seen = board()
    seen.pulse("ticks_missed", 0.0)
    seen.pulse("ticks_missed", 50.0)
    seen.elapse(109.9)
    assert states(seen) == {"ticks_missed": State.UNACKNOWLEDGED}
    seen.elapse(110.0)
    assert states(seen) == {"ticks_missed": State.RETURNED}


def test_a_value_has_its_dead_band_and_its_delays():
    seen = board()
    history = ((0.0, 0.05), (5.0, 0.015), (10.0, 0.05), (20.0, 0.009), (29.0, 0.015), (30.0, 0.0))
    found = []
    for now_s, value in history:
        seen.measure("request_unserved", now_s, value)
        seen.elapse(now_s)
        found.append(states(seen).get("request_unserved", State.NORMAL))
    # 0.015 is within the dead band: still there at 5 s; not there anew at 29 s
    assert found == [State.NORMAL, State.NORMAL] + [State.UNACKNOWLEDGED] * 3 + [State.RETURNED]


def test_the_cause_hides_what_follows_from_it_until_it_is_over():
    seen = board()
    seen.sense("link_lost", 0.0, present=True, subject="gw")
    for unit in UNITS[:3]:
        seen.sense("unit_lost", 0.0, present=True, subject=unit, cause="link_lost:gw")
    seen.elapse(10.0)
    seen.elapse(60.0)
    assert states(seen) == {"link_lost:gw": State.UNACKNOWLEDGED} | {
        f"unit_lost:{unit}": State.SUPPRESSED for unit in UNITS[:3]
    }
    seen.sense("unit_lost", 61.0, present=False, subject=UNITS[0])
    seen.sense("link_lost", 61.0, present=False, subject="gw")
    seen.elapse(71.0)
    assert states(seen) == {
        "link_lost:gw": State.RETURNED,
        "unit_lost:u01": State.UNACKNOWLEDGED,
        "unit_lost:u02": State.UNACKNOWLEDGED,
    }


def test_the_first_of_a_group_is_marked():
    seen = board()
    seen.sense("journal_failed", 0.0, present=True)
    seen.pulse("log_dropped", 1.0)  # the same group, later
    seen.pulse("ticks_missed", 1.0)  # a group of its own
    seen.elapse(1.0)
    first = {shown.id: shown.alarm.first_out for shown in seen.snapshot()}
    assert first == {"journal_failed": True, "log_dropped": False, "ticks_missed": True}


def test_a_flood_is_held_back_and_counted_and_shown_when_it_is_quieter():
    seen = board()
    bench(seen, 0.0, *UNITS[:15])
    found = states(seen)
    assert sum(state is State.UNACKNOWLEDGED for state in found.values()) == SHOWN_MAX + 1
    assert found["alarm_flood"] is State.UNACKNOWLEDGED
    assert {shown.id: shown.value for shown in seen.snapshot()}["alarm_flood"] == 5.0
    seen.elapse(WINDOW_S - 1.0)
    assert states(seen) == found
    seen.elapse(seen.due_s)
    assert set(states(seen).values()) == {State.UNACKNOWLEDGED, State.RETURNED}
    assert states(seen)["alarm_flood"] is State.RETURNED


def test_no_more_are_shown_again_than_a_person_can_take_in():
    seen = board()
    bench(seen, 0.0, *UNITS[:7])
    bench(seen, 100.0, *UNITS[7:])
    seen.elapse(WINDOW_S)
    shown = [each for each, state in states(seen).items() if state is State.UNACKNOWLEDGED]
    assert len(set(shown) - {"alarm_flood"}) == SHOWN_MAX + 7
    assert f"unit_benched:{UNITS[10]}" in shown  # the one that was held back first


def test_a_new_one_does_not_jump_the_queue_of_those_held_back():
    seen = board()
    bench(seen, 0.0, *UNITS[:4])
    bench(seen, 100.0, *UNITS[4:12])
    bench(seen, WINDOW_S + 1.0, UNITS[20])  # room for it, but not enough for those that wait
    assert states(seen)[f"unit_benched:{UNITS[20]}"] is State.SUPPRESSED


def test_one_that_is_raised_while_it_is_hidden_asks_nobody():
    seen = board()
    seen.shelve("agc_lost", "ann", "works", 0.0, 60.0)
    seen.sense("agc_lost", 1.0, present=True)
    with pytest.raises(AlarmError, match="agc_lost is shelved: there is nothing to acknowledge"):
        seen.acknowledge("agc_lost", "ann", "", 2.0)


def test_the_urgent_are_never_held_back():
    seen = board()
    bench(seen, 0.0, *UNITS)
    seen.sense("agc_lost", 1.0, present=True)
    seen.sense("plant_safe", 1.0, present=True)
    assert states(seen)["agc_lost"] is State.UNACKNOWLEDGED
    assert [shown.id for shown in seen.snapshot()][:3] == ["plant_safe", "agc_lost", "alarm_flood"]


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (lambda b: b.acknowledge("agc_lost", "", "", 0.0), "must be named"),
        (lambda b: b.acknowledge("agc_lost", "ann", "", 0.0), "agc_lost is normal"),
        (lambda b: b.acknowledge("nonsense", "ann", "", 0.0), "no such alarm"),
        (lambda b: b.acknowledge("unit_lost:u99", "ann", "", 0.0), "no such alarm"),
        (lambda b: b.acknowledge("unit_lost", "ann", "", 0.0), "no such alarm"),
        (lambda b: b.acknowledge("agc_lost:u01", "ann", "", 0.0), "no such alarm"),
        (lambda b: b.acknowledge("agc_lost", "a" * 201, "", 0.0), "200 characters"),
        (lambda b: b.shelve("agc_lost", "ann", " ", 0.0, 60.0), "a reason must be given"),
        (lambda b: b.shelve("agc_lost", "ann", "x", 0.0, 0.0), "at most 28800 s, not 0"),
        (lambda b: b.shelve("agc_lost", "ann", "x", 0.0, 28801.0), "at most 28800 s, not 28801"),
        (lambda b: b.shelve("agc_lost", "ann", "x", 0.0, math.nan), "not nan"),
        (lambda b: b.shelve("plant_safe", "ann", "x", 0.0, 60.0), "may not be shelved"),
        (lambda b: b.unshelve("agc_lost", "ann", "", 0.0), "is not shelved"),
        (lambda b: b.remove_from_service("plant_safe", "ann", "x", 0.0), "may not be taken out"),
        (lambda b: b.remove_from_service("agc_lost", "ann", "", 0.0), "a reason must be given"),
        (lambda b: b.return_to_service("agc_lost", "ann", "", 0.0), "is in service"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_and_changes_nothing(order, message):
    seen = board()
    with pytest.raises(AlarmError, match=message):
        order(seen)
    assert seen.take_changes() == ()
    assert seen.snapshot() == ()


def test_a_name_that_is_not_in_the_catalogue_is_a_bug():
    with pytest.raises(KeyError):
        board().sense("nonsense", 0.0, present=True)


NAMES = ("agc_lost", "disk_low", "plant_safe")
IDS = (*NAMES, "link_lost:gw", *(f"unit_benched:{unit}" for unit in UNITS[:20]))
ids = st.sampled_from(IDS)


class History(RuleBasedStateMachine):
    """Any course of conditions, orders and time."""

    def __init__(self):
        super().__init__()
        self.board = board()
        self.now_s = 0.0
        self.last = {}  # state of each alarm, as told by the changes
        self.raised = []  # (instant, priority) of what asked for attention
        self.present_since = {}  # condition of each alarm, and since when it is so

    @rule(
        which=ids, more=st.integers(0, 15), present=st.booleans(), wait_s=st.sampled_from([0.0, 3])
    )
    def conditions(self, which, more, present, wait_s):
        self.now_s += wait_s
        start = IDS.index(which)
        for each in IDS[start : start + 1 + more]:
            name, _, subject = each.partition(":")
            cause = "link_lost:gw" if subject in UNITS[:5] else ""
            self.board.sense(name, self.now_s, present=present, subject=subject, cause=cause)
            if self.present_since.get(each, (False, 0.0))[0] != present:
                self.present_since[each] = (present, self.now_s)
        self.board.elapse(self.now_s)

    @rule(wait_s=st.sampled_from([0.1, 5.0, 10.0, 300.0, 600.0, 7200.0]))
    def time(self, wait_s):
        self.now_s += wait_s
        self.board.elapse(self.now_s)

    @precondition(lambda self: self.board.snapshot())
    @rule(data=st.data())
    def acknowledge(self, data):
        shown = data.draw(st.sampled_from(self.board.snapshot()))
        asks = shown.state in (State.UNACKNOWLEDGED, State.RETURNED)
        try:
            self.board.acknowledge(shown.id, "ann", "", self.now_s)
        except AlarmError:
            assert not asks
        else:
            assert asks

    @rule(which=ids, for_s=st.sampled_from([60.0, 7200.0]))
    def shelve(self, which, for_s):
        try:
            self.board.shelve(which, "ann", "noise", self.now_s, for_s)
        except AlarmError:
            assert which == "plant_safe"

    @rule(which=ids, order=st.sampled_from(["unshelve", "remove_from_service"]))
    def hide_or_show(self, which, order):
        try:
            getattr(self.board, order)(which, "ann", "works", self.now_s)
        except AlarmError:
            shelved = {s.id for s in self.board.snapshot() if s.alarm.shelved_until_s > self.now_s}
            assert which == "plant_safe" or (order == "unshelve" and which not in shelved)

    @rule(which=ids)
    def return_to_service(self, which):
        out = {shown.id for shown in self.board.snapshot() if shown.alarm.out_of_service}
        try:
            self.board.return_to_service(which, "ann", "", self.now_s)
        except AlarmError:
            assert which not in out

    @invariant()
    def changes_tell_the_whole_story(self):
        for change in self.board.take_changes():
            assert change.was is self.last.get(change.id, State.NORMAL)
            assert change.at_s == self.now_s
            self.last[change.id] = change.state
            by_people = (State.ACKNOWLEDGED, State.SHELVED, State.OUT_OF_SERVICE)
            if change.state in by_people and change.was not in HIDDEN:
                assert change.who == "ann"
            if change.state is State.UNACKNOWLEDGED:
                self.raised.append((change.at_s, change.id, change.kind.priority))
        told = {each: state for each, state in self.last.items() if state is not State.NORMAL}
        assert told == states(self.board)

    @invariant()
    def nobody_is_flooded(self):
        lesser = [
            at_s for at_s, each, priority in self.raised
            if priority > Priority.HIGH and each != "alarm_flood"
        ]  # fmt: skip
        for first, beyond in zip(lesser, lesser[SHOWN_MAX:], strict=False):
            assert beyond - first >= WINDOW_S

    @invariant()
    def what_is_there_is_shown_or_hidden_with_a_reason(self):
        found = {shown.id: shown for shown in self.board.snapshot()}
        flood = [s.id for s in found.values() if s.alarm.suppressed_by == "alarm_flood"]
        assert all(KINDS[each.partition(":")[0]].priority > Priority.HIGH for each in flood)
        if flood:
            assert found["alarm_flood"].value == len(flood)
        for each, (present, since_s) in self.present_since.items():
            delays = KINDS[each.partition(":")[0]].delays
            if present and self.now_s - since_s >= delays.on_s:
                assert found[each].alarm.active
            if not present and self.now_s - since_s >= delays.off_s and each in found:
                assert not found[each].alarm.active

    @invariant()
    def nothing_due_is_left(self):
        assert self.board.due_s >= self.now_s or self.board.due_s == -math.inf

    def teardown(self):
        """When all is well, everybody has taken note and nothing is hidden, nothing is left."""
        for each in IDS:
            name, _, subject = each.partition(":")
            self.board.sense(name, self.now_s, present=False, subject=subject)
        for shown in self.board.snapshot():
            if shown.alarm.out_of_service:
                self.board.return_to_service(shown.id, "ann", "", self.now_s)
        self.changes_tell_the_whole_story()
        self.now_s += 30_000.0
        self.board.elapse(self.now_s)
        for shown in self.board.snapshot():
            self.board.acknowledge(shown.id, "ann", "", self.now_s)
        self.board.elapse(self.now_s)
        assert self.board.snapshot() == ()
        self.changes_tell_the_whole_story()


History.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestHistory = History.TestCase


def test_the_flood_control_can_hold_back_and_show_again():
    assert SHOWN_AGAIN_BELOW < SHOWN_MAX
    assert len({kind.name for kind in CATALOGUE}) == len(CATALOGUE) == len(KINDS)


# -- settings of a plant -------------------------------------------------------------------------


def going_by(*kinds, **flood):
    return settings_of(AlarmsConfig(kinds=tuple(AlarmConfig(**kind) for kind in kinds), **flood))


def test_what_is_not_set_stays_as_the_catalogue_has_it():
    made = going_by({"alarm": "unit_lost", "priority": "high"}).kinds
    assert made["unit_lost"].priority is Priority.HIGH
    assert made["unit_lost"].delays == KINDS["unit_lost"].delays
    assert made["unit_lost"].shelve_max_s == KINDS["unit_lost"].shelve_max_s
    assert {**made, "unit_lost": None} == {**KINDS, "unit_lost": None}


def test_delays_and_shelving_are_those_of_the_plant():
    kind = {"alarm": "agc_lost", "on_delay_s": 3.0, "off_delay_s": 0.0, "shelve_max_s": 60.0}
    seen = Board(settings=going_by(kind))
    seen.sense("agc_lost", 0.0, present=True)
    seen.elapse(2.9)
    assert states(seen) == {}
    seen.elapse(3.0)
    assert states(seen) == {"agc_lost": State.UNACKNOWLEDGED}
    with pytest.raises(AlarmError, match="at most 60 s"):
        seen.shelve("agc_lost", "ann", "known", 3.0, 61.0)
    seen.sense("agc_lost", 4.0, present=False)
    seen.elapse(4.0)
    assert states(seen) == {"agc_lost": State.RETURNED}


def test_how_many_are_shown_is_set_by_the_plant():
    few = going_by(flood_shown_max=3, flood_shown_again=1, flood_window_s=60.0)
    seen = Board({Scope.UNIT: frozenset(UNITS)}, few)
    bench(seen, 0.0, *UNITS[:8])
    assert sum(each is State.SUPPRESSED for each in states(seen).values()) == 5
    seen.elapse(60.0)
    assert sum(each is State.SUPPRESSED for each in states(seen).values()) == 2


def test_other_settings_hold_for_alarms_that_are_there():
    seen = board()
    bench(seen, 0.0, UNITS[0])
    seen.sense("unit_lost", 0.0, present=True, subject=UNITS[1])  # on its way: 60 s
    seen.elapse(1.0)
    new = ({"alarm": "unit_benched", "priority": "critical"},
           {"alarm": "unit_lost", "on_delay_s": 5.0})  # fmt: skip
    seen.go_by(going_by(*new), 2.0)
    (shown,) = seen.snapshot()
    assert shown.kind.priority is Priority.CRITICAL
    assert seen.due_s == 5.0
    seen.elapse(5.0)
    assert states(seen)[f"unit_lost:{UNITS[1]}"] is State.UNACKNOWLEDGED


def test_what_has_become_urgent_is_held_back_no_more():
    seen = board()
    bench(seen, 0.0, *UNITS[:15])
    seen.go_by(going_by({"alarm": "unit_benched", "priority": "high"}), 1.0)
    found = states(seen)
    assert {found[f"unit_benched:{unit}"] for unit in UNITS[:15]} == {State.UNACKNOWLEDGED}
    assert found["alarm_flood"] is State.RETURNED


def test_more_room_shows_more_of_what_is_held_back():
    seen = board()
    bench(seen, 0.0, *UNITS[:15])
    seen.go_by(going_by(flood_shown_max=40, flood_shown_again=30), 1.0)
    assert State.SUPPRESSED not in states(seen).values()
