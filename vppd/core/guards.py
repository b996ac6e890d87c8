"""Guards on the AGC signal: what is believed, and why the rest is not.

A refused value never moves the plant: the last accepted one stays in force until it is stale,
then the mode goes to HOLD. Once the accepted value is stale, the guards that compare with it
(sequence, rate) step aside, so that a TSO that restarts its counter is heard again.
"""

from math import isfinite, isnan

from vppd.core.types import Image, Params, Quality, State, Verdict

VERDICTS = tuple(Verdict)  # by number. To look up or make a member costs more than to judge
FRESH = Verdict.FRESH
ONLINE = int(Quality.ONLINE)

FUTURE_MAX_S = 2.0  # clocks of TSO and plant may differ; a time tag further ahead is refused


def is_fresh(received_s: float, now_s: float, stale_after_s: float) -> bool:
    """True if a value received at `received_s` is still young enough; False for never (NaN)."""
    return now_s - received_s <= stale_after_s


def judge_agc(state: State, image: Image, params: Params) -> tuple[Verdict, float]:
    """Verdict on the newest AGC value, and the accepted value, pu (NaN: none yet)."""
    if isnan(image.agc_received_s):
        return Verdict.NONE, state.agc_pu
    if image.agc_received_s == state.agc_seen_s:
        return _without_news(state, image, params), state.agc_pu
    verdict = _judge_new(state, image, params)
    if verdict is not FRESH:
        return verdict, state.agc_pu
    return verdict, _clipped_pu(image, params)


def _clipped_pu(image: Image, params: Params) -> float:
    return min(max(image.agc_pu, -params.agc_limit_pu), params.agc_limit_pu)


def _without_news(state: State, image: Image, params: Params) -> Verdict:
    if not is_fresh(state.agc_accepted_s, image.now_s, params.agc_stale_after_s):
        return Verdict.STALE
    if state.verdict == FRESH:
        return Verdict.UNCHANGED
    return VERDICTS[state.verdict]  # a refusal stands until the next value


def _judge_new(state: State, image: Image, params: Params) -> Verdict:
    if image.agc_quality != ONLINE:
        return Verdict.BAD_QUALITY
    if not isfinite(image.agc_pu):
        return Verdict.NOT_FINITE
    if abs(image.agc_pu) > params.agc_limit_pu + params.agc_tolerance_pu:
        return Verdict.OUT_OF_RANGE
    if not is_fresh(image.agc_received_s, image.now_s, params.agc_stale_after_s):
        return Verdict.STALE
    if _is_old(image.agc_transit_s, params.agc_transit_max_s):
        return Verdict.OLD
    if is_fresh(state.agc_accepted_s, image.now_s, params.agc_stale_after_s):
        return _compare_with_last(state, image, params)
    return FRESH


def _is_old(transit_s: float, transit_max_s: float) -> bool:
    """True if a value's own time tag is too old or in the future; False where it has none."""
    return not isnan(transit_s) and not -FUTURE_MAX_S <= transit_s <= transit_max_s


def _compare_with_last(state: State, image: Image, params: Params) -> Verdict:
    if 0 <= image.agc_sequence <= state.agc_sequence:
        return Verdict.REPEATED
    step_pu = abs(_clipped_pu(image, params) - state.agc_pu)
    between_s = image.agc_received_s - state.agc_accepted_s
    if step_pu > params.agc_rate_max_pu_per_s * between_s:
        return Verdict.RATE
    return FRESH
