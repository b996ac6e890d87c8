"""The TSO's process: AGC by its own clock, a poll of the plant after each value, and the record.

Orders of the rig come as lines of JSON on stdin (`start`, `stop`; its end is a stop, too); lines on
stdout tell how things are.
"""

import asyncio
import json
import math
import signal as signals
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import Any

from hil import recording
from hil.faults import fault, stream
from hil.faults.agenda import Agenda
from hil.faults.fault import NOBODY
from hil.faults.signal import Sent, SignalState
from hil.scenario import EventConfig, FrequencySource, SignalSource
from hil.scenario.frequency import from_json
from hil.tso import frequency, signal
from hil.tso.hertz import FrequencySender
from hil.tso.master import Inputs, TsoLink

LEAD_VALUES = 2  # sent before the scored run: it begins with a plant that is on AGC already


@dataclass(frozen=True, slots=True)
class Spec:
    """What the rig tells the TSO."""

    port: int
    seed: int
    duration_s: float
    latency_s: tuple[float, float]
    source: SignalSource
    cuts: tuple[EventConfig, ...]
    frequency: FrequencySource = field(default_factory=FrequencySource)

    def write(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1))


def read(path: Path) -> Spec:
    """Read what `Spec.write` wrote."""
    record = json.loads(path.read_text())
    source = record["source"]
    source["steps"] = tuple((float(t_s), float(pu)) for t_s, pu in source["steps"])
    return Spec(
        port=record["port"],
        seed=record["seed"],
        duration_s=record["duration_s"],
        latency_s=(record["latency_s"][0], record["latency_s"][1]),
        source=SignalSource(**source),
        cuts=tuple(EventConfig(**{**cut, "units": tuple(cut["units"])}) for cut in record["cuts"]),
        frequency=from_json(record["frequency"]),
    )


