"""A control area of 5 GW whose frequency moves with what is fed into it.

    2 H / f0 * df/dt = (P_imbalance + P_primary + P_secondary) / S - D * (f - f0) / f0

H: inertia of all machines on the area's size S, D: what loads draw less at a lower frequency
(Kundur, "Power System Stability and Control", 1994, 11.1). Primary reserve: a droop with a dead
band on the units that have a governor, limited, behind a steam chest and a reheater. Without
secondary control and dead band a lasting imbalance settles at

    f - f0 = P_imbalance / (D S / f0 + P_governed / (R f0))

Secondary control: every few seconds the area control error in NERC's form (BAL-001-2, R1) goes
through a PI controller; its output is shared between the area's own units, which are slow, and
whoever else is asked, the plant under test. NERC's B is negative, MW per 0.1 Hz.

Power in MW, frequency in Hz. Imbalance: generation less load; what is injected counts positive.
"""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Area:
    """Constants of a control area."""

    size_mw: float = 5000.0  # S: load, and base of inertia and damping
    nominal_hz: float = 50.0
    inertia_s: float = 5.0  # H
    damping_pu: float = 1.0  # D: pu of load for 1 pu of frequency
    governed_mw: float = 3500.0  # rated power of the units with primary reserve
    droop_pu: float = 0.05  # R
    deadband_hz: float = 0.033  # half width
    primary_limit_pu: float = 0.06  # of the governed power
    chest_tau_s: float = 0.3
    reheat_tau_s: float = 8.0
    high_pressure_pu: float = 0.3  # share of the power before the reheater
    bias_mw_per_01hz: float = -150.0  # B
    agc_cycle_s: float = 4.0  # at most 6 s (BAL-005-1, R1)
    agc_gain: float = 0.3
    agc_reset_s: float = 60.0
    agc_limit_mw: float = 400.0
    agc_share: float = 0.0  # of the plant under test in what secondary control asks
    secondary_tau_s: float = 30.0  # of the area's own units
    secondary_ramp_mw_per_s: float = 0.5


@dataclass(frozen=True, slots=True)
class State:
    """State of a control area."""

    freq_hz: float
    chest_mw: float = 0.0  # primary reserve before the reheater
    reheat_mw: float = 0.0
    ace_mw: float = 0.0
    integral_mw: float = 0.0
    agc_mw: float = 0.0  # what secondary control asks, in all
    reference_mw: float = 0.0  # of the area's own units
    secondary_mw: float = 0.0
    until_cycle_s: float = 0.0

    def primary_mw(self, area: Area) -> float:
        """Primary reserve that is delivered."""
        high = area.high_pressure_pu
        return high * self.chest_mw + (1.0 - high) * self.reheat_mw

    def asked_mw(self, area: Area) -> float:
        """What secondary control asks of the plant under test."""
        return area.agc_share * self.agc_mw


def start(area: Area) -> State:
    """State at rest at the nominal frequency."""
    return State(freq_hz=area.nominal_hz)


def ace_mw(
    ni_actual_mw: float, ni_scheduled_mw: float, bias_mw_per_01hz: float,
    freq_hz: float, freq_scheduled_hz: float, ime_mw: float = 0.0,
) -> float:  # fmt: skip
    """Area control error by NERC: (NI_A - NI_S) - 10 B (F_A - F_S) - I_ME; positive: too much."""
    return (
        (ni_actual_mw - ni_scheduled_mw)
        - 10.0 * bias_mw_per_01hz * (freq_hz - freq_scheduled_hz)
        - ime_mw
    )


def primary_target_mw(area: Area, freq_hz: float) -> float:
    """Primary reserve that governors ask for: up when the frequency is low."""
    deviation_hz = freq_hz - area.nominal_hz
    beyond_hz = math.copysign(max(abs(deviation_hz) - area.deadband_hz, 0.0), deviation_hz)
    asked_mw = -beyond_hz * area.governed_mw / (area.droop_pu * area.nominal_hz)
    limit_mw = area.primary_limit_pu * area.governed_mw
    return min(max(asked_mw, -limit_mw), limit_mw)


