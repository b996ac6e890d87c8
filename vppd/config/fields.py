"""What the schema says of one key: unit, range, choices, and its line of documentation."""

from dataclasses import dataclass
from typing import Any

KEY = "vppd"


@dataclass(frozen=True, slots=True)
class Number:
    """Unit and range of a number. `above` and `below` are exclusive."""

    unit: str
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    allow_inf: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """A text, with the values it may have (empty: any)."""

    choices: tuple[str, ...] = ()
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Meta:
    """One key: its rule and its line of documentation."""

    rule: Number | Text | None
    doc: str


def number(
    unit: str,
    doc: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    below: float | None = None,
    allow_inf: bool = False,
) -> dict[str, Any]:
    """Metadata of a number: unit, documentation, range."""
    return {KEY: Meta(Number(unit, minimum, maximum, above, below, allow_inf), doc)}


def text(doc: str, *choices: str, pattern: str | None = None) -> dict[str, Any]:
    """Metadata of a text: documentation, and the values it may have."""
    return {KEY: Meta(Text(choices, pattern), doc)}


def about(doc: str) -> dict[str, Any]:
    """Metadata of a key that is neither number nor text: a section, a list, a flag."""
    return {KEY: Meta(None, doc)}
