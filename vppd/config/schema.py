"""The configuration, as frozen records. Every number has its unit and its range here.

Drivers (links, devices, signals) bring their own records; `load` gets them in a `Registry`,
so that this room knows no protocol. A record may have a method `cross_checks()` that returns
`[(key, message), …]` for rules over more than one key. A record with several such rules names
their methods in `CROSS_CHECKS`: one that reads a key without a good value is passed over, the
others still speak.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from vppd.config import messages
from vppd.config.fields import about, number, text
from vppd.config.sections import (
    AlarmsConfig,
    ApiConfig,
    DroopConfig,
    GuardsConfig,
    JournalConfig,
    MetricsConfig,
    TracingConfig,
)

ID = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """Base of every link record. `TYPE` is what the file says in `type`."""

    TYPE: ClassVar[str] = ""

    id: str = field(metadata=text("name by which devices refer to the link", pattern=ID))

    def address_key(self) -> Hashable:
        """Give what tells its peer from others; None where nothing can be said.

        Two links to one peer are allowed, two units that drive one device over them are not.
        """
        keys = [f.name for f in fields(self) if f.name in ("host", "port", "outstation_address")]
        return (self.TYPE, *(getattr(self, key) for key in keys)) if keys else None

    def connects_to(self) -> tuple[str, int] | None:
        """Give host and port of its peer; None where it has none."""
        host, port = (getattr(self, key) if _has(self, key) else None for key in ("host", "port"))
        return None if host is None or port is None else (host, port)


def _has(record: LinkConfig, key: str) -> bool:
    return key in (f.name for f in fields(record))


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """Base of every device record. `DRIVER` is what the file says in `driver`."""

    DRIVER: ClassVar[str] = ""
    LINK_TYPES: ClassVar[tuple[str, ...]] = ()

    link: str = field(metadata=text("id of the link it is reached by", pattern=ID))

    def address_key(self) -> Hashable:
        """Give what tells this device from others on its link; None where nothing can be said."""
        return None

    def unit_checks(self, unit: "UnitConfig") -> list[tuple[str, str]]:  # noqa: ARG002 - a hook
        """Give what is wrong with a unit of this device, as (key of the unit, message)."""
        return []


@dataclass(frozen=True, slots=True)
class SignalConfig:
    """Base of every signal record. `TYPE` is what the file says in `type`."""

    TYPE: ClassVar[str] = ""

    id: str = field(metadata=text("name of the signal", pattern=ID))

    def brings(self) -> tuple[str, ...]:
        """Give what comes in by it: of "agc" and "frequency"."""
        return ("agc",)

    def listens_on(self) -> tuple[str, int] | None:
        """Give host and port of its listening socket; None where it has none."""
        return None


@dataclass(frozen=True, slots=True)
class SiteConfig:
    """The daemon itself."""

    name: str = field(metadata=text("name of the plant, in logs and reports"))
    state_dir: str = field(
        metadata=text("folder of journal, lock and status socket; relative to this file")
    )
    commissioning_dir: str | None = field(
        default=None,
        metadata=text(
            "folder with what `vppd commission` has found, a file ID.yaml a unit, which goes over"
            " the unit's dead_time_s, lag_s, step_min_mw and resolution_mw; relative to this file"
        ),
    )
    tick_s: float = field(
        default=1.0, metadata=number("s", "period of the control tick", minimum=0.1, maximum=4.0)
    )
    log_level: str = field(
        default="info", metadata=text("least level logged", "debug", "info", "warning", "error")
    )
    realtime_priority: int = field(
        default=40,
        metadata=number(
            "", "SCHED_FIFO priority asked for; 0: do not ask", minimum=0.0, maximum=90.0
        ),
    )
    lock_memory: bool = field(
        default=True, metadata=about("lock pages into memory as they are used (MCL_ONFAULT)")
    )
    stop_timeout_s: float = field(
        default=3.0,
        metadata=number("s", "time for the last setpoints at a stop", above=0.0, maximum=60.0),
    )
    setpoint_age_max_s: float = field(
        default=2.0,
        metadata=number("s", "a setpoint older than this is not sent", above=0.0, maximum=60.0),
    )
    write_chunk: int = field(
        default=16,
        metadata=number(
            "",
            "devices that get their setpoint before the event loop breathes",
            minimum=1.0,
            maximum=10000.0,
        ),
    )


@dataclass(frozen=True, slots=True)
class UnitConfig:
    """One resource: its limits, its store, its manners, and the device it is spoken to by."""

    CROSS_CHECKS: ClassVar[tuple[str, ...]] = (
        "limits_check",
        "setpoints_check",
        "steps_check",
        "band_check",
        "band_times_check",
        "store_check",
        "battery_check",
        "source_sign_check",
        "load_sign_check",
        "device_check",
    )

    id: str = field(metadata=text("name of the unit", pattern=ID))
    kind: str = field(
        metadata=text("kind of the unit", "battery", "ev_hub", "hvac", "industrial", "pv", "other")
    )
    device: DeviceConfig = field(metadata=about("the device: `driver`, `link` and driver's keys"))
    p_min_mw: float = field(
        metadata=number("MW", "lowest setpoint; a load is negative", minimum=-1e5, maximum=1e5)
    )
    p_max_mw: float = field(metadata=number("MW", "highest setpoint", minimum=-1e5, maximum=1e5))
    ramp_up_mw_per_s: float = field(
        metadata=number("MW/s", "fastest rise of the setpoint", above=0.0, maximum=1e5)
    )
    ramp_down_mw_per_s: float = field(
        metadata=number("MW/s", "fastest fall of the setpoint, a magnitude", above=0.0, maximum=1e5)
    )
    group: str | None = field(
        default=None, metadata=text("lowest group that the unit is a part of")
    )
    basepoint_mw: float = field(
        default=0.0,
        metadata=number("MW", "scheduled output without regulation", minimum=-1e5, maximum=1e5),
    )
    cost: float = field(
        default=1.0,
        metadata=number(
            "",
            "weight of leaving the basepoint; twice the cost, half the share",
            above=0.0,
            maximum=1e9,
        ),
    )
    participation: float = field(
        default=1.0,
        metadata=number(
            "",
            "share in what the request asks for long, over the unit's range; 0: only when the"
            " others are spent (response_aware)",
            minimum=0.0,
            maximum=1e3,
        ),
    )
    dead_time_s: float = field(
        default=0.0,
        metadata=number(
            "s",
            "from a setpoint's leaving to the first change of the output, the way there included",
            minimum=0.0,
            maximum=600.0,
        ),
    )
    lag_s: float = field(
        default=0.0,
        metadata=number(
            "s",
            "time constant of the first-order lag behind the dead time",
            minimum=0.0,
            maximum=3600.0,
        ),
    )
    firm_pu: float = field(
        default=1.0,
        metadata=number(
            "pu",
            "share of the unit's room around its basepoint that is promised as firm; less where"
            " weather, cars or a process may take it away",
            minimum=0.0,
            maximum=1.0,
        ),
    )
    energy_mwh: float | None = field(
        default=None, metadata=number("MWh", "size of the store", above=0.0, maximum=1e6)
    )
    soc_min_pu: float = field(
        default=0.1, metadata=number("pu", "lowest state of charge", minimum=0.0, maximum=1.0)
    )
    soc_max_pu: float = field(
        default=0.9, metadata=number("pu", "highest state of charge", minimum=0.0, maximum=1.0)
    )
    efficiency_charge_pu: float = field(
        default=1.0, metadata=number("pu", "stored per drawn energy", above=0.0, maximum=1.0)
    )
    efficiency_discharge_pu: float = field(
        default=1.0, metadata=number("pu", "given per stored energy", above=0.0, maximum=1.0)
    )
    step_min_mw: float = field(
        default=0.0,
        metadata=number("MW", "smallest change the unit acts on", minimum=0.0, maximum=1e4),
    )
    resolution_mw: float = field(
        default=0.0,
        metadata=number("MW", "grid of the setpoints the unit takes", minimum=0.0, maximum=1e4),
    )
    band_lower_mw: float | None = field(
        default=None,
        metadata=number(
            "MW",
            "the unit cannot stand between here and band_upper_mw; -2 and 0 of a load: it is off"
            " or draws at least 2 MW",
            minimum=-1e5,
            maximum=1e5,
        ),
    )
    band_upper_mw: float | None = field(
        default=None, metadata=number("MW", "upper end of the band", minimum=-1e5, maximum=1e5)
    )
    min_on_s: float = field(
        default=0.0,
        metadata=number(
            "s",
            "it stays at least so long on the side of its band that is farther from 0 MW",
            minimum=0.0,
            maximum=86400.0,
        ),
    )
    min_off_s: float = field(
        default=0.0,
        metadata=number("s", "and so long on the side nearer to it", minimum=0.0, maximum=86400.0),
    )
    switch_mw: float = field(
        default=0.0,
        metadata=number(
            "MW",
            "crossing its band costs as much as standing so far from where it best stands",
            minimum=0.0,
            maximum=1e5,
        ),
    )
    switches_per_day: float | None = field(
        default=None,
        metadata=number(
            "",
            "how often it may cross its band in 24 h, evenly over the day (default: no limit)",
            minimum=1.0,
            maximum=86400.0,
        ),
    )
    telemetry_age_max_s: float = field(
        default=5.0,
        metadata=number(
            "s", "older telemetry puts the unit out of the split", above=0.0, maximum=3600.0
        ),
    )
    watchdog_s: float = field(
        default=10.0,
        metadata=number(
            "s", "without setpoints the unit goes to its fallback after", above=0.0, maximum=3600.0
        ),
    )
    fallback_mw: float | None = field(
        default=None,
        metadata=number(
            "MW", "where its watchdog takes it (default: basepoint)", minimum=-1e5, maximum=1e5
        ),
    )
    stop_mw: float | None = field(
        default=None,
        metadata=number(
            "MW",
            "last setpoint before the daemon stops (default: basepoint)",
            minimum=-1e5,
            maximum=1e5,
        ),
    )
    hold_mw: float | None = field(
        default=None,
        metadata=number(
            "MW",
            "the operator holds the unit here, out of the split (default: it takes part)",
            minimum=-1e5,
            maximum=1e5,
        ),
    )

    def limits_check(self) -> list[tuple[str, str]]:
        """The limits do not cross."""
        if self.p_min_mw <= self.p_max_mw:
            return []
        message = messages.LIMITS_CROSS.format(p_min_mw=self.p_min_mw, p_max_mw=self.p_max_mw)
        return [("p_max_mw", message)]

    def setpoints_check(self) -> list[tuple[str, str]]:
        """Where the unit is sent without regulation lies within its limits."""
        if self.p_min_mw > self.p_max_mw:
            return []  # nothing does; the limits are to blame
        return [
            (
                key,
                messages.OUTSIDE_LIMITS.format(
                    p_min_mw=self.p_min_mw, p_max_mw=self.p_max_mw, value_mw=value_mw
                ),
            )
            for key in ("basepoint_mw", "fallback_mw", "stop_mw", "hold_mw")
            if (value_mw := getattr(self, key)) is not None
            and not self.p_min_mw <= value_mw <= self.p_max_mw
        ]

    def steps_check(self) -> list[tuple[str, str]]:
        """The unit can make at least one step."""
        width_mw = self.p_max_mw - self.p_min_mw
        return [
            (key, messages.STEP_TOO_LARGE.format(width_mw=width_mw, value_mw=value_mw))
            for key in ("step_min_mw", "resolution_mw")
            if 0.0 < width_mw < (value_mw := getattr(self, key))
        ]

    def band_check(self) -> list[tuple[str, str]]:
        """The band lies within the limits, and nothing sends the unit into it."""
        low_mw, high_mw = self.band_lower_mw, self.band_upper_mw
        if low_mw is None and high_mw is None:
            return []
        if low_mw is None or high_mw is None:
            lacks = "band_lower_mw" if low_mw is None else "band_upper_mw"
            return [(lacks, messages.BAND_HALF)]
        if not self.p_min_mw <= low_mw < high_mw <= self.p_max_mw:
            message = messages.BAND_OUTSIDE.format(
                low_mw=low_mw, high_mw=high_mw, p_min_mw=self.p_min_mw, p_max_mw=self.p_max_mw
            )
            return [("band_lower_mw", message)]
        return [
            (key, messages.IN_BAND.format(low_mw=low_mw, high_mw=high_mw, value_mw=value_mw))
            for key in ("basepoint_mw", "fallback_mw", "stop_mw", "hold_mw")
            if (value_mw := getattr(self, key)) is not None and low_mw < value_mw < high_mw
        ]

    def band_times_check(self) -> list[tuple[str, str]]:
        """What is said of switching needs a band."""
        if self.band_lower_mw is not None or self.band_upper_mw is not None:
            return []
        said = [key for key in ("min_on_s", "min_off_s", "switch_mw") if getattr(self, key) > 0.0]
        said += ["switches_per_day"] if self.switches_per_day is not None else []
        return [(key, messages.NO_BAND) for key in said]

    def store_check(self) -> list[tuple[str, str]]:
        """The limits of the store do not cross."""
        if self.energy_mwh is None or self.soc_min_pu < self.soc_max_pu:
            return []
        message = messages.SOC_CROSS.format(soc_min_pu=self.soc_min_pu, soc_max_pu=self.soc_max_pu)
        return [("soc_max_pu", message)]

    def battery_check(self) -> list[tuple[str, str]]:
        """A battery has a store."""
        lacks = self.kind == "battery" and self.energy_mwh is None
        return [("energy_mwh", messages.BATTERY_STORE)] if lacks else []

    def source_sign_check(self) -> list[tuple[str, str]]:
        """Pure sources generate."""
        if self.kind != "pv" or self.p_min_mw >= 0.0:
            return []
        return [("p_min_mw", messages.PV_SIGN.format(p_min_mw=self.p_min_mw))]

    def load_sign_check(self) -> list[tuple[str, str]]:
        """Pure loads do not."""
        if self.kind not in ("ev_hub", "hvac", "industrial") or self.p_max_mw <= 0.0:
            return []
        message = messages.LOAD_SIGN.format(kind=self.kind, p_max_mw=self.p_max_mw)
        return [("p_max_mw", message)]

    def device_check(self) -> list[tuple[str, str]]:
        """The device can do what the unit says."""
        return self.device.unit_checks(self)


@dataclass(frozen=True, slots=True)
class GroupConfig:
    """Units behind one limit: a site, a feeder, a transformer. Groups may stand in groups."""

    id: str = field(metadata=text("name of the group", pattern=ID))
    parent: str | None = field(
        default=None,
        metadata=text("group that this one is a part of, which stands above it in the file"),
    )
    p_min_mw: float | None = field(
        default=None,
        metadata=number(
            "MW", "lowest sum of its units; a load is negative", minimum=-1e6, maximum=1e6
        ),
    )
    p_max_mw: float | None = field(
        default=None,
        metadata=number("MW", "highest sum of its units", minimum=-1e6, maximum=1e6),
    )

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        low_mw, high_mw = self.p_min_mw, self.p_max_mw
        if low_mw is None or high_mw is None or low_mw <= high_mw:
            return []
        return [("p_max_mw", messages.LIMITS_CROSS.format(p_min_mw=low_mw, p_max_mw=high_mw))]


@dataclass(frozen=True, slots=True)
class ProductConfig:
    """A product that was sold: it is scored while it runs, by its market's rules."""

    market: str = field(metadata=text("name of the market, as `vppd score --market list` has it"))
    params: tuple[str, ...] = field(
        default=(),
        metadata=text(
            "its parameters, key=value each; capacity_mw is what was sold up and down alike where"
            " it is not given"
        ),
    )


