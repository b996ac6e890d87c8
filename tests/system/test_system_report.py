"""`vppd report` and `vppd export --parquet` from outside."""

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from test_system_score import SECONDS, journal_of, vppd

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


def test_the_page_has_what_the_commands_say(journal, tmp_path):
    page = page_of(journal, tmp_path / "day.html", "--market", "pjm-2025-10")
    told = vppd("score", journal, "--market", "pjm-2025-10").stdout
    scored = re.search(r"^score +([\d.]+)", told, re.M)
    assert f"{float(scored[1]):.4f}" in page.text
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
