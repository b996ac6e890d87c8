"""What a campaign tells of its rows: reasons, order, summary, page, table, JSON."""

import io
import json
import re
from dataclasses import replace

import pytest
from hand_made import Run
from rich.console import Console
from small_campaign import small

from hil import result
from hil.campaign import command, page, record
from hil.campaign import plan as plans
from hil.campaign.campaign import Campaign, Outcome
from hil.campaign.figures import BY_NAME, FIGURES, shown
from hil.campaign.plots import all_plots
from hil.campaign.progress import CampaignProgress, in_words
from hil.campaign.row import DIED, Reason, Row, failure, judged, worst_first
from hil.campaign.summary import sum_up
from hil.campaign.terminal import failed_lines, table


def row(seed, accuracy_pct, *reasons, checks=None, **figures):
    known = {"accuracy_pct": accuracy_pct, "faults": 10.0 + seed, **figures}
    told = tuple(Reason(what, f"{what}: is <bad>") for what in reasons)
    return Row(seed, told, known, checks or {}, {"link_hang": seed}, digest=f"{seed:016x}")


ROWS = [
    row(1, 99.0),
    row(2, 97.0),
    row(3, 98.0, "check limits", checks={"limits": 2}, limit_violations=2.0),
    row(4, 60.0, "tracking.accuracy_pct"),
    failure(5, DIED, "died: its process ended: killed by SIGSEGV\nFatal & final"),
    row(6, 99.5, "check limits", "tracking.accuracy_pct", checks={"limits": 7, "told": 1}),
]


@pytest.fixture
def outcome(tmp_path):
    plan = plans.load(small(tmp_path), ("faults=none",))
    return Outcome(plan, range(1, 9), 2, tuple(ROWS), sum_up(ROWS), "2026-01-01", 40.0, 130)


def judge(tmp_path, changes, limits):
    measured = result.measure(tmp_path, Run().write(tmp_path))
    measured.result.update(changes)
    plan = plans.load(small(tmp_path), (f"acceptance={limits}",))
    return judged(plan.of(4), measured, [{"event": "late"}], "d")


def test_violations_of_checkers_are_told_with_their_first(tmp_path):
    first = {"t_s": 12.04, "unit": "ev008", "check": "told", "what": "not told, s",
             "value": 3.5, "limit": 1.0}  # fmt: skip
    checks = {"violations": 27, "by_check": {"told": 26, "age": 1, "log": 0, "comfort": None},
              "checked": {"told": 40, "age": 9, "log": 0, "comfort": 0},
              "first": [first]}  # fmt: skip
    found = judge(tmp_path, {"checks": checks}, "{checks.violations: {maximum: 0}}")
    assert [(reason.what, reason.text) for reason in found.reasons] == [
        ("check age", "check age: 1 violation"),
        ("check told", "check told: 26 violations, first at 12.0 s: ev008 not told, s: 3.5,"
         " limit 1"),
    ]  # fmt: skip
    assert found.checks == {"age": 1, "told": 26}
    assert found.checked == {"told": 40, "age": 9, "log": 0, "comfort": 0}
    assert found.figures["check_violations"] == 27
    assert (found.seed, found.errors, found.digest) == (4, 1, "d")


def test_a_limit_is_told_by_how_much_it_is_missed(tmp_path):
    checks = {"violations": 0, "by_check": {}, "first": []}
    limits = "{tracking.accuracy_pct: {minimum: 101}, fleet.resources: {minimum: 1}}"
    (reason,) = judge(tmp_path, {"checks": checks}, limits).reasons
    assert reason.what == "tracking.accuracy_pct"
    assert "under its limit 101 by" in reason.text


def test_a_journal_that_differs_is_told_once(tmp_path):
    changes = {"journal": {"replay_bit_exact": False}, "checks": {"violations": 0}}
    found = judge(tmp_path, changes, "{journal.replay_bit_exact: {equals: true}}")
    assert [reason.what for reason in found.reasons] == ["replay differs"]


def test_the_worst_come_first():
    assert [each.seed for each in worst_first(ROWS)] == [5, 6, 3, 4, 2, 1]
    assert worst_first(ROWS[::-1]) == worst_first(ROWS)


