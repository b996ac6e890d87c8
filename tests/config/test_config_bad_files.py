"""Every sentence of refusal has a file that provokes it; every file says what it expects."""

import re
import string
from pathlib import Path

import pytest
import yaml
from config_stubs import REGISTRY

from vppd.config import document, mappings, messages
from vppd.config.errors import ConfigError
from vppd.config.load import load_config

FOLDER = Path(__file__).parents[1] / "testdata" / "config"
FILES = sorted(FOLDER.glob("*.bad.yaml"), key=lambda path: path.name)
LIMITS = {"document": document, "mappings": mappings}
SYNTAX_WORDS = ("syntax", "syntax_since")  # the parser's own words: C and Python differ
TEMPLATES = {
    name: template for name, template in vars(messages).items() if isinstance(template, str)
}
TEMPLATES = {name: template for name, template in TEMPLATES.items() if name.isupper()}


def told(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Load a file, under the limits it names, and give its problems without the file's name."""
    for module, name, value in re.findall(rb"# with: (\w+)\.(\w+) = (\d+)", path.read_bytes()):
        monkeypatch.setattr(LIMITS[module.decode()], name.decode(), int(value))
    with pytest.raises(ConfigError) as caught:
        load_config(path, REGISTRY)
    assert {problem.file for problem in caught.value.problems} == {str(path)}
    return [line.removeprefix(f"{path}:") for line in str(caught.value).splitlines()]


def expected(path: Path) -> list[str]:
    text = path.read_bytes().decode(errors="replace")
    return re.findall("^# expect: (.+)$", text, re.MULTILINE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_bad_file_is_refused_with_exactly_its_lines(path, monkeypatch):
    assert told(path, monkeypatch) == expected(path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_lines_do_not_depend_on_the_parser(path, monkeypatch):
    monkeypatch.setattr(document, "_LOADER", yaml.SafeLoader)
    if path.name.startswith(SYNTAX_WORDS):
        by_place = [line.split(": ")[:2] for line in expected(path)]
        assert [line.split(": ")[:2] for line in told(path, monkeypatch)] == by_place
    else:
        assert told(path, monkeypatch) == expected(path)


def as_pattern(template: str) -> str:
    parts = string.Formatter().parse(template)
    return "".join(re.escape(text) + (".+" if field else "") for text, field, _, _ in parts)


@pytest.mark.parametrize("name", TEMPLATES)
def test_each_message_has_a_file(name):
    pattern = re.compile(as_pattern(TEMPLATES[name]) + r"( \(.+\))?$")
    lines = [line for path in FILES for line in expected(path)]
    assert any(pattern.search(line) for line in lines)


def test_ten_planted_mistakes_are_told_all_at_once(monkeypatch):
    lines = [int(line.split(":")[0]) for line in told(FOLDER / "ten.bad.yaml", monkeypatch)]
    assert lines == [5, 7, 15, 21, 23, 27, 29, 33, 35, 43]
