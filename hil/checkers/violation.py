"""What a checker found: one record for each time that an invariant did not hold."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Violation:
    """One time that an invariant did not hold.

    `what` says how, in the same words each time; `value` and `limit` are in the unit that `what`
    names, NaN where there is none.
    """

    t_s: float  # on the run's clock
    unit: int  # index in the fleet; `hil.faults.fault.NOBODY`: the plant as a whole
    check: str
    what: str
    value: float = float("nan")
    limit: float = float("nan")


@dataclass(slots=True)
class Found:
    """What one checker found."""

    checked: int = 0  # things that were held against the invariant, and could have broken it
    parts: dict[str, int] = field(default_factory=dict)  # the same, of a part of it
    violations: list[Violation] = field(default_factory=list)
    note: str = ""  # what could not be checked, and why
    done: bool = True  # False: nothing could be checked
    lost: bool = False  # nor is it known to hold: a record that every run leaves is not there
    excused: int = 0  # violations that an injected fault explains, see `hil.checkers.excuses`
