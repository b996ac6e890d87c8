"""Why a plant did not deliver what was asked: the causes, and which limit belongs to which."""

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vppd.core.explain import Slack
from vppd.core.types import Reason

I8 = NDArray[np.int64]


class Cause(IntEnum):
    """Column of a table of losses, and the name in its JSON. Append only."""

    LATE = 0
    SATURATED = 1
    RAMP = 2
    STEPS = 3
    DOUBTED = 4
    UNREACHABLE = 5
    SIGNAL = 6
    OPERATOR = 7
    STARTING = 8
    GUARD = 9
    UNEXPLAINED = 10


WORDS: Final = {
    Cause.LATE: "on its way: by its model it comes, or came since it was read",
    Cause.SATURATED: "at a limit: rating, energy, what is available, group",
    Cause.RAMP: "at its ramp",
    Cause.STEPS: "dead band, grid of values or exclusion band",
    Cause.DOUBTED: "used less or benched: it did not do what its model says",
    Cause.UNREACHABLE: "link down, silent, on its fallback, or refused or lost its setpoint",
    Cause.SIGNAL: "the signal as received was not followed: stale, or refused by a guard",
    Cause.OPERATOR: "by the operator's order, or under local control",
    Cause.STARTING: "the daemon was starting",
    Cause.GUARD: "the second guard, or a split that failed",
    Cause.UNEXPLAINED: "telemetry is off what the model foretold",
}

CAUSE_OF: Final = {
    Reason.NONE: Cause.LATE,  # free, and yet something is missing: there is room, in time
    Reason.RATING: Cause.SATURATED,
    Reason.RAMP: Cause.RAMP,
    Reason.SOC: Cause.SATURATED,
    Reason.AVAILABLE: Cause.SATURATED,
    Reason.TELEMETRY_AGE: Cause.UNREACHABLE,
    Reason.UNREACHABLE: Cause.UNREACHABLE,
    Reason.FALLBACK: Cause.UNREACHABLE,
    Reason.OPERATOR: Cause.OPERATOR,
    Reason.CROSSED: Cause.SATURATED,
    Reason.DEAD_BAND: Cause.STEPS,
    Reason.GUARD: Cause.GUARD,
    Reason.CAPACITY: Cause.SATURATED,
    Reason.LOCAL_CONTROL: Cause.OPERATOR,
    Reason.REFUSED: Cause.UNREACHABLE,
    Reason.GROUP: Cause.SATURATED,
    Reason.BAND: Cause.STEPS,
    Reason.MIN_TIME: Cause.STEPS,
    Reason.CYCLES: Cause.STEPS,
    Reason.MODEL: Cause.DOUBTED,
    Reason.BENCHED: Cause.DOUBTED,
    Slack.LATE: Cause.LATE,
    Slack.FITTED: Cause.STEPS,
}


def _by_number() -> I8:
    table = np.full(256, Cause.UNEXPLAINED, dtype=np.int64)  # what a later version has added
    for reason, cause in CAUSE_OF.items():
        table[reason] = cause
    table.setflags(write=False)
    return table


CAUSE_BY_NUMBER: Final = _by_number()  # of Reason and Slack, shape (256,)
