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
    what: str  # in words
    parameter: Parameter | None = None
    clocks: tuple[str, ...] = BOTH
    makers: tuple[str, ...] = ()  # only units of these; none: all


def _delay(default_ms: float) -> Parameter:
    return Parameter("delay_ms", default_ms, 0.0, 600000.0, 1e-3)


def _chance(default_pct: float) -> Parameter:
    return Parameter("probability_pct", default_pct, 0.0, 100.0, 1e-2)


# maker A's registers are whole numbers: its document has no word for one that is not there
_SAY_NOTHING = tuple(maker for maker in MAKERS if maker != "modbus_ev_hub")
# who has something to protect: a store, a room, cars that must leave with their energy
_PROTECTS = tuple(maker for maker in MAKERS if "industrial" not in maker and "pv" not in maker)
_STEP_S = Parameter("step_s", 3600.0, -1e6, 1e6)

FAULT_KINDS: dict[str, Kind] = {
    # by the rig's order, or by a cut of its own: older than the others
    "link_cut": Kind(UNIT, "the unit's link is cut: closed and refused, or just mute (how)"),
    "wire_kill": Kind(BENCH, "kill -9 of a simulator process, with all its units", clocks=(REAL,)),
    "agc_cut": Kind(TSO, "the TSO's link is cut: closed, or just mute (how)"),
    # the link of a unit
    "link_latency": Kind(UNIT, "each message takes that much longer", _delay(500.0)),
    "link_jitter": Kind(UNIT, "each message takes up to that much longer", _delay(500.0)),
    "link_loss": Kind(UNIT, "messages are lost, both ways", _chance(20.0)),
    "link_hang": Kind(UNIT, "orders are obeyed, no answer leaves"),
    "link_reset": Kind(UNIT, "closed, and refused until the end"),
    "link_half_open": Kind(UNIT, "silently gone; reset at the end"),
    "link_slow_drip": Kind(UNIT, "answers come by single octets, so far apart", _delay(200.0)),
    "link_duplicate": Kind(UNIT, "messages are delivered twice, both ways", _chance(20.0)),
    "link_corrupt": Kind(UNIT, "answers are garbled", _chance(20.0)),
    # the unit itself
    "device_trip": Kind(UNIT, "power is 0 at once, orders are refused, it says fault"),
    "device_freeze": Kind(UNIT, "telemetry stands still"),
    "device_stuck": Kind(UNIT, "power stands still, telemetry is honest"),
    "device_nan": Kind(UNIT, "readings are not there", makers=_SAY_NOTHING),
    "device_wrong_scale": Kind(
        UNIT, "measured power times that", Parameter("factor", 10.0, -1e3, 1e3)
    ),
    "device_wrong_sign": Kind(UNIT, "measured power with its sign turned"),
    "device_clock_step": Kind(  # the others send no time
        UNIT, "its clock is off by that", _STEP_S, makers=("mqtt_ev_hub",)
    ),
    "device_reboot": Kind(UNIT, "away, and back knowing nothing of mode and dead man"),
    "device_refuse_writes": Kind(UNIT, "orders are refused"),
    "device_ignore_writes": Kind(UNIT, "orders are accepted, without effect"),
    "device_unguarded": Kind(
        UNIT,
        "obeys beyond the range that it says, at the cost of store, room or cars",
        makers=_PROTECTS,
    ),
    "device_drift": Kind(
        UNIT, "its response drifts off, from 1 to that gain", Parameter("factor", 0.7, 0.0, 2.0)
    ),
    "device_old_setpoint": Kind(UNIT, "away, and back following what it was told before"),
    # what the TSO sends
    "signal_stale": Kind(TSO, "no values, while connected"),
    "signal_spike": Kind(TSO, "values are off by that, within ±1", Parameter("pu", 1.0, -2.0, 2.0)),
    "signal_out_of_range": Kind(TSO, "that value is sent", Parameter("pu", 1.5, -1e6, 1e6)),
    "signal_replayed": Kind(TSO, "the values before it come once more"),
    "signal_jump_opposite": Kind(TSO, "the limit of the other sign is sent"),
    "signal_frozen": Kind(TSO, "the last value is sent for ever"),
    # the machine of the daemon
    "host_tick_overrun": Kind(HOST, "each tick takes that much longer", _delay(1500.0), (VIRTUAL,)),
    "host_disk_full": Kind(HOST, "the journal's disk takes nothing", clocks=(VIRTUAL,)),
    "host_slow_disk": Kind(HOST, "each write takes that long", _delay(500.0), (VIRTUAL,)),
    "host_clock_jump": Kind(HOST, "the wall clock is off by that", _STEP_S, (VIRTUAL,)),
    "host_memory_pressure": Kind(
        BENCH, "so much memory is taken and touched", Parameter("size_mb", 256.0, 1.0, 1e6), (REAL,)
    ),
    # the daemon
    "daemon_kill": Kind(DAEMON, "kill -9; started again at the end", clocks=(VIRTUAL,)),
    "daemon_restart": Kind(DAEMON, "stopped in order; started again at the end", clocks=(VIRTUAL,)),
}
PARAMETERS = ("delay_ms", "probability_pct", "factor", "step_s", "pu", "size_mb")


def of(meets: str) -> tuple[str, ...]:
    """Kinds that meet a unit, the TSO, the host, the daemon, or the bench."""
    return tuple(name for name, kind in FAULT_KINDS.items() if kind.meets == meets)
