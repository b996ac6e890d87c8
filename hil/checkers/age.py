"""No setpoint older than its age limit is acted on.

Age of a setpoint that a device took: from the instant at which its tick had decided it (start of
the tick + its computing time, by the journal) to the reception at the device, less the time of that
message in the simulated link: so to the instant at which it left the daemon. It must be no more
than `site.setpoint_age_max_s` + `SENDING_S`, in which an exchange on the same connection ends.

While the machine stands still in a tick (`host_tick_overrun`), what that tick has sent waits in
buffers: the standstill itself is no age.

Protocols carry no tick numbers: a setpoint belongs to the newest tick before it that decided this
value (`hil.measure.pairing`). One that no tick decided within `pairing.HORIZON_S` is a violation,
too: it is older still, or nobody's.
"""

import numpy as np

from hil.checkers.evidence import Evidence
from hil.checkers.violation import Found, Violation
from hil.measure.pairing import HORIZON_S

NAME = "setpoint_age"
SENDING_S = 0.25
TOO_OLD = "setpoint too old when it left, s"
NOBODYS = "setpoint that no tick decided lately, MW"


def check(evidence: Evidence) -> Found:
    """Check every setpoint that a device took."""
    ticks, orders = evidence.ticks, evidence.orders
    if ticks is None or ticks.now_s.size == 0:
        return Found(done=False, lost=True, note="the journal has no ticks")
    limit_s = evidence.settings.setpoint_age_max_s
    decided_s = ticks.now_s + 1e-6 * ticks.tick_us
    left_s = orders.t_s - orders.link_s
    known = orders.tick >= 0
    age_s = np.where(known, left_s - decided_s[orders.tick], np.nan)
    old = known & ~(age_s <= np.maximum(limit_s, evidence.standstill_s(left_s)) + SENDING_S)
    # the first ticks may be older than the journal's, at a run's very start
    nobodys = ~known & (left_s - ticks.now_s[0] > HORIZON_S)
    found = Found(checked=int(orders.t_s.size))
    for k in np.flatnonzero(old).tolist():
        found.violations.append(
            Violation(
                float(orders.t_s[k]), int(orders.unit[k]), NAME, TOO_OLD, float(age_s[k]), limit_s
            )
        )
    for k in np.flatnonzero(nobodys).tolist():
        found.violations.append(
            Violation(
                float(orders.t_s[k]), int(orders.unit[k]), NAME, NOBODYS, float(orders.p_mw[k])
            )
        )
    return found
