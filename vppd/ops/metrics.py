"""What the daemon says of itself to Prometheus, by the conventions of OpenMetrics 1.0.

Base units (seconds, watts, bytes, ratios), one unit in each name, counters end in `_total`. No
label has more values than the code or the configuration's products: units are counted by kind and
reason, never named, so that a fleet of 10,000 makes no more series than one of ten. Who needs one
unit asks `vppd status` or the journal.

What is not known is NaN, never 0.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    StateSetMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from vppd.core.types import Mode, Reason, Verdict
from vppd.ops.alarms.catalogue import CATALOGUE, Priority
from vppd.ops.alarms.state import HIDDEN, State
from vppd.ops.status import Status

WATTS: Final = 1e6  # in a MW
TOOK_S: Final = (50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 50e-3, 0.1, 0.5)
LATE_S: Final = (100e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 50e-3, 0.1, 0.5, 1.0)
SHOWN: Final = tuple(state for state in State if state is not State.NORMAL)


class Histogram:
    """Counts of what was measured, by upper bounds. Adding costs nothing that grows."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Take a value in."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def family(self, name: str, text: str) -> Metric:
        """The counts as Prometheus wants them: each bucket holds the ones below it, too."""
        rows, total = [], 0
        for bound, count in zip((*self._bounds, math.inf), self._counts, strict=True):
            total += count
            rows.append(("+Inf" if bound == math.inf else repr(bound), total))
        return HistogramMetricFamily(name, text, buckets=rows, sum_value=self._sum, unit="seconds")


class TickMetrics:
    """What only shows tick by tick."""

    def __init__(self) -> None:
        self.ticks = 0
        self.took = Histogram(TOOK_S)
        self.late = Histogram(LATE_S)

    def add(self, took_s: float, late_s: float) -> None:
        """Take in a finished tick."""
        self.ticks += 1
        self.took.add(took_s)
        self.late.add(max(0.0, late_s))


class _Snapshot(Collector):
    """One status, for one scrape."""

    def __init__(self, status: Status, ticks: TickMetrics) -> None:
        self._status = status
        self._ticks = ticks

    def collect(self) -> Iterable[Metric]:
        """Every family."""
        return families(self._status, self._ticks)


