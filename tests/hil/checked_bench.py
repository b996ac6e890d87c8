"""A recording in which everything is right, second by second; a test spoils one thing in it.

Three units of 1 MW: a battery that does all regulation, at once and exactly; a hub and an HVAC site
that stand at their basepoints. One tick a second, a new AGC value every other tick, a poll of the
TSO every other second.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from small_bench import fleet, unit

from hil import checkers, recording
from hil.checkers import Evidence
from hil.faults import Fault
from hil.measure import inputs, limits, pairing, plant, tracking
from hil.measure.inputs import AgcSent, Recording, TsoInputs
from hil.measure.journal import Ticks
from hil.recording import UnitState

T0_S = 1000.0
SECONDS = 60
BEFORE_S = 15  # seconds of power before t0
BAT, EV, HVAC = 0, 1, 2
BASE_MW = (0.0, -0.5, -0.5)
SOLD_MW = 1.0
TICK_S, RECEIVED_S, LINK_S = 0.02, 0.06, 0.04  # after the full second
ONLINE = 1
NUMBERS = ("now_s", "agc_pu", "agc_received_s", "regulation_mw", "request_mw", "served_mw",
           "unserved_mw", "late_s", "tick_us")  # fmt: skip


def agc_pu(k: int) -> float:
    """Value in force in second k."""
    return round(0.4 * float(np.sin(0.25 * (k - k % 2))), 6)


@dataclass
class Scene:
    """What is recorded; a test changes it, then asks for `found`."""

    setpoints: list[list[Any]] = field(default_factory=list)  # t_s, unit, p_mw, flags
    ticks: list[dict[str, Any]] = field(default_factory=list)
    out: list[tuple[int, int, str]] = field(default_factory=list)
    told: list[list[float]] = field(default_factory=list)  # t_s, p_kw, p_flags, mode
    sent: list[tuple[float, float]] = field(default_factory=list)  # t_s, pu
    spans: list[tuple[str, float, float, int]] = field(default_factory=list)  # kind, from, to, unit
    timed: list[Fault] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    run: dict[str, Any] = field(default_factory=dict)
    config: str = "site: {name: scene, setpoint_age_max_s: 2.0}\n"
    columns: dict[str, np.ndarray] = field(default_factory=dict)  # more truth, shape (rows, 3)
    noise_pct: float = 0.0
    units: dict[str, dict[str, Any]] = field(default_factory=dict)
    soc_pu: float = 0.5

    def __post_init__(self) -> None:
        rows = (BEFORE_S + SECONDS) * 10
        self.t_s = T0_S - BEFORE_S + 0.1 * np.arange(rows)
        self.p_mw = np.tile(np.array(BASE_MW), (rows, 1))
        self.state = np.full((rows, 3), int(UnitState.FOLLOW), dtype=np.uint8)
        self.low_mw = np.tile(np.array([-1.0, -1.0, -0.92]), (rows, 1))
        self.high_mw = np.tile(np.array([1.0, 0.0, -0.08]), (rows, 1))
        before = list(BASE_MW)
        for k in range(SECONDS):
            before = self._second(k, before)

    def _second(self, k: int, before: list[float]) -> list[float]:
        """One tick, what it sends, and what comes of it."""
        regulation_mw = agc_pu(k) * SOLD_MW
        p_mw = [BASE_MW[BAT] + regulation_mw, BASE_MW[EV], BASE_MW[HVAC]]
        if k % 2 == 0:
            self.sent.append((T0_S + k, agc_pu(k)))
        self.ticks.append(
            {
                "now_s": T0_S + k + TICK_S,
                "agc_pu": agc_pu(k),
                "agc_received_s": T0_S + k - k % 2 + 0.01,
                "regulation_mw": regulation_mw,
                "request_mw": sum(BASE_MW) + regulation_mw,
                "served_mw": sum(p_mw),
                "unserved_mw": 0.0,
                "late_s": 0.0,
                "tick_us": 100.0,
                "fresh": k % 2 == 0,
                "mode": "REGULATING",
                "p_setpoint_mw": list(p_mw),
                "send": [True] * 3,
                "accepted_mw": before,
                "accepted_at_s": [T0_S + k - 1 + RECEIVED_S] * 3,
                "measured_at_s": [T0_S + k + TICK_S - 0.5] * 3,
            }
        )
        for u in range(3):
            self.setpoints.append([T0_S + k + RECEIVED_S, u, p_mw[u], 0])
        self.p_mw[self.t_s > T0_S + k + RECEIVED_S, BAT] = p_mw[BAT]
        if k % 2:
            self.told.append([T0_S + k + 0.5, 1e3 * sum(p_mw), ONLINE, 2])
        return list(p_mw)

    # ------------------------------------------------------------------ what tests change

    def rows(self, since_s: float, until_s: float) -> slice:
        """Rows of the power trace within a time of the run."""
        first, last = np.searchsorted(self.t_s, [T0_S + since_s - 1e-6, T0_S + until_s - 1e-6])
        return slice(int(first), int(last))

    def away(self, u: int, since_s: float, until_s: float, kind: str = "link_outage") -> None:
        """Let a unit be unreachable, and do all that it should."""
        self.spans.append((kind, since_s, until_s, u))
        lost = [s for s in self.setpoints if s[1] == u and since_s <= s[0] - T0_S < until_s]
        self.setpoints = [s for s in self.setpoints if s not in lost]
        fed_s = max(s[0] for s in self.setpoints if s[1] == u and s[0] - T0_S < since_s)
        back_s = min((s[0] for s in self.setpoints if s[1] == u and s[0] - T0_S >= until_s),
                     default=T0_S + SECONDS)  # fmt: skip
        in_force_mw = next(s[2] for s in self.setpoints if s[1] == u and s[0] == fed_s)
        self.p_mw[self.rows(fed_s - T0_S + 0.1, back_s - T0_S), u] = in_force_mw
        fallen = self.rows(fed_s - T0_S + 10.1, back_s - T0_S)
        self.state[fallen, u] = UnitState.FALLBACK
        self.p_mw[fallen, u] = BASE_MW[u]
        for k, tick in enumerate(self.ticks):
            if since_s <= tick["now_s"] - T0_S < until_s:
                held = tick["now_s"] - fed_s <= 10.0
                self._count(k, u, in_force_mw if held else BASE_MW[u], in_force_mw, fed_s)
                self.out.append((k, u, "UNREACHABLE" if held else "FALLBACK"))
        self.tell()

    def _count(self, k: int, u: int, counted_mw: float, accepted_mw: float, at_s: float) -> None:
        tick = self.ticks[k]
        tick["p_setpoint_mw"][u] = counted_mw
        tick["accepted_mw"][u], tick["accepted_at_s"][u] = accepted_mw, at_s
        tick["served_mw"] = sum(tick["p_setpoint_mw"])
        tick["unserved_mw"] = tick["request_mw"] - tick["served_mw"]

    def tell(self) -> None:
        """Let the TSO be told what is."""
        for poll in self.told:
            row = int(np.searchsorted(self.t_s, poll[0] - 0.2))
            poll[1] = 1e3 * float(self.p_mw[row].sum())

    def sequence(self, mode: str, since_s: float, until_s: float, pu: float | None = None) -> None:
        """Ticks of another mode, in which the regulation stands still (or at `pu`)."""
        for k, tick in enumerate(self.ticks):
            if since_s <= tick["now_s"] - T0_S < until_s:
                before_mw = self.ticks[k - 1]["regulation_mw"]
                tick["mode"], tick["fresh"] = mode, False
                tick["regulation_mw"] = before_mw if pu is None else pu * SOLD_MW
                tick["request_mw"] = sum(BASE_MW) + tick["regulation_mw"]
                tick["unserved_mw"] = tick["request_mw"] - tick["served_mw"]

    # ------------------------------------------------------------------ what comes of it

    def evidence(self, tmp_path: Path) -> Evidence:
        """The scene, as the checkers see it."""
        raw = tmp_path / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        makers = ("sunspec_battery", "modbus_ev_hub", "dnp3_hvac")
        units = [unit(m, i, **self.units.get(m, {})) for i, m in enumerate(makers)]
        fleet(units, telemetry_noise_pct=self.noise_pct).write(raw / "fleet.json")
        (raw / "faults.json").write_text(json.dumps([asdict(fault) for fault in self.timed]))
        (tmp_path / "daemon.yaml").write_text(self.config)
        (tmp_path / "daemon.log").write_text("".join(f"{line}\n" for line in self.log))
        run = self._recording(raw)
        processes = [self._process()]
        ticks = self._ticks()
        paired = pairing.writes_to_ticks(ticks, run.setpoints, run.units)
        checked = limits.check(
            run, processes, run.setpoints, limits.tick_instants(ticks, paired)
        )  # fmt: skip
        rows = tracking.seconds(run, plant.traces(run, processes), ticks)
        return checkers.gather(tmp_path, run, processes, rows, ticks, paired, checked)

    def found(self, tmp_path: Path) -> dict[str, set[str]]:
        """What each checker that found something says, without excuses."""
        evidence = self.evidence(tmp_path)
        every = {name: check(evidence).violations for name, check in checkers.ALL.items()}
        return {name: {v.what for v in some} for name, some in every.items() if some}

    def _recording(self, raw: Path) -> Recording:
        """Read what is on disk, and put the rest in its place."""
        head = {"t0_s": T0_S, "duration_s": float(SECONDS), "scenario": "scene", "seed": 3}
        (raw / "run.json").write_text(json.dumps({**head, **self.run}))
        (raw / "tso.csv").write_text(",".join(recording.TSO_COLUMNS) + "\n")
        told = np.array(self.told, dtype=np.float64).reshape(-1, 4).T
        flags = told[2].astype(np.int64)
        sent = np.array(self.sent).reshape(-1, 2).T
        rows = [(*each[:4], *(each[4:] or [LINK_S])) for each in sorted(self.setpoints)]
        return replace(
            inputs.read(raw),
            agc=AgcSent(sent[0], sent[0] + 0.005, sent[1]),
            told=TsoInputs(told[0], told[1], flags, flags, told[3].astype(np.int64)),
            setpoints=np.array(rows, dtype=recording.SETPOINT),
            events=self._events(),
        )

    def _events(self) -> list[dict[str, Any]]:
        events = []
        for kind, since_s, until_s, u in self.spans:
            back = "link_back" if kind == "link_outage" else f"{kind}_back"
            events.append({"t_s": T0_S + since_s, "unit": u, "kind": kind, "detail": ""})
            events.append({"t_s": T0_S + until_s, "unit": u, "kind": back, "detail": ""})
        return sorted(events, key=lambda event: event["t_s"])

    def _process(self) -> plant.Process:
        known = [("p_mw", self.p_mw), ("p_avail_min_mw", self.low_mw),
                 ("p_avail_max_mw", self.high_mw), *self.columns.items()]  # fmt: skip
        dtype = [("t_s", "<f8"), ("soc", "<f8", (3,)), ("state", "u1", (3,))]
        dtype += [(name, "<f8", (3,)) for name, _ in known]
        rows = np.zeros(self.t_s.size, dtype=np.dtype(dtype))
        rows["t_s"], rows["state"] = self.t_s, self.state
        rows["soc"] = (self.soc_pu, np.nan, np.nan)
        for name, values in known:
            rows[name] = values
        return plant.Process(0, np.arange(3), rows)

    def _ticks(self) -> Ticks:
        def of(key: str, kind: Callable[..., Any] = np.float64) -> Any:
            return np.array([tick[key] for tick in self.ticks], dtype=kind)

        return Ticks(
            **{key: of(key) for key in NUMBERS},
            fresh=of("fresh", bool),
            mode=tuple(tick["mode"] for tick in self.ticks),
            p_setpoint_mw=of("p_setpoint_mw"),
            send=of("send", bool),
            accepted_mw=of("accepted_mw"),
            accepted_at_s=of("accepted_at_s"),
            measured_at_s=of("measured_at_s"),
            rises=np.array([tick.get("rises", [True] * 3) for tick in self.ticks]),
            falls=np.array([tick.get("falls", [True] * 3) for tick in self.ticks]),
            expected_mw=np.array([t.get("expected_mw", t["p_setpoint_mw"]) for t in self.ticks]),
            out=tuple(sorted(self.out)),
        )
