"""Where the time of a tick goes, as spans that a collector understands."""

import sys
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from test_runtime_telling import done

from vppd.config.sections import TracingConfig
from vppd.journal.schema import Meta
from vppd.runtime.tracing import TickTracer, tick_tracer

UTC_S = 1_790_000_000.0
META = Meta(UTC_S, 0.0, 200.0, 1500.0, 0, 0, 0, 0, 0)


def spans(every_ticks=1, ticks=(0,)):
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = TickTracer(provider, every_ticks, lambda: UTC_S + 0.003)
    for number in ticks:
        tick = done()
        tracer.add(replace(tick, meta=META, decision=replace(tick.decision, tick=number)))
    return kept.get_finished_spans()


def test_a_tick_is_one_trace_of_what_came_after_what():
    found = spans()
    (root,) = [span for span in found if span.parent is None]
    children = [span for span in found if span.parent is not None]
    assert {span.parent.span_id for span in children} == {root.context.span_id}
    took_ms = {span.name: (span.end_time - span.start_time) * 1e-6 for span in found}
    assert took_ms == {
        "tick": pytest.approx(4.7, abs=0.01),
        "freeze the image": pytest.approx(0.2, abs=0.01),
        "decide": pytest.approx(1.5, abs=0.01),
        "journal, hand out, tell": pytest.approx(3.0, abs=0.01),
    }
    assert [span.name for span in sorted(children, key=lambda span: span.start_time)] == [
        "freeze the image", "decide", "journal, hand out, tell",
    ]  # fmt: skip
    assert root.attributes["vppd.units"] == 3
    assert root.attributes["vppd.trigger"] == "GRID"


def test_one_tick_in_so_many_is_traced():
    roots = [span for span in spans(10, range(5, 31)) if span.parent is None]
    assert [span.attributes["vppd.tick"] for span in roots] == [10, 20, 30]


def test_without_the_extra_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ValueError, match=r"vppd\[otel\]"):
        tick_tracer(TracingConfig(), "site", lambda: 0.0)


@pytest.mark.parametrize(
    ("endpoint", "refused"),
    [
        ("http://127.0.0.1:4318/v1/traces", False),
        ("https://collector.example/v1/traces", False),
        ("http://collector.example:4318/v1/traces", True),
    ],
)
def test_a_collector_elsewhere_is_reached_by_tls(endpoint, refused):
    assert bool(TracingConfig(endpoint=endpoint).cross_checks()) is refused
    assert TracingConfig(endpoint=endpoint, insecure=True).cross_checks() == []
