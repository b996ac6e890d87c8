"""`vppd baseline` from outside: the meter's CSV, a day, the errors on the history, the codes."""

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from daemons import VPPD

from vppd.cli import main
from vppd.market.baseline.registry import METHODS

ROOT = Path(__file__).parents[2]


def vppd(*arguments: object):
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def answer(*arguments: object) -> dict:
    result = vppd("baseline", *arguments, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


def load_mw(day: int, hour: int) -> float:
    """Weekdays 10 MW, the second Tuesday 1 MW more all day, less 4 MW in its event."""
    return 10.0 + (day == 8) - 4.0 * (day == 8 and 14 <= hour < 16)


def meter(path: Path, cell=lambda day, hour: f"{load_mw(day, hour)!r}", header="time,load_mw"):
    rows = [header]
    for day in range(12):
        rows += [f"2026-06-{day + 1:02d}T{h:02d}:00,{cell(day, h)}" for h in range(24)]
    path.write_text("# a meter\n" + "\n".join(rows) + "\n")
    return path


EVENT = ("--day", "2026-06-09", "--hours", "14:00-16:00")


def test_a_day_and_the_errors_on_the_history(tmp_path):
    found = answer("--csv", meter(tmp_path / "m.csv"), "--method", "pjm-cbl", *EVENT)
    rows = found["day"]["intervals"]
    # 10 MW on the days before, the morning is 1 MW higher: 11 MW; 7 MW are metered
    assert [row["time"] for row in rows] == ["2026-06-09 14:00", "2026-06-09 15:00"]
    assert [row["baseline_mw"] for row in rows] == [-11.0, -11.0]
    assert [row["unadjusted_mw"] for row in rows] == [-10.0, -10.0]
    assert [row["delivered_mw"] for row in rows] == [4.0, 4.0]
    assert len(found["day"]["basis_days"]) == 4
    # from the 8th on there are five weekdays before: 8, 10, 11 and 12 June can be tested
    assert found["history"]["days"] == 4
    assert found["history"]["errors"]["rmse_mw"] == 0.0
    assert found["parameters"]["weekdays_y"] == 5.0


def test_words(tmp_path):
    result = vppd("baseline", "--csv", meter(tmp_path / "m.csv"), "--method", "pjm-cbl", *EVENT)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "2026-06-09 15:00          -11.0000       -7.0000         4.0000" in result.stdout
    assert "on its own history: 4 days without an event, 14:00-16:00" in result.stdout
    assert "RMSE        0 MW, 0 % of the mean power" in result.stdout
    assert "Schedule 1" in result.stdout


def test_errors_alone(tmp_path):
    found = answer("--csv", meter(tmp_path / "m.csv"), "--method", "meter-before-after",
                   "--hours", "14:00-16:00")  # fmt: skip
    assert found["day"] is None
    # 12 days of 2 h; on one of them it is 4 MW less than before: bias -8 / 24 MW
    assert found["history"]["errors"]["bias_mw"] == pytest.approx(-8.0 / 24.0)
    assert found["history"]["errors"]["rmse_mw"] == pytest.approx((32.0 / 24.0) ** 0.5)
    assert found["history"]["errors"]["rrmse_pct"] == pytest.approx(
        100.0 * (32.0 / 24.0) ** 0.5 / ((24 * 10.0 - 6.0) / 24.0)
    )
    without = answer("--csv", tmp_path / "m.csv", "--method", "meter-before-after",
                     "--hours", "14:00-16:00", "--event", "2026-06-09")  # fmt: skip
    assert without["history"]["errors"]["rmse_mw"] == 0.0


def test_generation_and_a_nomination(tmp_path):
    def cell(day: int, hour: int) -> str:
        return f"{-load_mw(day, hour)!r},-11.5,2026-06-{day + 1:02d}T00:00"

    path = meter(tmp_path / "m.csv", cell, "time,p_mw,nominated_mw,nominated_at")
    found = answer("--csv", path, "--method", "elia-nomination", *EVENT)
    assert [row["baseline_mw"] for row in found["day"]["intervals"]] == [-11.5, -11.5]
    assert found["history"]["errors"]["bias_mw"] == pytest.approx(-1.5)
    late = vppd("baseline", "--csv", path, "--method", "elia-nomination", "--day", "2026-06-09",
                "--hours", "00:00-02:00")  # fmt: skip
    assert late.exit_code == 1
    assert "2026-06-09 00:00 was sent too late" in late.stderr


def test_a_zone_turns_instants_and_its_odd_days_are_known_for_what_they_are(tmp_path):
    """29 March 2026 has no 02:00 in Brussels; 25 October has it twice."""
    spring = [f"2026-03-{28 + h // 24:02d}T{h % 24:02d}:00Z,{h}" for h in range(48)]
    (tmp_path / "spring.csv").write_text("time,load_mw\n" + "\n".join(spring) + "\n")
    asked = ("--method", "meter-before-after", "--zone", "Europe/Brussels")
    day = ("--day", "2026-03-29", "--hours", "03:00-04:00")
    result = vppd("baseline", "--csv", tmp_path / "spring.csv", *asked, *day)
    assert result.exit_code == 1
    assert "no power is known for 2026-03-29 02:00" in result.stderr
    found = answer("--csv", tmp_path / "spring.csv", *asked, "--day", "2026-03-29",
                   "--hours", "04:00-05:00")  # fmt: skip
    # 03:00 of the summer clock is 01:00Z, hour 25; 04:00 is hour 26
    (row,) = found["day"]["intervals"]
    assert (row["baseline_mw"], row["metered_mw"]) == (-25.0, -26.0)
    autumn = [f"2026-10-{24 + h // 24:02d}T{h % 24:02d}:00Z,{h}" for h in range(48)]
    (tmp_path / "autumn.csv").write_text("time,load_mw\n" + "\n".join(autumn) + "\n")
    result = vppd("baseline", "--csv", tmp_path / "autumn.csv", *asked, "--day", "2026-10-25",
                  "--hours", "03:00-04:00")  # fmt: skip
    assert "no power is known for 2026-10-25 02:00" in result.stderr


def test_gzip_and_the_list(tmp_path):
    plain = meter(tmp_path / "m.csv")
    packed = tmp_path / "m.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    asked = ("--method", "caiso-10-of-10", *EVENT)
    assert answer("--csv", packed, *asked) == answer("--csv", plain, *asked)
    marked = tmp_path / "marked.csv"  # as spreadsheets write it: a byte order mark
    marked.write_bytes("\ufeff".encode() + plain.read_bytes())
    assert answer("--csv", marked, *asked) == answer("--csv", plain, *asked)
    assert [row["method"] for row in answer("--method", "list")] == list(METHODS)
    listed = vppd("baseline", "--method", "list").stdout
    assert all(name in listed for name in METHODS)


@pytest.mark.parametrize(
    ("change", "arguments", "code", "says"),
    [
        (lambda t: t, ("--day", "2026-06-03"), 1, "5 are needed"),
        (lambda t: t.replace("09T11:00,11.0", "09T11:00,"), EVENT, 1, "2026-06-09 11:00"),
        (lambda t: t.replace("09T11:00,11.0", "09T11:00,nan"), EVENT, 1, "2026-06-09 11:00"),
        (lambda t: t.replace("2026-06-09T11:00,11.0\n", ""), EVENT, 1, "2026-06-09 11:00"),
        (lambda t: t, ("--hours", "14:30-16:00"), 1, "no whole intervals of 3600 s"),
        (lambda t: t, ("--hours", "16:00-14:00"), 2, "are no hours"),
        (lambda t: t, ("--hours", "noon"), 2, "are no hours"),
        (lambda t: t, ("--zone", "Europe/Brussels"), 2, "has no offset"),
        (lambda t: t, ("--zone", "Mars/Base"), 2, "no time zone"),
        (lambda t: t, ("--param", "weekdays_x=9"), 2, "X is at most Y"),
        (lambda t: t.replace("load_mw", "power"), (), 2, "wanted are the columns"),
        (lambda t: t.replace("09T11:00,11.0", "09T11:00,high"), (), 2, "row 203"),
        (lambda t: t.replace("09T11:00,", "09T09:00,"), (), 2, "time does not rise"),
        (lambda t: t.replace("09T11:00,", "09T11:10,"), (), 2, "not on the grid of 3600 s"),
        (lambda t: "time,load_mw\n2026-06-01T00:00,1\n", (), 2, "1 rows"),
        (lambda t: "time,load_mw\n2026-06-01T00:00,1\n2026-06-01T00:07,1\n", (), 1, "420 s are no"),
    ],
)
def test_what_is_refused(tmp_path, change, arguments, code, says):
    path = meter(tmp_path / "m.csv")
    path.write_text(change(path.read_text()))
    result = vppd("baseline", "--csv", path, "--method", "pjm-cbl", *arguments)
    assert says in result.stderr
    assert (result.exit_code, result.stdout) == (code, "")


def test_usage(tmp_path):
    assert vppd("baseline", "--method", "pjm-cbl").exit_code == 2
    assert vppd("baseline", "--csv", meter(tmp_path / "m.csv"), "--method", "x").exit_code == 2
    with pytest.raises(OSError, match="none"):  # `main` turns it to exit code 3
        CliRunner().invoke(main.commands["baseline"], ["--csv", "none.csv", "--method", "pjm-cbl"],
                           catch_exceptions=False)  # fmt: skip


def test_the_document_lists_every_method_and_its_example_runs(tmp_path):
    text = (ROOT / "docs" / "baselines.md").read_text()
    assert re.findall(r"^\| `([a-z0-9-]+)` \| \w+ ", text, re.M)[: len(METHODS)] == list(METHODS)
    (program,) = re.findall(r"^```python\n(.*?)^```", text, re.S | re.M)
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=60.0)
    (session,) = re.findall(r"^```console\n(.*?)^```", text, re.S | re.M)
    command, _, expected = session.partition("\n")
    words = command.removeprefix("$ ").split()
    result = subprocess.run([VPPD, *words[1:]], cwd=tmp_path, capture_output=True, text=True,
                            timeout=60.0, check=True)  # fmt: skip
    assert result.stdout == expected
