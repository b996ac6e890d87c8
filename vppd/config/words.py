"""Words for people: what a value is, what a number looks like, what was probably meant."""

import difflib
from collections.abc import Iterable

import yaml

SHOWN_CHARS = 60
SURE = 0.8  # of the letters in common: one or two that are wrong or have changed places
_TAG_PREFIX = "tag:yaml.org,2002:"
_NOUNS = {"bool": "the flag {}", "timestamp": "the date {}", "int": "{}", "float": "{}"}


def shorten(written: str) -> str:
    """Give a text of the file on one line, at most 60 characters, without control characters."""
    shown = printable(written[: SHOWN_CHARS + 1])
    return shown if len(shown) <= SHOWN_CHARS else shown[:SHOWN_CHARS] + "…"


def printable(written: str) -> str:
    """Give a text on one line: line breaks and the like as escapes."""
    if written.isprintable():
        return written
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in written)


def quoted(written: str) -> str:
    """Give a text of the file in quotes."""
    return f"'{shorten(written)}'"


def tag_name(node: yaml.Node) -> str:
    """Give the tag of a node: `str`, `map`, …, or the tag in full where it is a foreign one."""
    tag: str = node.tag
    return tag.removeprefix(_TAG_PREFIX)


def describe(node: yaml.Node) -> str:
    """Say what a node is: "a list", "empty", "the text 'x'"."""
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if isinstance(node, yaml.MappingNode):
        return "a section with keys"
    tag = tag_name(node)
    if tag == "null":
        return "empty"
    if tag == "str":
        return f"the text {quoted(node.value)}"
    return _NOUNS.get(tag, "{}").format(shorten(node.value))


def figure(number: float) -> str:
    """Give a bound as people write it: 0, 100000, 0.036."""
    return str(int(number)) if number == int(number) and abs(number) < 1e15 else f"{number:g}"


def with_unit(number: float, unit: str) -> str:
    """Give a bound with its unit."""
    return f"{figure(number)} {unit}".rstrip()


def listed(names: Iterable[str]) -> str:
    """Give names as a list: `a, b, c`; `none` where there are none."""
    return ", ".join(names) or "none"


def nearest(written: str, known: Iterable[str]) -> str | None:
    """Give the known name that was probably meant, or None."""
    if len(written) > SHOWN_CHARS:  # the comparison costs the square of the length
        return None
    near = difflib.get_close_matches(written, known, 1)
    return near[0] if near else None


def surely(written: str, known: Iterable[str]) -> str | None:
    """Give the known name where a slip of the pen leaves no doubt which one was meant."""
    if len(written) > SHOWN_CHARS:
        return None
    near = difflib.get_close_matches(written, known, 2, SURE)
    return near[0] if len(near) == 1 else None
