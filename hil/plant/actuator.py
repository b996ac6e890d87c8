"""What every unit's power goes through: own limits, ramp, steps, then first-order lag.

A controller moves its reference towards the target no faster than the unit may ramp, and the
power follows the reference with a first-order lag: tau dp/dt = r - p. Within a step the reference
moves in a straight line, for which the lag is solved exactly (first-order hold):

    p(t) = r(t) - s tau + (p0 - r0 + s tau) exp(-t/tau),    s = slope of the reference

A unit that can only step holds the nearest step of its reference instead.

Source: Åström & Hägglund, "PID Controllers", 2nd ed. 1995, ch. 2 (first order plus dead time).
"""

from hil.plant.body import BODY
from hil.plant.jit import Records, kernel, law, records


@law
def ramped(before_mw: float, aim_mw: float, reach_mw: float) -> float:
    """Reference after a step, which it moves by `reach_mw` at most."""
    return before_mw + min(max(aim_mw - before_mw, -reach_mw), reach_mw)


@law
def lagged(
    p_mw: float, before_mw: float, after_mw: float, lag_steps: float, lag_decay: float
) -> float:
    """Power after a step in which the reference went from `before_mw` to `after_mw`."""
    behind_mw = (after_mw - before_mw) * lag_steps
    return after_mw - behind_mw + (p_mw - before_mw + behind_mw) * lag_decay


@law
def on_grid(p_mw: float, low_mw: float, grid_mw: float, floor_mw: float) -> float:
    """Nearest power, not below `low_mw`, of a load that has steps of `grid_mw`.

    It draws `floor_mw` at least, or nothing.
    """
    load_mw = -p_mw
    if load_mw < floor_mw:
        return 0.0 if load_mw < 0.5 * floor_mw else -floor_mw
    steps = float(int(load_mw / grid_mw + 0.5))
    return -grid_mw * (steps if steps * grid_mw <= -low_mw else steps - 1.0)


@law
def held(held_mw: float, low_mw: float, high_mw: float) -> float:
    """Power of a unit that obeys nobody: tripped (0), or stuck within its own limits."""
    return 0.0 if held_mw == 0.0 else min(max(held_mw, low_mw), high_mw)


@kernel(records(BODY))
def move(body: Records) -> None:
    """Move `reference_mw` and `ordered_mw` of all units on by one step."""
    for i in range(body.size):
        b = body[i]
        low_mw, high_mw = b["low_mw"], b["high_mw"]
        if b["unguarded"] != 0.0:
            low_mw, high_mw = b["bare_low_mw"], b["bare_high_mw"]
        if b["held_mw"] == b["held_mw"]:  # not nan
            b["reference_mw"] = b["ordered_mw"] = held(b["held_mw"], low_mw, high_mw)
            b["droop_mw"] = 0.0
            continue
        before_mw = b["reference_mw"]
        aim_mw = min(max(b["mean_mw"], low_mw), high_mw)
        after_mw = ramped(before_mw, aim_mw, b["reach_mw"])
        b["reference_mw"] = after_mw
        if b["grid_mw"] > 0.0:
            after_mw = on_grid(after_mw, low_mw, b["grid_mw"], b["floor_mw"])
            before_mw = after_mw
        b["ordered_mw"] = lagged(
            b["ordered_mw"], before_mw, after_mw, b["lag_steps"], b["lag_decay"]
        )
