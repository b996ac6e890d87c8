"""The mode of the site, as a transition function that a table can test.

    STARTING -> BASEPOINT <-> REGULATING -> HOLD -> RETURN -> BASEPOINT, and LOCAL, SAFE by order

A good signal leads to REGULATING from every automatic mode: the plant resumes by itself.
"""

from vppd.core.types import Mode, Order

START_WAIT_S = 2.0  # so long the start waits for units that were not read yet
BY_ORDER = {Order.LOCAL: Mode.LOCAL, Order.SAFE: Mode.SAFE}
# Looked up once: members of an enumeration are slow to get at.
AUTO = Order.AUTO
STARTING, REGULATING, HOLD, RETURN = Mode.STARTING, Mode.REGULATING, Mode.HOLD, Mode.RETURN


def next_mode(
    mode: Mode,
    *,
    order: Order,
    any_unit_known: bool,
    all_units_known: bool,
    signal_good: bool,
    in_mode_s: float,
    hold_s: float,
    regulation_pu: float,
) -> Mode:
    """Mode of this tick.

    `in_mode_s` is the time spent in `mode` so far, s (NaN at the first tick); `regulation_pu` what
    is in force now; a unit is known once it was read.
    """
    if order is not AUTO:
        return BY_ORDER[order]
    # Half a fleet must not be driven to its limits for the half that comes a moment later.
    waited = any_unit_known and in_mode_s >= START_WAIT_S
    if mode is STARTING and not (all_units_known or waited):
        return STARTING
    if signal_good:
        return REGULATING
    if mode is REGULATING:
        return HOLD
    if mode is HOLD:
        return RETURN if in_mode_s >= hold_s else HOLD
    if mode is RETURN and regulation_pu != 0.0:
        return RETURN
    return Mode.BASEPOINT
