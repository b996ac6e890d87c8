"""The command `vppd` from outside: what it prints, where, and its exit codes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from vppd.cli import main

ROOT = Path(__file__).parents[2]
MINIMAL = ROOT / "configs" / "minimal.yaml"


def vppd(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def test_check_sums_up_a_valid_file():
    result = vppd("check", MINIMAL)
    assert result.exit_code == 0
    assert "valid" in result.stdout
    assert "1 battery" in result.stdout
    assert result.stderr == ""


def test_check_reports_ten_planted_mistakes_with_their_lines():
    bad = ROOT / "tests" / "testdata" / "config" / "ten.bad.yaml"
    result = vppd("check", bad)
    assert result.exit_code == 2
    assert result.stdout == ""
    problems = [line for line in result.stderr.splitlines() if line.startswith(f"{bad}:")]
    assert len(problems) == 10
    lines = [int(problem.removeprefix(f"{bad}:").split(":")[0]) for problem in problems]
    expected = [
        int(line.split("expect:")[1].split(":")[0])
        for line in bad.read_text().splitlines()
        if "expect:" in line
    ]
    assert lines == sorted(expected)
    assert "10 problems" in result.stderr


def test_plan_prints_every_basepoint():
    result = vppd("plan", MINIMAL, "--json")
    plan = json.loads(result.stdout)
    assert plan["regulation_capacity_up_mw"] > 0.0
    assert len(plan["basepoint_mw"]) == 1


@pytest.mark.parametrize("command", ["check", "run", "plan"])
def test_a_missing_file_could_not_run(command, tmp_path):
    result = vppd(command, tmp_path / "none.yaml")
    assert result.exit_code == 3
    assert "none.yaml" in result.stderr


@pytest.mark.parametrize("command", ["replay", "verify", "export"])
def test_a_journal_that_is_not_there(command, tmp_path):
    result = vppd(command, tmp_path / "journal")
    assert result.exit_code == 3
    assert "journal" in result.stderr


def test_status_without_a_daemon(tmp_path):
    result = vppd("status", "--socket", tmp_path / "vppd.sock")
    assert result.exit_code == 3
    assert "vppd.sock" in result.stderr


def test_bad_usage():
    assert vppd("check").exit_code == 2
    assert vppd("fly").exit_code == 2
    assert vppd("run", MINIMAL, "--speed", "9").exit_code == 2


@pytest.mark.parametrize(
    "command", ["run", "check", "status", "replay", "verify", "export", "plan"]
)
def test_every_command_explains_itself(command):
    result = vppd(command, "--help")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 4
