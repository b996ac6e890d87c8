"""The energy meter of every unit: two registers that only rise, as real ones have.

Power is a straight line from step to step, as in the recordings, so the energy of a step is its
trapezoid. A step that crosses zero is counted in the direction of its mean.
"""

from hil.plant.body import BODY
from hil.plant.jit import Records, f8, kernel, records

SECONDS_PER_HOUR = 3600.0


@kernel(records(BODY), f8)
def turn(body: Records, step_s: float) -> None:
    """Move the meters on by one step, from `metered_mw` to `p_mw`."""
    for i in range(body.size):
        b = body[i]
        mean_mw = 0.5 * (b["metered_mw"] + b["p_mw"])
        energy_mwh = mean_mw * step_s / SECONDS_PER_HOUR
        if energy_mwh > 0.0:
            b["injected_mwh"] += energy_mwh
        else:
            b["absorbed_mwh"] -= energy_mwh
        b["metered_mw"] = b["p_mw"]
