"""A unit with dead time and lag, by superposition of step responses: not as vppd has it."""

import math
from dataclasses import dataclass, field


@dataclass
class Unit:
    """Output of a unit that stood at `start_mw` for ever, then got setpoints."""

    dead_s: float
    lag_s: float
    start_mw: float = 0.0
    told: list[tuple[float, float]] = field(default_factory=list)  # instant, MW

    def at(self, t_s: float) -> float:
        """Sum of the responses to every change so far."""
        y, before_mw = self.start_mw, self.start_mw
        for sent_s, p_mw in self.told:
            past_s = t_s - (sent_s + self.dead_s)
            if past_s > 0.0:
                arrived = -math.expm1(-past_s / self.lag_s) if self.lag_s > 0.0 else 1.0
                y += (p_mw - before_mw) * arrived
            before_mw = p_mw
        return y
