"""What the largest direct currents that a battery reports are worth at its AC terminals.

SunSpec 802 has them (`AChaMax`, `ADisChaMax`) beside the voltage of the DC bus: what cells that
are hot, cold, full or empty leave. Between bus and terminals stands the inverter. OpenEMS counts
0.95 of the DC power for discharging, and all of it for charging
(`AbstractAllowedChargeDischargeHandler`): both on the safe side of an inverter that is at least
95 % efficient. Here the conversion is that which the two ratings show, AC (configured) over DC
(802 `WChaRteMax`, `WDisChaRteMax`), if such an inverter can have it; else the safe side.

Errors: at part load the no-load loss of the inverter counts for more than at rated power, so up to
that much is left too much (0.4 % of rated power for a central inverter); with the safe side, up to
5 % too little. At the nameplate the whole rating is left, exactly.
"""

from dataclasses import dataclass

EFFICIENCY_MIN_PU = 0.95  # of an inverter at work
MW_PER_W = 1e-6


@dataclass(frozen=True, slots=True)
class DcSide:
    """One direction of a battery. `charging` and `discharging` make it.

    Parameters
    ----------
    factor : float
        AC power for DC power.
    nameplate_mw, nameplate_count_mw : float
        DC power that the cells have by their nameplate, and one count of it. NaN: not reported.
    full_mw : float
        AC power at the nameplate.
    """

    factor: float
    nameplate_mw: float
    nameplate_count_mw: float
    full_mw: float

    def left_mw(self, volts: float, amperes: float, count_v: float, count_a: float) -> float:
        """Give the AC power that a largest current leaves, MW, not negative. NaN: not reported.

        `count_v`, `count_a`: what one count of the registers stands for. Cells that are short of
        their nameplate by no more than the rounding of the registers leave all of it: else a part
        of the rating would never be used.
        """
        dc_mw = volts * amperes * MW_PER_W
        hidden_mw = (volts * count_a + 0.5 * amperes * count_v) * MW_PER_W
        if amperes > 0.0 and dc_mw + hidden_mw + 0.5 * self.nameplate_count_mw >= self.nameplate_mw:
            return max(self.full_mw, dc_mw * self.factor)
        return dc_mw * self.factor


def charging(rating_mw: float, nameplate_mw: float, nameplate_count_mw: float) -> DcSide:
    """Give the side that charges: the terminals take more than reaches the cells."""
    return _side(rating_mw, nameplate_mw, nameplate_count_mw, 1.0, 1.0 / EFFICIENCY_MIN_PU)


def discharging(rating_mw: float, nameplate_mw: float, nameplate_count_mw: float) -> DcSide:
    """Give the side that discharges: the terminals give less than the cells."""
    return _side(rating_mw, nameplate_mw, nameplate_count_mw, EFFICIENCY_MIN_PU, 1.0)


def _side(
    rating_mw: float, nameplate_mw: float, count_mw: float, safe: float, most: float
) -> DcSide:
    """Take the conversion that both ratings show, if an inverter can have it; else the safe one."""
    if safe * nameplate_mw <= rating_mw <= most * nameplate_mw and nameplate_mw > 0.0:
        return DcSide(rating_mw / nameplate_mw, nameplate_mw, count_mw, rating_mw)
    return DcSide(safe, nameplate_mw, count_mw, safe * nameplate_mw)
