"""What the daemon says of itself: one frozen record a tick, and its form as JSON."""

import dataclasses
import json
import math
import types
import typing
from dataclasses import dataclass, field
from typing import Any

from vppd.ops.timing import NO_QUANTILES, Quantiles

SCHEMA = 1
NAN = float("nan")


class StatusError(Exception):
    """The status could not be had; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Realtime:
    """What the kernel granted, in words; after a colon stands why it is not what was asked for."""

    scheduler: str
    memory: str
    gc: str


@dataclass(frozen=True, slots=True)
class SignalStatus:
    """The AGC signal as the core sees it."""

    agc_pu: float = NAN  # last accepted value; NaN: none yet
    age_s: float = NAN  # since it was received
    verdict: str = "NONE"  # core.types.Verdict


@dataclass(frozen=True, slots=True)
class PlanStatus:
    """The plan in force."""

    regulation_capacity_up_mw: float
    regulation_capacity_down_mw: float
    basepoint_mw: float  # sum of all units


@dataclass(frozen=True, slots=True)
class PowerStatus:
    """Power of the plant, MW, generation positive."""

    request_mw: float = NAN
    served_mw: float = NAN
    measured_mw: float = NAN  # NaN: no unit is read
    unserved_mw: float = NAN


@dataclass(frozen=True, slots=True)
class HeadroomStatus:
    """Room around the setpoints, MW, each at least 0."""

    up_mw: float = NAN  # within one tick
    down_mw: float = NAN
    range_up_mw: float = NAN  # without the ramps
    range_down_mw: float = NAN


@dataclass(frozen=True, slots=True)
class PromiseStatus:
    """Headroom around the plan at one horizon, MW, each at least 0."""

    s: float  # from now
    up_mw: float
    down_mw: float
    firm_up_mw: float
    firm_down_mw: float


@dataclass(frozen=True, slots=True)
class FigureStatus:
    """One figure of a product's score; NaN: the market has none for what there is."""

    name: str
    so_far: float = NAN  # of the interval that runs
    ends_with: float = NAN  # if signal and answer stay as they are until its end
    last: float = NAN  # of the interval before


@dataclass(frozen=True, slots=True)
class ProductStatus:
    """A product that was sold, in the interval that runs."""

    market: str
    since: str  # UTC; empty: nothing was scored yet
    until: str
    scored_s: float = 0.0  # seconds of the interval of which everything is known
    figures: tuple[FigureStatus, ...] = ()
    error: str = ""  # why there is no score so far


@dataclass(frozen=True, slots=True)
class TimingStatus:
    """How well the tick keeps its time."""

    tick_s: float
    timer: str = ""
    tick_us: Quantiles = NO_QUANTILES  # from freezing the image to the decision
    lateness_ms: Quantiles = NO_QUANTILES
    early_ticks: int = 0  # started by a fresh AGC value
    missed_ticks: int = 0


@dataclass(frozen=True, slots=True)
class Benched:
    """A unit that takes no part, and what it is counted with."""

    id: str
    kind: str
    reason: str  # core.types.Reason
    since_s: float  # how long ago
    counted_as: str  # prediction, fallback, measured, operator
    counted_mw: float
    detail: str = ""  # the driver's or the link's own words


@dataclass(frozen=True, slots=True)
class IoStatus:
    """Counters of the links since the start."""

    writes: int = 0
    failed_writes: int = 0
    refused_writes: int = 0
    dropped_setpoints: int = 0  # replaced by a newer one, or too old, before they were sent
    reads: int = 0
    failed_reads: int = 0
    reconnects: int = 0


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """State of the journal."""

    path: str = ""  # empty: there is none
    ticks: int = 0
    bytes: int = 0
    dropped: int = 0
    error: str = ""
    unsynced_age_s: float = 0.0  # of the oldest record that is not on the disk yet
    events: int = 0  # in the log of events, since the start
    events_lost: int = 0
    removed: int = 0  # segments removed by age or size, since the start
    held: str = ""  # the oldest that would go and is not rolled to Parquet; empty: none
    reserve: bool = True  # room for the day when the disk is full is kept, or not asked for
    key_id: str = ""  # of the key that signs; empty: nothing is signed
    signed_utc: str = ""  # when a head was signed last; empty: never


