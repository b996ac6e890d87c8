"""The mode of the site: one row a transition."""

import pytest

from vppd.core.modes import next_mode
from vppd.core.types import Mode, Order

M = Mode
NAN = float("nan")
NONE_READ = {"any_unit_known": False, "all_units_known": False}
SOME_READ = {"any_unit_known": True, "all_units_known": False}


@pytest.mark.parametrize(
    ("mode", "changes", "expected"),
    [
        (M.STARTING, {**NONE_READ, "signal_good": True}, M.STARTING),
        (M.STARTING, {**NONE_READ, "in_mode_s": 99.0}, M.STARTING),
        (M.STARTING, {**SOME_READ, "signal_good": True, "in_mode_s": NAN}, M.STARTING),
        (M.STARTING, {**SOME_READ, "signal_good": True, "in_mode_s": 1.9}, M.STARTING),
        (M.STARTING, {**SOME_READ, "signal_good": True, "in_mode_s": 2.0}, M.REGULATING),
        (M.STARTING, {**SOME_READ, "signal_good": True, "in_mode_s": 2.5}, M.REGULATING),
        (M.BASEPOINT, {**SOME_READ}, M.BASEPOINT),
        (M.STARTING, {}, M.BASEPOINT),
        (M.STARTING, {"signal_good": True}, M.REGULATING),
        (M.BASEPOINT, {}, M.BASEPOINT),
        (M.BASEPOINT, {"signal_good": True}, M.REGULATING),
        (M.REGULATING, {"signal_good": True}, M.REGULATING),
        (M.REGULATING, {}, M.HOLD),
        (M.HOLD, {"in_mode_s": 9.9}, M.HOLD),
        (M.HOLD, {"in_mode_s": 10.0}, M.RETURN),
        (M.HOLD, {"in_mode_s": 10.5}, M.RETURN),
        (M.HOLD, {"signal_good": True}, M.REGULATING),
        (M.RETURN, {"regulation_pu": 0.2}, M.RETURN),
        (M.RETURN, {"regulation_pu": -0.2}, M.RETURN),
        (M.RETURN, {"regulation_pu": 0.0}, M.BASEPOINT),
        (M.RETURN, {"signal_good": True, "regulation_pu": 0.2}, M.REGULATING),
        (M.REGULATING, {"order": Order.LOCAL, "signal_good": True}, M.LOCAL),
        (M.REGULATING, {"order": Order.SAFE, "signal_good": True}, M.SAFE),
        (M.STARTING, {"order": Order.SAFE, **NONE_READ}, M.SAFE),
        (M.LOCAL, {}, M.BASEPOINT),
        (M.SAFE, {"signal_good": True}, M.REGULATING),
    ],
)
def test_transition(mode, changes, expected):
    given = {
        "order": Order.AUTO,
        "any_unit_known": True,
        "all_units_known": True,
        "signal_good": False,
        "in_mode_s": 0.0,
        "hold_s": 10.0,
        "regulation_pu": 0.5,
    }
    assert next_mode(mode, **(given | changes)) is expected