def test_rows_are_summed_up():
    summary = sum_up(ROWS[::-1])
    assert (summary.seeds, summary.failed, summary.good) == (6, 4, 2)
    assert list(summary.reasons.items()) == [
        ("check limits", 2), ("tracking.accuracy_pct", 2), ("died", 1),
    ]  # fmt: skip
    assert summary.checks == {"limits": 9, "told": 1}
    assert summary.fault_kinds == {"link_hang": 16}
    spread = summary.figures["accuracy_pct"]
    assert (spread.seeds, spread.minimum, spread.p50, spread.maximum) == (5, 60.0, 98.0, 99.5)
    assert (spread.worst, spread.worst_seed) == (60.0, 4)
    assert summary.figures["limit_violations"].worst == 2.0
    assert "pjm_score" not in summary.figures


def test_checks_that_had_nothing_to_check_are_named(outcome, tmp_path):
    some = {"told": 40, "comfort": 0, "band": 0, "limits": 9}
    rows = [replace(ROWS[0], checked=some), replace(ROWS[1], checked={**some, "band": 3})]
    summary = sum_up(rows)
    assert summary.checked == {"told": 2, "comfort": 0, "band": 1, "limits": 2}
    assert summary.covered == "3 of 4 had something to check; not comfort"
    assert sum_up(rows[1:]).covered == "3 of 4 had something to check; not comfort"
    assert sum_up([replace(rows[0], checked={"told": 1})]).covered == (
        "1 of 1 had something to check"
    )
    done = replace(outcome, rows=tuple(rows), summary=summary)
    text = page.write(done, tmp_path / "campaign.html").read_text()
    assert summary.covered in text
    assert "Seeds in which a check had something to check" in text
    console = Console(file=io.StringIO(), width=120)
    console.print(table(done.plan, summary, "1 s"))
    told = console.file.getvalue()
    assert f"Checks: {summary.covered}." in told
    assert "Fewest: comfort in 0 of 2 seeds, band in 1 of 2 seeds, told in 2 of 2 seeds." in told


def test_no_rows_are_summed_up():
    assert sum_up([]).figures == {}


def test_the_json_has_a_line_for_each_seed(outcome, tmp_path):
    record.write(outcome, tmp_path / "campaign.json")
    text = (tmp_path / "campaign.json").read_text()
    found = json.loads(text)
    assert [each["seed"] for each in found["rows"]] == [1, 2, 3, 4, 5, 6]
    assert found["seeds"] == {"first": 1, "last": 8, "asked": 8}
    assert (found["interrupted"], found["passed"], found["overrides"]) == (
        True, False, ["faults=none"],
    )  # fmt: skip
    assert found["rows"][3]["reasons"][0]["what"] == "tracking.accuracy_pct"
    assert found["summary"]["failed"] == 4
    assert found["versions"]["vppd"]
    assert len([line for line in text.splitlines() if line.startswith('  {"seed"')]) == 6


def test_the_page_needs_nothing_but_itself(outcome, tmp_path):
    text = page.write(outcome, tmp_path / "campaign.html").read_text()
    assert not re.search(r"<(script|link|img|iframe)\b[^>]*\b(src|href)=[\"']?(https?:)?//", text)
    assert text.count("plotly.js v") == 1
    body = text[text.index("<body>") :]
    assert "<bad>" not in body
    assert "ten units &amp; a &lt;signal&gt;" in body
    assert "killed by SIGSEGV … Fatal &amp; final" in body
    assert "Interrupted: 2 seeds not run." in body
    assert body.count("Plotly.newPlot(") == len(all_plots(outcome.rows, outcome.summary)) == 3


def test_each_seed_has_its_command_and_its_report(outcome, tmp_path):
    text = page.write(outcome, tmp_path / "campaign.html").read_text()
    for seed in range(1, 7):
        assert f"--clock virtual --seed {seed} --set faults=none --out build/small-{seed}<" in text
    assert 'href="seeds' not in text
    kept = tuple(replace(each, kept=f"seeds/{each.seed}/report.html") for each in ROWS)
    linked = replace(outcome, rows=kept)
    text = page.write(linked, tmp_path / "campaign.html").read_text()
    assert '<a href="seeds/5/report.html">5</a>' in text
    assert text.index("seeds/5/report.html") < text.index("seeds/4/report.html")


def test_many_seeds_make_no_endless_page(outcome, tmp_path):
    rows = tuple(row(seed, 90.0 + seed / 1000.0) for seed in range(1, 2001))
    many = replace(outcome, rows=rows, summary=sum_up(rows))
    text = page.write(many, tmp_path / "campaign.html").read_text()
    assert "the next 400 seeds" in text
    assert "The other 1,575 stand in campaign.json." in text
    assert text.count("--clock virtual") == page.OPEN + page.FOLDED