@dataclass(frozen=True, slots=True)
class PlanConfig:
    """The static plan: what was sold. Basepoints are keys of the units."""

    regulation_capacity_up_mw: float = field(
        metadata=number("MW", "what AGC = +1 asks above the basepoints", minimum=0.0, maximum=1e6)
    )
    regulation_capacity_down_mw: float = field(
        metadata=number(
            "MW", "what AGC = -1 asks below them, a magnitude", minimum=0.0, maximum=1e6
        )
    )
    allow_oversold: bool = field(
        default=False,
        metadata=about(
            "accept more regulation capacity than the fleet has; what cannot be served is"
            " reported as unserved"
        ),
    )
    award_guard: str = field(
        default="clamp",
        metadata=text(
            "while more was sold than the headroom of the next 15 min; clamp: an alarm, and the TSO"
            " is told of no more regulation capacity than that; alarm: an alarm; none: nothing",
            "clamp",
            "alarm",
            "none",
        ),
    )
    products: tuple[ProductConfig, ...] = field(
        default=(), metadata=about("what is scored while it runs (docs/markets.md)")
    )


@dataclass(frozen=True, slots=True)
class PolicyConfig:
    """How a request is split."""

    allocation: str = field(
        default="response_aware",
        metadata=text(
            "response_aware: what is delivered is the request; exact: setpoints add up to it, at"
            " least cost; pro_rata: by range; merit_order: cheapest first",
            "response_aware",
            "exact",
            "pro_rata",
            "merit_order",
        ),
    )
    look_ahead_s: float = field(
        default=1.0,
        metadata=number(
            "s",
            "response_aware: the delivered power is to be right that long after a tick",
            minimum=0.05,
            maximum=60.0,
        ),
    )
    settle_s: float = field(
        default=8.0,
        metadata=number(
            "s",
            "response_aware: by then units that answer in seconds take over from those that answer"
            " at once",
            minimum=0.05,
            maximum=600.0,
        ),
    )
    slow_s: float = field(
        default=3.0,
        metadata=number(
            "s",
            "response_aware: units share by range what the request asks for longer than that;"
            " a shorter time tracks better and works slow units harder",
            minimum=0.0,
            maximum=3600.0,
        ),
    )
    quiet_pu: float = field(
        default=0.01,
        metadata=number(
            "pu",
            "response_aware: a unit that does not answer at once keeps its setpoint while it would"
            " move by less than that part of its range; batteries carry the difference. More spares"
            " compressors, contactors and links; 0: every change is sent",
            minimum=0.0,
            maximum=0.2,
        ),
    )
    trust_error_pu: float = field(
        default=0.1,
        metadata=number(
            "pu",
            "response_aware: a unit whose readings are off from what its model says by more than"
            " that part of its range, over half a minute, is benched until it behaves; from half of"
            " it on less of its range is used; 0: every unit is trusted",
            minimum=0.0,
            maximum=1.0,
        ),
    )
    soc_recovery_s: float = field(
        default=7200.0,
        metadata=number(
            "s",
            "response_aware: time in which a store is brought back to the middle of its band;"
            " .inf: never",
            minimum=60.0,
            allow_inf=True,
        ),
    )
    soc_horizon_s: float = field(
        default=60.0,
        metadata=number(
            "s", "setpoints keep the SoC within limits that far ahead", minimum=1.0, maximum=86400.0
        ),
    )
    soc_error_pu: float = field(
        default=0.02,
        metadata=number(
            "pu", "error of the SoC that the firm headroom allows for", minimum=0.0, maximum=0.5
        ),
    )


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration file."""

    site: SiteConfig = field(metadata=about("the daemon itself"))
    links: tuple[LinkConfig, ...] = field(metadata=about("transports; `type` chooses the record"))
    fleet: tuple[UnitConfig, ...] = field(metadata=about("the units"))
    signals: tuple[SignalConfig, ...] = field(
        metadata=about("AGC and frequency in, telemetry out; `type` chooses the record")
    )
    plan: PlanConfig = field(metadata=about("what was sold"))
    groups: tuple[GroupConfig, ...] = field(
        default=(), metadata=about("limits of several units together")
    )
    policy: PolicyConfig = field(default=PolicyConfig(), metadata=about("how a request is split"))
    guards: GuardsConfig = field(default=GuardsConfig(), metadata=about("guards on the signal"))
    droop: DroopConfig | None = field(
        default=None, metadata=about("frequency droop of the plant; absent: none")
    )
    journal: JournalConfig = field(default=JournalConfig(), metadata=about("the tick journal"))
    alarms: AlarmsConfig = field(
        default=AlarmsConfig(), metadata=about("alarms, where not as docs/alarms.md has them")
    )
    metrics: MetricsConfig | None = field(
        default=None, metadata=about("the listener for Prometheus; absent: none")
    )
    tracing: TracingConfig | None = field(
        default=None, metadata=about("traces of ticks; absent: none")
    )
    api: ApiConfig | None = field(
        default=None, metadata=about("HTTP API and console (docs/api.md); absent: none")
    )
    templates: Any = field(
        default=None, metadata=about("a place for YAML anchors; its content is not read")
    )


@dataclass(frozen=True, slots=True)
class Registry:
    """Records of the drivers that are installed, by what the file calls them.

    `alarms`: which there are, and whether anybody may shelve them.
    """

    links: dict[str, type[LinkConfig]]
    devices: dict[str, type[DeviceConfig]]
    signals: dict[str, type[SignalConfig]]
    alarms: dict[str, bool] = field(default_factory=dict)
