"""Blocks that phases and some kernels take (`vppd.kernels.rows`), made of arrays by name."""

from collections.abc import Mapping

import numpy as np

from vppd.kernels.jit import F8
from vppd.kernels.rows import UNIT_FIELDS


def units_block(columns: Mapping[str, F8], n: int) -> F8:
    """What parameters say of n units; NaN where `columns` has nothing of that name."""
    block = np.full((len(UNIT_FIELDS), n), np.nan)
    for row, name in enumerate(UNIT_FIELDS):
        if name in columns:
            block[row] = columns[name]
    return block
