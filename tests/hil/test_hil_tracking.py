"""The tracking table: its jobs, what is kept of them, limits, and the ways in which it is told."""

import io
import json
import os
import re
from dataclasses import replace

import pytest
from click.testing import CliRunner
from rich.console import Console
from small_tracking import ASK, jobs

from hil.campaign.row import DIED, REPLAY, Reason, Row, failure
from hil.cli import main
from hil.tracking import cases, cells, command, page, plan, record, table, terminal
from hil.tracking.cases import CASES as SHIPPED
from hil.tracking.cases import OTHERS, POLICY
from hil.tracking.making import Outcome, Table
from hil.tracking.plan import BOUND, Ask
from hil.tracking.progress import TableProgress
from hil.tracking.store import Store, made_from


def row(job, accuracy_pct=99.0, **more):
    if job.policy == BOUND:
        return Row(job.seed, figures={"possible_pct": 99.5, "reachable_pct": 99.4})
    figures = {"accuracy_pct": accuracy_pct, "pjm_score": 0.95, "mae_mw": 0.01,
               "limit_violations": 0.0, "check_violations": 0.0, **more}  # fmt: skip
    return Row(job.seed, figures=figures, spent_s=1.0)


def outcome(done, ask=ASK, stopped=0, asked=None):
    lines = table.lines(done)
    return Outcome(ask, asked or len(done), 0, tuple(done), lines, 2, "2026-01-01", 60.0, stopped)


@pytest.fixture
def done(tmp_path):
    return [(job, row(job)) for job in jobs(tmp_path)]


def test_each_case_signal_policy_and_seed_is_a_job(tmp_path):
    found = jobs(tmp_path)
    assert len(found) == 2 * (2 + 3 + 2)  # response-aware, the others, bounds
    assert len({job.key for job in found}) == len(found)
    assert [job.seed for job in found] == sorted(job.seed for job in found)
    assert {job.policy for job in found if job.seed == 2} == {POLICY, BOUND}
    every = jobs(tmp_path, replace(ASK, all_seeds=True))
    assert len(every) == 2 * 2 * 5
    calm = next(job for job in found if (job.case.name, job.policy) == ("1 MW, calm", "exact"))
    assert calm.plan.scenario.allocation.policy == "exact"
    assert calm.plan.scenario.faults.write_loss_pct == 0.0
    assert calm.plan.scenario.acceptance == {}
    assert "--set faults=none --set allocation.policy=exact" in calm.plan.command(1)


def test_signals_have_names_of_their_own(tmp_path):
    file = tmp_path / "pjm.2s.csv"
    other = tmp_path / "b" / "pjm.csv"
    found = plan.signals((f"{file}:x", f"{other}:x", f"{other}:x"))
    assert [signal.name for signal in found] == ["shipped", "pjm", "pjm x 2", "pjm x 3"]
    assert f'signal.file="{file}"' in found[1].settings


def test_what_is_done_is_not_done_again(tmp_path):
    job, other = jobs(tmp_path)[:2]
    store = Store(tmp_path)
    assert store.get(job) is None
    kept = row(job)
    store.put(job, replace(kept, reasons=(Reason("check told", "x"),)))
    assert store.get(job).figures == kept.figures
    assert store.get(job).reasons == (Reason("check told", "x"),)
    assert store.get(other) is None


def test_what_broke_or_is_torn_or_of_another_make_is_done_again(tmp_path):
    job = jobs(tmp_path)[0]
    store = Store(tmp_path)
    store.put(job, failure(job.seed, DIED, "killed"))
    assert store.get(job) is None
    store.put(job, row(job))
    longer = replace(job.plan, scenario=replace(job.plan.scenario, duration_s=91.0))
    assert store.get(replace(job, plan=longer)) is None
    path = tmp_path / f"{job.key}.json"
    path.write_text(path.read_text()[:40])
    assert store.get(job) is None


def test_a_changed_signal_file_is_another_make(tmp_path):
    file = tmp_path / "agc.csv"
    file.write_text("t_s,x\n" + "".join(f"{2 * k},0.1\n" for k in range(60)))
    ask = replace(ASK, signals=plan.signals((f"{file}:x",))[1:])
    before = made_from(jobs(tmp_path, ask)[0])
    file.write_text(file.read_text().replace("0.1", "0.2", 1))
    from hil.tracking import store

    store._file.cache_clear()
    assert made_from(jobs(tmp_path, ask)[0]) != before


