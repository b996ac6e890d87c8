"""The site is built without a warning, and no page of it asks another host for anything."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """What a browser loads for a page, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids.add(given.get("id") or "")
        if tag == "link" and given.get("rel") == "canonical":
            return
        if tag in LOADS and given.get(LOADS[tag]):
            self.loads.append(given[LOADS[tag]])
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    command = [Path(sys.executable).with_name("mkdocs"), "build", "--strict", "--site-dir", out]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return out


def pages(site):
    for path in sorted(site.rglob("*.html")):
        page = Page()
        page.feed(path.read_text(encoding="utf-8"))
        yield path, page


def test_every_page_is_there_and_in_the_table_of_contents(site):
    wanted = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    built = {path.relative_to(site).with_suffix(".md") for path in site.rglob("*.html")}
    assert wanted <= built
    index = Page()
    index.feed((site / "index.html").read_text(encoding="utf-8"))
    assert {path.with_suffix(".html").as_posix() for path in wanted} <= set(index.links) | {"."}


def test_nothing_is_asked_of_another_host(site):
    for path, page in pages(site):
        for target in page.loads:
            assert not re.match(r"(?:[a-z]+:)?//", target), f"{path.name}: {target}"
            if path.name != "404.html" and not target.startswith("data:"):
                assert (path.parent / target).exists(), f"{path.name}: {target}"
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", text), style.name


def test_an_alarm_can_be_linked_to(site):
    page = Page()
    page.feed((site / "alarms.html").read_text(encoding="utf-8"))
    assert {"agc_lost", "unit_lost"} <= page.ids
