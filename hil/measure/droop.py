"""What the droop asks of the plant at a frequency, typed on its own, apart from the daemon's.

CE FCR, GB's DM and DR, and IEEE 1547-2018 (6.5.2.7) are one line with a dead band: nothing within
it, the whole power `droop x nominal` further on, straight in between. Up at a low frequency.
"""

import numpy as np
from numpy.typing import NDArray

from hil.scenario import PlantDroopConfig

F8 = NDArray[np.float64]


def asked_mw(freq_hz: F8 | float, droop: PlantDroopConfig, nominal_hz: float) -> F8:
    """Power beyond schedule and AGC, MW; a frequency that is NaN asks for nothing."""
    inner_hz = droop.deadband_hz
    outer_hz = inner_hz + droop.droop_pu * nominal_hz
    corners_hz = nominal_hz + np.array([-outer_hz, -inner_hz, inner_hz, outer_hz])
    asked = np.interp(np.asarray(freq_hz), corners_hz, [droop.power_mw, 0.0, 0.0, -droop.power_mw])
    return np.asarray(np.nan_to_num(asked, nan=0.0), dtype=np.float64)
