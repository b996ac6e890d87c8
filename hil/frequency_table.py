"""The frequency event in words: plant, coal unit and neither side by side; terminal and page."""

from typing import Any

from rich.table import Table

from hil.page import Column, card, table
from hil.tiles import number

ROWS = (  # figure, label, unit, digits
    ("response_50_s", "response to 50 %", "s", 2),
    ("response_90_s", "response to 90 %", "s", 2),
    ("share_10s_pct", "delivered after 10 s", "% of required", 1),
    ("share_30s_pct", "delivered after 30 s", "% of required", 1),
    ("overshoot_pct", "overshoot, in 360 s", "% of required", 1),
    ("recovery_off_pct", "off by, mean of 30 to 360 s", "% of required", 1),
    ("nadir_hz", "frequency at its worst", "Hz", 3),
)
HEAD = ("", "plant", "coal unit", "neither")
AHEAD = "plant is ahead by"
NEVER = "never"
Texts = tuple[str, str, str, str, str]  # label, plant, coal unit, neither, ahead


def happened(result: dict[str, Any]) -> dict[str, Any] | None:
    """Figures of the event of a run; None where there was none."""
    told: dict[str, Any] | None = result.get("frequency_event")
    return None if told is None or told["event_s"] is None else told


def rows(told: dict[str, Any]) -> list[Texts]:
    """Give the lines of the table; in the open loop nobody moves the frequency."""
    found = []
    for key, label, unit, digits in ROWS:
        values = [told[name].get(key) for name in ("vpp", "coal", "neither")]
        if key == "nadir_hz" and not told["closed_loop"]:
            continue
        never = key.startswith("response")
        own, other = (
            NEVER if never and value is None else number(value, digits) for value in values[:2]
        )
        nobody = number(values[2], digits)
        found.append((f"{label}, {unit}", own, other, nobody, number(told["ahead"][key], digits)))
    return found


def caption(told: dict[str, Any]) -> str:
    """Say what was compared with what."""
    coal = told["coal"]
    loop = (
        "Each moves the frequency of its own run of the same grid."
        if told["closed_loop"]
        else "The frequency is a record: nobody moves it."
    )
    return (
        f"Event at {number(told['event_s'])} s. Both have {told['reserve_mw']:g} MW of reserve, the"
        f" same dead band and the same MW for each Hz; the coal unit has {coal['rated_mw']:g} MW"
        f" and runs at {coal['loading_pct']:g} %. {loop} Required: what the droop asks for at that"
        " frequency, without any delay."
    )


def terminal(told: dict[str, Any]) -> Table:
    """Table for the terminal."""
    made = Table(title="Frequency event", title_justify="left", box=None, padding=(0, 2))
    for column, name in enumerate((*HEAD, AHEAD)):
        made.add_column(name, justify="right" if column else "left", no_wrap=True)
    for row in rows(told):
        made.add_row(*row)
    return made


def frequency_card(result: dict[str, Any]) -> str:
    """Section of the report; nothing where there was no event."""
    told = happened(result)
    if told is None:
        return ""
    columns = [Column(HEAD[0], text=True), *(Column(name) for name in (*HEAD[1:], AHEAD))]
    return card("Frequency event", caption(told), table(columns, rows(told)))
