"""What the rig hears and measures while a run goes on, and what of it is shown."""

import json
import math
import os
import time
from dataclasses import dataclass, field
from typing import Any

from hil.fleet import Fleet
from hil.frequency import Frequency
from hil.measure.droop import asked_mw
from hil.plumbing import Child, cpu_s, rss_mb

IO_KEYS = ("writes", "failed_writes", "reconnects")
DAEMON = "vppd"


@dataclass(frozen=True, slots=True)
class Sample:
    """Memory and load over one second; t_s since t0."""

    t_s: float
    daemon_rss_mb: float
    daemon_cpu_pct: float
    bench_cpu_pct: float

    def row(self) -> list[float]:
        """Row of `samples` in run.json."""
        return [self.t_s, self.daemon_rss_mb, self.daemon_cpu_pct, self.bench_cpu_pct]


class Load:
    """CPU time and memory of the processes of a run."""

    def __init__(self) -> None:
        self.children: dict[str, list[Child]] = {}
        self.gone_s: dict[str, float] = {}  # CPU time of processes that are no more
        self.samples: list[Sample] = []
        self._before: dict[str, float] = {}
        self._before_s = 0.0

    def add(self, name: str, child: Child) -> None:
        """Count a process under a name."""
        self.children.setdefault(name, []).append(child)

    def retire(self, name: str, child: Child) -> None:
        """Keep the CPU time of a process that is about to be killed."""
        self.gone_s[name] = self.gone_s.get(name, 0.0) + cpu_s(child.pid)
        self.children[name].remove(child)

    def cpu_s(self) -> dict[str, float]:
        """CPU time so far, s, by name."""
        found = {"rig": time.process_time()}
        for name, children in self.children.items():
            found[name] = self.gone_s.get(name, 0.0) + sum(cpu_s(c.pid) for c in children)
        return found

    def sample(self, t0_s: float) -> None:
        """Measure since the last call."""
        now, now_s = self.cpu_s(), time.monotonic()
        if self._before:
            pct = 100.0 / (now_s - self._before_s)
            spent = {key: pct * (now[key] - self._before.get(key, 0.0)) for key in now}
            daemon = self.children.get(DAEMON, [])
            self.samples.append(
                Sample(
                    t_s=round(now_s - t0_s, 3),
                    daemon_rss_mb=round(sum(rss_mb(child.pid) for child in daemon), 1),
                    daemon_cpu_pct=round(spent.pop(DAEMON, 0.0), 1),
                    bench_cpu_pct=round(sum(spent.values()), 1),
                )
            )
        self._before, self._before_s = now, now_s

    def mean_pct(self, since: dict[str, float], since_s: float) -> dict[str, float]:
        """Mean load, % of one core, by name, since an earlier `cpu_s()`."""
        now, span_s = self.cpu_s(), time.monotonic() - since_s
        return {k: round(100.0 * (now[k] - since.get(k, 0.0)) / span_s, 1) for k in now}


@dataclass(slots=True)
class Watch:
    """What the processes of a run last said of themselves."""

    wires: dict[int, dict[str, Any]] = field(default_factory=dict)
    tso: dict[str, Any] = field(default_factory=dict)
    plant_told: dict[str, Any] = field(default_factory=dict)  # what the plant told the TSO
    daemon: dict[str, Any] = field(default_factory=dict)  # its status; empty: not to be had
    realtime: dict[str, str] | None = None  # what the daemon was granted; None: not told
    alarms: list[str] = field(default_factory=list)  # faults that the rig injected, now
    wires_ready: int = 0
    tso_ready: bool = False
    grid: Frequency | None = None  # of the scenario
    freq_hz: float = math.nan  # as the TSO sent it

    def hear_wire(self, process: int, line: str) -> None:
        """Take a line of a wire process."""
        message = json.loads(line)
        if message.get("ready"):
            self.wires_ready += 1
        else:
            self.wires[process] = message

    def hear_tso(self, line: str) -> None:
        """Take a line of the TSO."""
        message = json.loads(line)
        if message.get("ready"):
            self.tso_ready = True
        elif "plant" in message:
            self.plant_told = message["plant"]
        elif "freq_hz" in message:
            self.freq_hz = message["freq_hz"]
        else:
            self.tso = message

    @property
    def following(self) -> int:
        """Units that follow the daemon."""
        return sum(int(line.get("following", 0)) for line in self.wires.values())

    def io(self) -> dict[str, int]:
        """Return the daemon's counters since its start; what is not to be had is missing."""
        told = self.daemon.get("io", {})
        return {key: int(told[key]) for key in IO_KEYS if key in told}

    def frame(self, fleet: Fleet, phase: str, t_s: float) -> dict[str, Any]:
        """Give what `hil.screen.Frame` shows; what is not known is left out."""
        shown: dict[str, Any] = {"phase": phase, "units_total": len(fleet.units)}
        shown["alarms"] = list(self.alarms)
        if not phase:
            shown["t_s"] = t_s
        if self.wires:
            shown["by_kind"] = self._by_kind_mw(fleet)
            shown["plant_mw"] = sum(float(line["p_mw"]) for line in self.wires.values())
        if "pu" in self.tso:
            pu = float(self.tso["pu"])
            shown["signal_pu"] = pu
            shown["request_mw"] = fleet.basepoint_mw + pu * fleet.regulation_mw + self._droop_mw()
            if self.tso.get("status") not in ("accepted", None):
                shown["alarms"].append(f"AGC {self.tso['status']}")
        if self.daemon:
            shown.update(_of_daemon(self.daemon))
        return shown

    def _droop_mw(self) -> float:
        """Part of the request that the droop asks for."""
        if self.grid is None or self.grid.droop is None:
            return 0.0
        return float(asked_mw(self.freq_hz, self.grid.droop, self.grid.source.nominal_hz))

    def _by_kind_mw(self, fleet: Fleet) -> dict[str, float]:
        """Power around the basepoints, by kind."""
        sums = dict.fromkeys(fleet.counts("kind"), 0.0)
        for line in self.wires.values():
            for kind, p_mw in line["by_kind"].items():
                sums[kind] += float(p_mw)
        for unit in fleet.units:
            sums[unit.kind] -= unit.basepoint_mw
        return sums


def _of_daemon(status: dict[str, Any]) -> dict[str, Any]:
    """Keys of a frame that come from the daemon's status."""
    timing, power = status.get("timing", {}), status.get("power", {})
    return {
        "mode": status.get("mode", ""),
        "units_online": status.get("units_online", 0),
        "unserved_mw": power.get("unserved_mw") or 0.0,
        "tick_us": timing.get("tick_us", {}),
        "lateness_ms": timing.get("lateness_ms", {}),
        "missed_ticks": timing.get("missed_ticks", 0),
        "benched": [
            {"id": each["id"], "reason": each["reason"]} for each in status.get("benched", [])
        ],
    }


def machine() -> dict[str, Any]:
    """What the run was made on."""
    return {"cores": os.cpu_count(), "load_1min": round(os.getloadavg()[0], 2)}
