"""Who takes part in the split, where ramps begin, and what the others are counted with.

A unit that cannot be reached is not zero: it does what it was last told until its watchdog runs
out, then it goes to its fallback. So it is counted by that prediction, and the others carry the
rest. One dead unit costs the others nothing but its share.

* *Who takes part*: what the unit says outranks what is guessed, silence outranks both, and the
  operator whatever he can still change. *Adrift* is a unit that is read, but accepted no setpoint
  for longer than its watchdog.
* *Ramps start from the setpoint in force.* That is the last one sent, and stays it while the unit
  is out of reach and counted by an earlier one that it accepted: it may have taken the later ones
  without an answer. One that refused the last stands at the last that it accepted, and so does
  one that was counted by a prediction and has accepted a setpoint since. A unit that never
  accepted one, or none for too long, starts from where it is measured to be; but a reading from
  before the last tick says nothing of a setpoint that was sent in it.
* *Who can be told*: no setpoint is sent to a unit whose link is down or that its own staff
  controls, nor to one of which nobody knows where its ramp would begin: that neither accepted a
  setpoint nor was read, or accepted none within its watchdog and cannot be read. A unit with old
  telemetry and one that refused get their setpoint again, so that they can come back.
* *What units outside the split are told*: one that is counted by what it accepted last, and can be
  told, is told that again; from what it was sent since, it is brought back to it within the ramp.
  The operator's value, at a stop the safe value, of a benched unit its basepoint, and of a unit
  that can be told its fallback, or what it accepted before it refused, are approached within the
  ramp, too. A unit that the operator holds stays there in mode SAFE.

Unit by unit in one pass each: with a dozen arrays of a few hundred units, numpy would spend ten
times as long on its calls as on the numbers. NaN means *never* or *not reported*; comparisons are
written so that they are false for it.
"""

import numpy as np

from vppd.kernels.jit import F8, IN, IN_U1, OUT, OUT_U1, U1, b1, f8, i8, kernel

MEASURED_MAX_MW = 1e5  # no unit is larger (config.schema): such a number is a broken register

# Numbers of `vppd.core.types`, typed again: kernels import nothing from above.
# tests/kernels/test_kernels_participation.py compares them.
IN_SPLIT = np.uint8(0)
TELEMETRY_AGE = np.uint8(5)
UNREACHABLE = np.uint8(6)
FALLBACK = np.uint8(7)
OPERATOR = np.uint8(8)
LOCAL_CONTROL = np.uint8(13)
REFUSED = np.uint8(14)
BENCHED = np.uint8(20)
ONLINE = np.uint8(0)
REFUSED_WRITE = np.uint8(2)
UNKNOWN_WRITE = np.uint8(3)


@kernel()
def _clipped(x: float, low: float, high: float) -> float:
    """Nearest number within the limits; NaN stays NaN."""
    x = low if x < low else x
    return high if x > high else x


@kernel()
def _is_young(now_s: float, measured_at_s: float, p_meas_mw: float, age_max_s: float) -> bool:
    return now_s - measured_at_s <= age_max_s and abs(p_meas_mw) <= MEASURED_MAX_MW


@kernel(i8(f8, IN, IN, IN, IN_U1, IN_U1, OUT_U1))
def good_readings(
    now_s: float,
    p_meas_mw: F8,
    measured_at_s: F8,
    telemetry_age_max_s: F8,
    quality: U1,
    connected: U1,
    good: U1,
) -> int:
    """Mark the units that are known to be where they are measured. Returns how many they are."""
    count = 0
    for i in range(p_meas_mw.shape[0]):
        young = _is_young(now_s, measured_at_s[i], p_meas_mw[i], telemetry_age_max_s[i])
        good[i] = young and connected[i] != 0 and quality[i] == ONLINE
        count += 1 if good[i] != 0 else 0
    return count


@kernel()
def _why_out(
    lost: bool, young: bool, late: bool, in_time: bool, write_result: np.uint8, remote: np.uint8,
    locked: np.uint8,
) -> np.uint8:  # fmt: skip
    """Why a unit takes no part; IN_SPLIT if it does.

    One that never accepted a setpoint is neither `late` nor `in_time` with one.
    Later lines win: what the unit says outranks what is guessed, silence outranks both, and the
    operator whatever he can still change.
    """
    refused = write_result == REFUSED_WRITE
    why = REFUSED if refused else IN_SPLIT
    # Good readings prove no setpoint: a unit that accepts none goes to its fallback all the same.
    if (refused or write_result == UNKNOWN_WRITE) and late:
        why = FALLBACK
    if remote == 0:
        why = LOCAL_CONTROL
    if lost or not young:
        why = UNREACHABLE if lost else TELEMETRY_AGE
        if not in_time:
            why = FALLBACK
    elif locked != 0 and why != LOCAL_CONTROL:
        why = OPERATOR
    return why


