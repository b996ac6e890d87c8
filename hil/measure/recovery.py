"""What became of the plant after each `wire_kill`, `agc_cut` and outage of a run."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.measure import agc_cut, outage, wire_kill
from hil.measure.inputs import Recording
from hil.measure.journal import Ticks
from hil.measure.tracking import Seconds


def figures(
    run: Recording,
    ticks: Ticks | None,
    paired: NDArray[np.int64],
    config: Path,
    rows: Seconds,
    notes: dict[str, str],
) -> dict[str, Any]:
    """Give `recovery` of the result.

    Parameters
    ----------
    paired : ndarray
        Row of `ticks` for each row of `run.setpoints`; -1: none.
    config : Path
        The daemon's configuration: its guards say how long HOLD lasts.
    rows : Seconds
        What was asked for and delivered, second by second.
    notes : dict
        Gets the reason of each figure that is null, by its key in the result.
    """
    return {
        "wire_kill": wire_kill.figures(run, ticks, paired, notes, "recovery.wire_kill"),
        "agc_cut": agc_cut.figures(run, ticks, config, notes, "recovery.agc_cut"),
        "outage": outage.figures(run, rows, notes, "recovery.outage"),
    }
