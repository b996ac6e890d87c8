"""Sun and clouds over PV plants, from the seed.

Clouds: irradiance at a point is bimodal, in the sun or in a shadow (Suehrcke & McCormick, Solar
Energy 40 (1988) 413). Each plant's point is a random telegraph: it changes between the two after
exponential times, mean `shadow_s` in the shadow, so that `cover` of all time is shadow, and a
shadow takes `depth` of the power. The plant, being an area, smooths that as a first-order low-pass
(Marcos et al., "From irradiance to output power fluctuations: the PV plant as a low pass filter",
Prog. Photovolt. 19 (2011) 505), whose cut-off period is the time that a cloud at about 2 m/s takes
along the plant: 50 s for 1 ha.

Sun: it stands still, or it moves over a spring day at 30 degrees north (declination 0), with the
clear sky of Haurwitz, J. Meteorol. 2 (1945) 154, as in Reno et al., SAND2012-2389:
G = 1098 cos z exp(-0.059 / cos z)  W/m².
"""

import heapq
import math
from collections.abc import Sequence

import numpy as np

from hil.fleet import Unit

HA_PER_MW = 2.0  # fixed tilt
CLOUD_M_PER_S = 2.0
LATITUDE_RAD = math.radians(30.0)
NOON_H = 12.0


def plant_tau_s(rated_mw: float) -> float:
    """Time constant of a plant's smoothing: its length over 2 pi times the speed of clouds."""
    length_m = math.sqrt(rated_mw * HA_PER_MW * 1e4)
    return length_m / (2.0 * math.pi * CLOUD_M_PER_S)


def clear_sky_w_per_m2(cos_zenith: float) -> float:
    """Global horizontal irradiance of a clear sky (Haurwitz)."""
    if cos_zenith <= 0.0:
        return 0.0
    return 1098.0 * cos_zenith * math.exp(-0.059 / cos_zenith)


def sun_pu(solar_time_h: float) -> float:
    """Clear sky at a time of day, of that at noon."""
    hour_angle = math.pi * (solar_time_h - NOON_H) / 12.0
    noon = clear_sky_w_per_m2(math.cos(LATITUDE_RAD))
    return clear_sky_w_per_m2(math.cos(LATITUDE_RAD) * math.cos(hour_angle)) / noon


class Clouds:
    """When the point of each plant goes into the shadow and comes out of it."""

    def __init__(self, units: Sequence[Unit], start_s: float, seed: int) -> None:
        self.shade_pu = np.zeros(len(units))  # what a cloud takes from each plant's point now
        self._units = units
        self._rng = [np.random.default_rng([seed, unit.index, 5]) for unit in units]
        self._agenda: list[tuple[float, int]] = []
        for k, unit in enumerate(units):
            if unit.cloud_cover_pu > 0.0:
                shaded = self._rng[k].random() < unit.cloud_cover_pu
                self.shade_pu[k] = unit.cloud_depth_pu if shaded else 0.0
                self._agenda.append((start_s + self._time_s(k), k))
        heapq.heapify(self._agenda)

    def run_due(self, end_s: float) -> None:
        """Let all changes happen that are due before `end_s`."""
        while self._agenda and self._agenda[0][0] < end_s:
            at_s, k = heapq.heappop(self._agenda)
            self.shade_pu[k] = 0.0 if self.shade_pu[k] else self._units[k].cloud_depth_pu
            heapq.heappush(self._agenda, (at_s + self._time_s(k), k))

    def _time_s(self, k: int) -> float:
        """Draw how long a plant's point stays as it is."""
        unit = self._units[k]
        mean_s = unit.cloud_shadow_s
        if not self.shade_pu[k]:
            mean_s *= (1.0 - unit.cloud_cover_pu) / unit.cloud_cover_pu
        return float(self._rng[k].exponential(mean_s))