@kernel()
def _told_mw(
    why: np.uint8, was_out: np.uint8, was_sent: np.uint8, p_setpoint_mw: float, last_told_mw: float
) -> float:
    """The setpoint that a unit was told last, as far as its ramp begins there; NaN: none.

    Out of reach it is counted by what it accepted, or was by a reading, and may have taken later
    setpoints without an answer: a ramp begun at the last of them keeps to its limit from each of
    them, taken or not.
    """
    away = was_out == UNREACHABLE or why in (UNREACHABLE, TELEMETRY_AGE)
    if away and was_sent == 0 and not np.isnan(last_told_mw):
        return last_told_mw
    return p_setpoint_mw


@kernel(
    i8(
        f8, f8, IN, IN_U1, IN, IN_U1, IN, IN, IN, IN, IN_U1, IN_U1, IN_U1, IN_U1, IN_U1,
        IN, IN, IN, IN, IN, OUT_U1, OUT_U1, OUT,
    )
)  # fmt: skip
def take_part(
    now_s: float,
    before_s: float,
    p_setpoint_mw: F8,
    was_sent: U1,
    last_told_mw: F8,
    was_out: U1,
    p_meas_mw: F8,
    measured_at_s: F8,
    accepted_mw: F8,
    accepted_at_s: F8,
    quality: U1,
    write_result: U1,
    remote: U1,
    connected: U1,
    locked: U1,
    telemetry_age_max_s: F8,
    watchdog_s: F8,
    fallback_mw: F8,
    p_min_mw: F8,
    p_max_mw: F8,
    reason: U1,
    adrift: U1,
    last_mw: F8,
) -> int:
    """Say why each of n units takes no part, and where its ramp starts: its setpoint in force, MW.

    All arrays: shape (n,).

    Parameters
    ----------
    now_s, before_s : float
        Instants of this tick and of the last one (NaN: there was none).
    p_setpoint_mw, was_sent, last_told_mw, was_out : shape (n,)
        Setpoints of the last tick; 1 for those that were sent (a unit may be counted with one that
        it never got); the last that was, in whatever tick (NaN: none); the last tick's reasons.
    reason : shape (n,), written
        IN_SPLIT if it takes part.
    adrift : shape (n,), written
        1: read, but accepted nothing for longer than the watchdog.
    last_mw : shape (n,), written

    Returns
    -------
    int
        Number of units that take no part.
    """
    out = 0
    for i in range(p_meas_mw.shape[0]):
        since_s = now_s - accepted_at_s[i]
        late = since_s > watchdog_s[i]
        lost = connected[i] == 0 or quality[i] != ONLINE
        young = _is_young(now_s, measured_at_s[i], p_meas_mw[i], telemetry_age_max_s[i])
        why = _why_out(
            lost, young, late, since_s <= watchdog_s[i], write_result[i], remote[i], locked[i]
        )
        is_adrift = late and young and not lost
        told_mw = _told_mw(why, was_out[i], was_sent[i], p_setpoint_mw[i], last_told_mw[i])
        measured_mw = fallback_mw[i] if np.isnan(p_meas_mw[i]) else p_meas_mw[i]
        never = np.isnan(accepted_at_s[i]) or np.isnan(accepted_mw[i])
        refused = write_result[i] == REFUSED_WRITE
        # After a reconnect the newest setpoint is said again; the last tick knew nothing of it.
        told_since = was_out[i] != IN_SPLIT and accepted_at_s[i] > before_s
        read_since = measured_at_s[i] > before_s
        start_mw = measured_mw if np.isnan(told_mw) else told_mw
        if (refused or told_since) and not never:
            start_mw = accepted_mw[i]
        # Where nothing was sent, a reading tells where it is, however late it came.
        if (never or is_adrift) and (was_sent[i] == 0 or refused or read_since):
            start_mw = measured_mw
        reason[i] = why
        adrift[i] = is_adrift
        last_mw[i] = _clipped(start_mw, p_min_mw[i], p_max_mw[i])
        out += 1 if why != IN_SPLIT else 0
    return out


@kernel()
def _counted_mw(
    why: np.uint8, last_mw: float, accepted_mw: float, p_meas_mw: float, fallback_mw: float
) -> float:
    """What a unit outside the split is counted with; the last setpoint for the others."""
    if why == FALLBACK:
        return fallback_mw
    if why == LOCAL_CONTROL:
        return last_mw if np.isnan(p_meas_mw) else p_meas_mw
    if why in (UNREACHABLE, TELEMETRY_AGE, REFUSED):
        return last_mw if np.isnan(accepted_mw) else accepted_mw
    return last_mw


@kernel()
def _within_ramp_mw(
    wanted_mw: float, last_mw: float, up_mw: float, down_mw: float, p_min_mw: float,
    p_max_mw: float, p_avail_min_mw: float, p_avail_max_mw: float,
) -> float:  # fmt: skip
    """Where a unit comes on its way; availability beats the ramp, unless it contradicts itself."""
    reached_mw = _clipped(wanted_mw, last_mw - down_mw, last_mw + up_mw)
    low_mw = p_avail_min_mw if p_avail_min_mw > p_min_mw else p_min_mw
    high_mw = p_avail_max_mw if p_avail_max_mw < p_max_mw else p_max_mw
    if low_mw > high_mw:
        low_mw, high_mw = p_min_mw, p_max_mw
    return _clipped(reached_mw, low_mw, high_mw)


