"""The api process's end of the pipe from the daemon."""

import asyncio
import json
from typing import Any, Final, cast

from vppd.ops.api.hello import Hello, Inputs, Unpack
from vppd.ops.api.hub import Hub
from vppd.ops.api.wire import FROM_DAEMON_MAX, Kind, Splitter, message

ANSWER_S: Final = 5.0
INPUTS_YOUNG_S: Final = 0.5


class DaemonGoneError(Exception):
    """The daemon does not answer."""


class DaemonLink(asyncio.Protocol):
    """Takes what the daemon sends; asks it for what is needed."""

    def __init__(self, hub: Hub, unpack: Unpack) -> None:
        self.hello: asyncio.Future[Hello] = asyncio.get_running_loop().create_future()
        self.closed = asyncio.Event()
        self._hub = hub
        self._unpack = unpack
        self._splitter = Splitter(FROM_DAEMON_MAX)
        self._transport: asyncio.Transport | None = None
        self._next_id = 1
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._inputs: Inputs | None = None
        self._inputs_at_s = -INPUTS_YOUNG_S
        self._inputs_wanted: asyncio.Future[Inputs] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        """The daemon is gone: so is this process, soon."""
        del error
        self.closed.set()
        for waiting in (self.hello, *self._answers.values(), self._inputs_wanted):
            if waiting is not None and not waiting.done():
                waiting.set_exception(DaemonGoneError("the daemon has ended"))

    def data_received(self, data: bytes) -> None:
        """Take whole messages."""
        for kind, payload in self._splitter.feed(data):
            self._take(kind, payload)

    def _take(self, kind: Kind, payload: bytes) -> None:
        if kind is Kind.FRAME:
            self._hub.take_frame(payload)
        elif kind is Kind.STATUS:
            self._hub.take_status(payload)
        elif kind is Kind.EVENTS:
            self._hub.take_events(payload)
        elif kind is Kind.ANSWER:
            answer = json.loads(payload)
            waiting = self._answers.pop(answer.pop("id"), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)
        elif kind is Kind.INPUTS:
            self._inputs = self._unpack.inputs(payload, self.hello.result().params)
            self._inputs_at_s = asyncio.get_running_loop().time()
            if self._inputs_wanted is not None and not self._inputs_wanted.done():
                self._inputs_wanted.set_result(self._inputs)
            self._inputs_wanted = None
        elif kind is Kind.HELLO and not self.hello.done():
            self.hello.set_result(self._unpack.hello(payload))

    def say(self, do: str, **fields: Any) -> int:
        """Send a request that nobody waits for; its id."""
        number = self._next_id
        self._next_id += 1
        if self._transport is not None and not self._transport.is_closing():
            data = json.dumps({"id": number, "do": do, **fields}, allow_nan=False).encode()
            self._transport.write(message(Kind.REQUEST, data))
        return number

    async def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """Send a request and wait for its answer. Raises DaemonGoneError."""
        number = self.say(do, **fields)
        self._inputs_at_s = -INPUTS_YOUNG_S  # what stands may change by it
        waiting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = waiting
        try:
            return await asyncio.wait_for(waiting, ANSWER_S)
        except TimeoutError as error:
            raise DaemonGoneError("the daemon does not answer") from error
        finally:
            self._answers.pop(number, None)
            self._inputs_at_s = -INPUTS_YOUNG_S

    async def inputs(self) -> Inputs:
        """All of the last tick; at most half a second old. Raises DaemonGoneError."""
        loop = asyncio.get_running_loop()
        if self._inputs is not None and loop.time() - self._inputs_at_s < INPUTS_YOUNG_S:
            return self._inputs
        if self._inputs_wanted is None:
            self._inputs_wanted = loop.create_future()
            self.say("inputs")
        try:
            return await asyncio.wait_for(asyncio.shield(self._inputs_wanted), ANSWER_S)
        except TimeoutError as error:
            self._inputs_wanted = None
            raise DaemonGoneError("the daemon has not finished its first tick") from error
