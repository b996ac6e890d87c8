"""A recording made by hand, with known answers: four units, two processes, one tick a second."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from hil import fleet, recording
from hil.scenario import FaultsConfig

T0_S = 1000.0
RATED_MW = {"bat001": 8.0, "bat002": 4.0, "ev001": 3.0, "pv001": 5.0}
BASEPOINT_MW = {"bat001": 0.0, "bat002": 0.0, "ev001": -1.5, "pv001": 4.0}
PROCESS = {"bat001": 0, "bat002": 1, "ev001": 0, "pv001": 1}
REGULATION_MW = 10.0
DELAY_S = {"bat001": 0.030, "bat002": 0.040, "ev001": 0.050, "pv001": 0.060}
LINK_S = {"bat001": 0.010, "bat002": 0.010, "ev001": 0.010, "pv001": 0.045}
FAKE_VPPD = """\
raw=$(dirname "$2")/raw
if [ "$1" = export ]; then
    cat "$raw/export.jsonl"
else
    cat "$raw/replay.json"
    grep -q '"bit_exact": true' "$raw/replay.json"
fi
"""


def unit(index: int, name: str) -> fleet.Unit:
    kind = {"bat": "battery", "ev0": "ev_hub", "pv0": "pv"}[name[:3]]
    store = kind == "battery"
    rated = RATED_MW[name]
    return fleet.Unit(
        index=index,
        id=name,
        kind=kind,
        maker=f"maker_{kind}",
        protocol="mqtt" if kind == "ev_hub" else "modbus",
        port=0,
        process=PROCESS[name],
        rated_mw=rated,
        basepoint_mw=BASEPOINT_MW[name],
        p_min_mw={"battery": -rated, "ev_hub": -rated, "pv": 0.0}[kind],
        p_max_mw={"battery": rated, "ev_hub": 0.0, "pv": rated}[kind],
        ramp_mw_per_s=rated if store else 0.2 * rated,
        dead_time_s=0.0,
        lag_s=0.1,
        dead_time_true_s=0.0,
        lag_true_s=0.1,
        watchdog_s=10.0,
        fallback_mw=BASEPOINT_MW[name],
        cost=1.0,
        energy_mwh=2.0 * rated if store else None,
        soc_min_pu=0.1,
        soc_max_pu=0.9,
        soc_start_pu=0.5,
        efficiency_charge_pu=0.95,
        efficiency_discharge_pu=0.95,
        available_mw=rated,
        departure_s=0.0,
        room_tau_s=0.0,
        comfort_k=0.0,
    )


NAMES = list(RATED_MW)
BY_UNIT = ("p_setpoint_mw", "send", "held_by", "accepted_mw", "accepted_at_s", "measured_at_s")
BASE_SUM_MW = sum(BASEPOINT_MW.values())


@dataclass
class Run:
    """What is recorded; a test changes it, then calls `write`."""

    duration_s: float = 100.0
    agc_pu: Callable[[float], float] = lambda t: 1.0 if (t // 20.0) % 2 else -1.0
    lag_s: float = 4.0  # the plant does exactly what was asked so long ago
    soc: dict[str, float] = field(default_factory=lambda: dict.fromkeys(NAMES, 0.5))
    socket_delay_s: float = 0.030  # TSO -> the daemon's socket
    tick_delay_s: float = 0.002  # socket -> start of the tick
    writes: list[tuple[float, int, float, int]] = field(default_factory=list)
    ticks: list[dict[str, Any]] = field(default_factory=list)
    holes: list[tuple[int, float, float]] = field(default_factory=list)  # process, from, to
    events: list[tuple[float, int, str, str]] = field(default_factory=list)
    run: dict[str, object] = field(default_factory=dict)
    autonomous: tuple[int, float, float] = (-1, 0.0, 0.0)  # unit, from, to
    slow: dict[str, float] = field(default_factory=dict)  # ramps of units, MW/s
    cut: tuple[float, float] = (0.0, 0.0)  # AGC values in between are not sent
    links: list[tuple[float, int, recording.LinkChange]] = field(default_factory=list)
    told: list[tuple[float, int, int]] = field(default_factory=list)  # t_s, agc_flags, mode
    daemon_yaml: str = ""
    replay: dict[str, object] = field(
        default_factory=lambda: {
            "ticks": 100,
            "bit_exact": True,
            "missed_ticks": 0,
            "chain_ok": True,
            "bytes": 12345,
        }
    )

    def __post_init__(self) -> None:
        """Ticks each second, the even ones by a fresh AGC value; every unit gets every setpoint."""
        for k in range(int(self.duration_s)):
            fresh = k % 2 == 0
            delay_s = self.socket_delay_s + self.tick_delay_s if fresh else 0.0
            self.tick(k, T0_S + k + delay_s, fresh)

    def setpoints(self, k: int) -> list[float]:
        """Setpoints of tick k: far from all limits, and no two ticks alike."""
        offset = 0.2 * np.sin(0.7 * k + np.arange(4))
        return [BASEPOINT_MW[n] * 0.9 + float(o) for n, o in zip(NAMES, offset, strict=True)]

    def tick(self, k: int, now_s: float, fresh: bool) -> None:
        values = self.setpoints(k)
        self.ticks.append(
            {
                "tick": k,
                "now_s": now_s,
                "trigger": "AGC" if fresh else "GRID",
                "verdict": "FRESH" if fresh else "UNCHANGED",
                "agc_pu": self.agc_pu(k - k % 2),
                "agc_received_s": T0_S + k - k % 2 + self.socket_delay_s + 0.001,
                "regulation_mw": REGULATION_MW * self.agc_pu(k - k % 2),
                "request_mw": 0.0,
                "served_mw": 0.0,
                "unserved_mw": 0.25,
                "mode": "REGULATING",
                "late_s": 0.0001 * (k % 10),
                "tick_us": 100.0 + k,
                "p_setpoint_mw": values,
                "send": [1, 1, 1, 1],
                "accepted_mw": self.setpoints(k - 1),
                "accepted_at_s": [now_s - 1.0] * 4,
                "measured_at_s": [now_s - 0.5] * 4,
                "held_by": ["NONE"] * 4,
            }
        )
        for u, name in enumerate(NAMES):
            self.writes.append((now_s + DELAY_S[name], u, values[u], 0))

    def write(self, out_dir: Path) -> tuple[str, ...]:
        """Write `out_dir/raw` and a stand-in for the daemon's reader; return its command."""
        raw = out_dir / "raw"
        raw.mkdir(parents=True)
        (out_dir / "journal").mkdir()
        units = tuple(
            replace(unit(i, n), ramp_mw_per_s=self.slow.get(n, unit(i, n).ramp_mw_per_s))
            for i, n in enumerate(NAMES)
        )
        made = fleet.Fleet("hand", 7, 7, REGULATION_MW, 0, (0.02, 0.08), FaultsConfig.none(), units)
        made.write(raw / "fleet.json")
        self._write_wire(raw)
        self._write_tso(raw)
        head = {"t0_s": T0_S, "duration_s": self.duration_s, "seed": 7, "scenario": "hand"}
        (raw / "run.json").write_text(json.dumps({**head, **self.run}))
        self._write_export(raw)
        (raw / "replay.json").write_text(json.dumps(self.replay))
        if self.daemon_yaml:
            (out_dir / "daemon.yaml").write_text(self.daemon_yaml)
        script = out_dir / "fake_vppd.sh"
        script.write_text(FAKE_VPPD)
        return ("/bin/sh", str(script))

    def _write_export(self, raw: Path) -> None:
        """As `vppd export --arrays` does; the daemon has the units in another order."""
        lines = []
        for k, tick in enumerate(self.ticks):
            arrays = {key: tick[key][::-1] for key in BY_UNIT}
            for key in ("expected_mw", "lower_mw", "upper_mw"):
                arrays[key] = arrays["p_setpoint_mw"]
            units = {"units": NAMES[::-1]} if k == 0 else {}
            lines.append(json.dumps({**tick, **units, **arrays}) + "\n")
        (raw / "export.jsonl").write_text("".join(lines))

    def _write_wire(self, raw: Path) -> None:
        for process in (0, 1):
            mine = [u for u, n in enumerate(NAMES) if PROCESS[n] == process]
            writer = recording.Writer(raw, process, mine)
            for row in sorted(w for w in self.writes if w[1] in mine):
                writer.setpoint(*row, link_s=LINK_S[NAMES[row[1]]])
            for k in range(-20, int(self.duration_s * 10) + 20):
                t_s = T0_S + k / 10
                holes = [h for h in self.holes if h[0] == process]
                if not any(a <= t_s < b for _, a, b in holes):
                    power = [self.power(u, t_s) for u in mine]
                    soc = [self.soc[NAMES[u]] if u < 2 else np.nan for u in mine]
                    alone, since_s, until_s = self.autonomous
                    state = [int(u != alone or not since_s <= t_s < until_s) for u in mine]
                    writer.power(
                        t_s, np.array(power), np.array(soc), np.array(state, dtype=np.uint8)
                    )
            for event in self.events:
                if process == 0:
                    writer.event(*event)
            for link in sorted(row for row in self.links if row[1] in mine):
                writer.link(*link)
            writer.close()

    def _write_tso(self, raw: Path) -> None:
        with (raw / "tso.csv").open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(recording.TSO_COLUMNS)
            for seq, t in enumerate(np.arange(-2.0, self.duration_s, 2.0).tolist()):
                sent_s, pu = T0_S + t, self.agc_pu(t)
                if self.cut[0] <= t < self.cut[1]:
                    out.writerow([sent_s, "nan", seq, pu, "cut"])
                else:
                    out.writerow([sent_s, sent_s + self.socket_delay_s, seq, pu, "accepted"])

        if self.told:
            with (raw / "tso.inputs.csv").open("w", newline="") as file:
                out = csv.writer(file)
                out.writerow(recording.INPUT_COLUMNS)
                out.writerows([t_s, 0.0, 1, 0.0, flags, mode, 4] for t_s, flags, mode in self.told)

    def power(self, u: int, t_s: float) -> float:
        """Power of a unit: its share of the request of `lag_s` ago, by rated power."""
        share = RATED_MW[NAMES[u]] / sum(RATED_MW.values())
        t = t_s - T0_S - self.lag_s + 1e-6
        return BASEPOINT_MW[NAMES[u]] + share * REGULATION_MW * self.agc_pu(t - t % 2.0)
