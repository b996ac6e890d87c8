"""One seed, run and judged in this process: its row, its files, and nothing left behind."""

import json
from dataclasses import replace

import pytest
from small_campaign import IMPOSSIBLE, small

from hil import result, scenario
from hil.campaign import plan as plans
from hil.campaign import regression
from hil.campaign.plan import ALL, FAILED, NONE, Job, Plan
from hil.campaign.row import DIED, NO_RUN, UNEXPECTED, VPPD_FAILED, Reason, failure
from hil.campaign.seed import SeedRunner
from hil.scenario import EventConfig
from hil.sim.replay import replay
from vppd.market.blame import Blame
from vppd.runtime import loop


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> Plan:
    return plans.load(small(tmp_path_factory.mktemp("plan")), ("faults.offline_pct=5",))


def test_a_row_depends_on_its_seed_only(plan, tmp_path):
    one, other = SeedRunner(plan, tmp_path / "a"), SeedRunner(plan, tmp_path / "b")
    forth = [one(Job(seed, NONE)) for seed in (1, 2, 2)]
    back = [other(Job(seed, NONE)) for seed in (2, 1)]
    assert forth == [back[1], back[0], back[0]]
    assert forth[0].digest != forth[1].digest
    assert forth[0].figures != forth[1].figures


def test_the_row_has_what_a_run_by_itself_measures(plan, tmp_path):
    row = SeedRunner(plan, tmp_path)(Job(3, ALL))
    out = tmp_path / "seeds" / "3"
    assert row.kept == "seeds/3/report.html"
    assert (tmp_path / row.kept).read_text().startswith("<!doctype html>")
    ours = json.loads((out / "result.json").read_text())
    theirs = result.compute(out)  # by `vppd export` and `vppd replay`
    assert ours == theirs
    assert ours["journal"]["replay_bit_exact"] is True
    assert row.figures["accuracy_pct"] == theirs["tracking"]["accuracy_pct"]
    assert row.figures["faults"] == theirs["faults"]["injected"]
    assert (row.reasons, row.errors) == ((), 0)


def test_files_stay_where_they_are_asked_for(plan, tmp_path):
    failing = plans.load(plan.name, (IMPOSSIBLE,))
    runs = [(plan, FAILED), (plan, NONE), (failing, FAILED), (failing, NONE)]
    kept = [SeedRunner(each, tmp_path / str(i))(Job(1, keep)).kept for i, (each, keep) in
            enumerate(runs)]  # fmt: skip
    assert kept == ["", "", "seeds/1/report.html", ""]
    assert [(tmp_path / str(i) / "seeds" / "1").exists() for i in range(4)] == [
        False, False, True, False,
    ]  # fmt: skip


def test_a_missed_limit_fails_the_seed(plan, tmp_path):
    failing = plans.load(plan.name, (IMPOSSIBLE,))
    (reason,) = SeedRunner(failing, tmp_path)(Job(1, NONE)).reasons
    assert reason.what == "tracking.accuracy_pct"
    assert "is under its limit 100 by" in reason.text


def test_an_attribution_that_does_not_sum_up_fails_the_seed(plan, tmp_path, monkeypatch):
    whole = Blame.missed_mws.fget
    monkeypatch.setattr(Blame, "missed_mws", property(lambda blame: whole(blame) + 2e-6))
    (reason,) = SeedRunner(plan, tmp_path)(Job(1, NONE)).reasons
    assert reason.what == "attribution does not sum up"
    assert "the parts miss 2.000e-06" in reason.text


def test_a_journal_that_does_not_replay_fails_the_seed(plan, tmp_path, monkeypatch):
    def other_bits(journal):
        return replace(replay(journal), bit_exact=False)

    monkeypatch.setattr("hil.campaign.seed.replay_journal", other_bits)
    row = SeedRunner(plan, tmp_path)(Job(1, NONE))
    assert row.reasons == (
        Reason("replay differs", "the replay is not bit-exact: ticks give other bits"),
    )


def test_a_daemon_that_raises_fails_the_seed_and_the_next_one_is_none_the_worse(
    plan, tmp_path, monkeypatch
):
    runner = SeedRunner(plan, tmp_path)
    before = runner(Job(2, NONE))

    def broken(*_):
        raise ZeroDivisionError("of the core")

    with monkeypatch.context() as patch:
        patch.setattr(loop, "tick", broken)
        (reason,) = runner(Job(1, NONE)).reasons
    assert reason.what == VPPD_FAILED
    assert "ZeroDivisionError: of the core" in reason.text
    assert runner(Job(2, NONE)) == before


def test_a_run_that_cannot_be_made_fails_the_seed(plan, tmp_path):
    nobody = EventConfig(at_s=1.0, kind="link_cut", units=("nobody",))
    lacking = replace(plan, scenario=replace(plan.scenario, events=(nobody,)))
    (reason,) = SeedRunner(lacking, tmp_path)(Job(1, NONE)).reasons
    assert reason.what == NO_RUN
    assert "nobody" in reason.text


def test_an_error_of_the_bench_fails_the_seed(plan, tmp_path, monkeypatch):
    def broken(*_):
        raise LookupError("in the bench")

    monkeypatch.setattr("hil.campaign.seed.judged", broken)
    (reason,) = SeedRunner(plan, tmp_path)(Job(1, NONE)).reasons
    assert reason.what == UNEXPECTED
    assert reason.text.startswith("LookupError: in the bench")


def test_no_memory_ends_the_process(plan, tmp_path, monkeypatch):
    def broken(*_):
        raise MemoryError

    monkeypatch.setattr("hil.campaign.seed.judged", broken)
    with pytest.raises(MemoryError):
        SeedRunner(plan, tmp_path)(Job(1, NONE))


@pytest.mark.parametrize(
    ("name", "settings", "duration_s", "extends"),
    [
        ("storm", ("faults.offline_pct=5", "fleet.scale.battery=0.5"), None, True),
        ("storm", ("signal={kind: steps, steps: [[0, 0.5]]}", "random_faults=[]"), 45.0, True),
        ("storm", (IMPOSSIBLE,), None, False),  # a file that extends adds limits, --set replaces
        (None, ("faults=none",), 10.0, False),
    ],
)
def test_a_failed_seed_becomes_the_same_scenario(
    plan, tmp_path, name, settings, duration_s, extends
):
    asked = plans.load(name or plan.name, settings, duration_s)
    path = regression.write(asked, failure(17, DIED, "died: it fell"), tmp_path)
    assert path.name == f"{asked.scenario.name}-17.yaml"
    assert scenario.load(str(path)) == asked.of(17)
    text = path.read_text()
    assert text.startswith("# Seed 17 of a campaign failed:\n#   died: it fell\n# vppd-hil run ")
    assert ("extends: storm" in text) is extends


def test_the_command_makes_the_same_scenario(plan):
    asked = plans.load("storm", ("faults=none", "regulation_mw=5"), 60.0)
    assert asked.command(7) == (
        "vppd-hil run storm --clock virtual --duration 60 --seed 7 --set faults=none"
        " --set regulation_mw=5 --out build/storm-7"
    )
    assert scenario.load("storm", asked.overrides(7)) == asked.of(7)
    assert plan.of(5).seed == 5
