"""The command line of the bench: refusals that name what was typed, before anything starts."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from test_hil_rig import SMALL

from hil import result
from hil.cli import main
from hil.daemon_config import text
from hil.fleet import draw
from hil.scenario import load
from hil.scenario.fault_kinds import FAULT_KINDS

REPO = Path(__file__).parents[2]
FILES = {
    "empty.csv": "",
    "names.csv": "t_s,pu\n",
    "short.csv": "t_s,pu\n0,0\n1,0\n",
    "notes.md": "# notes\n",
    "binary.yaml": b"\xff\xfe\x00",
}


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--duration", 0), 2, "--duration: must be within 1 to 1e+07, is 0"),
        (("--duration", "nan"), 2, "--duration: must be a number"),
        (("--seed", -1), 2, "--seed: must be within 0 to"),
        (("--set", "seed=-1"), 2, "--set seed: must be within 0 to"),
        (("--set", "faults=maybe"), 2,
         "--set faults: must be none, or a mapping with the keys write_loss_pct,"),
        (("--set", "faults={loss: 1}"), 2, "--set faults: faults.loss: unknown key; known: write"),
        (("--set", "allocation.policy=fairly"), 2,
         "allocation.policy: must be one of"),
        (("--clock", "virtual", "--base-port", "20000"), 2, "--base-port: there are no ports in"),
        (("--frequency", "{tmp}/none.csv:hz"), 3, "none.csv: No such file"),
        (("--signal", "{tmp}/empty.csv"), 2, "must be FILE:COLUMN, for example"),
        (("--signal", "{tmp}/empty.csv:pu"), 2, "empty.csv: is empty; needs a line of names"),
        (("--signal", "{tmp}/names.csv:pu"), 2, "but no row of values"),
        (("--signal", "{tmp}/names.csv:x"), 2, "no column x; has t_s, pu"),
        (("--signal", "{tmp}/short.csv:pu"), 2, "short.csv: is 1 s long, the run 120 s"),
        (("--signal", "{tmp}/none.csv:pu"), 3, "none.csv: No such file"),
        *((("--base-port", port), 2, "must be within 1024 to 65316 (220 ports in a row")
          for port in (-1, 0, 22, 65317, 99999)),
        (("--out", "/proc/nope"), 3, "/proc/nope: cannot be made (No such file or directory)"),
        (("--out", "/dev/null"), 3, "/dev/null: is not a folder; name another --out"),
    ],
)  # fmt: skip
def test_refusals_before_anything_starts(tmp_path, arguments, code, message):
    for name, content in FILES.items():
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
    typed = [str(each).replace("{tmp}", str(tmp_path)) for each in arguments]
    out = tmp_path / "out"
    done = CliRunner().invoke(main, ["run", "zhejiang", "--out", str(out), *typed])
    assert done.exit_code == code, done.stderr
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert not done.stdout
    assert not out.exists()


def test_each_kind_of_fault_is_listed_with_its_number():
    done = CliRunner().invoke(main, ["faults"])
    assert done.exit_code == 0, done.output
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert set(FAULT_KINDS) == set(lines) - {"kind"}
    assert "delay_ms: 500" in lines["link_latency"]
    assert "virtual only" in lines["daemon_kill"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("notes.md", "is no scenario: that is a file .yaml, or one of"),
     ("binary.yaml", "the file is no text")],
)  # fmt: skip
def test_files_that_are_no_scenario(tmp_path, name, message):
    data = FILES[name]
    (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    arguments = ["run", str(tmp_path / name), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr


def test_a_foreign_folder_is_refused_in_one_line(small, tmp_path):
    (tmp_path / "out" / "journal").mkdir(parents=True)
    (tmp_path / "out" / "journal" / "1.vj").write_text("ticks")
    done = CliRunner().invoke(main, ["run", small, "--out", str(tmp_path / "out")])
    assert done.exit_code == 3
    assert done.stderr.splitlines()[-1].startswith(f"{tmp_path / 'out'}: is not empty, and")
    assert (tmp_path / "out" / "journal" / "1.vj").read_text() == "ticks"


def test_an_oversold_plant_runs_and_is_told_and_so_is_a_limit_that_it_misses(small, tmp_path):
    out = tmp_path / "x" / ".." / "out"
    done = CliRunner().invoke(
        main,
        ["run", small, "--clock", "virtual", "--out", str(out), "--duration", "2", "--no-oracle",
         "--set", "regulation_mw=500", "--set", "faults.offline_pct=0",
         "--set", "acceptance={fleet.resources: {minimum: 9}}"],
    )  # fmt: skip
    assert done.exit_code == 1, done.output
    assert done.stderr.splitlines()[-1] == "not met: fleet.resources: 7 is under its limit 9 by 2"
    assert "oversold: 500 MW of regulation, but from its basepoints the fleet can rise" in (
        done.stderr
    )
    assert f"report: {tmp_path / 'out' / 'report.html'}" in done.stdout
    notes = json.loads((tmp_path / "out" / "result.json").read_text())["notes"]
    assert notes["fleet.regulation_mw"].startswith("oversold: 500 MW")
    written = (tmp_path / "out" / "daemon.yaml").read_text()
    assert yaml.safe_load(written)["plan"]["allow_oversold"] is True
    head = next(line for line in written.splitlines() if line.startswith("# Generated: "))
    assert head.startswith(f"# Generated: vppd-hil run {small} ")
    assert "--set regulation_mw=500 --set faults.offline_pct=0 --set 'acceptance=" in head


def test_virtual_runs_of_one_seed_have_the_same_journal_wherever_they_go(small, tmp_path):
    found = []
    for out, more in ((tmp_path / "a", ()), (tmp_path / "b", ("--trace-devices",))):
        told = CliRunner().invoke(
            main,
            ["run", str(small), "--clock", "virtual", "--duration", "3", "--no-oracle",
             "--set", "acceptance={}", "--out", str(out), *more],
        )  # fmt: skip
        assert told.exit_code == 0, told.output
        (journal,) = (out / "journal").iterdir()
        found.append((journal.read_bytes(), (out / "trace.csv").read_bytes()))
        told = json.loads((out / "result.json").read_text())  # replayed as it was made
        assert told["journal"]["replay_bit_exact"] is True
    assert found[0] == found[1]
    # and by the command, in a process of its own
    assert result.compute(tmp_path / "a")["journal"]["replay_bit_exact"] is True


def test_only_an_oversold_plant_is_configured_so():
    whole = load("zhejiang")
    less = load("zhejiang", [("fleet.scale.battery", "0.5")])
    shown = [
        yaml.safe_load(text(draw(each, 20000), each, state_dir=".", command="a\nb: c"))["plan"]
        for each in (whole, less)
    ]
    assert "allow_oversold" not in shown[0]
    assert shown[1]["allow_oversold"] is True


def offspring(pid: int) -> list[int]:
    """Processes that a process started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def gone(pid: int) -> bool:
    # its first thread may be a zombie while others still end
    try:
        tasks = [task / "stat" for task in Path(f"/proc/{pid}/task").iterdir()]
        return all(task.read_text().rpartition(")")[2].split()[0] in "ZX" for task in tasks)
    except OSError:
        return True


def test_kill_9_leaves_nothing_behind(small, tmp_path):
    argv = [sys.executable, "-m", "hil.cli", "run", small, "--duration", "60"]
    argv += ["--out", str(tmp_path / "out")]
    end_s = time.monotonic() + 60.0
    with subprocess.Popen(argv, cwd=REPO, stderr=subprocess.PIPE, text=True) as bench:
        assert bench.stderr is not None
        while "request" not in bench.stderr.readline():  # everything is up
            assert time.monotonic() < end_s
        started = offspring(bench.pid)
        assert len(started) == 5  # broker, two wire processes, TSO, daemon
        os.kill(bench.pid, signal.SIGKILL)
    while not all(map(gone, started)):
        assert time.monotonic() < end_s
        time.sleep(0.01)