def test_limits_of_each_run_are_held(done):
    lines = table.lines(done)
    assert lines[0].missed == ()  # too short for PJM's score
    assert [text.partition(": ") for text in lines[1].missed] == [
        (f"1 MW, calm, shipped, response_aware, seed {seed}", ": ",
         "accuracy_pct: 99 is under its limit 100 by 1") for seed in (1, 2)
    ]  # fmt: skip


def test_the_score_is_held_where_it_can_be_measured(tmp_path):
    long = [(job, row(job, pjm_score=0.85)) for job in jobs(tmp_path, replace(ASK, duration_s=900))]
    (text,) = {text.partition("seed 1: ")[2] for text in table.lines(long)[0].missed} - {""}
    assert text == "pjm_score: 0.85 is under its limit 0.9 by 0.05"


def test_reached_is_told_of_what_was_possible(done):
    spread = table.lines(done)[0].spread("of_possible_pct")
    assert spread.mean == pytest.approx(100 * 99.0 / 99.5)
    low = [(job, row(job, 97.0)) for job, _ in done]
    assert any("of_possible_pct: 97.4" in text for text in table.lines(low)[0].missed)


def test_violations_count_for_every_policy(done):
    bad = [(job, row(job, check_violations=2.0 * (job.policy == "exact"))) for job, _ in done]
    line = table.lines(bad)[0]
    assert line.count("check_violations") == 2
    assert line.missed == (
        "1 MW, shipped, exact, seed 1: check_violations: 2 is over its limit 0 by 2",
    )


def test_a_run_that_broke_is_told(done):
    (job, _), *others = done
    died = [(job, failure(job.seed, DIED, "died: its process ended\nmore")), *others]
    line = table.lines(died)[0]
    assert line.missed == ("1 MW, shipped, response_aware, seed 1: died: its process ended",)
    differs = replace(row(job), reasons=(Reason(REPLAY, "the replay is not bit-exact"),))
    assert "not bit-exact" in table.lines([(job, differs), *others])[0].missed[0]


def test_mean_and_worst(done):
    (job, _), *others = done
    line = table.lines([(job, row(job, 98.0)), *others])[0]
    spread = line.spread("accuracy_pct")
    assert (spread.seeds, spread.mean, spread.worst, spread.worst_seed) == (2, 98.5, 98.0, 1)
    assert cells.mean_and_worst(spread, 2) == "98.50 (98.00)"
    assert cells.mean_and_worst(line.spread("accuracy_pct", "exact"), 2) == "99.00"
    assert cells.mean_and_worst(None, 2) == "–"


def test_the_terminal_has_a_line_for_each_case(done):
    out = io.StringIO()
    Console(file=out, width=180).print(terminal.table(outcome(done)))
    text = out.getvalue()
    assert re.search(r"✓ 1 MW +shipped +99.00 \(99.00\) +0.950 \(0.950\) +0.01 ", text)
    assert re.search(r"✗ 1 MW, calm +shipped +.* +99.00, 0.950 +.* +0 +0 ", text)
    assert "2 seeds of 90 s: mean, and worst in brackets" in text


def test_the_json_has_the_table_and_each_run(done, tmp_path):
    record.write(outcome(done), tmp_path / "tracking.json")
    found = json.loads((tmp_path / "tracking.json").read_text())
    assert (found["passed"], found["interrupted"], len(found["missed"])) == (False, False, 2)
    assert [line["case"] for line in found["table"]] == ["1 MW", "1 MW, calm"]
    assert found["table"][0]["policies"][POLICY]["accuracy_pct"]["worst"] == 99.0
    assert found["table"][0]["limits"]["accuracy_pct"] == {"minimum": 50.0}
    assert len(found["runs"]) == len(done)
    assert "vppd-hil run" in found["runs"][0]["command"]


def test_the_page_needs_nothing_but_itself(done, tmp_path):
    text = page.write(outcome(done, stopped=130, asked=20), tmp_path / "t.html").read_text()
    assert not re.search(r"<(script|link|img|iframe)\b[^>]*\b(src|href)=[\"']?(https?:)?//", text)
    body = text[text.index("<body>") :]
    assert "Not complete: 6 runs not made." in body
    assert body.count("Plotly.newPlot(") == 1
    assert body.count("--clock virtual --duration 90") == 2 * 5
    assert "✗ 1 MW, calm" in body


def test_an_empty_table_has_a_page(tmp_path):
    assert "Not complete" in page.write(outcome([], asked=5), tmp_path / "t.html").read_text()