def swing(dt_s: float, area: Area, freq_hz: float, surplus_mw: float) -> float:
    """Frequency after `dt_s` seconds with a surplus of generation; exact for a constant one."""
    nominal_hz = area.nominal_hz
    inertia_mw_s_per_hz = 2.0 * area.inertia_s * area.size_mw / nominal_hz
    damping_mw_per_hz = area.damping_pu * area.size_mw / nominal_hz
    if damping_mw_per_hz <= 0.0:
        return freq_hz + surplus_mw / inertia_mw_s_per_hz * dt_s
    settled_hz = nominal_hz + surplus_mw / damping_mw_per_hz
    decay = math.exp(-dt_s * damping_mw_per_hz / inertia_mw_s_per_hz)
    return settled_hz + (freq_hz - settled_hz) * decay


def lagged(value: float, target: float, dt_s: float, tau_s: float) -> float:
    """First-order lag towards a target that stays."""
    return target + (value - target) * math.exp(-dt_s / tau_s) if tau_s > 0.0 else target


def step(
    dt_s: float, area: Area, state: State, injection_mw: float, disturbance_mw: float,
    interchange_mw: float = 0.0,
) -> State:  # fmt: skip
    """Move on by `dt_s` seconds.

    Parameters
    ----------
    injection_mw : what the plant under test gives beyond its schedule.
    disturbance_mw : what is missing: generation lost, or load come; positive lowers the frequency.
    interchange_mw : actual less scheduled export over the ties, which leaves the area.
    """
    surplus_mw = injection_mw - disturbance_mw - interchange_mw
    surplus_mw += state.primary_mw(area) + state.secondary_mw
    freq_hz = swing(dt_s, area, state.freq_hz, surplus_mw)
    target_mw = primary_target_mw(area, freq_hz)
    chest_mw = lagged(state.chest_mw, target_mw, dt_s, area.chest_tau_s)
    mean_mw = 0.5 * (state.chest_mw + chest_mw)
    reheat_mw = lagged(state.reheat_mw, mean_mw, dt_s, area.reheat_tau_s)
    state = _controlled(dt_s, area, state, freq_hz, interchange_mw)
    own_mw = (1.0 - area.agc_share) * state.agc_mw
    reach_mw = area.secondary_ramp_mw_per_s * dt_s
    reference_mw = state.reference_mw + min(max(own_mw - state.reference_mw, -reach_mw), reach_mw)
    return State(
        freq_hz, chest_mw, reheat_mw, state.ace_mw, state.integral_mw, state.agc_mw, reference_mw,
        lagged(state.secondary_mw, reference_mw, dt_s, area.secondary_tau_s), state.until_cycle_s,
    )  # fmt: skip


def _controlled(
    dt_s: float, area: Area, state: State, freq_hz: float, interchange_mw: float
) -> State:
    """Run the PI controller of the area when its cycle is over; its output stays within limits."""
    until_s = state.until_cycle_s - dt_s
    if until_s > 0.5 * dt_s:
        return replace(state, until_cycle_s=until_s)
    ace = ace_mw(interchange_mw, 0.0, area.bias_mw_per_01hz, freq_hz, area.nominal_hz)
    limit_mw = area.agc_limit_mw
    integral_mw = state.integral_mw - area.agc_gain * ace * area.agc_cycle_s / area.agc_reset_s
    integral_mw = min(max(integral_mw, -limit_mw), limit_mw)  # no windup
    agc_mw = min(max(integral_mw - area.agc_gain * ace, -limit_mw), limit_mw)
    return replace(
        state, ace_mw=ace, integral_mw=integral_mw, agc_mw=agc_mw, until_cycle_s=area.agc_cycle_s
    )
