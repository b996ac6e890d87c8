"""Kinds of timed faults: whom each meets, its parameter, and which clock can inject it."""

from dataclasses import dataclass

from hil.scenario.fleet import MAKERS

UNIT, TSO, HOST, DAEMON, BENCH = "unit", "tso", "host", "daemon", "bench"
REAL, VIRTUAL = "real", "virtual"
BOTH = (REAL, VIRTUAL)


@dataclass(frozen=True, slots=True)
class Parameter:
    """Key of a fault's one number in a scenario, its range, and its default, as written there."""

    key: str
    default: float
    minimum: float
    maximum: float
    to_si: float = 1.0  # ms -> s, % -> pu


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault."""

    meets: str
    parameter: Parameter | None = None
    clocks: tuple[str, ...] = BOTH
    makers: tuple[str, ...] = ()  # only units of these; none: all


def _delay(default_ms: float) -> Parameter:
    return Parameter("delay_ms", default_ms, 0.0, 600000.0, 1e-3)


def _chance(default_pct: float) -> Parameter:
    return Parameter("probability_pct", default_pct, 0.0, 100.0, 1e-2)


# maker A's registers are whole numbers: its document has no word for one that is not there
_SAY_NOTHING = tuple(maker for maker in MAKERS if maker != "modbus_ev_hub")
_STEP_S = Parameter("step_s", 3600.0, -1e6, 1e6)

FAULT_KINDS: dict[str, Kind] = {
    # by the rig's order, or by a cut of its own: older than the others
    "link_cut": Kind(UNIT),
    "wire_kill": Kind(BENCH, clocks=(REAL,)),
    "agc_cut": Kind(TSO),
    # the link of a unit
    "link_latency": Kind(UNIT, _delay(500.0)),  # each message takes that much longer
    "link_jitter": Kind(UNIT, _delay(500.0)),  # ... up to that much, drawn for each message
    "link_loss": Kind(UNIT, _chance(20.0)),  # messages lost, both ways
    "link_hang": Kind(UNIT),  # orders are obeyed, no answer leaves
    "link_reset": Kind(UNIT),  # closed and refused
    "link_half_open": Kind(UNIT),  # silently gone; reset when it is back
    "link_slow_drip": Kind(UNIT, _delay(200.0)),  # answers by single octets, so far apart
    "link_duplicate": Kind(UNIT, _chance(20.0)),  # messages delivered twice, both ways
    "link_corrupt": Kind(UNIT, _chance(20.0)),  # answers garbled
    # the unit itself
    "device_trip": Kind(UNIT),  # power 0 at once, refuses, says fault
    "device_freeze": Kind(UNIT),  # telemetry stands still
    "device_stuck": Kind(UNIT),  # power stands still, telemetry is honest
    "device_nan": Kind(UNIT, makers=_SAY_NOTHING),  # readings are not there
    "device_wrong_scale": Kind(UNIT, Parameter("factor", 10.0, -1e3, 1e3)),
    "device_wrong_sign": Kind(UNIT),
    "device_clock_step": Kind(UNIT, _STEP_S, makers=("mqtt_ev_hub",)),  # the others send no time
    "device_reboot": Kind(UNIT),  # away, and back knowing nothing of mode and dead man
    "device_refuse_writes": Kind(UNIT),
    "device_ignore_writes": Kind(UNIT),  # accepted, without effect
    "device_drift": Kind(UNIT, Parameter("factor", 0.7, 0.0, 2.0)),  # gain at the end, from 1
    "device_old_setpoint": Kind(UNIT),  # away, and back following what it was told before
    # what the TSO sends
    "signal_stale": Kind(TSO),  # nothing, while connected
    "signal_spike": Kind(TSO, Parameter("pu", 1.0, -2.0, 2.0)),  # that much off, within ±1
    "signal_out_of_range": Kind(TSO, Parameter("pu", 1.5, -1e6, 1e6)),
    "signal_replayed": Kind(TSO),  # the values before it once more
    "signal_jump_opposite": Kind(TSO),  # the limit of the other sign
    "signal_frozen": Kind(TSO),
    # the machine of the daemon
    "host_tick_overrun": Kind(HOST, _delay(1500.0), (VIRTUAL,)),  # each tick takes so much longer
    "host_disk_full": Kind(HOST, clocks=(VIRTUAL,)),
    "host_slow_disk": Kind(HOST, _delay(500.0), (VIRTUAL,)),  # of each write
    "host_clock_jump": Kind(HOST, _STEP_S, (VIRTUAL,)),  # of the wall clock
    "host_memory_pressure": Kind(BENCH, Parameter("size_mb", 256.0, 1.0, 1e6), (REAL,)),
    # the daemon
    "daemon_kill": Kind(DAEMON, clocks=(VIRTUAL,)),  # kill -9; started again at the end
    "daemon_restart": Kind(DAEMON, clocks=(VIRTUAL,)),  # in order; started again at the end
}
PARAMETERS = ("delay_ms", "probability_pct", "factor", "step_s", "pu", "size_mb")


def of(meets: str) -> tuple[str, ...]:
    """Kinds that meet a unit, the TSO, the host, the daemon, or the bench."""
    return tuple(name for name, kind in FAULT_KINDS.items() if kind.meets == meets)
