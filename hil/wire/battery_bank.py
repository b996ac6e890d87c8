"""Model 802 of a simulated battery: its DC side, typed by hand (docs/points.md).

The DC bus stands between cells and inverter, so its power is that of the terminals and what the
inverter loses: `INVERTER` of `hil.plant.battery`, in pu of rated power. Offsets are those of the
SunSpec Information Model Reference, from the model's ID register.
"""

import math

from hil.faults.device import Reading
from hil.fleet import Unit
from hil.plant.battery import INVERTER

LENGTH = 62
NONE, NONE_SIGNED = 0xFFFF, 0x8000  # "not implemented": unsigned and enumerations; int16, sunssf
MOST_UINT16, MOST_INT16 = 0xFFFE, 0x7FFF
REMOTE, LITHIUM_ION, CONNECTED, CONNECT, INVERTER_STARTED = 0, 4, 3, 1, 3
CELLS = 416  # in series
CELL_V, CELL_V_PER_SOC = 3.2, 0.2  # lithium iron phosphate at half charge, and its slope around it
V_EXPONENT, COUNTS_PER_V = -1, 10.0
PCT100 = -2  # 0.01 %
HEADROOM = 1.1  # of the scales: DC power is above rated power by the inverter's loss
UNITS_PER_MEGA = 1e6
SIGNED = (44, 47, 49)  # A, W, ReqW
FACTORS = range(52, 64)
ABSENT = (NONE, NONE, NONE_SIGNED, NONE, NONE, NONE_SIGNED)


class BatteryBank:
    """What the registers of one battery's model 802 say."""

    def __init__(self, unit: Unit) -> None:
        self._rated_mw = unit.rated_mw
        self._energy_mwh = unit.energy_mwh or 0.0
        nominal_v = CELLS * CELL_V
        most_a = HEADROOM * unit.rated_mw * UNITS_PER_MEGA / nominal_v
        self._capacity_ah = self._energy_mwh * UNITS_PER_MEGA / nominal_v
        self._w_exponent = exponent_for(HEADROOM * unit.rated_mw * UNITS_PER_MEGA, MOST_INT16)
        self._a_exponent = exponent_for(most_a, MOST_INT16)
        self._a_max_exponent = exponent_for(most_a, MOST_UINT16)
        # counts for each unit of what is measured all the time
        self._counts_per_mw = UNITS_PER_MEGA / 10.0**self._w_exponent
        self._counts_per_a = 10.0**-self._a_exponent
        self._counts_per_largest_a = 10.0**-self._a_max_exponent

    def described(self) -> list[int]:
        """All words after ID and length: nameplate and scales, "not implemented" for the rest."""
        words = dict.fromkeys(range(2, 2 + LENGTH), NONE)
        words |= dict.fromkeys((*SIGNED, *FACTORS), NONE_SIGNED)
        ah, wh = (
            exponent_for(most, MOST_UINT16)
            for most in (self._capacity_ah, self._energy_mwh * UNITS_PER_MEGA)
        )
        rated_mw = self._rated_mw
        words |= {
            2: counts(self._capacity_ah, ah),
            3: counts(self._energy_mwh * UNITS_PER_MEGA, wh),
            4: counts(-self.dc_mw(-rated_mw) * UNITS_PER_MEGA, self._w_exponent),
            5: counts(self.dc_mw(rated_mw) * UNITS_PER_MEGA, self._w_exponent),
            17: REMOTE,
            20: 0,  # AlmRst
            21: LITHIUM_ION,
            22: CONNECTED,
            50: CONNECT,
            51: INVERTER_STARTED,
        }
        words |= dict.fromkeys(range(26, 34), 0)  # no events
        factors = {52: ah, 53: wh, 54: self._w_exponent, 56: PCT100, 59: V_EXPONENT, 60: -3}
        factors |= {61: self._a_exponent, 62: self._a_max_exponent, 63: self._w_exponent}
        words |= {offset: exponent & 0xFFFF for offset, exponent in factors.items()}
        return [words[offset] for offset in range(2, 2 + LENGTH)]

    def measured(self, reading: Reading) -> tuple[int, ...]:
        """Words that change: SoC, V, A, AChaMax, ADisChaMax, W.

        The largest currents are rounded down, and go with the voltage as it is shown.
        """
        p_mw, low_mw, high_mw, soc_pu = reading
        if math.isnan(p_mw):
            return ABSENT
        v_counts = round(CELLS * (CELL_V + CELL_V_PER_SOC * (soc_pu - 0.5)) * COUNTS_PER_V)
        amperes_per_mw = UNITS_PER_MEGA * COUNTS_PER_V / v_counts
        dc_mw = self.dc_mw(p_mw)
        charge_mw = -self.dc_mw(low_mw) if low_mw < 0.0 else 0.0
        discharge_mw = self.dc_mw(high_mw) if high_mw > 0.0 else 0.0
        largest_per_mw = amperes_per_mw * self._counts_per_largest_a
        return (
            round(soc_pu * 10000.0),
            v_counts,
            clipped(dc_mw * amperes_per_mw * self._counts_per_a),
            int(max(charge_mw, 0.0) * largest_per_mw),  # the inverter's loss alone charges nothing
            int(discharge_mw * largest_per_mw),
            clipped(dc_mw * self._counts_per_mw),
        )

    def dc_mw(self, p_mw: float) -> float:
        """Power of the DC bus, MW, out of the cells positive, at a power of the terminals."""
        standby_pu, linear_pu, square_pu = INVERTER
        load_pu = abs(p_mw) / self._rated_mw
        return p_mw + self._rated_mw * (standby_pu + load_pu * (linear_pu + load_pu * square_pu))


def exponent_for(most: float, most_counts: int) -> int:
    """Smallest scale factor with which a value still fits."""
    return math.ceil(math.log10(most / most_counts)) if most > 0.0 else 0


def counts(value: float, exponent: int) -> int:
    """Nearest raw number of a value."""
    return round(value / 10.0**exponent)


def clipped(raw: float) -> int:
    """Nearest int16 in two's complement, as far as one goes: a fault may scale what is shown."""
    return round(max(-MOST_INT16, min(raw, MOST_INT16))) & 0xFFFF
