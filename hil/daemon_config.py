"""Configuration of the daemon for a drawn fleet, as YAML text.

The bench knows the daemon's keys as any integrator does, from its documentation: it imports
nothing of it. What units share stands once, in `templates`, and is merged into each unit.
"""

from collections.abc import Iterator

from hil.fleet import Fleet, Unit
from hil.scenario import FrequencySource, PlantDroopConfig, Scenario
from hil.scenario.frequency import NONE
from hil.tiles import counted

HEADER = """\
# {title}
# Generated: {command}
# {units}, {capacity:g} MW rated. Generation is positive, a load negative; power in MW.
"""
DEVICE = {
    "sunspec_battery": "{driver: sunspec_battery, link: %s}",
    "sunspec_pv": "{driver: sunspec_pv, link: %s, nameplate_mw: %s}",
    "modbus_ev_hub": "{driver: modbus_load, link: %s, table: ev_hub}",
    "modbus_hvac": "{driver: modbus_load, link: %s, table: hvac}",
    "dnp3_industrial": "{driver: dnp3_load, link: %s, table: industrial}",
    "dnp3_hvac": "{driver: dnp3_load, link: %s, table: hvac}",
    "mqtt_ev_hub": "{driver: mqtt_load, link: broker, prefix: ev/%s}",
}
STALE_INTERVALS = 3.0  # an AGC value is stale when three of them are overdue
SHORTEST_STALE_S = 6.0
SHORTEST_FREQUENCY_STALE_S = 3.0


def text(fleet: Fleet, scenario: Scenario, *, state_dir: str, command: str) -> str:
    """Whole configuration file; `command` is what generated it, for the header."""
    return "\n".join(_lines(fleet, scenario, state_dir, command)) + "\n"


def _lines(fleet: Fleet, scenario: Scenario, state_dir: str, command: str) -> Iterator[str]:
    interval_s, guards = scenario.signal.interval_s, scenario.guards
    yield HEADER.format(
        title=_one_line(scenario.title or scenario.name),
        command=_one_line(command),
        units=counted(len(fleet.units), "unit"),
        capacity=fleet.capacity_mw,
    )
    yield "site:"
    yield f"  name: {scenario.name}"
    yield f"  state_dir: {state_dir}"
    yield ""
    yield "plan:"
    yield f"  regulation_capacity_up_mw: {_number(fleet.regulation_mw)}"
    yield f"  regulation_capacity_down_mw: {_number(fleet.regulation_mw)}"
    if fleet.oversold:
        yield "  allow_oversold: true  # more is sold than the fleet can rise or fall"
    yield ""
    yield "policy:"
    yield f"  allocation: {scenario.allocation.policy}"
    for key in (
        "look_ahead_s",
        "settle_s",
        "slow_s",
        "quiet_pu",
        "trust_error_pu",
        "soc_recovery_s",
    ):
        value = getattr(scenario.allocation, key)
        if value is not None:
            yield f"  {key}: {_number(value)}"
    yield ""
    yield "guards:"
    yield f"  agc_interval_s: {_number(interval_s)}"
    stale_s = max(SHORTEST_STALE_S, STALE_INTERVALS * interval_s)
    yield f"  agc_stale_after_s: {_number(guards.agc_stale_after_s or stale_s)}"
    if guards.hold_s is not None:
        yield f"  hold_s: {_number(guards.hold_s)}"
    if guards.return_rate_pu_per_s is not None:
        yield f"  return_rate_pu_per_s: {_number(guards.return_rate_pu_per_s)}"
    yield ""
    if scenario.droop is not None:
        yield from _droop(scenario.frequency, scenario.droop)
    yield "signals:"
    takes = "" if scenario.frequency.kind == NONE else ", frequency: true"
    yield f"  - {{type: dnp3_outstation, id: tso, port: {fleet.tso_port}{takes}}}"
    yield ""
    yield "templates:"
    for kind in fleet.counts("kind"):
        unit = next(u for u in fleet.units if u.kind == kind)
        yield from _template(unit, scenario.links.telemetry_age_max_s)
    yield ""
    timeout_s = scenario.links.timeout_s
    wait = "" if timeout_s is None else f", timeout_s: {_number(timeout_s)}"
    yield "links:"
    if "mqtt" in fleet.counts("protocol"):
        yield f"  - {{type: mqtt, id: broker, port: {fleet.broker_port}}}"
    for unit in fleet.units:
        if unit.protocol != "mqtt":
            yield f"  - {{type: {unit.protocol}_tcp, id: {unit.id}, port: {unit.port}{wait}}}"
    yield ""
    yield "fleet:"
    link_s = sum(fleet.latency_s) / 2.0  # what a commissioning test would find on top
    for unit in fleet.units:
        yield from _unit(unit, timeout_s, link_s)


