"""Virtual time: the same bits from the same seed, and the same plant as on sockets."""

import asyncio
import filecmp
import json

import numpy as np
import pytest

import vppd.runtime.telling as telling
from hil import result
from hil.scenario import load
from hil.sim.replay import replay
from hil.sim.run import Simulation

SEED, DURATION_S = 7, 40.0


def simulate(out, *overrides, name="storm"):
    settings = [("seed", str(SEED)), ("duration_s", str(DURATION_S)), *overrides]
    simulation = Simulation(load(name, settings), out)
    simulation.make()
    return simulation


def calm(out, *overrides):
    return simulate(out, ("random_faults", "[]"), *overrides)


def figures(out, simulation):
    """Measured without another process; `vppd replay` says the same (see the pair)."""
    return result.measure(out, ticks=simulation.ticks, replay=replay).result


def events(out):
    lines = (out / "daemon.log").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two runs of one seed, with all faults at once; the second is replayed in this process."""
    print(f"seed {SEED}")
    folder = tmp_path_factory.mktemp("sim")
    early = ("random_faults", "[{kind: daemon_kill, per_hour: 400, duration_s: [3, 5]}]")
    one, two = (simulate(folder / name, early) for name in ("one", "two"))
    by_command = result.compute(one.out_dir, ticks=one.ticks)
    return [(one.out_dir, by_command), (two.out_dir, figures(two.out_dir, two))]


@pytest.mark.parametrize("what", ["journal", "raw"])
def test_one_seed_gives_the_same_bytes(pair, what):
    (one, _), (two, _) = pair
    names = sorted(p.relative_to(one / what) for p in (one / what).rglob("*") if p.is_file())
    assert names
    differs = filecmp.cmpfiles(one / what, two / what, map(str, names), shallow=False)
    same = {str(name) for name in names} - {"run.json"}  # it has the time of day
    assert set(differs[0]) >= same
    assert not differs[2]


def test_one_seed_gives_the_same_trace(pair):
    (one, first), (two, second) = pair
    assert (one / "trace.csv").read_bytes() == (two / "trace.csv").read_bytes()
    assert first["tracking"] == second["tracking"]
    assert first["journal"] == second["journal"]


def test_another_seed_gives_another_run(pair, tmp_path):
    calm(tmp_path / "other", ("seed", "8"))
    ours = (pair[0][0] / "raw" / "wire-0.power.bin").read_bytes()
    assert (tmp_path / "other" / "raw" / "wire-0.power.bin").read_bytes() != ours


def test_a_killed_daemon_comes_back_and_its_journal_replays(pair):
    out, measured = pair[0]
    assert measured["faults"]["kinds"]["daemon_kill"] >= 1
    assert len(list((out / "journal").iterdir())) >= 2
    assert measured["journal"]["replay_bit_exact"] is True
    assert measured["journal"]["chain_ok"] is True


def test_without_faults_the_plant_follows_and_nothing_is_wrong(tmp_path):
    simulation = calm(tmp_path / "calm", ("faults", "none"))
    measured = figures(tmp_path / "calm", simulation)
    assert measured["tracking"]["accuracy_pct"] > 98.0
    assert measured["limits"]["violations"] == 0
    assert measured["limits"]["checked"] > 30 * 30
    assert measured["timing"]["missed_ticks"] == 0
    assert measured["io"]["failed_writes"] == 0
    assert not simulation.errors


def test_ticks_are_those_of_the_journal(tmp_path):
    simulation = calm(tmp_path / "calm")
    by_hand = figures(tmp_path / "calm", simulation)
    exported = result.compute(tmp_path / "calm")
    assert by_hand == exported


@pytest.mark.parametrize(
    ("fault", "event"),
    [
        ("{at_s: 10, kind: host_disk_full, duration_s: 5}", "journal_failed"),
        ("{at_s: 10, kind: host_tick_overrun, duration_s: 5, delay_ms: 1500}", ""),
        ("{at_s: 10, kind: host_clock_jump, duration_s: 5, step_s: 3600}", ""),
        ("{at_s: 10, kind: daemon_restart, duration_s: 5}", "master_lost"),
    ],
)
def test_the_machine_fails_and_the_plant_goes_on(tmp_path, fault, event):
    simulation = calm(tmp_path / "host", ("faults", "none"), ("events", f"[{fault}]"))
    measured = figures(tmp_path / "host", simulation)
    assert measured["faults"]["injected"] == 1
    assert measured["journal"]["replay_bit_exact"] is True
    # After a restart ramps begin where slow units are, not at what they were told before it.
    assert measured["limits"]["unexplained"] == 0
    assert "restart" in fault or measured["limits"]["violations"] == 0
    assert not event or event in {line["event"] for line in events(tmp_path / "host")}
    ticks = simulation.ticks
    at_the_end = int(np.searchsorted(ticks.now_s, simulation.t0_s + DURATION_S)) - 1
    assert ticks.mode[at_the_end] == "REGULATING"
    if "overrun" in fault:
        assert measured["timing"]["missed_ticks"] >= 3


def test_what_nobody_caught_in_a_callback_is_an_error_of_the_log(tmp_path, monkeypatch):
    tell = telling.Teller.tell

    def careless(self, done):
        tell(self, done)
        if done.image.tick == 20:
            asyncio.get_running_loop().call_soon([].pop)

    monkeypatch.setattr(telling.Teller, "tell", careless)
    simulation = calm(tmp_path / "calm", ("faults", "none"))
    assert [each["event"] for each in simulation.errors] == ["loop_exception"]
    found = figures(tmp_path / "calm", simulation)["checks"]
    assert found["by_check"]["log"] == 1
    assert "IndexError" in found["first"][0]["what"]


def test_what_the_daemon_raises_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr("vppd.runtime.loop.tick", lambda *_: 1 / 0)
    with pytest.raises(ExceptionGroup) as raised:
        calm(tmp_path / "broken")
    assert raised.group_contains(ZeroDivisionError)