class TsoProcess:
    """One run of the TSO. `measured`: the frequency where it is none of the TSO's own making."""

    def __init__(
        self,
        spec: Spec,
        raw_dir: Path,
        clock: Callable[[], float] = time.monotonic,
        measured: frequency.At | None = None,
    ) -> None:
        self.spec = spec
        self.clock = clock
        self.stopping = asyncio.Event()
        self.link = TsoLink(spec.port, stream(spec.seed, NOBODY, "tso"), spec.latency_s, clock)
        self._series = signal.series(spec.source, spec.seed, spec.duration_s)
        self._signal = SignalState(
            lambda t_s: self._series.at(max(t_s, 0.0)), spec.source.interval_s
        )
        self._faults = [
            each for each in fault.read(raw_dir / "faults.json") if each.kind.startswith("signal_")
        ]
        self._agc_file = recording.append_file(raw_dir / "tso.csv")
        self._input_file = recording.append_file(raw_dir / "tso.inputs.csv")
        self._event_file = recording.append_file(raw_dir / "tso.events.jsonl")
        self._row(self._agc_file, *recording.TSO_COLUMNS)
        self._row(self._input_file, *recording.INPUT_COLUMNS)
        self._hertz: FrequencySender | None = None
        at = measured or frequency.source(spec.frequency, spec.duration_s)
        if at is not None:
            file, interval_s = raw_dir / "tso.frequency.csv", spec.frequency.interval_s
            self._hertz = FrequencySender(
                self.link, at, interval_s, file, clock, self._is_silent, self._say
            )
        self._t0_s: asyncio.Future[float] | None = None

    async def run(self) -> None:
        """Connect, wait for the start, send until told to stop."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signals.SIGTERM, self.stopping.set)
        loop.add_signal_handler(signals.SIGINT, lambda: None)  # Ctrl-C: the rig stops us in order
        self._t0_s = loop.create_future()
        tasks = [
            asyncio.create_task(self._orders()),
            asyncio.create_task(self._keep()),
            asyncio.create_task(self._send()),
            asyncio.create_task(self._send_frequency()),
            asyncio.create_task(self.stopping.wait()),
        ]
        self._say({"ready": True, "seed": self.spec.seed})
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        self.link.close()
        self.close_files()
        for task in done:
            task.result()  # a failure ends the process, visibly

    async def _orders(self) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            order = json.loads(line)
            if order["do"] != "start":
                break
            if self._t0_s is not None and not self._t0_s.done():
                self._t0_s.set_result(float(order["t0_s"]))

    async def _keep(self) -> None:
        """Keep the link up, but for the cuts that close it."""
        assert self._t0_s is not None  # noqa: S101  (made before this task)
        keeper = asyncio.create_task(self.link.keep())
        try:
            t0_s = await asyncio.shield(self._t0_s)
            for cut in sorted(self.spec.cuts, key=lambda each: each.at_s):
                await self._until(t0_s + cut.at_s)
                self._event("agc_cut", f"{cut.how}, {cut.duration_s:g} s")
                if cut.how == "closed":
                    keeper.cancel()
                    self.link.close()
                await self._until(t0_s + cut.at_s + cut.duration_s)
                self._event("agc_back")
                if cut.how == "closed":
                    keeper = asyncio.create_task(self.link.keep())
            await keeper
        finally:
            keeper.cancel()

    async def _send(self) -> None:
        """Send each value at its instant; poll the plant half an interval later."""
        assert self._t0_s is not None  # noqa: S101  (made before this task)
        t0_s = await asyncio.shield(self._t0_s)
        interval_s = self.spec.source.interval_s
        agenda = Agenda(self._faults, t0_s, lambda _: self._signal, self._note_fault)
        number = -LEAD_VALUES
        while True:
            due_s = t0_s + number * interval_s
            await self._until(due_s)
            agenda.run_due(self.clock())
            await self._send_one(number * interval_s, self._signal.sent(number * interval_s))
            await self._until(due_s + 0.5 * interval_s)
            if not self._is_cut(self.clock() - t0_s, "closed"):
                self._note_inputs(await self.link.poll())
            number += 1

    async def _send_frequency(self) -> None:
        """Send the frequency; wait for ever where there is none."""
        assert self._t0_s is not None  # noqa: S101  (made before this task)
        t0_s = await asyncio.shield(self._t0_s)
        if self._hertz is None:
            await asyncio.get_running_loop().create_future()
            return
        source = self.spec.source
        lead_s = LEAD_VALUES * source.interval_s
        await self._hertz.run(t0_s, lead_s, select=source.select)

    def _is_silent(self, t_s: float) -> bool:
        return self._is_cut(t_s, "closed") or self._is_cut(t_s, "silent")

    def close_files(self) -> None:
        """End the records."""
        for file in (self._agc_file, self._input_file, self._event_file):
            file.close()
        if self._hertz is not None:
            self._hertz.close()

    async def _send_one(self, t_s: float, value: Sent | None) -> None:
        """Send the value of an instant of the run; None: a fault keeps it back."""
        sent_s, socket_s = self.clock(), math.nan
        shown = value or Sent(self._series.at(max(t_s, 0.0)), t_s)
        if self._is_silent(t_s):
            status = "cut"
        elif value is None:
            status = "stale"
        else:
            status = await self.link.send_agc(value.pu, select=self.spec.source.select)
            socket_s = self.link.socket_s if status != "down" else math.nan
        number = round(shown.of_s / self.spec.source.interval_s)
        pu = f"{shown.pu:.9g}"
        self._row(self._agc_file, f"{sent_s:.6f}", f"{socket_s:.6f}", number, pu, status)
        self._say({"t_s": sent_s, "pu": shown.pu, "status": status})

    def _is_cut(self, t_s: float, how: str) -> bool:
        return any(
            cut.how == how and cut.at_s <= t_s < cut.at_s + cut.duration_s for cut in self.spec.cuts
        )

    def _note_inputs(self, inputs: Inputs | None) -> None:
        if inputs is not None:
            self._row(self._input_file, f"{self.clock():.6f}", *astuple(inputs))
            self._say({"plant": asdict(inputs)})

    async def _until(self, instant_s: float) -> None:
        while (left_s := instant_s - self.clock()) > 0.0:
            await asyncio.sleep(left_s)

    def _event(self, kind: str, detail: str = "") -> None:
        self._note_fault(self.clock(), NOBODY, kind, detail)

    def _note_fault(self, t_s: float, unit: int, kind: str, detail: str) -> None:
        event = {"t_s": t_s, "unit": unit, "kind": kind, "detail": detail}
        self._event_file.write((json.dumps(event) + "\n").encode())

    @staticmethod
    def _row(file: Any, *values: object) -> None:
        file.write((",".join(map(str, values)) + "\n").encode())

    @staticmethod
    def _say(message: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
