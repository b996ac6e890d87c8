"""The command `vppd` from outside: what it prints, where, and its exit codes."""

import dataclasses
import json
import subprocess
from pathlib import Path

import pytest
from builders import image as core_image
from builders import params as core_params
from click.testing import CliRunner
from daemons import VPPD

from vppd.cli import main
from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.journal.frames import HEAD_SIZE
from vppd.journal.header import About
from vppd.journal.scan import SegmentScan
from vppd.journal.schema import Meta
from vppd.journal.writer import JournalWriter

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


def test_status_of_a_file(tmp_path):
    (tmp_path / "README.md").write_text("no socket")
    result = vppd("status", "--socket", tmp_path / "README.md")
    assert result.exit_code == 3
    assert "not a socket" in result.stderr


@pytest.mark.parametrize("command", ["check", "run", "plan"])
def test_a_configuration_that_cannot_be_read_could_not_run(command, tmp_path):
    result = vppd(command, tmp_path)
    assert result.exit_code == 3
    assert result.stderr == f"vppd: {tmp_path}: is a directory\n"


@pytest.mark.parametrize(
    "arguments", [["check", MINIMAL], ["plan", MINIMAL], ["plan", MINIMAL, "--json"], ["--help"]]
)
def test_output_that_cannot_be_written_is_said_in_one_line(arguments):
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [VPPD, *map(str, arguments)], stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=60.0, check=False,
        )  # fmt: skip
    assert result.returncode == 3
    assert result.stderr == "vppd: the output cannot be written: no space left on device\n"


def test_one_is_told_as_one():
    assert "1 unit: 1 battery" in vppd("check", MINIMAL).stdout


def test_more_sold_than_there_is_shows_in_the_summary(tmp_path):
    text = MINIMAL.read_text().replace(
        "regulation_capacity_up_mw: 4.0", "regulation_capacity_up_mw: 8.0"
    )
    (tmp_path / "over.yaml").write_text(text.rstrip() + "\n")
    assert vppd("check", tmp_path / "over.yaml").exit_code == 2
    text = text.replace("plan:\n", "plan:\n  allow_oversold: true\n")
    (tmp_path / "over.yaml").write_text(text)
    result = vppd("check", tmp_path / "over.yaml")
    assert result.exit_code == 0
    assert "more than the range: plan.allow_oversold" in result.stdout


def journal_of(folder, ticks=6):
    """A journal of the real core; its records with the places where they stand."""
    p = core_params()
    writer = JournalWriter(folder, p, About("site", "c0ffee"), utc_s=1e9, capacity=99)
    state = initial_state(p)
    for k in range(ticks):
        image = core_image(tick=k, now_s=100.0 + k, agc_pu=0.1 * k)
        after, decision = tick(state, image, p)
        assert writer.put(
            Meta(1e9 + k, *[0] * (len(dataclasses.fields(Meta)) - 1)), state, image, decision
        )
        state = after
    writer.close()
    (path,) = folder.iterdir()
    with SegmentScan(path) as scan:
        return path, list(scan)


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_sound_journal_replays_and_is_exported(tmp_path):
    path, _ = journal_of(tmp_path / "journal")
    result = vppd("replay", path.parent)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("6 ticks in 1 segment, ")
    assert result.stdout.endswith("0 missed, 1 start\nbit for bit the same\n")
    exported = vppd("export", path.parent)
    assert (exported.exit_code, len(exported.stdout.splitlines())) == (0, 6)


@pytest.mark.parametrize("command", ["replay", "export"])
def test_a_damaged_journal_does_not_hold(command, tmp_path):
    path, records = journal_of(tmp_path / "journal")
    flip(path, records[3].offset + HEAD_SIZE)
    place = f"{path.name}: record 3 at byte {records[3].offset}: checksum"
    result = vppd(command, path.parent)
    assert result.exit_code == 1
    assert place in result.stderr
    skipping = vppd(command, path.parent, "--skip-damaged")
    assert skipping.exit_code == 1
    assert place in skipping.stdout + skipping.stderr
    if command == "replay":
        assert "bit for bit the same, but 4 ticks could not be read\n" in skipping.stdout


def test_a_damaged_last_record_does_not_hold(tmp_path):
    path, records = journal_of(tmp_path / "journal")
    flip(path, records[-1].offset + HEAD_SIZE)
    for command in ("replay", "export"):
        result = vppd(command, path.parent)
        assert result.exit_code == 1
        assert f"record {records[-1].seq} at byte" in result.stdout + result.stderr


@pytest.mark.parametrize("size", [0, 30, 500])
def test_a_journal_cut_inside_its_header_has_no_tick(tmp_path, size):
    path, _ = journal_of(tmp_path / "journal")
    path.write_bytes(path.read_bytes()[:size])
    for command in ("replay", "export"):
        result = vppd(command, path.parent)
        assert result.exit_code == 1
        assert "no whole tick in this journal" in result.stdout + result.stderr
        assert "None" not in result.stdout


def test_a_tick_is_explained(tmp_path):
    path, _ = journal_of(tmp_path / "journal")
    result = vppd("explain", path.parent, "--at", "#4")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("site   tick #4   2001-09-09T01:46:44.000Z   +4.000 s\n")
    assert "The request is served.\n" in result.stdout
    one = vppd("explain", path, "--at", "+4", "--der", "u1", "--json")
    (unit,) = json.loads(one.stdout)["units"]
    assert (unit["id"], unit["held_by"], one.exit_code) == ("u1", "NONE", 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--at", "soon"], "'soon' is no instant"),
        (["--at", "#6"], "there is no tick #6: the journal goes from 2001-09-09T01:46:40.000Z"),
        (["--at", "#1", "--der", "u11"], "no unit 'u11' among 3; did you mean u1"),
        ([], "--at"),
    ],
)
def test_explain_of_what_is_not_there_is_bad_usage(arguments, words, tmp_path):
    path, _ = journal_of(tmp_path / "journal")
    result = vppd("explain", path, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_explain_of_a_damaged_journal_does_not_hold(tmp_path):
    path, records = journal_of(tmp_path / "journal")
    flip(path, records[3].offset + HEAD_SIZE)
    hidden = vppd("explain", path, "--at", "#5")
    assert (hidden.exit_code, hidden.stdout) == (1, "")
    assert "record 3 at byte" in hidden.stderr
    before = vppd("explain", path, "--at", "#1")
    assert before.exit_code == 1
    assert "tick #1" in before.stdout
    assert "damaged behind this tick: " in before.stderr
    path.write_bytes(path.read_bytes()[:30])
    assert vppd("explain", path, "--at", "#1").exit_code == 1
    assert vppd("explain", tmp_path / "none", "--at", "#1").exit_code == 3
    assert vppd("explain", "/etc/passwd", "--at", "#1").exit_code == 3


@pytest.mark.parametrize("command", ["replay", "verify", "export"])
def test_what_is_no_journal(command):
    result = vppd(command, "/etc/passwd")
    assert result.exit_code == 3
    assert result.stderr == "vppd: /etc/passwd: not a journal\n"


def test_bad_usage():
    assert vppd("check").exit_code == 2
    assert vppd("fly").exit_code == 2
    assert vppd("run", MINIMAL, "--speed", "9").exit_code == 2


@pytest.mark.parametrize(
    "command", ["run", "check", "status", "replay", "explain", "verify", "export", "plan", "score"]
)
def test_every_command_explains_itself(command):
    result = vppd(command, "--help")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 4
