"""The daemon's side of the API: starts the api process, feeds it, and carries out its orders.

Frames go out after everybody else was told of a tick; nothing here is awaited by the loop.
"""

import asyncio
import contextlib
import json
import math
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

import structlog

from vppd import __version__
from vppd.core.types import EventCode, Mode, Params, Reason, Verdict
from vppd.ops.api.frame import Beside, encode
from vppd.ops.api.hello import Hello, Inputs
from vppd.ops.api.wire import FROM_API_MAX, Kind, Splitter, WireError, message
from vppd.ops.beside import start
from vppd.ops.events import UNIT_EVENTS, UNSERVED_BEGAN, UNSERVED_ENDED
from vppd.ops.orders.book import Book, expired, load, pardoned, rekeyed
from vppd.ops.status import to_json
from vppd.runtime.console_pack import pack_hello, pack_inputs
from vppd.runtime.console_start import Api
from vppd.runtime.loop import Done
from vppd.runtime.ordering import Desk, alarm_order
from vppd.runtime.shell import Shell
from vppd.runtime.telling import measured_mw

log = structlog.get_logger()

ORDERS_NAME: Final = "orders.json"
WAITING_MAX: Final = 4 << 20  # bytes in the pipe; more, and frames are dropped
RESTART_S: Final = 1.0
IDLE_STATUS_S: Final = 5.0
FEW_UNITS: Final = 2000
ALARMS_MAX: Final = 500
GOOD: Final = {int(Verdict.FRESH), int(Verdict.UNCHANGED)}
Put = Callable[..., object]


