"""Long series for plots: of each column of the picture, the least and the greatest value.

A mean, or each k-th value, would hide the spikes that a plot of a whole day is looked at for. The
values that are kept stand at their own instants; a hole stays a hole.
"""

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
COLUMNS = 6000  # of a line
DOT_COLUMNS = 1000  # of marks: browsers draw each of them


def kept(y: F8, columns: int = COLUMNS) -> NDArray[np.intp]:
    """Indices of a series, shape (n,), that a plot needs; all of them if they are few."""
    if y.size <= 2 * columns:
        return np.arange(y.size)
    width = -(-y.size // columns)
    padded = np.full(-(-y.size // width) * width, np.nan)
    padded[: y.size] = y
    cells = padded.reshape(-1, width)
    hole = np.isnan(cells)
    found = (
        np.where(hole, np.inf, cells).argmin(axis=1),
        np.where(hole, -np.inf, cells).argmax(axis=1),
        hole.argmax(axis=1),  # the first hole, or the first value: no harm
    )
    first = width * np.arange(cells.shape[0])
    index = np.unique(np.concatenate([first + place for place in found]))
    return index[index < y.size]
