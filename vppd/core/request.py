"""What the plant should deliver: basepoints + AGC regulation x capacity + frequency droop."""

from math import inf

from vppd.core.guards import is_fresh
from vppd.core.types import Image, Mode, Params, Quality

# Looked up once: a member of an enumeration takes as long as the rest of a function here.
REGULATING, HOLD, RETURN = Mode.REGULATING, Mode.HOLD, Mode.RETURN
ONLINE = int(Quality.ONLINE)


def regulation_in_force_pu(
    mode: Mode, agc_pu: float, last_pu: float, dt_s: float, return_rate_pu_per_s: float
) -> float:
    """Regulation in force, pu: followed, held, on its way back to zero, or none."""
    if mode is REGULATING:
        return agc_pu
    if mode is HOLD:
        return last_pu
    if mode is RETURN:
        step_pu = return_rate_pu_per_s * dt_s
        return min(max(0.0, last_pu - step_pu), last_pu + step_pu)
    return 0.0


def regulation_mw(regulation_pu: float, capacity_up_mw: float, capacity_down_mw: float) -> float:
    """Regulation in MW; up and down capacity may differ."""
    return regulation_pu * (capacity_up_mw if regulation_pu >= 0.0 else capacity_down_mw)


def droop_mw(image: Image, params: Params) -> float:
    """Frequency response of the plant, MW, generation positive.

    -(df -/+ deadband) / (droop x nominal frequency) x power, clipped to +/- power
    (IEEE 1547-2018, 6.5.2.7.1, equation for frequency-power). A frequency that is stale, bad or
    unknown gives none: to answer a frequency that is no longer there would be a disturbance.
    """
    usable = image.freq_quality == ONLINE and is_fresh(
        image.freq_received_s, image.now_s, params.freq_stale_after_s
    )
    if not (params.droop_enabled and usable and 0.0 < image.freq_hz < inf):
        return 0.0
    freq_dev_hz = image.freq_hz - params.freq_nominal_hz
    beyond_hz = max(0.0, abs(freq_dev_hz) - params.droop_deadband_hz)
    share_pu = min(1.0, beyond_hz / (params.droop_pu * params.freq_nominal_hz))
    return (-share_pu if freq_dev_hz > 0.0 else share_pu) * params.droop_power_mw