class Console:
    """The api process, and what goes to and from it.

    Parameters
    ----------
    api : Api
        Its socket outlives the api process, so that no client is refused meanwhile.
    put_event : callable
        Takes (utc_s, event, **fields) for the journal.
    history : int
        Descriptor of the memory file in which the api process keeps figures: see `api.past`.
    """

    def __init__(
        self,
        api: Api,
        shell: Shell,
        *,
        site: str,
        state_dir: Path,
        journal: Path | None,
        utc: Callable[[], float],
        put_event: Put,
        history: int,
    ) -> None:
        self._api = api
        self._history = history
        self._shell = shell
        self._site = site
        self._journal = None if journal is None else str(journal)
        self._params = shell.params
        self._loop = shell.loop
        self._base = shell.loop.standing
        self._utc = utc
        self._put_event = put_event
        self._pipe: _Pipe | None = None
        self._done: Done | None = None
        self._viewers = 0  # whether anybody looks at units
        self._status_at_s = -math.inf
        self.frames_dropped = 0
        path = state_dir / ORDERS_NAME
        book, lost = load(self._params, path)
        self._tell_lost(lost)
        self.desk = Desk(self, self._params, book, path, utc, put_event)
        self._stand(book)

    def of_plant(self, params: Params) -> None:
        """Take over the units of a configuration that was reloaded, between two ticks.

        The api process begins anew: it knows units by their place.
        """
        book, lost = rekeyed(self.desk.book, self._params, params)
        self._params, self._base, self._done = params, self._loop.standing, None
        self._tell_lost(lost)
        self.desk.of_plant(params, book)
        self._stand(book)
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def _tell_lost(self, lost: Sequence[str]) -> None:
        for text in lost:
            log.error("order_lost", detail=text)
            self._put_event(self._utc(), "order_lost", detail=text)
            self._shell.alarms.order_lost(text[:200])

    # -- between two ticks ----------------------------------------------------------------------

    def publish(self, done: Done) -> None:
        """Leave a finished tick in the pipe. Never waits."""
        self._done = done
        self._expire()
        pipe = self._pipe
        if pipe is None:
            return
        if pipe.waiting > WAITING_MAX:
            self.frames_dropped += 1
            return
        beside = Beside(
            utc_s=done.meta.utc_s,
            measured_mw=measured_mw(done, self._params),
            tick_us=done.meta.tick_us,
            late_ms=1e3 * done.when.late_s,
            missed_ticks=done.meta.missed_ticks,
            units_online=self._shell.teller.units_online,
        )
        units = self._viewers > 0
        frame = encode(done.image, done.after, done.decision, beside, units=units)
        pipe.send(Kind.FRAME, frame)
        events = _events(done, self._params)
        if events:
            self.tell_events(events)
        self._publish_status(done)

    def _publish_status(self, done: Done) -> None:
        every_s = 1.0 if self._viewers and len(self._params.ids) <= FEW_UNITS else IDLE_STATUS_S
        if done.image.now_s - self._status_at_s >= every_s - 0.5 * self._params.tick_s:
            self._status_at_s = done.image.now_s
            self.publish_status()

    def publish_status(self) -> None:
        """Send status, orders and plans.

        Bounded, however many units are out: a frame says which, and nobody reads more alarms.
        """
        status = None if self._pipe is None else self._shell.teller.status(units=False)
        if status is None or self._pipe is None:
            return
        status = replace(status, alarms=status.alarms[:ALARMS_MAX])
        document = {
            "status": json.loads(to_json(status)),
            "orders": self.desk.rows(),
            "plans": self.desk.plan_rows(),
            "frames_dropped": self.frames_dropped,
        }
        self._pipe.send(Kind.STATUS, json.dumps(document, allow_nan=False).encode())

    def hear_event(self, utc_s: float, event: str, fields: Mapping[str, Any]) -> None:
        """Take in what goes into the journal."""
        row = {k: v if not isinstance(v, float) or math.isfinite(v) else None
               for k, v in fields.items()}  # fmt: skip
        self.tell_events([{"utc_s": utc_s, "event": event, **row}])

    def tell_events(self, events: list[dict[str, Any]]) -> None:
        """Send what happened."""
        if self._pipe is not None:
            self._pipe.send(Kind.EVENTS, json.dumps(events, allow_nan=False).encode())

    def _expire(self) -> None:
        book = self.desk.book
        if book.pardons:
            self.desk.book = pardoned(book)
            self._stand(self.desk.book)
        left, over = expired(self.desk.book, self._utc())
        if over:
            self.desk.ended(left, over)

    def _stand(self, book: Book) -> None:
        """Put a book in force, from the next tick on."""
        standing = book.standing(self._base, self._params)
        if self._loop.stopping:
            standing = replace(standing, order=self._loop.standing.order)
        self._loop.standing = self._shell.with_leaving(standing)

    def in_force(self, book: Book, *, at_once: bool) -> None:
        """Put a book in force; `at_once`: by a tick that starts now."""
        self._stand(book)
        if at_once:
            self._loop.start_now()
        self._status_at_s = -math.inf

    @property
    def setpoint_mw(self) -> Any:
        """Setpoints of the last tick, MW, shape (n,); None before the first."""
        return None if self._done is None else self._done.decision.p_setpoint_mw

    # -- the api process ------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep an api process alive."""
        while True:
            code = await self._serve()
            log.warning("api_ended", exit_code=code)
            await asyncio.sleep(RESTART_S)

    def _hello(self) -> Hello:
        links = tuple(unit.device.link for unit in self._shell.config.fleet)
        settings = self._api.settings
        return Hello(self._site, __version__, self._params, links, settings, self._journal)

    async def _serve(self) -> int | None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            fds = (theirs.fileno(), self._api.listening.fileno(), self._history)
            process = await start("vppd.runtime.console_worker", *map(str, fds), pass_fds=fds)
        log.info("api_started", pid=process.pid)
        pipe = _Pipe(self._take)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: pipe, sock=ours)
        pipe.send(Kind.HELLO, pack_hello(self._hello()))
        self._pipe = pipe
        self._status_at_s = -math.inf
        try:
            return await process.wait()
        finally:
            self._pipe, self._viewers = None, 0
            pipe.close()
            with contextlib.suppress(ProcessLookupError):
                process.terminate()

    def _take(self, data: bytes) -> None:
        """Take one request of the api process. Raises WireError."""
        try:
            request = json.loads(data)
        except ValueError as error:
            raise WireError(f"no JSON: {error}") from error
        if not isinstance(request, dict) or not isinstance(request.get("id"), int):
            raise WireError("no request")
        asked = request.get("do")
        if asked == "viewers":
            self._viewers = int(bool(request.get("units")))
        elif asked == "inputs":
            self._send_inputs()
        elif asked == "audit":
            self._audit(request)
        elif asked == "login":
            fields = {key: str(request.get(key, ""))[:100] for key in ("who", "role", "client")}
            self._tell("login", **fields)
        elif asked == "alarm":
            self._answer(self._pipe, request, alarm_order(self._shell.alarms, request))
        else:
            pipe = self._pipe
            task = asyncio.ensure_future(self.desk.take(request))
            task.add_done_callback(lambda done: self._answer(pipe, request, done.result()))

    def _answer(
        self, pipe: "_Pipe | None", request: dict[str, Any], answer: dict[str, Any]
    ) -> None:
        """Answer who asked: another api process counts its requests from 1 again."""
        self.publish_status()
        if pipe is not None:
            text = json.dumps({"id": request["id"], **answer}, allow_nan=False)
            pipe.send(Kind.ANSWER, text.encode())

    def _send_inputs(self) -> None:
        done, pipe = self._done, self._pipe
        if done is None or pipe is None or pipe.waiting > WAITING_MAX:
            return
        inputs = Inputs(
            done.meta.utc_s, done.before, done.image, done.after, done.decision, self._base,
            self.desk.book,
        )  # fmt: skip
        pipe.send(Kind.INPUTS, pack_inputs(inputs, self._params))

    def _audit(self, request: dict[str, Any]) -> None:
        fields = {key: str(request.get(key, ""))[:300] for key in ("who", "client", "what", "why")}
        self._tell("api_refused", **fields)
        if request.get("alarm") is False:
            return
        told = f"{fields['client']}: {fields['what']}, {fields['why']}"
        self._shell.alarms.peer_refused(told[:200])

    def _tell(self, event: str, **fields: str) -> None:
        log.info(event, **fields)
        utc_s = self._utc()
        self._put_event(utc_s, event, **fields)


