"""Coal-fired unit, for comparison: what answers an AGC signal today.

    AGC setpoint -> dead band -> ramp 1.5 %/min -> load reference --+--> valve -> turbine -> power
    frequency -> dead band -> droop, within limits -----------------+      ^
                                    load demand -> boiler (fuel) -> throttle pressure

* Governor: droop with a dead band, its part limited; servo as a first-order lag (TGOV1; IEEE
  Task Force, "Dynamic Models for Turbine-Governors", PES-TR1, 2013). 33 mHz, 5 % and 6 % of the
  rated power are what GB/T 40595-2021 asks of thermal units in China.
* Turbine: steam chest, then reheater for all but the high-pressure part (Kundur, "Power System
  Stability and Control", 1994, 9.2; IEEEG1 with one reheat):
      P/valve = (1 + s F_HP T_RH) / ((1 + s T_CH) (1 + s T_RH))
* Boiler: mills and combustion as a first-order lag of the load demand, stored heat as throttle
  pressure, C dp/dt = heat - steam, steam = valve * p (de Mello, "Boiler models for system dynamic
  performance studies", IEEE Trans. Power Syst. 6 (1991) 66). Fuel also brings the pressure back.
* AGC: 1.5 %/min of rated power, the rate that Chinese grid codes ask of pulverised-coal units; a
  change of the setpoint within the dead band is not acted on.

Power in MW, frequency in Hz; inside, pu of the rated power.
"""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Params:
    """Constants of a unit."""

    rated_mw: float = 600.0
    nominal_hz: float = 50.0
    p_min_pu: float = 0.3
    ramp_pu_per_s: float = 0.015 / 60.0
    agc_deadband_pu: float = 0.005  # half width
    droop_pu: float = 0.05  # of nominal frequency, for rated power
    deadband_hz: float = 0.033  # half width
    primary_limit_pu: float = 0.06
    servo_tau_s: float = 0.2
    chest_tau_s: float = 0.3  # T_CH
    reheat_tau_s: float = 8.0  # T_RH
    high_pressure_pu: float = 0.3  # F_HP
    fuel_tau_s: float = 120.0  # mills and combustion
    storage_s: float = 200.0  # C: stored heat, s of rated power for 1 pu of pressure
    pressure_gain_pu: float = 1.0  # fuel for 1 pu of missing pressure


@dataclass(frozen=True, slots=True)
class State:
    """State of a unit, pu of the rated power."""

    setpoint_pu: float  # AGC setpoint that is acted on
    reference_pu: float  # it, after the ramp
    valve_pu: float
    heat_pu: float
    pressure_pu: float
    chest_pu: float  # steam into the high-pressure part
    reheat_pu: float  # steam out of the reheater

    def p_mw(self, params: Params) -> float:
        """Power at the terminals."""
        high = params.high_pressure_pu
        return params.rated_mw * (high * self.chest_pu + (1.0 - high) * self.reheat_pu)


def start(params: Params, p_mw: float) -> State:
    """State at rest at a power."""
    pu = p_mw / params.rated_mw
    return State(pu, pu, pu, pu, 1.0, pu, pu)


def lagged(value: float, target: float, dt_s: float, tau_s: float) -> float:
    """First-order lag towards a target that stays."""
    return target + (value - target) * math.exp(-dt_s / tau_s) if tau_s > 0.0 else target


def setpoint_pu(params: Params, before_pu: float, asked_pu: float) -> float:
    """AGC setpoint that is acted on: a small change is none."""
    asked_pu = min(max(asked_pu, params.p_min_pu), 1.0)
    return before_pu if abs(asked_pu - before_pu) <= params.agc_deadband_pu else asked_pu


def primary_pu(params: Params, freq_hz: float) -> float:
    """What the governor adds at a frequency: up when it is low."""
    deviation_hz = freq_hz - params.nominal_hz
    beyond_hz = math.copysign(max(abs(deviation_hz) - params.deadband_hz, 0.0), deviation_hz)
    asked_pu = -beyond_hz / (params.droop_pu * params.nominal_hz)
    return min(max(asked_pu, -params.primary_limit_pu), params.primary_limit_pu)


def step(dt_s: float, params: Params, state: State, agc_mw: float, freq_hz: float) -> State:
    """Move on by `dt_s` seconds; `agc_mw`: what is asked of the whole unit."""
    target = setpoint_pu(params, state.setpoint_pu, agc_mw / params.rated_mw)
    reach = params.ramp_pu_per_s * dt_s
    reference = state.reference_pu + min(max(target - state.reference_pu, -reach), reach)
    demand = min(max(reference + primary_pu(params, freq_hz), params.p_min_pu), 1.0)
    state = replace(
        state,
        setpoint_pu=target,
        reference_pu=reference,
        valve_pu=lagged(state.valve_pu, demand, dt_s, params.servo_tau_s),
    )
    return turbine(dt_s, params, boiler(dt_s, params, state, demand))


def boiler(dt_s: float, params: Params, state: State, demand_pu: float) -> State:
    """Fuel after the demand, and the throttle pressure between heat and steam."""
    fuel = demand_pu + params.pressure_gain_pu * (1.0 - state.pressure_pu)
    heat = lagged(state.heat_pu, fuel, dt_s, params.fuel_tau_s)
    # C dp/dt = heat - valve p is a first-order lag towards heat / valve
    settled = 0.5 * (heat + state.heat_pu) / state.valve_pu
    tau_s = params.storage_s / state.valve_pu
    pressure = lagged(state.pressure_pu, settled, dt_s, tau_s)
    return replace(state, heat_pu=heat, pressure_pu=pressure)


def turbine(dt_s: float, params: Params, state: State) -> State:
    """Steam through chest and reheater."""
    steam = state.valve_pu * state.pressure_pu
    chest = lagged(state.chest_pu, steam, dt_s, params.chest_tau_s)
    mean = 0.5 * (state.chest_pu + chest)
    reheat = lagged(state.reheat_pu, mean, dt_s, params.reheat_tau_s)
    return replace(state, chest_pu=chest, reheat_pu=reheat)
