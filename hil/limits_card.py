"""What was held against what: limits of the scenario, and the checkers, as cards of the page."""

from collections.abc import Mapping
from typing import Any

from hil.page import Column, card, table
from hil.scenario import Limit, figure, in_words, shortfall
from hil.tiles import counted, shown

LIMITS = (
    Column("figure", text=True),
    Column("measured"),
    Column("limit", text=True),
    Column("", text=True, wrap=True),
)
CHECKS = (
    Column("check", text=True),
    Column("checked"),
    Column("violations"),
    Column("excused by a fault"),
    Column("", text=True, wrap=True),
)


def verdict(result: dict[str, Any], acceptance: Mapping[str, Limit]) -> str:
    """Say how many limits are met; an empty text where there are none."""
    missed = sum(bool(shortfall(result, key, limit)) for key, limit in acceptance.items())
    if not acceptance:
        return ""
    if missed:
        return f"✗ {counted(missed, 'limit')} of {len(acceptance)} not met"
    return f"✓ all {len(acceptance)} limits met"


def limits_card(result: dict[str, Any], acceptance: Mapping[str, Limit]) -> str:
    """Every limit of the scenario, with what was measured."""
    if not acceptance:
        return ""
    rows = [
        [key, shown(figure(result, key)), in_words(limit), _told(shortfall(result, key, limit))]
        for key, limit in acceptance.items()
    ]
    caption = "What the scenario asks of this run. Figures by their place in result.json."
    return card("Limits", caption, table(LIMITS, rows), "table")


def checks_card(result: dict[str, Any]) -> str:
    """Every checker, how often it looked, and what it found."""
    checks, notes = result.get("checks"), result["notes"]
    if not checks:
        return ""
    rows = [
        [
            name.replace("_", " "),
            f"{checks['checked'][name]:,}",
            "–" if count is None else f"{count:,}",
            f"{checks['excused'].get(name, 0):,}",
            notes.get(f"checks.by_check.{name}", ""),
        ]
        for name, count in checks["by_check"].items()
    ]
    caption = "What must never happen, held against the simulated truth; a dash: not checked."
    return card("Checks", caption, table(CHECKS, rows), "table")


def _told(missed: str) -> str:
    """Verdict in words."""
    return f"✗ {missed.partition(': ')[2]}" if missed else "✓"