def render(status: Status, ticks: TickMetrics, accept: str) -> tuple[bytes, str]:
    """Text and content type: OpenMetrics where `accept` asks for it, else the older form."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(status, ticks))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def families(status: Status, ticks: TickMetrics) -> Iterator[Metric]:
    """Every family, in the order of the page."""
    yield InfoMetricFamily("vppd_build", "Version of the daemon", {"version": status.version})
    yield _gauge("vppd_uptime_seconds", "Time since the start", status.uptime_s)
    yield StateSetMetricFamily(
        "vppd_mode", "Mode of the site", {mode.name: mode.name == status.mode for mode in Mode}
    )
    yield from _tick_families(status, ticks)
    yield from _signal_families(status)
    yield from _power_families(status)
    yield from _unit_families(status)
    yield from _io_families(status)
    yield from _journal_families(status)
    yield from _alarm_families(status)
    yield from _score_families(status)


def _tick_families(status: Status, ticks: TickMetrics) -> Iterator[Metric]:
    timing = status.timing
    yield _counter("vppd_ticks", "Finished ticks", ticks.ticks)
    yield _counter("vppd_ticks_missed", "Ticks that were left out", timing.missed_ticks)
    yield _counter("vppd_ticks_early", "Ticks started by a fresh AGC value", timing.early_ticks)
    yield _gauge("vppd_tick_period_seconds", "Period of the control tick", timing.tick_s)
    yield ticks.took.family("vppd_tick_duration", "Time of a tick, image to decision")
    yield ticks.late.family("vppd_tick_lateness", "Lateness of a tick against its deadline")


def _signal_families(status: Status) -> Iterator[Metric]:
    signal = status.signal
    yield _gauge("vppd_agc_ratio", "AGC in force, of the regulation sold", signal.agc_pu)
    yield _gauge("vppd_agc_age_seconds", "Age of the AGC value in force", signal.age_s)
    yield StateSetMetricFamily(
        "vppd_agc_verdict", "What the guards say of the newest AGC value",
        {verdict.name: verdict.name == signal.verdict for verdict in Verdict},
    )  # fmt: skip


def _power_families(status: Status) -> Iterator[Metric]:
    plan, power, room = status.plan, status.power, status.headroom
    for name, text, value_mw in (
        ("basepoint", "Sum of the basepoints", plan.basepoint_mw),
        ("request", "What the plant is asked for", power.request_mw),
        ("served", "Sum of all setpoints and predictions", power.served_mw),
        ("measured", "Power as measured; NaN: no unit is read", power.measured_mw),
        ("unserved", "Request that the fleet cannot be made to give", power.unserved_mw),
    ):
        text += ", generation positive"
        yield _gauge(f"vppd_{name}_watts", text, WATTS * value_mw)
    sold = (plan.regulation_capacity_up_mw, plan.regulation_capacity_down_mw)
    yield _both_ways("vppd_regulation_capacity_watts", "Regulation sold", *sold)
    yield _both_ways("vppd_headroom_watts", "Room within one tick", room.up_mw, room.down_mw)
    yield _both_ways(
        "vppd_range_watts", "Room within all limits but the ramps",
        room.range_up_mw, room.range_down_mw,
    )  # fmt: skip
    yield _promises(status)
    short = float(status.award_short)
    yield _gauge(
        "vppd_award_above_headroom", "Whether more was sold than can be promised: 1", short
    )


def _promises(status: Status) -> Metric:
    family = GaugeMetricFamily(
        "vppd_promise_watts", "Headroom around the plan at a horizon",
        labels=("direction", "horizon_s", "firm"),
    )  # fmt: skip
    for at in status.promise:
        for direction, firm, value_mw in (
            ("up", "false", at.up_mw), ("down", "false", at.down_mw),
            ("up", "true", at.firm_up_mw), ("down", "true", at.firm_down_mw),
        ):  # fmt: skip
            family.add_metric((direction, f"{at.s:g}", firm), WATTS * value_mw)
    return family


def _unit_families(status: Status) -> Iterator[Metric]:
    yield _gauge("vppd_units", "Units of the fleet", status.units_total)
    yield _gauge("vppd_units_online", "Units that take part in the split", status.units_online)
    family = GaugeMetricFamily("vppd_units_out", "Units that take no part", labels=("reason",))
    counts = Counter(unit.reason for unit in status.benched)
    for reason in Reason:
        if reason is not Reason.NONE:
            family.add_metric((reason.name,), counts[reason.name])
    yield family


def _io_families(status: Status) -> Iterator[Metric]:
    io = status.io
    refused = io.refused_writes
    yield _counters(
        "vppd_device_writes", "Setpoints sent, by the answer", "result",
        {
            "accepted": io.writes - io.failed_writes,
            "refused": refused,
            "unknown": io.failed_writes - refused,
        },
    )  # fmt: skip
    yield _counters(
        "vppd_device_reads", "Polls of units, by the answer", "result",
        {"good": io.reads, "failed": io.failed_reads},
    )  # fmt: skip
    yield _counter(
        "vppd_setpoints_dropped", "Setpoints replaced, or too old, before they were sent",
        io.dropped_setpoints,
    )  # fmt: skip
    yield _counter("vppd_device_reconnects", "Times that a device came back", io.reconnects)
    yield _counter(
        "vppd_log_lines_dropped", "Lines of the log that its reader was too slow for",
        status.log_lines_dropped,
    )  # fmt: skip


def _journal_families(status: Status) -> Iterator[Metric]:
    journal = status.journal
    yield _counter("vppd_journal_ticks", "Ticks that are in the journal", journal.ticks)
    yield _counter("vppd_journal_written_bytes", "Size of what was written", journal.bytes)
    yield _counter("vppd_journal_dropped", "Records that were lost", journal.dropped)
    failed = float(bool(journal.error))
    yield _gauge("vppd_journal_failed", "Whether ticks are not being recorded: 1", failed)
    yield _gauge(
        "vppd_journal_unsynced_age_seconds",
        "Age of the oldest record that is not on the disk; 0: each is",
        journal.unsynced_age_s,
    )
    yield _counter("vppd_journal_removed", "Segments removed by age or size", journal.removed)
    held = float(bool(journal.held))
    yield _gauge("vppd_journal_held", "Whether segments that should go are not rolled: 1", held)


def _alarm_families(status: Status) -> Iterator[Metric]:
    counts = Counter((alarm.priority, alarm.state) for alarm in status.alarms)
    family = GaugeMetricFamily(
        "vppd_alarms", "Alarms that are not normal", labels=("priority", "state")
    )
    for priority in Priority:
        for state in SHOWN:
            family.add_metric((priority.name, state.value), counts[priority.name, state.value])
    yield family
    active = Counter(
        alarm.name for alarm in status.alarms
        if alarm.state in (State.UNACKNOWLEDGED, State.ACKNOWLEDGED)
    )  # fmt: skip
    family = GaugeMetricFamily(
        "vppd_alarms_active", "Alarms whose condition is there, hidden ones left out",
        labels=("alarm", "priority"),
    )  # fmt: skip
    otherwise = {each.name: each.priority for each in status.alarm_priorities}
    for kind in CATALOGUE:
        priority_name = otherwise.get(kind.name, kind.priority.name)
        family.add_metric((kind.name, priority_name), active[kind.name])
    yield family
    hidden = sum(alarm.state in HIDDEN for alarm in status.alarms)
    yield _gauge("vppd_alarms_hidden", "Alarms shelved, suppressed or out of service", hidden)


def _score_families(status: Status) -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "vppd_score", "Figures of the products that were sold", labels=("market", "figure", "of")
    )
    for product in status.products:
        for figure in product.figures:
            for of, value in (
                ("so_far", figure.so_far), ("forecast", figure.ends_with), ("last", figure.last)
            ):  # fmt: skip
                family.add_metric((product.market, figure.name, of), value)
    yield family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value, unit=_unit(name))


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value, unit=_unit(name))


def _counters(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family


def _both_ways(name: str, text: str, up_mw: float, down_mw: float) -> Metric:
    family = GaugeMetricFamily(name, text, labels=("direction",), unit=_unit(name))
    family.add_metric(("up",), WATTS * up_mw)
    family.add_metric(("down",), WATTS * down_mw)
    return family


def _unit(name: str) -> str:
    last = name.rpartition("_")[2]
    return last if last in ("seconds", "watts", "bytes", "ratio") else ""
