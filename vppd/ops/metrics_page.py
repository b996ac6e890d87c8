"""Writes `docs/metrics.md` from the code: `python -m vppd.ops.metrics_page docs/metrics.md`."""

import sys
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.metrics_core import Metric

from vppd.ops.metrics import TickMetrics, families
from vppd.ops.status import (
    FigureStatus,
    PlanStatus,
    ProductStatus,
    PromiseStatus,
    Realtime,
    Status,
    TimingStatus,
)

_HEAD = """\
# Metrics

Written from the code (`vppd/ops/metrics.py`); do not edit.

With a section `metrics` in the configuration the daemon answers `GET /metrics` for Prometheus, on
127.0.0.1:9477 where nothing else is said. It speaks OpenMetrics 1.0, and the older text form to who
does not ask for it. A listener on another address needs TLS, or the words `insecure: true`
([security.md](security.md)).

- Base units: seconds, watts, bytes, ratios. Generation is positive.
- What is not known is NaN, never 0.
- No unit of the fleet is named: a fleet of 10,000 makes no more series than one of ten.
- A scrape is answered between two ticks, and made once a tick however many ask.

`configs/grafana/dashboard.json` is a dashboard for Grafana, `configs/grafana/alerts.yaml` are rules
for Prometheus, `configs/grafana/prometheus.yaml` is how to scrape.

## Traces

With a section `tracing` and the extra `vppd[otel]`, one tick in `every_ticks` is a trace of
OpenTelemetry: `tick`, and in it `freeze the image`, `decide` and `journal, hand out, tell`.
They are made after the tick and sent by a thread: a collector that is gone costs traces, never a
tick.

## Every metric

| metric | type | labels | what |
|---|---|---|---|
"""


def example() -> Status:
    """A status in which every family has a sample."""
    return Status(
        site="", version="", pid=0, utc="", uptime_s=0.0, shadow=False, mode="REGULATING",
        mode_since_s=0.0, order="AUTO", tick=0, units_online=0, units_total=0,
        plan=PlanStatus(0.0, 0.0, 0.0), timing=TimingStatus(1.0), realtime=Realtime("", "", ""),
        promise=(PromiseStatus(1.0, 0.0, 0.0, 0.0, 0.0),),
        products=(ProductStatus("", "", "", figures=(FigureStatus(""),)),),
    )  # fmt: skip


def every_family() -> tuple[Metric, ...]:
    """Every family that the daemon can tell."""
    return tuple(families(example(), TickMetrics()))


def sample_names(family: Metric) -> set[str]:
    """What a query may name of a family."""
    return {sample.name for sample in family.samples}


def render() -> str:
    """Give the page, in Markdown."""
    return _HEAD + "".join(f"{row}\n" for row in _rows())


def _rows() -> Iterator[str]:
    for family in every_family():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        name = f"{family.name}_info" if family.type == "info" else name
        labels = dict.fromkeys(key for sample in family.samples for key in sample.labels)
        told = ", ".join(f"`{label}`" for label in labels)
        yield f"| `{name}` | {family.type} | {told} | {family.documentation} |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
