"""What a tick says in the log: changes, once; and one canonical line."""

import pytest
import structlog
from ops_builders import decision, image

from vppd.core.types import EventCode, Mode, Reason, Verdict
from vppd.ops.events import DecisionLog, JournalLog

IDS = ("bat-01", "ev-07", "pv-03")


class Ticks:
    """Publishes ticks one second apart and keeps what was logged."""

    def __init__(self, summary_every_s=60.0):
        self.now_s = 0.0
        with structlog.testing.capture_logs():
            self.log = DecisionLog(IDS, lambda: self.now_s, summary_every_s)

    def publish(self, *events, **changes):
        """Log one tick; gives the lines but the canonical one."""
        return [line for line in self.publish_all(*events, **changes) if line["event"] != "tick"]

    def publish_all(self, *events, agc_pu=0.25, **changes):
        self.now_s += 1.0
        with structlog.testing.capture_logs() as lines:
            self.log.publish(
                image(agc_pu=agc_pu), decision(*events, **changes), duration_s=2e-4, late_s=1e-4
            )
        return lines


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (
            (EventCode.MODE, -1, Mode.HOLD),
            {"event": "mode_changed", "log_level": "warning", "mode": "HOLD", "regulation_mw": 1.5},
        ),
        (
            (EventCode.MODE, -1, Mode.REGULATING),
            {"event": "mode_changed", "log_level": "info", "mode": "REGULATING"},
        ),
        (
            (EventCode.UNIT_LOST, 1, Reason.UNREACHABLE),
            {"event": "unit_lost", "log_level": "warning", "units": ["ev-07"], "count": 1}
            | {"reason": "UNREACHABLE"},
        ),
        (
            (EventCode.UNIT_BACK, 0, Reason.NONE),
            {"event": "unit_back", "log_level": "info", "units": ["bat-01"], "count": 1},
        ),
        (
            (EventCode.UNIT_FALLBACK, 2, Reason.FALLBACK),
            {"event": "unit_fallback", "log_level": "warning", "units": ["pv-03"]},
        ),
        (
            (EventCode.SIGNAL_VERDICT, -1, Verdict.OUT_OF_RANGE),
            {"event": "signal_bad", "log_level": "warning", "verdict": "OUT_OF_RANGE"},
        ),
        (
            (EventCode.UNSERVED, -1, 2.5),
            {"event": "unserved_began", "log_level": "warning", "unserved_mw": 2.5},
        ),
        (
            (EventCode.MODE, -1, Mode.SAFE),
            {"event": "mode_changed", "log_level": "warning", "mode": "SAFE"},
        ),
        (
            (EventCode.UNSERVED, -1, 0.0),
            {"event": "unserved_ended", "log_level": "info", "unserved_mw": 0.0},
        ),
        (
            (EventCode.AWARD_ABOVE_HEADROOM, -1, 2.5),
            {
                "event": "award_above_headroom",
                "log_level": "warning",
                "missing_mw": 2.5,
                "sold_up_mw": 0.0,
                "headroom_up_mw": 0.0,
            },
        ),
        (
            (EventCode.AWARD_ABOVE_HEADROOM, -1, 0.0),
            {"event": "award_within_headroom", "log_level": "info", "missing_mw": 0.0},
        ),
        (
            (EventCode.GUARD_DROPPED, 1, 99.0),
            {"event": "guard_dropped", "log_level": "error", "unit": "ev-07", "refused_mw": 99.0},
        ),
        (
            (EventCode.ALLOCATION_REFUSED, -1, -1.0),
            {"event": "allocation_refused", "log_level": "error", "status": -1},
        ),
    ],
)
def test_each_event_is_one_line(row, line):
    ticks = Ticks()
    (got,) = ticks.publish(row, tick=41, regulation_mw=1.5)
    assert got | line == got
    assert got["tick"] == 41
    assert ticks.log.counts[got["event"]] == 1


@pytest.mark.parametrize("code", EventCode)
def test_no_code_is_left_without_a_line(code):
    assert len(Ticks().publish((code, 0, 3.0))) == 1


def test_a_quiet_tick_says_nothing_else():
    assert Ticks().publish() == []


def test_units_lost_together_are_one_line_a_reason():
    lines = Ticks().publish(
        (EventCode.UNIT_LOST, 0, Reason.UNREACHABLE),
        (EventCode.UNIT_LOST, 1, Reason.TELEMETRY_AGE),
        (EventCode.UNIT_LOST, 2, Reason.UNREACHABLE),
    )
    said = [(line["reason"], line["units"], line["count"]) for line in lines]
    assert said == [("UNREACHABLE", ["bat-01", "pv-03"], 2), ("TELEMETRY_AGE", ["ev-07"], 1)]


def test_a_healthy_signal_is_not_an_event_each_second():
    ticks = Ticks()
    for i in range(20):
        verdict = Verdict.UNCHANGED if i % 2 else Verdict.FRESH
        assert ticks.publish((EventCode.SIGNAL_VERDICT, -1, verdict)) == []


def test_a_signal_that_is_lost_and_back_is_two_lines():
    ticks = Ticks()
    course = [Verdict.FRESH, Verdict.STALE, Verdict.FRESH, Verdict.UNCHANGED]
    lines = [ticks.publish((EventCode.SIGNAL_VERDICT, -1, verdict)) for verdict in course]
    assert [line["event"] for tick in lines for line in tick] == ["signal_bad", "signal_good"]


def test_the_canonical_line_is_at_info_once_a_minute():
    ticks = Ticks(summary_every_s=60.0)
    levels = [ticks.publish_all()[-1]["log_level"] for _ in range(180)]
    assert [i for i, level in enumerate(levels) if level == "info"] == [59, 119, 179]
    assert set(levels) == {"info", "debug"}
    assert ticks.log.counts["tick"] == 180


def test_the_canonical_line_tells_the_tick():
    (line,) = Ticks().publish_all(
        tick=7, mode=Mode.HOLD, request_mw=10.12345678, served_mw=10.0, unserved_mw=0.12345678
    )
    assert line["tick"] == 7
    assert (line["mode"], line["trigger"]) == ("HOLD", "GRID")
    assert (line["agc_pu"], line["request_mw"], line["unserved_mw"]) == (0.25, 10.123457, 0.123457)
    assert (line["duration_s"], line["late_s"]) == (2e-4, 1e-4)


def test_a_journal_that_fails_is_one_line_and_one_when_it_goes_on():
    with structlog.testing.capture_logs() as lines:
        journal = JournalLog()
        for failed, reason in [
            (False, ""), (True, "No space left on device"), (True, "No space left on device"),
            (False, ""), (False, ""),
        ]:  # fmt: skip
            journal.publish(failed=failed, reason=reason, records_lost=7)
    assert lines == [
        {"event": "journal_failed", "log_level": "error", "reason": "No space left on device"},
        {"event": "journal_back", "log_level": "warning", "records_lost": 7},
    ]


def test_what_rounds_to_nothing_has_no_minus():
    (line,) = Ticks().publish_all(unserved_mw=-1e-9, served_mw=-0.0)
    assert (str(line["unserved_mw"]), str(line["served_mw"])) == ("0.0", "0.0")