def test_histograms_count_every_seed(outcome):
    plots = {plot.title: plot.figure for plot in all_plots(outcome.rows, outcome.summary)}
    bars = plots["Tracking accuracy"].data
    assert {bar.name: sum(bar.y) for bar in bars} == {"good": 2, "failed": 3}
    assert plots["What failed"].data[0].y[-1] == "check limits"
    marks = plots["Accuracy and faults"].data
    assert sum(len(trace.x) for trace in marks) == 5


def test_the_table_has_figures_and_reasons(outcome):
    out = io.StringIO()
    Console(file=out, width=200).print(table(outcome.plan, outcome.summary, "40 s on 2 cores"))
    text = out.getvalue()
    assert "small, 6 seeds, 40 s on 2 cores" in text
    assert re.search(r"tracking accuracy, % +60.00 +[\d.]+ +98.00 +[\d.]+ +99.50 +4 ", text)
    assert "✗ 4 of 6 seeds failed" in text
    assert "check limits: 2 seeds" in text


def test_each_failed_seed_has_a_line_to_copy(outcome):
    lines = list(failed_lines(outcome.plan, outcome.rows))
    assert [line.partition(":")[0] for line in lines[::2]] == [
        f"seed {seed}" for seed in (5, 6, 3, 4)
    ]
    assert lines[5] == f"    {outcome.plan.command(3)}"
    many = [row(seed, 90.0, "limit") for seed in range(30)]
    assert list(failed_lines(outcome.plan, many))[-1] == "and 20 more"


def test_ticks_are_round_numbers(outcome):
    plots = {plot.title: plot.figure for plot in all_plots(outcome.rows, outcome.summary)}
    assert plots["Tracking accuracy"].layout.xaxis.tickvals == (60, 70, 80, 90)


@pytest.mark.parametrize(
    ("rows", "stopped", "code", "said"),
    [
        (ROWS[:2], 0, 0, "✓ 2 seeds, none failed"),
        (ROWS, 0, 1, "✗ 4 of 6 seeds failed"),
        (ROWS[:2], 130, 130, "✓ 2 seeds, none failed"),
        ([], 130, 130, "report: "),
    ],
)
def test_the_exit_code_says_what_came_of_it(
    outcome, tmp_path, monkeypatch, capsys, rows, stopped, code, said
):
    made = replace(outcome, rows=tuple(rows), summary=sum_up(rows), stopped=stopped)
    monkeypatch.setattr(Campaign, "make", lambda _: made)
    found = command.run(outcome.plan, range(1, 9), tmp_path, jobs=2, keep="none", timeout_s=None)
    assert found == code
    assert said in capsys.readouterr().out
    assert (tmp_path / "campaign.html").is_file()
    assert json.loads((tmp_path / "campaign.json").read_text())["passed"] is (code == 0)


def test_progress_without_a_terminal_tells_failures_at_once(monkeypatch):
    now_s = [0.0]
    monkeypatch.setattr("hil.campaign.progress.time.monotonic", lambda: now_s[0])
    out = io.StringIO()
    with CampaignProgress("small", 100, Console(file=out, width=200)) as progress:
        for each in ROWS:
            now_s[0] += 3.0
            progress.add(each)
    assert out.getvalue().splitlines() == [
        "small: seed 3 failed: check limits: is <bad>",
        "small: seed 4 failed: tracking.accuracy_pct: is <bad>",
        "small: 4 of 100 seeds, 2 failed, 0.33 seeds/s, 5 min left",
        "small: seed 5 failed: died: its process ended: killed by SIGSEGV",
        "small: seed 6 failed: check limits: is <bad>",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"), [(45.2, "45 s"), (720.0, "12 min"), (7500.0, "2 h 05 min")]
)
def test_times_in_words(seconds, words):
    assert in_words(seconds) == words


def test_figures_for_people():
    assert shown(BY_NAME["accuracy_pct"], 99.123) == "99.12"
    assert shown(BY_NAME["faults"], None) == "–"
    assert len(BY_NAME) == len(FIGURES)


def test_a_long_text_keeps_both_ends():
    (reason,) = failure(1, DIED, "begin" + "x" * 10_000 + "end").reasons
    assert reason.text.startswith("begin")
    assert reason.text.endswith("end")
    assert len(reason.text) < 4100
