"""What a fault excuses: the daemon was made to believe something wrong, and could not know.

Each line names a check, the words of its violation, the faults, and why. A fault counts until no
reading is left that was taken while it lasted. A fault of a unit excuses that unit alone; one of
the plant, all. What stands here is a hole in a check: there should be few. Narrower ones stand
where they can be narrow:

===============  ==============================  ===========================================
`limits`         LYING, device_trip              only where a ramp begins at a reading
`limits`         SLOW_NEWS, device_freeze        a range that the unit had when the news left
`setpoint_age`   host_tick_overrun               the standstill itself is no age
`fallback`       device_trip, device_stuck       power held elsewhere; counted anew after it
`fallback`       device_old_setpoint             follows by itself from its end on
`back`           every fault                     of the unit, or the plant, while it lasts
`told`           LYING                           the unit may show what its fault allows
`log`            host_disk_full, host_slow_disk  `journal_failed`
===============  ==============================  ===========================================
"""

from collections.abc import Iterable
from typing import NamedTuple

from hil.checkers.evidence import LYING, Evidence
from hil.checkers.violation import Violation


class Excuse(NamedTuple):
    """Why a violation is none."""

    check: str
    what: str  # begin of the violation's words; empty: all
    kinds: tuple[str, ...]
    why: str


EXCUSES: tuple[Excuse, ...] = (
    Excuse(
        "prediction",
        "counted by what is not its fallback",
        LYING,
        "a unit that is read again is counted on its way to its fallback, from its false reading",
    ),
    Excuse(
        "band",
        "turned back inside its band",
        LYING,
        "a unit that seems not to follow is trusted less, and the other side is out of its range",
    ),
    Excuse(
        "comfort",
        "room off its set point",
        ("device_freeze",),
        "the range that it showed, which narrows with the room, stood still",
    ),
    Excuse(
        "limits",
        "setpoint drains an empty store",
        ("device_freeze",),
        "the state of charge that it showed stood still",
    ),
)


def sift(evidence: Evidence, violations: Iterable[Violation]) -> tuple[list[Violation], int]:
    """Violations without an excuse, and the number of the others."""
    kept, excused = [], 0
    for violation in violations:
        if any(_applies(evidence, each, violation) for each in EXCUSES):
            excused += 1
        else:
            kept.append(violation)
    return kept, excused


def _applies(evidence: Evidence, excuse: Excuse, violation: Violation) -> bool:
    if violation.check != excuse.check or not violation.what.startswith(excuse.what):
        return False
    return any(
        span.kind in excuse.kinds
        and (not span.units or violation.unit in span.units)
        and span.since_s <= violation.t_s <= span.until_s + evidence.reading_s
        for span in evidence.spans
    )