def test_progress_without_a_terminal(monkeypatch, done):
    now_s = [0.0]
    monkeypatch.setattr("hil.tracking.progress.time.monotonic", lambda: now_s[0])
    out = io.StringIO()
    work = sum(job.work for job, _ in done)
    with TableProgress(len(done), work, Console(file=out, width=200)) as progress:
        for job, each in done[:3]:
            now_s[0] += 5.0
            progress.add(job, each)
        progress.add(job, failure(job.seed, DIED, "died: of & old <age>\nmore"))
    assert out.getvalue().splitlines() == [
        "tracking: 2 of 14 runs, 18 × real time, 42 s left",
        f"{job.case.name}, shipped, {job.policy}, seed 1: died: of & old <age>",
    ]


@pytest.fixture
def quick_pool(monkeypatch):
    """In place of processes: rows at once; counts the jobs."""
    made = []

    class Pool:
        def __init__(self, *_, **__):
            pass

        def run(self, items):
            from hil.campaign.pool import Done

            for job in items:
                made.append(job.key)
                yield Done(job, row(job))

    monkeypatch.setattr("hil.tracking.making.Pool", Pool)
    return made


def test_an_interrupted_table_goes_on_from_there(tmp_path, quick_pool):
    asked = jobs(tmp_path)

    def view(_job, _row):
        if len(quick_pool) == 3:
            raise KeyboardInterrupt

    first = Table(ASK, asked, tmp_path / "out", 2)
    stopped = first.make(first.open(), view)
    assert (stopped.stopped, len(stopped.done), stopped.left) == (130, 3, 11)
    second = Table(ASK, asked, tmp_path / "out", 2)
    waiting = second.open()
    assert (second.before, len(waiting)) == (3, 11)
    whole = second.make(waiting, lambda *_: None)
    assert (whole.stopped, whole.kept, whole.left) == (0, 3, 0)
    assert sorted(quick_pool) == sorted(job.key for job in asked)


def test_two_tables_do_not_share_a_folder(tmp_path):
    from hil.plumbing import CouldNotRunError

    asked = jobs(tmp_path)
    first, second = (Table(ASK, asked, tmp_path / "out", 2) for _ in range(2))
    first.open()
    with pytest.raises(CouldNotRunError, match="another vppd-hil runs in this folder"):
        second.open()
    os.close(first._marker)


def test_the_command_says_what_was_missed(tmp_path, quick_pool, monkeypatch):
    monkeypatch.setattr(command, "jobs", lambda ask: jobs(tmp_path, ask))
    arguments = ["tracking", "--quick", "--duration", "900", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1, done.output
    assert (
        "not met: 1 MW, calm, shipped, response_aware, seed 1: accuracy_pct: 99 is" in done.stderr
    )
    assert "10 runs, " in done.stdout
    again = CliRunner().invoke(main, arguments)
    assert "done before, 0 to go" in again.stderr
    assert (tmp_path / "out" / "tracking.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--signal", "nowhere.csv:x"), 3, "nowhere.csv"),
        (("--signal", "nowhere.csv"), 2, "must be FILE:COLUMN"),
        (("--seeds", "3"), 2, "must be A..B"),
    ],
)
def test_mistakes_are_told_before_anything_runs(tmp_path, arguments, code, said):
    out = tmp_path / "out"
    done = CliRunner().invoke(main, ["tracking", *arguments, "--out", str(out)])
    assert done.exit_code == code
    assert said in done.stderr
    assert not out.exists()


@pytest.mark.timeout(400)  # the first processes may have to compile the kernels
def test_a_table_over_processes(tmp_path):
    """The pool, the worker, the bound: one case, one policy and its bound."""
    asked = [
        j for j in jobs(tmp_path, Ask(range(1, 2), 90.0, ASK.signals)) if j.case.name == "1 MW"
    ]
    some = [job for job in asked if job.policy in (POLICY, BOUND)]
    made = Table(ASK, some, tmp_path / "out", 2)
    found = made.make(made.open(), lambda *_: None)
    assert [job.policy for job, _ in found.done] == [POLICY, BOUND]
    (_, run), (_, bound) = found.done
    assert 50.0 < run.figures["accuracy_pct"] <= bound.figures["possible_pct"] <= 100.0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".vppd-hil", "done"]


def test_the_shipped_cases_can_be_drawn():
    found = plan.jobs(Ask(range(1, 2), 90.0, ASK.signals))
    assert {job.case for job in found} == set(SHIPPED)
    assert {job.policy for job in found} == {POLICY, *OTHERS, BOUND}
    half = next(job for job in found if "half" in job.case.name)
    assert half.plan.scenario.fleet.scale == {"battery": 0.5}
    for case in SHIPPED:
        assert case.limits["of_possible_pct"].minimum == cases.OF_POSSIBLE_PCT
