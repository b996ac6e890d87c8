"""Dashboard and alert rules name only metrics and labels that there are; the page is current."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from vppd.config.sections import MetricsConfig
from vppd.core.types import Mode
from vppd.ops.alarms.catalogue import Priority
from vppd.ops.alarms.state import State
from vppd.ops.metrics_page import every_family, render

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "configs" / "grafana"
FAMILIES = every_family()
SAMPLES = {sample.name: family for family in FAMILIES for sample in family.samples}
VALUES = {  # of labels that the code enumerates
    "state": {state.value for state in State},
    "priority": {priority.name for priority in Priority},
    "vppd_mode": {mode.name for mode in Mode},
    "direction": {"up", "down"},
    "of": {"so_far", "forecast", "last"},
    "result": {"accepted", "refused", "unknown", "good", "failed"},
    "horizon_s": {"1", "300", "900", "1800"},
}


def dashboard_queries():
    dashboard = json.loads((GRAFANA / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield f"{panel['title']}: {target['legendFormat']}", target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]


def alert_queries():
    (group,) = yaml.safe_load((GRAFANA / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]:
        assert rule["annotations"].keys() == {"summary", "description"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        yield rule["alert"], rule["expr"]


QUERIES = [*dashboard_queries(), *alert_queries()]


@pytest.mark.parametrize(("name", "query"), QUERIES, ids=[name for name, _ in QUERIES])
def test_each_query_names_what_there_is(name, query):
    selectors = re.findall(r"(?<![\w\"{])(vppd_[a-z_]+|up)(\{[^}]*\})?", query)
    assert selectors
    for metric, matchers in selectors:
        if metric == "up":  # Prometheus' own
            continue
        assert metric in SAMPLES, metric
        labels = {label for sample in SAMPLES[metric].samples for label in sample.labels}
        for label, wanted in re.findall(r'(\w+)\s*[=!]~?\s*"([^"]*)"', matchers):
            assert label in labels | {"instance", "job", "le"}, (metric, label)
            if label in VALUES:
                assert set(wanted.split("|")) <= VALUES[label], (metric, label, wanted)


def test_every_family_that_somebody_should_look_at_is_on_the_dashboard_or_in_a_rule():
    shown = " ".join(query for _, query in QUERIES)
    not_shown = {  # told, but not drawn
        "vppd_build", "vppd_ticks_early", "vppd_tick_period_seconds", "vppd_agc_verdict",
        "vppd_headroom_watts", "vppd_range_watts", "vppd_award_above_headroom",
        "vppd_device_reads", "vppd_device_reconnects", "vppd_journal_ticks",
        "vppd_journal_written_bytes", "vppd_journal_removed",
    }  # fmt: skip
    names = {family.name for family in FAMILIES}
    assert not_shown <= names
    assert {name for name in names - not_shown if name not in shown} == set()


def test_panels_do_not_overlap():
    dashboard = json.loads((GRAFANA / "dashboard.json").read_text())
    cells = [
        (x, y)
        for panel in dashboard["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_prometheus_is_pointed_at_the_default_of_the_configuration():
    (job,) = yaml.safe_load((GRAFANA / "prometheus.yaml").read_text())["scrape_configs"]
    config = MetricsConfig()
    assert job["static_configs"] == [{"targets": [f"{config.host}:{config.port}"]}]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool (package prometheus)")
def test_prometheus_itself_takes_the_rules():
    for arguments in (("check", "rules", "alerts.yaml"), ("check", "config", "prometheus.yaml")):
        subprocess.run(["promtool", *arguments], cwd=GRAFANA, check=True, capture_output=True)


def test_the_page_is_written_from_the_code():
    assert (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8") == render(), "run: make docs"
