"""`trace.csv`: request and plant, second by second."""

import csv
import math
from pathlib import Path

from hil.measure.tracking import Seconds

COLUMNS = ("t_s", "signal_pu", "request_mw", "plant_mw", "frequency_hz", "unserved_mw")


def write(path: Path, rows: Seconds) -> None:
    """Write one line a second. A field is empty where it was not measured.

    Parameters
    ----------
    rows : Seconds
        `t_s` is the start of the second. `request_mw` is what the TSO had sent by its own clock,
        held until the next value; `plant_mw` is from the simulated physics. Both are means over
        the second. `frequency_hz` is as sent and held, too.
    """
    columns = (
        rows.t_s,
        rows.signal_pu,
        rows.request_mw,
        rows.plant_mw,
        rows.frequency_hz,
        rows.unserved_mw,
    )
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(COLUMNS)
        out.writerows(map(_field, line) for line in zip(*columns, strict=True))


def _field(value: float) -> str:
    # Adding 0.0 turns a rounded -0.0 into 0.0.
    return f"{round(value, 6) + 0.0:.6f}" if math.isfinite(value) else ""
