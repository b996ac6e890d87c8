"""Traces of ticks for OpenTelemetry (extra `vppd[otel]`): where the time of a tick goes.

Spans are made after the tick, from what was measured in it anyway, and sent by a thread of the
SDK: a collector that is slow or gone costs traces, never a tick.
"""

from collections.abc import Callable
from typing import Any

from vppd.config.sections import TracingConfig
from vppd.core.types import Mode, Trigger
from vppd.runtime.loop import Done

LACKS = (
    "tracing: OpenTelemetry is not installed; pip install 'vppd[otel]', or leave the section out"
)
NS = 1e9


class TickTracer:
    """Makes the spans of every nth tick.

    Parameters
    ----------
    provider : TracerProvider
        Of the OpenTelemetry SDK.
    utc : callable
        Wall clock, s since 1970.
    """

    def __init__(self, provider: Any, every_ticks: int, utc: Callable[[], float]) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("vppd")
        self._every_ticks = every_ticks
        self._utc = utc

    def add(self, done: Done) -> None:
        """Take in a finished tick."""
        if done.decision.tick % self._every_ticks:
            return
        meta, decision = done.meta, done.decision
        decided_s = meta.utc_s
        frozen_s = decided_s - 1e-6 * meta.tick_us
        began_s = frozen_s - 1e-6 * meta.freeze_us
        told_s = max(self._utc(), decided_s)
        root = self._tracer.start_span(
            "tick",
            start_time=int(began_s * NS),
            attributes={
                "vppd.tick": decision.tick,
                "vppd.trigger": Trigger(done.image.trigger).name,
                "vppd.mode": Mode(decision.mode).name,
                "vppd.late_s": done.when.late_s,
                "vppd.units": len(decision.p_setpoint_mw),
                "vppd.setpoints_sent": int(decision.send.sum()),
            },
        )
        self._child(root, "freeze the image", began_s, frozen_s)
        self._child(root, "decide", frozen_s, decided_s)
        self._child(root, "journal, hand out, tell", decided_s, told_s)
        root.end(int(told_s * NS))

    def close(self) -> None:
        """Send what waits, for a second at most."""
        self._provider.force_flush(1000)
        self._provider.shutdown()

    def _child(self, root: Any, name: str, begin_s: float, end_s: float) -> None:
        from opentelemetry.trace import set_span_in_context  # noqa: PLC0415 - an extra

        span = self._tracer.start_span(
            name, context=set_span_in_context(root), start_time=int(begin_s * NS)
        )
        span.end(int(end_s * NS))


def tick_tracer(config: TracingConfig, site: str, utc: Callable[[], float]) -> TickTracer:
    """Make the tracer of a configuration. Raises ValueError if the extra is not installed."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise ValueError(LACKS) from error
    resource = Resource.create({"service.name": "vppd", "service.instance.id": site})
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(endpoint=config.endpoint, timeout=2)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return TickTracer(provider, int(config.every_ticks), utc)
