"""A recording of each step, as `hil.thinning` would have kept it."""

import numpy as np

from hil.measure.plant import Process
from hil.thinning import EXTREMES, Thin, Thinner


def thinned(process: Process, kinds: tuple[str, ...], step_s: float = 1.0) -> Process:
    """Thin the rows of a process, whatever columns they have."""
    how, rows = Thin(step_s, kinds), process.rows
    columns = [(name, rows.dtype[name]) for name in rows.dtype.names or ()]
    extremes = [(name, "<f4", (len(kinds),)) for name in EXTREMES]
    row = np.zeros(1, dtype=np.dtype([*columns, *extremes]))
    thinner = Thinner(how, row)
    kept, totals = [], []
    for each in rows:
        for name, _ in columns:
            row[name][0] = each[name]
        totals.append(thinner.total(float(each["t_s"]), each["p_mw"]))
        kept += thinner.rows(float(each["t_s"]), each["p_mw"], each["state"])
    kept += thinner.last()
    return Process(
        process.number,
        process.units,
        np.frombuffer(b"".join(kept), dtype=row.dtype),
        step_s,
        how.names,
        np.frombuffer(b"".join(totals), dtype=how.totals),
    )
