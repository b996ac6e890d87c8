"""The frequency that the TSO sends and the units measure: a record, or a synthetic event.

The event is a loss of generation as the frequency of a large grid shows it. With r the rate of
change at first, d = f_n - f_0 the depth and T the time of the nadir f_n after the loss at t = 0:

    f = f_0                                    t < 0
    f = f_0 + d (1 - (1 - t / T)^n)            0 <= t < T,   n = r T / |d|  (n >= 1)
    f = f_0 + d exp(-(t - T) / recovery)       T <= t

The first part begins with the slope r and ends with none; with the defaults of `SagConfig` it
falls fast, flattens under the primary reserve and sags on to the nadir, as on 9 August 2019.
"""

import math
from collections.abc import Callable
from pathlib import Path

from hil.scenario import FrequencySource
from hil.scenario.frequency import EVENT, FILE, SagConfig
from hil.tso.signal import SignalError, read_column

At = Callable[[float], float]  # Hz at an instant, s since the start of the run
LEAST_HZ, MOST_HZ = 10.0, 400.0  # what an outstation takes as a frequency
TIME_COLUMNS = ("utc_time", "time")  # of instants, where a record has no t_s


def source(config: FrequencySource, duration_s: float) -> At | None:
    """Frequency over a run; None: there is none, or a closed loop makes it. Raises SignalError."""
    if config.kind == EVENT:
        return lambda t_s: sag_hz(config.event, config.nominal_hz, t_s)
    if config.kind != FILE:
        return None
    path = Path(config.file or "")
    found = read_column(path, config.column or "", TIME_COLUMNS)
    out = [hz for hz in found.pu.tolist() if not LEAST_HZ <= hz <= MOST_HZ]
    if out:
        within = f"{LEAST_HZ:g} to {MOST_HZ:g} Hz"
        raise SignalError(f"{path}: {config.column} has {out[0]:g}; a frequency is {within}")
    found.check_length(path, duration_s)
    return lambda t_s: found.at(max(t_s, 0.0))


def sag_hz(sag: SagConfig, nominal_hz: float, t_s: float) -> float:
    """Frequency of the synthetic event."""
    depth_hz, since_s = sag.nadir_hz - nominal_hz, t_s - sag.at_s
    if since_s < 0.0 or depth_hz == 0.0:
        return nominal_hz
    if since_s >= sag.nadir_after_s:
        return nominal_hz + depth_hz * math.exp(-(since_s - sag.nadir_after_s) / sag.recovery_s)
    power = sag.rocof_hz_per_s * sag.nadir_after_s / abs(depth_hz)
    left = 1.0 - since_s / sag.nadir_after_s
    return nominal_hz + depth_hz * (1.0 - math.pow(left, power))