class _Pipe(asyncio.Protocol):
    """The daemon's end of the socket to the api process."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._splitter = Splitter(FROM_API_MAX)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take whole requests; a process that breaks the form is cut off, and started anew."""
        try:
            for kind, payload in self._splitter.feed(data):
                self._take_one(kind, payload)
        except WireError as error:
            log.warning("api_misbehaves", detail=str(error))
            self.close()

    def _take_one(self, kind: Kind, payload: bytes) -> None:
        if kind is not Kind.REQUEST:
            raise WireError(f"a message of kind {kind.name}")
        self._take(payload)

    @property
    def waiting(self) -> int:
        """Bytes that the api process has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def send(self, kind: Kind, payload: bytes) -> None:
        """Leave a message. Never waits."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(message(kind, payload))

    def close(self) -> None:
        """Cut it off: the process ends when its pipe does."""
        if self._transport is not None:
            self._transport.abort()


def _events(done: Done, params: Params) -> list[dict[str, Any]]:
    """Events of a tick, as the journal browser shows them."""
    decision = done.decision
    rows = zip(
        decision.event_code.tolist(), decision.event_index.tolist(), decision.event_value.tolist(),
        strict=True,
    )  # fmt: skip
    events = []
    for code, index, value in rows:
        if code == EventCode.SIGNAL_VERDICT and {done.before.verdict, int(value)} <= GOOD:
            continue  # it goes to and fro with each value of AGC
        row: dict[str, Any] = {
            "utc_s": done.meta.utc_s,
            "event": UNIT_EVENTS.get(EventCode(code), EventCode(code).name.lower()),
            "tick": decision.tick,
        }
        if code == EventCode.MODE:
            row["mode"] = Mode(int(value)).name
        elif code == EventCode.SIGNAL_VERDICT:
            row["verdict"] = Verdict(int(value)).name
        elif code == EventCode.UNSERVED:
            row["event"] = UNSERVED_BEGAN if value else UNSERVED_ENDED
            row["unserved_mw"] = round(value, 3) + 0.0
        elif EventCode(code) in UNIT_EVENTS:
            row["reason"] = Reason(int(value)).name
        else:
            row["value"] = value if math.isfinite(value) else None
        if index >= 0:
            row["unit"] = params.ids[index]
        events.append(row)
    return events
