"""The numbers that stand in the journal and on the wire: they are never given to anything else."""

import dataclasses
import math

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


# What stands for a field that a record of an older journal does not have, where it is not nothing.
MISSING = {
    "participation": 1.0, "look_ahead_s": 1.0, "firm_pu": 1.0, "unit_group": -1,
    "group_parent": -1, "group_ids": (), "settle_s": 8.0, "slow_s": 3.0, "soc_recovery_s": 7200.0,
    "soc_error_pu": 0.02, "switches_per_day": math.inf, "sent": 1, "pardon": -1,
}  # fmt: skip
UNKNOWN = {
    "band_lower_mw", "band_upper_mw", "p_model_mw", "p_seen_s", "told_mw", "side_since_s",
    "switches_left", "recovery_mw", "doubt", "benched_s", "bench_wait_s", "target_mw",
    "expected_mw", "energy_mwh", "energy_at_s",
}  # fmt: skip


def test_what_a_record_of_an_older_journal_lacks_is_nothing_or_unknown():
    records = (types.Params, types.Image, types.State, types.Decision)
    fields = [f for record in records for f in dataclasses.fields(record) if f.metadata]
    lacks = {f.name: f.metadata["missing"] for f in fields}
    assert {name for name, value in lacks.items() if value != value} == UNKNOWN
    known = {name: value for name, value in lacks.items() if value == value}
    assert {name: value for name, value in known.items() if value != 0} == MISSING
    assert len(fields) == len(lacks) + 1  # `ahead_price` stands in State and Decision
    assert all(f.metadata["missing"] == 0.0 for f in fields if f.name == "ahead_price")
