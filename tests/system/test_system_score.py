"""`vppd score` from outside: CSV and journal, words and JSON, what is refused, and the codes."""

import dataclasses
import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import at
from builders import image as core_image
from builders import params as core_params
from click.testing import CliRunner
from daemons import VPPD

from vppd.cli import main
from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Image
from vppd.journal.header import About
from vppd.journal.schema import Meta
from vppd.journal.writer import JournalWriter
from vppd.market.registry import MARKETS

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "markets.md"
UTC_S = 1_000_000_000.0  # 2001-09-09T01:46:40Z
SECONDS = 1200
SOLD_MW = 20.0  # of `core_image`


def vppd(*arguments: object):
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def agc_pu(k: np.ndarray) -> np.ndarray:
    """A signal in steps of 2 s; at one place a little beyond what was sold."""
    wave = 0.9 * np.sin((k - k % 2) / 30.0)
    return np.where(k // 2 == 20, 1.04, wave)


def plant_mw(k: np.ndarray) -> np.ndarray:
    """The plant is 3 s late, and gives a little less than what was asked."""
    return 0.95 * SOLD_MW * np.clip(agc_pu(np.maximum(0, k - 3)), -1.0, 1.0)


def csv_of(path: Path, rows: int = SECONDS, name: str = "signal_mw") -> Path:
    k = np.arange(rows)
    table = np.column_stack((k, SOLD_MW * np.clip(agc_pu(k), -1.0, 1.0), plant_mw(k)))
    lines = [f"t_s,{name},response_mw", *(f"{int(a)},{b!r},{c!r}" for a, b, c in table.tolist())]
    path.write_text("# made by hand\n" + "\n".join(lines) + "\n")
    return path


def journal_of(
    folder: Path, changes=lambda _k, image: image, base_mw=2.0, skip=(), seconds=SECONDS,
    since_s=UTC_S, ids=("u0", "u1", "u2"), events=(),
) -> Path:  # fmt: skip
    """A journal of the real core at 1 s: three units with a basepoint each; at its end, events."""
    params = dataclasses.replace(core_params(), ids=ids)
    writer = JournalWriter(
        folder, params, About("site", "c0ffee"), utc_s=since_s, inline=True, sync=False
    )
    state = initial_state(params)
    zeros = [0] * (len(dataclasses.fields(Meta)) - 1)
    for k in range(seconds + 1):
        if k in skip:
            continue
        image = changes(k, dataclasses.replace(
            core_image(tick=k, now_s=100.0 + k),
            agc_pu=float(agc_pu(np.array(k))),
            agc_received_s=100.0 + k - k % 2,
            freq_hz=50.0 - 0.1 * (k > 600),
            basepoint_mw=np.full(3, base_mw),
            p_meas_mw=np.full(3, base_mw + float(plant_mw(np.array(k))) / 3.0),
        ))  # fmt: skip
        after, decision = tick(state, image, params)
        assert writer.put(Meta(since_s + k, *zeros), state, image, decision)
        state = after
    for event, told in events:
        assert writer.put_event(since_s + seconds, event, **told)
    assert writer.close()
    return folder


def scored(*arguments: object) -> dict:
    result = vppd("score", *arguments, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


def test_the_list_names_every_market_with_its_source():
    result = vppd("score", "--market", "list")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = result.stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["market", *MARKETS]
    assert "GMLC-1-4-2/battery_interface" in rows[1]
    listed = scored("--market", "list")
    assert [row["market"] for row in listed] == list(MARKETS)
    for row in listed:
        assert {"source", "confidence", "interval", "formula", "payment", "thresholds"} <= set(row)
        assert set(row["needs"]) <= set(row["parameters"])
        assert len(row["columns"]) == 3


def test_a_csv_is_scored_as_the_contract_says(tmp_path):
    found = scored("--csv", csv_of(tmp_path / "day.csv"), "--market", "pjm-2012",
                   "--param", "capacity_mw=20", "--param", "latency_credit_s=10")  # fmt: skip
    assert found["market"] == "pjm-2012"
    assert {"score", "correlation", "delay", "precision"} <= set(found["score"])
    assert found["score"]["delay"] == pytest.approx(1.0)
    assert found["parameters"]["capacity_mw"] == 20.0
    assert found["parameters"]["rmccp_usd_per_mwh"] is None
    (hour,) = found["intervals"]
    assert (hour["since_s"], hour["until_s"]) == (0.0, 900.0)
    assert hour["score"] == pytest.approx(found["score"]["score"])


def test_words_say_the_figures_and_the_source(tmp_path):
    result = vppd("score", "--csv", csv_of(tmp_path / "day.csv"), "--market", "pjm-2025-10",
                  "--param", "capacity_mw=20")  # fmt: skip
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "pjm-2025-10: PJM regulation, one signal, precision only"
    assert lines[1] == "t_s 0 to 1199, 4 intervals (5 min)"
    assert any(re.fullmatch(r"score +0\.\d+", line) for line in lines)
    assert any(line.startswith("source ") and "check it" not in line for line in lines)
    assert "no source at hand confirmed" in result.stdout


def test_a_journal_by_the_field_figures(tmp_path):
    """Its seconds are too coarse for a rate, unless who asks says that they will do."""
    journal = journal_of(tmp_path / "journal")
    asked = ("score", journal, "--market", "zhejiang-field", "--param", "rated_mw=60")
    refused = vppd(*asked)
    assert refused.exit_code == 1
    assert "the step is 1 s, and may be 0.1 s at most" in refused.stderr
    assert "--param trace_step_max_s=1" in refused.stderr
    assert vppd(*asked, "--param", "trace_step_max_s=1").exit_code == 0


def test_a_packed_csv_scores_the_same(tmp_path):
    path = csv_of(tmp_path / "day.csv")
    packed = tmp_path / "day.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    arguments = ["--market", "caiso", "--csv"]
    assert scored(*arguments, packed) == scored(*arguments, path)


def test_a_csv_of_a_spreadsheet_begins_with_a_byte_order_mark(tmp_path):
    path = csv_of(tmp_path / "day.csv")
    marked = tmp_path / "marked.csv"
    marked.write_bytes("\ufefft_s".encode() + path.read_bytes().partition(b"t_s")[2])
    arguments = ["--market", "caiso", "--csv"]
    assert scored(*arguments, marked) == scored(*arguments, path)


@pytest.mark.parametrize(
    ("since", "until", "ends"),
    [("300", "900", (300.0, 899.0)), ("+60", None, (60.0, 1199.0)), (None, "600", (0.0, 599.0))],
)
def test_a_part_of_a_csv(tmp_path, since, until, ends):
    limits = [w for name, at_s in (("--since", since), ("--until", until))
              if at_s for w in (name, at_s)]  # fmt: skip
    found = scored("--csv", csv_of(tmp_path / "day.csv"), "--market", "de-afrr", *limits)
    assert (found["since_s"], found["until_s"]) == ends


def test_a_journal_scores_as_its_series_do(tmp_path):
    journal = journal_of(tmp_path / "journal")
    path = csv_of(tmp_path / "day.csv")
    for market in ("pjm-2012", "pjm-2025-10", "caiso", "de-afrr", "elia-afrr"):
        needs = [w for need in MARKETS[market].needs for w in ("--param", f"{need}=20")]
        ours = scored(journal, "--market", market)
        expected = scored("--csv", path, "--market", market, *needs)
        assert ours["score"] == pytest.approx(expected["score"], abs=1e-9)
        assert len(ours["intervals"]) == len(expected["intervals"])
        assert ours["wall_clock"]
        assert ours["since_s"] == UTC_S


def test_the_whole_output_counts_where_the_market_wants_it(tmp_path):
    journal = journal_of(tmp_path / "journal", base_mw=40.0)
    found = scored(journal, "--market", "ercot-gredp")
    # asked: 120 MW of basepoints + AGC, and the answer is near that: well under 2.5 %
    assert found["score"]["gredp_pct"] < 1.0
    k = np.arange(300)
    asked, given = 20.0 * np.clip(agc_pu(k), -1, 1).mean(), plant_mw(k).mean()
    expected = 100.0 * abs((120.0 + given) / (120.0 + asked) - 1.0)
    assert found["intervals"][0]["gredp_pct"] == pytest.approx(expected)


def test_a_frequency_product_takes_regulation_off(tmp_path):
    def steady(k: int, image: Image) -> Image:
        return dataclasses.replace(image, agc_pu=0.5, p_meas_mw=np.full(3, 2.0 + 10.0 / 3.0))

    journal = journal_of(tmp_path / "journal", steady)
    found = scored(journal, "--market", "ce-fcr", "--param", "tolerance_pu=0")
    # 6 MW of basepoints and 10 MW of AGC are given, and nothing for the frequency, which is .1 Hz
    # low from 601 s on: half of what was sold is missing
    assert found["score"]["error_max_pu"] == pytest.approx(0.5)
    assert found["intervals"][0]["error_max_pu"] == pytest.approx(0.5)
    before = scored(journal, "--market", "ce-fcr", "--until", "+600")
    assert before["score"]["error_max_pu"] == 0.0


def test_a_part_of_a_journal(tmp_path):
    journal = journal_of(tmp_path / "journal")
    found = scored(journal, "--market", "de-afrr", "--since", "+100", "--until",
                   "2001-09-09T01:51:40Z")  # fmt: skip
    assert (found["since_s"], found["until_s"]) == (UTC_S + 100.0, UTC_S + 299.0)
    result = vppd("score", journal, "--market", "de-afrr", "--since", "#4")
    assert result.exit_code == 2
    assert "'#4' is a tick" in result.stderr


def test_a_gap_in_a_journal_is_refused_with_its_place(tmp_path):
    journal = journal_of(tmp_path / "journal", skip=range(500, 510))
    result = vppd("score", journal, "--market", "de-afrr")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no tick from 2001-09-09T01:54:59.000Z to 2001-09-09T01:55:10.000Z" in result.stderr
    assert scored(journal, "--market", "de-afrr", "--until", "+500")["score"]


def test_a_unit_that_was_never_read_is_not_taken_for_nothing(tmp_path):
    def unread(k: int, image: Image) -> Image:
        lost = at(image.p_meas_mw, 1, float("nan"))
        return dataclasses.replace(image, p_meas_mw=lost) if k == 7 else image

    journal = journal_of(tmp_path / "journal", unread)
    result = vppd("score", journal, "--market", "de-afrr")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "response_mw is not finite in row 7" in result.stderr
    assert "(2001-09-09T01:46:47.000Z; " in result.stderr


def test_a_signal_that_never_came_is_not_taken_for_zero(tmp_path):
    def silent(k: int, image: Image) -> Image:
        return dataclasses.replace(image, agc_pu=float("nan"), agc_received_s=float("nan"))

    journal = journal_of(tmp_path / "journal", silent)
    result = vppd("score", journal, "--market", "de-afrr")
    assert result.exit_code == 1
    assert "signal_mw is not finite in row 0" in result.stderr
    assert "leave that out with --since or --until" in result.stderr


def test_old_readings_are_counted_and_told(tmp_path):
    def old(k: int, image: Image) -> Image:
        seen = at(image.measured_at_s, 2, image.now_s - 6.0)  # may be 5 s old
        return dataclasses.replace(image, measured_at_s=seen) if 100 <= k < 130 else image

    found = scored(journal_of(tmp_path / "journal", old), "--market", "de-afrr")
    assert found["notes"] == [
        "in 30 of 1200 s readings were older than the telemetry may be, of up to 1 unit:"
        " counted as last read"
    ]


def test_capacity_that_changed_must_be_given(tmp_path):
    def resold(k: int, image: Image) -> Image:
        return dataclasses.replace(image, regulation_capacity_up_mw=20.0 if k < 600 else 10.0)

    journal = journal_of(tmp_path / "journal", resold)
    result = vppd("score", journal, "--market", "pjm-2012")
    assert result.exit_code == 2
    assert "pjm-2012 needs --param capacity_mw=…" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--market", "pjm-2013", "--csv", "CSV"], 2, "did you mean pjm-2012"),
        (["--market", "pjm-2012", "--csv", "CSV"], 2, "needs --param capacity_mw"),
        (["--market", "de-afrr", "--csv", "CSV", "--param", "speed=3"], 2, "no parameter 'speed'"),
        (["--market", "de-afrr"], 2, "give a JOURNAL or --csv FILE"),
        (["--market", "de-afrr", "CSV", "--csv", "CSV"], 2, "give a JOURNAL or --csv FILE"),
        (["--csv", "CSV"], 2, "--market"),
        (["--market", "gb-dc", "--csv", "CSV", "--param", "capacity_mw=1"], 2,
         "no column frequency_hz: this market wants t_s, frequency_hz, response_mw"),
        (["--market", "de-afrr", "--csv", "CSV", "--since", "noon"], 2, "'noon' is no instant"),
        (["--market", "de-afrr", "--csv", "CSV", "--since", "9999"], 2, "no row between"),
        (["--market", "de-afrr", "--csv", "none.csv"], 3, "none.csv: no such file"),
        (["--market", "de-afrr", "none"], 3, "none"),
        (["--market", "zhejiang-field", "--csv", "CSV", "--param", "rated_mw=1", "--param",
          "capacity_mw=1"], 1, "cannot be scored: the step is 1 s, and may be 0.1 s at most"),
    ],
)  # fmt: skip
def test_what_cannot_be_scored(tmp_path, arguments, code, words):
    path = csv_of(tmp_path / "day.csv")
    result = vppd("score", *(path if word == "CSV" else word for word in arguments))
    assert (result.exit_code, result.stdout) == (code, "")
    assert words in result.stderr


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda lines: [*lines[:9], *lines[12:]], 1, "a gap after row 6"),
        (
            lambda lines: [*lines[:5], "3,nan,1.0", *lines[6:]],
            1,
            "signal_mw is not finite in row 3",
        ),
        (lambda lines: [*lines[:5], "3,,1.0", *lines[6:]], 2, "could not convert string ''"),
        (lambda lines: [*lines[:5], "3,1.0", *lines[6:]], 2, "rows counted from 0"),
        (lambda lines: [*lines[:5], "3,big,1.0", *lines[6:]], 2, "'big'"),
        (lambda lines: lines[:2], 2, "no row"),
        (lambda _lines: [], 2, "no column t_s"),
        (lambda lines: lines[:3], 1, "1 rows: at least 2"),
    ],
)
def test_a_csv_with_a_mistake_in_it(tmp_path, change, code, words):
    path = csv_of(tmp_path / "day.csv")
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    result = vppd("score", "--csv", path, "--market", "de-afrr")
    assert (result.exit_code, result.stdout) == (code, "")
    assert words in result.stderr


def test_the_installed_command_does_not_wait_for_kernels(tmp_path):
    """A CSV needs no compiled kernel, and must not wait half a minute for them on a new machine."""
    code = (
        "import sys; from vppd.cli import main\n"
        "try: main()\n"
        "finally: sys.stderr.write(str('numba' in sys.modules))\n"
    )
    path = csv_of(tmp_path / "day.csv")
    result = subprocess.run(
        [sys.executable, "-c", code, "score", "--csv", path, "--market", "de-afrr"],
        capture_output=True, text=True, timeout=60.0, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "False")


def blocks_of(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT.read_text(), re.S | re.M)


def test_the_document_lists_every_market_and_its_example_runs(tmp_path):
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|", DOCUMENT.read_text(), re.M)
    assert rows == list(MARKETS)
    (program,) = blocks_of("python")
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=60.0)
    (session,) = blocks_of("console")
    command, _, expected = session.partition("\n")
    words = command.removeprefix("$ ").split()
    assert words[0] == "vppd"
    result = subprocess.run([VPPD, *words[1:]], cwd=tmp_path, capture_output=True, text=True,
                            timeout=60.0, check=True)  # fmt: skip
    assert result.stdout == expected
