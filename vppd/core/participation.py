"""Which units are known to be where they are measured.

Who takes part in the split, and what the others are counted with, is in `kernels/participation.py`.
"""

import numpy as np

from vppd.core.types import U1, Image, Params
from vppd.kernels import participation as kernel
from vppd.kernels.jit import entry

_good_readings = entry(kernel.good_readings)


def has_good_reading(image: Image, params: Params) -> U1:
    """1 for each unit that is known to be where it is measured, shape (n,)."""
    good = np.empty(len(params.ids), np.uint8)
    _good_readings(
        image.now_s, image.p_meas_mw, image.measured_at_s, params.telemetry_age_max_s,
        image.quality, image.connected, good,
    )  # fmt: skip
    return good