def _droop(source: FrequencySource, droop: PlantDroopConfig) -> Iterator[str]:
    """Section of the plant's droop."""
    stale_s = max(SHORTEST_FREQUENCY_STALE_S, STALE_INTERVALS * source.interval_s)
    yield "droop:"
    yield f"  droop_pu: {_number(droop.droop_pu)}"
    yield f"  power_mw: {_number(droop.power_mw)}"
    yield f"  deadband_hz: {_number(droop.deadband_hz)}"
    yield f"  freq_nominal_hz: {_number(source.nominal_hz)}"
    yield f"  stale_after_s: {_number(stale_s)}"
    yield ""


def _template(unit: Unit, telemetry_age_max_s: float | None) -> Iterator[str]:
    """Keys that all units of a kind share."""
    yield f"  {unit.kind}: &{unit.kind}"
    yield f"    kind: {unit.kind}"
    yield f"    watchdog_s: {_number(unit.watchdog_s)}"
    if telemetry_age_max_s is not None:
        yield f"    telemetry_age_max_s: {_number(telemetry_age_max_s)}"
    if unit.energy_mwh is not None:
        yield f"    soc_min_pu: {_number(unit.soc_min_pu)}"
        yield f"    soc_max_pu: {_number(unit.soc_max_pu)}"


def _unit(unit: Unit, timeout_s: float | None, link_s: float) -> Iterator[str]:
    """One unit, on four lines."""
    device = DEVICE[unit.maker]
    if unit.protocol == "mqtt" and timeout_s is not None:
        device = device.replace("}", f", ack_timeout_s: {_number(timeout_s)}}}")
    names = (unit.id, _number(unit.rated_mw)) if device.count("%s") == 2 else (unit.id,)
    ramp = _number(unit.ramp_mw_per_s)
    yield f"  - {{<<: *{unit.kind}, id: {unit.id}, device: {device % names},"
    yield (
        f"     p_min_mw: {_number(unit.p_min_mw)}, p_max_mw: {_number(unit.p_max_mw)},"
        f" basepoint_mw: {_number(unit.basepoint_mw)}, fallback_mw: {_number(unit.fallback_mw)},"
    )
    store = ""
    if unit.energy_mwh is not None:
        store = (
            f", energy_mwh: {_number(unit.energy_mwh)},"
            f" efficiency_charge_pu: {_number(unit.efficiency_charge_pu)},"
            f" efficiency_discharge_pu: {_number(unit.efficiency_discharge_pu)}"
        )
    yield (
        f"     ramp_up_mw_per_s: {ramp}, ramp_down_mw_per_s: {ramp},"
        f" dead_time_s: {_number(unit.dead_time_s + link_s)}, lag_s: {_number(unit.lag_s)},"
    )
    band = ""
    if unit.band_lower_mw is not None and unit.band_upper_mw is not None:
        band = (
            f", band_lower_mw: {_number(unit.band_lower_mw)},"
            f" band_upper_mw: {_number(unit.band_upper_mw)},\n"
            f"     min_on_s: {_number(unit.min_on_s)}, min_off_s: {_number(unit.min_off_s)},"
            f" switch_mw: {_number(unit.switch_mw)}"
        )
    yield f"     cost: {_number(unit.cost)}{store}{band}}}"


def _one_line(text: str) -> str:
    """Text that stays within one comment."""
    return " ".join(text.split())


def _number(value: float) -> str:
    """Shortest text that YAML reads as this number; no `1e-05`, which YAML takes for a text."""
    shown = f"{value:.9f}".rstrip("0")
    shown = shown + "0" if shown.endswith(".") else shown
    return "0.0" if shown in ("-0.0", "") else shown
