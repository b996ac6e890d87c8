"""What Prometheus reads: valid OpenMetrics, by its conventions, with bounded series."""

import dataclasses
import re
from pathlib import Path

import pytest
from ops_builders import status
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as older_form
from test_ops_status import ALARM, FULL

from vppd.core.types import Mode, Reason
from vppd.ops.metrics import TickMetrics, render
from vppd.ops.status import (
    AlarmPriority,
    Benched,
    FigureStatus,
    HeadroomStatus,
    ProductStatus,
    SignalStatus,
)

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
ROOT = Path(__file__).parents[2]
PRODUCT = ProductStatus("pjm-2025-10", "", "", 60.0, (FigureStatus("score", 0.9, 0.95, 0.8),))


def parsed(seen=FULL, ticks=None, accept=OPENMETRICS):
    """Families by name, of a scrape."""
    body, content_type = render(seen, ticks or TickMetrics(), accept)
    assert content_type.startswith(accept.partition(";")[0] if accept else "text/plain")
    parse = text_string_to_metric_families if accept else older_form
    return {family.name: family for family in parse(body.decode())}


def value(families, family, **labels):
    """The one sample with these labels."""
    samples = [s.value for s in families[family].samples if s.labels == labels]
    assert len(samples) == 1, (family, labels, families[family].samples)
    return samples[0]


def test_an_alarm_has_the_priority_that_the_plant_gives_it():
    """Rules of Grafana go by it: an alarm that is set CRITICAL must not wait as a LOW one."""
    alarm = dataclasses.replace(ALARM, priority="CRITICAL")
    seen = dataclasses.replace(
        FULL, alarms=(alarm,), alarm_priorities=(AlarmPriority(alarm.name, "CRITICAL"),)
    )
    families = parsed(seen)
    samples = [s for s in families["vppd_alarms_active"].samples if s.labels["alarm"] == alarm.name]
    assert [(s.labels["priority"], s.value) for s in samples] == [("CRITICAL", 1.0)]


def test_what_the_daemon_knows_is_told_in_base_units():
    journal = dataclasses.replace(FULL.journal, unsynced_age_s=1.5)
    headroom = HeadroomStatus(up_mw=1.5, down_mw=2.0)
    families = parsed(dataclasses.replace(FULL, headroom=headroom, journal=journal))
    assert value(families, "vppd_request_watts") == -67.5e6
    assert value(families, "vppd_headroom_watts", direction="up") == 1.5e6
    assert value(families, "vppd_agc_ratio") == -0.5
    assert (
        value(families, "vppd_promise_watts", direction="up", horizon_s="900", firm="true") == 65e6
    )
    assert value(families, "vppd_units_out", reason="UNREACHABLE") == 1
    assert value(families, "vppd_device_writes", result="unknown") == 20
    assert value(families, "vppd_device_writes", result="accepted") == 980
    assert value(families, "vppd_journal_written_bytes") == 2_500_000
    assert value(families, "vppd_journal_failed") == 1
    assert value(families, "vppd_journal_unsynced_age_seconds") == 1.5
    assert value(families, "vppd_alarms", priority="LOW", state="unacknowledged") == 1
    assert value(families, "vppd_alarms_active", alarm="unit_lost", priority="LOW") == 1
    assert value(families, "vppd_alarms_hidden") == 1
    modes = {s.labels["vppd_mode"]: s.value for s in families["vppd_mode"].samples}
    assert modes == {mode.name: float(mode.name == "REGULATING") for mode in Mode}


def test_what_is_not_known_is_nan_and_not_zero():
    families = parsed(status())
    assert value(families, "vppd_agc_age_seconds") != value(families, "vppd_agc_age_seconds")
    assert value(families, "vppd_measured_watts") != value(families, "vppd_measured_watts")


def test_ticks_are_counted_by_how_long_they_took():
    ticks = TickMetrics()
    for took_s, late_s in ((80e-6, -1e-6), (100e-6, 2e-3), (0.7, 2.0)):
        ticks.add(took_s, late_s)
    families = parsed(ticks=ticks)
    buckets = {
        s.labels["le"]: s.value
        for s in families["vppd_tick_duration_seconds"].samples
        if s.name.endswith("_bucket")
    }
    assert (buckets["5e-05"], buckets["0.0001"], buckets["0.5"], buckets["+Inf"]) == (0, 2, 2, 3)
    sums = {s.name: s.value for s in families["vppd_tick_lateness_seconds"].samples}
    assert sums["vppd_tick_lateness_seconds_sum"] == pytest.approx(2.002)
    assert value(families, "vppd_ticks") == 3


def test_every_family_keeps_the_conventions():
    families = parsed(dataclasses.replace(FULL, products=(PRODUCT,)))
    assert len(families) > 35
    for name, family in families.items():
        assert re.fullmatch(r"vppd_[a-z][a-z_]*", name)
        assert family.documentation[0].isupper()
        assert not family.documentation.endswith(".")
        if family.unit:
            assert name.endswith("_" + family.unit)
        if family.type == "counter":
            assert all(s.name.endswith(("_total", "_created")) for s in family.samples)
    for unit in ("seconds", "watts", "bytes", "ratio"):
        of_unit = [family for name, family in families.items() if name.endswith("_" + unit)]
        assert of_unit
        assert all(family.unit in ("", unit) for family in of_unit)
    assert not any(re.search(r"_(mw|ms|us|pct|pu)(_|$)", name) for name in families)


def test_a_larger_fleet_makes_no_more_series():
    lost = [
        Benched(f"u{i}", "pv", list(Reason)[1 + i % 20].name, 1.0, "prediction", 0.0)
        for i in range(5000)
    ]
    alarms = [dataclasses.replace(ALARM, id=f"unit_lost:u{i}") for i in range(5000)]
    many = dataclasses.replace(FULL, benched=tuple(lost), alarms=tuple(alarms))

    def series(seen):
        return sum(len(family.samples) for family in parsed(seen).values())

    assert series(many) == series(status(promise=FULL.promise)) < 400
    unnamed = render(many, TickMetrics(), OPENMETRICS)[0].decode()
    assert "u17" not in unnamed


def test_a_scraper_that_knows_no_openmetrics_gets_the_older_form():
    families = parsed(accept="")
    assert value(families, "vppd_request_watts") == -67.5e6


def test_the_score_is_told_as_it_stands_and_as_it_will_be():
    families = parsed(dataclasses.replace(status(), products=(PRODUCT,)))
    labels = {"market": "pjm-2025-10", "figure": "score"}
    assert value(families, "vppd_score", of="forecast", **labels) == 0.95


def test_no_signal_yet():
    families = parsed(status(signal=SignalStatus()))
    verdicts = {s.labels["vppd_agc_verdict"]: s.value for s in families["vppd_agc_verdict"].samples}
    assert verdicts["NONE"] == 1.0
    assert sum(verdicts.values()) == 1.0
