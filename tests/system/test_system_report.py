"""`vppd report` and `vppd export --parquet` from outside."""

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from test_system_score import SECONDS, UTC_S, journal_of, vppd

from vppd.core.types import Quality
from vppd.runtime.report.svg import COLUMNS, Line, chart, nice_step, thinned

VOID = {"meta", "link", "line", "path", "rect", "br"}


class Page(HTMLParser):
    """Checks that tags close, and collects what is loaded from elsewhere, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.outside += [v for k, v in attrs if k in ("src", "href") and v and v[:5] != "data:"]

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data + " "


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    return journal_of(tmp_path_factory.mktemp("day") / "journal")


def page_of(journal: Path, out: Path, *arguments: object) -> Page:
    done = vppd("report", journal, "--out", out, *arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"{out}\n"
    page = Page(out.read_text())
    assert page.open == []
    assert page.outside == []  # it opens without a network
    return page


def figure(name: str, told: str) -> str:
    """A figure that `vppd score` tells, as the page has it."""
    return f"{float(re.search(rf'^{name} +([0-9.]+)', told, re.M)[1]):.4f}"


def test_the_page_has_what_the_commands_say(journal, tmp_path):
    page = page_of(journal, tmp_path / "day.html", "--market", "pjm-2025-10")
    told = vppd("score", journal, "--market", "pjm-2025-10").stdout
    assert figure("score", told) in page.text
    lost = re.search(r"lost ([\d.]+) MW.s", vppd("attribute", journal).stdout)
    assert f"{float(lost[1]):,.1f} MW·s" in page.text
    head = re.search(r"^head (\w+)", vppd("verify", journal).stdout, re.M)
    assert head[1] in page.text
    assert "c0ffee" in page.text
    assert "Not scored" not in page.text
    for title in ("Signal and delivered power", "What was lost, by cause", "Headroom sold and held",
                  "Energy by kind", "Events and alarms", "Data quality", "Proof"):  # fmt: skip
        assert title in page.text


def test_it_says_what_was_not_scored_and_why(journal, tmp_path):
    page = page_of(journal, tmp_path / "day.html", "--market", "gb-dc", "--param", "capacity_mw=20")
    assert "Not scored: the step is 1 s" in page.text
    page = page_of(journal, tmp_path / "day.html")
    assert "--market NAME scores one" in page.text


def test_a_part_of_the_day(journal, tmp_path):
    page = page_of(journal, tmp_path / "day.html", "--since", "+300", "--until", "+600")
    assert "2001-09-09T01:51:40.000Z" in page.text
    assert "300 s that are known" in page.text
    whole = page_of(journal, tmp_path / "day.html", "--day", "2001-09-09")
    assert f"{SECONDS:,} s that are known" in whole.text


def test_bad_data_is_told_by_unit(tmp_path):
    """Unit 1 is not heard for 50 s; what a unit is called is escaped."""

    def changes(k, image):
        lost = 400 <= k < 450
        quality, connected = image.quality.copy(), image.connected.copy()
        quality[1] = Quality.COMM_LOST if lost else quality[1]
        connected[1] = 0 if lost else 1
        return dataclasses.replace(image, quality=quality, connected=connected)

    page = page_of(journal_of(tmp_path / "journal", changes), tmp_path / "day.html")
    quality = page.text.partition("Data quality")[2].partition("Proof")[0]
    row = re.search(r"u1 \s*\S+ \s*0 \s*50 \s*50 ", quality)
    assert row, quality
    alarms = page.text.partition("Events and alarms")[2]
    assert "UNIT_LOST" in alarms


def unheard(k, image):
    """No AGC value comes in the first 40 s, and unit 0 is first read 90 s after the start."""
    p_meas_mw = image.p_meas_mw.copy()
    p_meas_mw[0] = np.nan if k < 90 else p_meas_mw[0]
    silent = {"agc_pu": np.nan, "agc_received_s": np.nan} if k < 40 else {}
    return dataclasses.replace(image, p_meas_mw=p_meas_mw, **silent)


def test_a_day_that_begins_unknown_is_scored_from_where_it_is_known(tmp_path):
    journal = journal_of(tmp_path / "journal", unheard)
    page = page_of(journal, tmp_path / "day.html", "--market", "pjm-2025-10")
    assert "Not scored" not in page.text
    assert (
        "Scored from 2001-09-09T01:48:10.000Z to 2001-09-09T02:06:40.000Z,"
        " the longest part that can be: signal_mw is not finite in row 0" in page.text
    )
    told = vppd("score", journal, "--market", "pjm-2025-10", "--since", "+90").stdout
    assert figure("score", told) in page.text


def test_a_day_with_a_gap_is_scored_in_its_longest_part(tmp_path):
    journal = journal_of(tmp_path / "journal", skip=range(400, 500))
    page = page_of(journal, tmp_path / "day.html", "--market", "pjm-2025-10")
    assert "Scored from 2001-09-09T01:55:00.000Z to" in page.text
    assert "a gap: no tick from 2001-09-09T01:53:19" in page.text
    refused = page_of(journal, tmp_path / "day.html", "--market", "caiso")
    assert "Not scored: a gap: no tick from" in refused.text
    assert "one interval takes 900 s" in refused.text


def test_notes_of_a_score_stand_on_the_page_and_counts_have_no_decimals(journal, tmp_path):
    words = ("--market", "cn-north-two-rules", "--param", "rated_mw=60")
    page = page_of(journal, tmp_path / "day.html", *words)
    assert re.search(r"\bcommands \s*\d+ ", page.text), page.text
    assert "outcome" in page.text
    page = page_of(journal, tmp_path / "day.html", "--market", "pjm-2025-10", "--until", "+700")
    assert "The last 100 s fill no interval of 300 s: not scored." in page.text


def test_a_damaged_journal_has_its_page_that_says_so(tmp_path):
    """One bit of a record in the middle is another: what is before it, and after its segment."""
    journal = journal_of(tmp_path / "journal")
    (segment,) = journal.glob("*.vppj")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 4
    segment.write_bytes(data)
    out = tmp_path / "day.html"
    done = vppd("report", journal, "--out", out, "--market", "pjm-2025-10")
    assert (done.exit_code, done.stdout) == (1, f"{out}\n")
    assert done.stderr.startswith(f"vppd: DOES NOT HOLD: {segment.name}: record ")
    page = Page(out.read_text())
    assert "does not hold" in page.text
    assert "Not scored" not in page.text  # nine minutes are whole


def test_what_was_scored_live_is_scored_by_the_same_parameters(tmp_path):
    """A product of the configuration may need more than its name."""
    journal = journal_of(tmp_path / "journal", events=[
        ("interval_scored", {"market": "cn-north-two-rules", "param_rated_mw": 60.0}),
        ("interval_scored", {"market": "cn-jiangsu"}),  # of a journal without its parameters
    ])  # fmt: skip
    page = page_of(journal, tmp_path / "day.html")
    told = vppd("score", journal, "--market", "cn-north-two-rules", "--param", "rated_mw=60").stdout
    assert figure("kp", told) in page.text
    assert "Not scored: cn-jiangsu needs --param rated_mw=" in page.text


def test_units_may_change_within_a_day(tmp_path):
    """A reload takes on others: energy and quality are told of all, by their names."""
    folder = tmp_path / "journal"
    journal_of(folder, seconds=600)
    journal_of(folder, seconds=600, since_s=UTC_S + 600.0, ids=("u1", "u2", "new"))
    page = page_of(folder, tmp_path / "day.html")
    assert re.search(r"units \s*4 ", page.text)
    energy = page.text.partition("Energy by kind")[2].partition("Events and alarms")[0]
    kinds = re.findall(r"(\w+) \s*(\d+) \s*−?[\d.]+ ", energy)
    assert sum(int(n) for _, n in kinds) == 4, energy


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--market", "nonsense"), 2, "nonsense"),
        (("--market", "caiso", "--param", "nonsense=1"), 2, "no market of this page"),
        (("--day", "2001-09-10"), 2, "it goes from 2001-09-09T01:46:40"),
        (("--since", "noon"), 2, "noon"),
    ],
)
def test_what_is_refused(journal, tmp_path, arguments, code, says):
    done = vppd("report", journal, "--out", tmp_path / "day.html", *arguments)
    assert says in done.stderr
    assert done.exit_code == code
    assert not list(tmp_path.iterdir())


def test_no_journal(tmp_path):
    done = vppd("report", tmp_path / "none", "--out", tmp_path / "day.html")
    assert done.exit_code == 3


def test_parquet_by_command(journal, tmp_path):
    pytest.importorskip("pyarrow")
    out = tmp_path / "tables"
    first = vppd("export", journal, "--parquet", out)
    assert (first.exit_code, first.stdout) == (0, f"{out}: 1 segment written\n")
    again = vppd("export", journal, "--parquet", out)
    assert again.stdout == f"{out}: 0 segments written; 1 there already\n"


# ------------------------------------------------------------------ the charts


@pytest.mark.parametrize(
    ("span", "most", "step"),
    [(10, 5, 2.0), (11, 5, 2.5), (160, 5, 50.0), (0.03, 5, 0.01), (1, 5, 0.2), (0, 5, 1.0)],
)
def test_steps_of_an_axis(span, most, step):
    assert nice_step(span, most) == pytest.approx(step)


def test_a_thinned_line_keeps_every_extreme():
    x = np.linspace(0.0, 1200.0, 86_400)
    value = np.sin(x / 40.0)
    value[12_345], value[70_000] = 9.0, -9.0
    few_x, few = thinned(x, value)
    assert few.size <= 2 * COLUMNS
    assert (few.max(), few.min()) == (9.0, -9.0)
    assert (np.diff(few_x) >= 0.0).all()
    assert few_x[few == 9.0] == x[12_345]


def test_a_gap_is_a_gap():
    value = np.array([1.0, 2.0, np.nan, 3.0, 4.0])
    drawn = chart(np.arange(5.0), [Line("a", value, "#000")], (0.0, 4.0), "MW")
    (path,) = re.findall(r'<path d="([^"]+)"', drawn)
    assert path.count("M") == 2
    nothing = chart(np.arange(5.0), [Line("a", np.full(5, np.nan), "#000")], (0.0, 4.0), "MW")
    assert "Nothing was recorded" in nothing
