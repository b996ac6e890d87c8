"""Nothing at level error in the daemon's log that no injected fault explains.

`OUT/daemon.log`, a line of JSON each. A line at level error or critical is a violation unless a
fault that may cause it, by the table below, was there at that time, for the unit that it names. So
is a line that is no JSON: a traceback, or what a library prints.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from hil.checkers.evidence import Evidence
from hil.checkers.violation import Found, Violation
from hil.faults.fault import NOBODY

NAME = "log"
WRONG = ("error", "critical")
UNIT_KEYS = ("device", "unit", "task")  # "task": "device ev003"
NO_JSON = "no line of JSON: "
BEFORE_S = 1.0  # clocks of log and record on sockets


class Cause(NamedTuple):
    """An event of the daemon that a fault explains."""

    kind: str  # of the fault
    event: str
    after_s: float  # so long after the end of the fault it may still come


CAUSES = (
    # the journal says so when its disk takes nothing, or too slowly for its queue
    Cause("host_disk_full", "journal_failed", 2.0),
    Cause("host_slow_disk", "journal_failed", 10.0),
)


def check(evidence: Evidence) -> Found:
    """Check the log from its first line to its last."""
    path = evidence.out_dir / "daemon.log"
    if not path.exists():
        return Found(done=False, lost=True, note="there is no daemon.log")
    found = Found()
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found.checked = len(lines)
    for at_s, line, event in _wrong(evidence, lines):
        if event is None:
            found.violations.append(Violation(at_s, NOBODY, NAME, NO_JSON + line[:120]))
            continue
        unit = _unit(evidence, event)
        if not _explained(evidence, at_s, unit, str(event.get("event"))):
            what = f"{event.get('level')} {event.get('event')}: {_told(event)}"
            found.violations.append(Violation(at_s, unit, NAME, what[:200]))
    return found


def _wrong(
    evidence: Evidence, lines: list[str]
) -> Iterator[tuple[float, str, dict[str, Any] | None]]:
    """Yield what is wrong in a log: instant, line, event. Of lines without JSON only the first."""
    at_s, prose = evidence.run.t0_s, False
    for line in lines:
        if line.startswith("{") and not any(f'"{level}"' in line for level in WRONG):
            prose = False
            continue
        event = _parsed(line)
        if event is None:
            if not prose and line.strip():
                yield at_s, line, None
            prose = True
            continue
        prose = False
        at_s = _instant_s(evidence, event)
        if event.get("level") in WRONG:
            yield at_s, line, event


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _instant_s(evidence: Evidence, event: dict[str, Any]) -> float:
    """Instant of a line on the run's clock; NaN where that cannot be told."""
    if "t_s" in event:
        return float(event["t_s"])
    offset_s = evidence.run.run.get("utc_offset_s")
    try:
        utc_s = datetime.fromisoformat(str(event["timestamp"])).timestamp()
    except (KeyError, ValueError):
        return float("nan")
    return utc_s - float(offset_s) if offset_s is not None else float("nan")


def _unit(evidence: Evidence, event: dict[str, Any]) -> int:
    """Unit that a line is about."""
    ids = evidence.run.units.ids
    for key in UNIT_KEYS:
        name = str(event.get(key, "")).rpartition(" ")[2]
        if name in ids:
            return ids.index(name)
    return NOBODY


def _explained(evidence: Evidence, at_s: float, unit: int, event: str) -> bool:
    """Say whether a fault explains an event; one without an instant, any such fault of the run."""
    for cause in CAUSES:
        if cause.event != event:
            continue
        for span in evidence.spans:
            if span.kind != cause.kind or (span.units and unit not in span.units):
                continue
            if not (at_s < span.since_s - BEFORE_S or at_s > span.until_s + cause.after_s):
                return True
    return False


def _told(event: dict[str, Any]) -> str:
    """Rest of a line, short."""
    skipped = ("level", "event", "t_s", "timestamp", "exception")
    parts = [f"{key}={value}" for key, value in event.items() if key not in skipped]
    last = str(event.get("exception", "")).strip().splitlines()[-1:]
    return ", ".join([*parts, *last])
