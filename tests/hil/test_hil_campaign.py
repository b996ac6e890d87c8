"""The command `vppd-hil campaign`, as a process: exit codes, files, Ctrl-C, any number of jobs."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_campaign import IMPOSSIBLE, small

from hil.campaign import plan as plans
from hil.campaign.plan import NONE, Job, seeds
from hil.campaign.seed import SeedRunner
from hil.cli import main

REPO = Path(__file__).parents[2]


def command(*arguments):
    return [sys.executable, "-m", "hil.cli", "campaign", *map(str, arguments)]


def read(out):
    return json.loads((out / "campaign.json").read_text())


def stopped(number, *arguments):
    """Start a campaign, send it a signal when the first seed has failed, and wait for it."""
    with subprocess.Popen(
        command(*arguments), cwd=REPO, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as running:  # fmt: skip
        assert running.stderr is not None
        assert "seed 1 failed" in running.stderr.readline()
        if number == signal.SIGINT:  # Ctrl-C meets all processes of the terminal
            os.killpg(running.pid, number)
        else:
            running.send_signal(number)
        stdout, stderr = running.communicate(timeout=60)
    assert "Traceback" not in stderr
    return running.returncode, stdout, stderr


def test_seeds_on_all_cores_are_the_same_as_one_after_the_other(tmp_path):
    name, out = small(tmp_path), tmp_path / "out"
    alone = SeedRunner(plans.load(name), tmp_path / "alone")
    rows = [alone(Job(seed, NONE)) for seed in (6, 5, 4)][::-1]
    accuracy = [row.figures["accuracy_pct"] for row in rows]
    limit = f"{{tracking.accuracy_pct: {{minimum: {sorted(accuracy)[1]}}}}}"
    done = subprocess.run(
        command(name, "--seeds", "4..6", "--set", f"acceptance={limit}", "--out", out),
        cwd=REPO, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "✗ 1 of 3 seeds failed" in done.stdout
    assert f"report: {out}/campaign.html" in done.stdout
    found = read(out)["rows"]
    for row, ours in zip(found, rows, strict=True):
        assert row.items() >= {"digest": ours.digest, **ours.figures}.items()
        assert row["passed"] is (row["accuracy_pct"] > min(accuracy))
    (failed,) = (row for row in found if not row["passed"])
    assert f"seed {failed['seed']} failed: tracking.accuracy_pct" in done.stderr
    assert [path.name for path in (out / "seeds").iterdir()] == [str(failed["seed"])]
    assert (out / failed["kept"]).is_file()
    (path,) = (out / "failures").iterdir()
    again = plans.load(str(path))
    assert path.name == f"small-{again.scenario.seed}.yaml"
    row = SeedRunner(again, tmp_path / "again")(Job(again.scenario.seed, NONE))
    assert (row.digest, len(row.reasons)) == (failed["digest"], 1)


def test_a_campaign_that_is_interrupted_sums_up_what_is_done(tmp_path):
    out = tmp_path / "out"
    code, stdout, stderr = stopped(
        signal.SIGINT, small(tmp_path), "--seeds", "1..100000", "--set", IMPOSSIBLE, "--jobs", 1,
        "--keep", "none", "--out", out,
    )  # fmt: skip
    found = read(out)
    done = found["summary"]["seeds"]
    assert (code, found["interrupted"]) == (130, True)
    assert 1 <= done < 100
    assert f"interrupted; {100000 - done} of 100000 seeds were not run" in stderr
    assert f"✗ {done} of {done} seed" in stdout
    assert len(list((out / "failures").iterdir())) == done
    assert not list((out / "seeds").iterdir())
    assert not (out / "workers").exists()


def test_a_seed_that_takes_too_long_is_told_and_its_files_stay(tmp_path):
    out = tmp_path / "out"
    code, _, stderr = stopped(
        signal.SIGTERM, small(tmp_path), "--seeds", "1..9", "--duration", 80000, "--timeout", 1,
        "--jobs", 1, "--out", out,
    )  # fmt: skip
    assert code == 143
    assert "seeds were not run" in stderr
    row = read(out)["rows"][0]
    assert row["reasons"][0]["what"] == "timed out"
    assert row["kept"] == "seeds/1"
    assert (out / "seeds" / "1" / "daemon.log").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("zhejiang", "--seeds", "5"), 2, "must be A..B, for example 1..1000"),
        (("zhejiang", "--seeds", "5..4"), 2, "must rise, and stay within 0 to"),
        (("zhejiang", "--seeds", "0..99999999999"), 2, "must rise, and stay within 0 to"),
        (("nowhere", "--seeds", "1..2"), 2, "nowhere: no such scenario"),
        (("zhejiang", "--seeds", "1..2", "--duration", "0"), 2, "--duration: must be within"),
        (("zhejiang", "--seeds", "1..2", "--jobs", "0"), 2, "0 is not in the range"),
        (("wire-kill", "--seeds", "1..2"), 2, "wire_kill is not for --clock virtual"),
        (("zhejiang", "--seeds", "1..2", "--out", "/dev/null"), 3, "is not a folder"),
    ],
)
def test_refusals_before_anything_starts(tmp_path, arguments, code, message):
    out = tmp_path / "out"
    done = CliRunner().invoke(main, ["campaign", "--out", str(out), *arguments])
    assert done.exit_code == code, done.stderr
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert not out.exists()


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = CliRunner().invoke(
        main, ["campaign", "zhejiang", "--seeds", "1..2", "--out", str(tmp_path)]
    )
    assert done.exit_code == 3
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_seeds_are_counted_at_both_ends():
    assert list(seeds("3..5")) == [3, 4, 5]
    assert list(seeds("7..7")) == [7]
