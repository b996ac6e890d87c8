"""Recordings made by hand of a killed simulator and of a cut AGC link, with known answers."""

from hand_made import BASEPOINT_MW, NAMES, REGULATION_MW, T0_S, Run

from hil.measure.agc_cut import COMM_LOST, ONLINE
from hil.recording import LinkChange

DEAD = (1, 3)  # bat002, pv001: process 1
KILL_S, BACK_S = T0_S + 40.2, T0_S + 60.2
OPEN_S = T0_S + 60.9
CONNECTED_S = {1: T0_S + 61.5, 3: T0_S + 62.3}
SETPOINT_TICK = {1: 63, 3: 64}  # the first that reaches the unit again
WATCHDOG_S = 10.0

STALE_S, HOLD_S, RATE = 6.0, 10.0, 0.02
YAML = """\
site: {name: hand}
guards: {agc_stale_after_s: 6.0, hold_s: 10.0, return_rate_pu_per_s: 0.02}
"""
NUMBERS = {"BASEPOINT": 1, "REGULATING": 2, "HOLD": 3, "RETURN": 4}


def killed() -> Run:
    """Accepted last at tick 40, so by prediction until 50 s; back at ticks 63 and 64."""
    run = Run()
    run.events = [(KILL_S, -1, "wire_kill", "process 1"), (BACK_S, -1, "wire_back", "process 1")]
    run.writes = [
        w for w in run.writes if w[1] not in DEAD or not KILL_S < w[0] < T0_S + SETPOINT_TICK[w[1]]
    ]
    for tick in run.ticks:
        for u in DEAD:
            if KILL_S < tick["now_s"] < CONNECTED_S[u]:
                fill(run, tick, u)
    for u in DEAD:
        run.links += [(OPEN_S, u, LinkChange.LISTENING)]
        run.links += [(CONNECTED_S[u], u, LinkChange.CONNECTED)]
    return run


def fill(run: Run, tick: dict, u: int) -> None:
    """As the daemon counts a unit that it cannot reach."""
    accepted_mw, accepted_s = run.setpoints(40)[u], T0_S + 40.032
    holds = tick["now_s"] - accepted_s <= WATCHDOG_S
    tick["accepted_mw"][u], tick["accepted_at_s"][u] = accepted_mw, accepted_s
    tick["p_setpoint_mw"][u] = accepted_mw if holds else BASEPOINT_MW[NAMES[u]]
    tick["held_by"][u] = "UNREACHABLE" if holds else "FALLBACK"
    tick["send"][u] = 0


def cut(pu: float = 0.125) -> Run:
    """Last value at 38.031 s: HOLD from 45 s, RETURN from 55 s, at zero 7 s later; back at 70 s."""
    run = Run(agc_pu=lambda _t: pu, cut=(40.0, 70.0), daemon_yaml=YAML)
    run.events = [(T0_S + 40.0, -1, "agc_cut", "silent, 30 s"), (T0_S + 70.0, -1, "agc_back", "")]
    regulation_pu, mode, since_s = pu, "REGULATING", T0_S
    for k, tick in enumerate(run.ticks):
        if not 40 <= k < 70:
            continue
        tick["now_s"] = now_s = T0_S + k  # started by the grid
        tick["agc_received_s"] = T0_S + 38.031
        before_s = run.ticks[k - 1]["now_s"]
        if mode == "REGULATING" and now_s - tick["agc_received_s"] > STALE_S:
            mode, since_s = "HOLD", now_s
        elif mode == "HOLD" and now_s - since_s >= HOLD_S:
            mode = "RETURN"
        elif mode == "RETURN" and regulation_pu == 0.0:
            mode = "BASEPOINT"
        if mode == "RETURN":
            step_pu = RATE * (now_s - before_s)
            regulation_pu = min(max(0.0, regulation_pu - step_pu), regulation_pu + step_pu)
        stale = mode != "REGULATING"
        tick["mode"], tick["regulation_mw"] = mode, REGULATION_MW * regulation_pu
        tick["verdict"] = "STALE" if stale else "UNCHANGED"
    run.told = [
        (
            T0_S + k + 0.5,
            ONLINE if tick["mode"] == "REGULATING" else COMM_LOST,
            NUMBERS[tick["mode"]],
        )
        for k, tick in enumerate(run.ticks)
        if k % 2
    ]
    return run
