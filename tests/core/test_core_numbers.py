"""The numbers that stand in the journal and on the wire: they are never given to anything else."""

import pytest

from vppd.core import types
from vppd.core.types import GATE_OF, Gate, Reason

NUMBERS = {
    "Quality": "ONLINE RESTART COMM_LOST REMOTE_FORCED LOCAL_FORCED OVER_RANGE REFERENCE_ERR",
    "Mode": "STARTING BASEPOINT REGULATING HOLD RETURN SAFE LOCAL",
    "Order": "AUTO LOCAL SAFE",
    "Trigger": "GRID AGC FREQUENCY",
    "Verdict": "NONE FRESH UNCHANGED STALE BAD_QUALITY NOT_FINITE OUT_OF_RANGE RATE REPEATED OLD",
    "WriteResult": "NONE ACCEPTED REFUSED UNKNOWN",
    "Gate": "NONE PHYSICS MARKET OPERATIONS",
    "Reason": (
        "NONE RATING RAMP SOC AVAILABLE TELEMETRY_AGE UNREACHABLE FALLBACK OPERATOR CROSSED "
        "DEAD_BAND GUARD CAPACITY LOCAL_CONTROL REFUSED GROUP BAND MIN_TIME CYCLES "
        "MODEL BENCHED"
    ),
    "AwardGuard": "NONE ALARM CLAMP",
    "Policy": "EXACT PRO_RATA MERIT_ORDER RESPONSE_AWARE",
}


@pytest.mark.parametrize(("name", "members"), NUMBERS.items(), ids=NUMBERS)
def test_numbers_count_from_zero_in_this_order(name, members):
    kind = getattr(types, name)
    assert {m: int(kind[m]) for m in kind.__members__} == {
        m: k for k, m in enumerate(members.split())
    }


def test_events_count_from_one():
    assert {m: int(v) for m, v in types.EventCode.__members__.items()} == {
        "MODE": 1, "UNIT_LOST": 2, "UNIT_BACK": 3, "UNIT_FALLBACK": 4, "SIGNAL_VERDICT": 5,
        "UNSERVED": 6, "GUARD_DROPPED": 7, "ALLOCATION_REFUSED": 8,
        "AWARD_ABOVE_HEADROOM": 9,
    }  # fmt: skip


def test_every_reason_belongs_to_a_gate():
    assert set(GATE_OF) == set(Reason)
    market = {r for r, gate in GATE_OF.items() if gate is Gate.MARKET}
    none = {r for r, gate in GATE_OF.items() if gate is Gate.NONE}
    operations = {r for r, gate in GATE_OF.items() if gate is Gate.OPERATIONS}
    assert market == {Reason.CAPACITY}
    assert none == {Reason.NONE}
    assert operations == {
        Reason.UNREACHABLE, Reason.FALLBACK, Reason.OPERATOR, Reason.GUARD, Reason.LOCAL_CONTROL,
        Reason.REFUSED, Reason.CYCLES, Reason.MODEL, Reason.BENCHED,
    }  # fmt: skip
