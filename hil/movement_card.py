"""The report's section on movement: what setpoints and machines were moved for the request."""

from typing import Any

from hil.page import Column, card, table
from hil.tiles import number

COLUMNS = (
    Column("kind", text=True),
    Column("mileage of setpoints, MW"),
    Column("changes of setpoints"),
    Column("starts and stops"),
)


def movement_card(movement: dict[str, Any]) -> str:
    """Mileage and switches by kind, and beside them the request's own."""
    rows = [
        [
            kind.replace("_", " "),
            number(own["mileage_mw"], 3),
            number(own["setpoint_changes"], 0),
            number(own.get("switches"), 0),
        ]
        for kind, own in movement["by_kind"].items()
    ]
    rows.append(["all units", number(movement["mileage_mw"], 3), "", ""])
    rows.append(["the request itself", number(movement["request_mileage_mw"], 3), "", ""])
    return card("Movement", _caption(movement["mileage_ratio"]), table(COLUMNS, rows), "table")


def _caption(mileage_ratio: float | None) -> str:
    told = "Mileage is the sum of the magnitudes of all changes."
    if mileage_ratio is None:
        return told
    return f"{told} All units together moved {mileage_ratio:.2f} times as far as the request."
