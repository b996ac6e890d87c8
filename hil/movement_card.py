"""The report's section on movement: what setpoints and machines were moved for the request."""

from typing import Any

from hil.page import Column, card, table
from hil.tiles import number

COLUMNS = (
    Column("kind", text=True),
    Column("mileage of setpoints, MW"),
    Column("changes of setpoints"),
    Column("starts and stops of machines"),
)


def movement_card(movement: dict[str, Any]) -> str:
    """Mileage and switches by kind, and beside them the request's own."""
    rows = [
        [
            kind,
            number(own["mileage_mw"], 3),
            number(own["setpoint_changes"], 0),
            number(own["switches"], 0),
        ]
        for kind, own in movement["by_kind"].items()
    ]
    rows.append(["all units", number(movement["mileage_mw"], 3), "", ""])
    rows.append(["the request itself", number(movement["request_mileage_mw"], 3), "", ""])
    caption = (
        "Mileage is the sum of the magnitudes of all changes. All units together moved"
        f" {number(movement['mileage_ratio'], 2)} times as far as the request."
    )
    return card("Movement", caption, table(COLUMNS, rows), "table")