@dataclass(frozen=True, slots=True)
class AlarmStatus:
    """One alarm that is not normal; see docs/alarms.md."""

    id: str  # what orders name it by
    name: str  # row of the catalogue
    subject: str  # unit, link or task; empty: the plant
    group: str
    priority: str  # CRITICAL, HIGH, MEDIUM, LOW
    state: str  # ops.alarms.state.State
    first_out: bool  # it came first of its group
    since_s: float  # how long it has been in its state
    raised_s: float  # how long ago it was last raised; NaN: never
    count: int  # how often it was, since it was last normal
    title: str
    action: str  # what to do first
    value: float  # NaN: it has none
    unit: str
    detail: str
    suppressed_by: str  # id of its cause, or alarm_flood; empty: it is not
    shelved_for_s: float  # how much longer; NaN: it is not
    shelve_max_s: float  # 0: nobody may shelve it
    who: str  # who brought it into its state; empty: it came by itself
    why: str


@dataclass(frozen=True, slots=True)
class AlarmPriority:
    """Priority of an alarm that the configuration sets otherwise than the catalogue."""

    name: str
    priority: str


@dataclass(frozen=True, slots=True)
class ConfigStatus:
    """The configuration in force, and how the last reload ended."""

    sha256: str = ""
    last_reload_successful: bool = True
    last_reload_utc: str = ""  # empty: none was asked for
    last_reload_messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """Everything, at the end of one tick."""

    site: str
    version: str
    pid: int
    utc: str  # when this was true
    uptime_s: float
    shadow: bool
    mode: str  # core.types.Mode
    mode_since_s: float  # how long ago
    order: str  # core.types.Order
    tick: int
    units_online: int
    units_total: int
    plan: PlanStatus
    timing: TimingStatus
    realtime: Realtime
    signal: SignalStatus = SignalStatus()
    power: PowerStatus = PowerStatus()
    headroom: HeadroomStatus = HeadroomStatus()
    promise: tuple[PromiseStatus, ...] = ()
    award_short: bool = False  # more regulation was sold than can be promised
    products: tuple[ProductStatus, ...] = ()
    io: IoStatus = IoStatus()
    journal: JournalStatus = JournalStatus()
    benched: tuple[Benched, ...] = ()
    alarms: tuple[AlarmStatus, ...] = ()  # shown before hidden, the most urgent first
    alarm_priorities: tuple[AlarmPriority, ...] = ()  # where not those of the catalogue
    log_lines_dropped: int = 0
    config: ConfigStatus = ConfigStatus()
    schema: int = field(default=SCHEMA)


def to_json(status: Status) -> str:
    """One JSON document; what is NaN in the record is null there."""
    return json.dumps(_plain(dataclasses.asdict(status)), allow_nan=False, ensure_ascii=False)


def from_json(text: str) -> Status:
    """Read the document back. Keys of a newer daemon are passed over. Raises StatusError."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise StatusError(f"the answer is no JSON document: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise StatusError(f"the answer is no status of schema {SCHEMA}: another version of vppd?")
    try:
        status: Status = _record(Status, document)
    except (KeyError, TypeError, ValueError) as error:
        raise StatusError(f"the answer is no status of schema {SCHEMA}: {error}") from error
    return status


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _record(kind: type[Any], document: dict[str, Any]) -> Any:
    """Build a dataclass from its JSON object, field by field."""
    hints = typing.get_type_hints(kind)
    return kind(
        **{
            name: _value(hint, document[name], name)
            for name, hint in hints.items()
            if name in document
        }
    )


def _value(hint: Any, value: Any, name: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return _record(typing.cast("type[Any]", hint), value)
    if isinstance(hint, types.GenericAlias) and isinstance(value, list):
        return tuple(_value(hint.__args__[0], item, name) for item in value)
    if hint is float and (value is None or isinstance(value, (int, float))):
        return NAN if value is None else float(value)
    if hint in (int, str, bool) and type(value) is hint:
        return value
    raise ValueError(f"{name}: unexpected {value!r}")