@kernel(i8(IN_U1, IN, IN, IN, IN, OUT))
def counted(
    reason: U1, last_mw: F8, accepted_mw: F8, p_meas_mw: F8, fallback_mw: F8, out_mw: F8
) -> int:
    """Write what each of n units is counted with, MW; how many they are."""
    for i in range(last_mw.shape[0]):
        out_mw[i] = _counted_mw(reason[i], last_mw[i], accepted_mw[i], p_meas_mw[i], fallback_mw[i])
    return len(last_mw)


@kernel(i8(IN, IN, IN, IN, f8, IN, IN, IN, IN, OUT))
def within_ramp(
    wanted_mw: F8,
    last_mw: F8,
    ramp_up_mw_per_s: F8,
    ramp_down_mw_per_s: F8,
    dt_s: float,
    p_min_mw: F8,
    p_max_mw: F8,
    p_avail_min_mw: F8,
    p_avail_max_mw: F8,
    out_mw: F8,
) -> int:
    """Write where each of n units comes on its way to `wanted_mw` in `dt_s`; how many they are."""
    for i in range(last_mw.shape[0]):
        out_mw[i] = _within_ramp_mw(
            wanted_mw[i], last_mw[i], ramp_up_mw_per_s[i] * dt_s, ramp_down_mw_per_s[i] * dt_s,
            p_min_mw[i], p_max_mw[i], p_avail_min_mw[i], p_avail_max_mw[i],
        )  # fmt: skip
    return len(last_mw)


@kernel()
def _takes(
    why: np.uint8, connected: np.uint8, adrift: np.uint8, accepted_mw: float,
    accepted_at_s: float, p_meas_mw: float,
) -> bool:  # fmt: skip
    """Whether a setpoint is sent to a unit.

    In FALLBACK and not read (then it is not `adrift`) it may stand at its fallback, or where a
    setpoint left it that it took without an answer: nobody knows where its ramp would begin.
    """
    if why == LOCAL_CONTROL or connected == 0:
        return False
    if why == FALLBACK and adrift == 0:
        return False
    never = np.isnan(accepted_at_s) or np.isnan(accepted_mw)
    return not (never and np.isnan(p_meas_mw))


@kernel(
    i8(
        b1, IN_U1, IN, IN_U1, IN_U1, IN, IN, IN, IN, IN, IN, IN, IN, IN, f8, IN, IN, IN, IN, OUT,
        OUT_U1,
    )
)  # fmt: skip
def pinned(
    safe: bool,
    reason: U1,
    last_mw: F8,
    connected: U1,
    adrift: U1,
    accepted_mw: F8,
    accepted_at_s: F8,
    p_meas_mw: F8,
    operator_mw: F8,
    fallback_mw: F8,
    safe_mw: F8,
    basepoint_mw: F8,
    ramp_up_mw_per_s: F8,
    ramp_down_mw_per_s: F8,
    dt_s: float,
    p_min_mw: F8,
    p_max_mw: F8,
    p_avail_min_mw: F8,
    p_avail_max_mw: F8,
    out_mw: F8,
    takes: U1,
) -> int:
    """Write what each of n units outside the split is told, or counted with, MW; and who `takes`.

    `safe`: mode SAFE; `takes`: 1 for each unit that a setpoint is sent to, outside the split or
    not. Returns how many of those outside are on their way within their ramp.
    """
    moving = 0
    for i in range(last_mw.shape[0]):
        why = reason[i]
        wanted_mw = _counted_mw(why, last_mw[i], accepted_mw[i], p_meas_mw[i], fallback_mw[i])
        told = _takes(why, connected[i], adrift[i], accepted_mw[i], accepted_at_s[i], p_meas_mw[i])
        takes[i] = told
        held = why == OPERATOR
        if held and not np.isnan(operator_mw[i]):
            wanted_mw = operator_mw[i]
        moves = held or (told and why in (FALLBACK, REFUSED, BENCHED))
        if why == BENCHED:
            wanted_mw = basepoint_mw[i]
        if safe and told and not held:
            wanted_mw = safe_mw[i]
            moves = True
        if told and why in (UNREACHABLE, TELEMETRY_AGE) and not moves:
            # Back from what it was sent since, and may have taken (see `_told_mw`). No clip
            # to an availability that is as old as its telemetry.
            wanted_mw = _clipped(
                wanted_mw, last_mw[i] - ramp_down_mw_per_s[i] * dt_s,
                last_mw[i] + ramp_up_mw_per_s[i] * dt_s,
            )  # fmt: skip
            wanted_mw = _clipped(wanted_mw, p_min_mw[i], p_max_mw[i])
        if moves:
            wanted_mw = _within_ramp_mw(
                wanted_mw, last_mw[i], ramp_up_mw_per_s[i] * dt_s, ramp_down_mw_per_s[i] * dt_s,
                p_min_mw[i], p_max_mw[i], p_avail_min_mw[i], p_avail_max_mw[i],
            )  # fmt: skip
            moving += 1
        out_mw[i] = wanted_mw
    return moving
