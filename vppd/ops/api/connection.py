"""One connection of a client, with a limit on how long it may take and how many a client may have.

uvicorn waits for ever for the rest of a request, and for a client to read its answer: some hundred
half requests would lock everybody out, the operators first. A WebSocket leaves this class when it
is opened; its pings see to it that somebody reads.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S: Final = 10.0  # from the first to the last octet of a request
ANSWER_S: Final = 30.0  # for a client to take what is waiting for it
PER_CLIENT_MAX: Final = 200
Tell = Callable[..., None]


def limited(tell: Tell, request_s: float = REQUEST_S, answer_s: float = ANSWER_S) -> type[Any]:
    """Make the class of a server's connections; `tell` takes what was refused, as the gate's."""
    open_of: Counter[str] = Counter()

    class Connection(H11Protocol):
        """A connection whose client has to be quick."""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            """Count it; one too many of a client is cut off."""
            super().connection_made(cast("asyncio.Transport", transport))
            self._asking: asyncio.TimerHandle | None = None
            self._taking: asyncio.TimerHandle | None = None
            self._counted = self.client[0] if self.client else "?"
            open_of[self._counted] += 1
            if open_of[self._counted] > PER_CLIENT_MAX:
                self._cut(f"more than {PER_CLIENT_MAX} connections")
                return
            self._begin()

        def connection_lost(self, exc: Exception | None) -> None:
            """Forget it."""
            self._end()
            self._leave()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            """Take some of a request; the clock runs until all of it is there."""
            if self._asking is None:
                self._begin()
            super().data_received(data)
            if self.cycle is not None and not self.cycle.more_body:
                self._end()

        def handle_websocket_upgrade(self, event: Any) -> None:
            """Leave: another class goes on with it."""
            self._end()
            self._leave()
            super().handle_websocket_upgrade(event)

        def on_response_complete(self) -> None:
            """Wait for the next request, if there is one: keep-alive has a limit of its own."""
            self._end()
            super().on_response_complete()

        def pause_writing(self) -> None:
            """Begin to wait for the client to read."""
            super().pause_writing()
            if self._taking is None:
                loop = asyncio.get_running_loop()
                self._taking = loop.call_later(answer_s, self._cut, "does not read its answer")

        def resume_writing(self) -> None:
            """Go on: it reads."""
            super().resume_writing()
            if self._taking is not None:
                self._taking.cancel()
                self._taking = None

        def _begin(self) -> None:
            loop = asyncio.get_running_loop()
            self._asking = loop.call_later(request_s, self._cut, "half a request, and no more")

        def _end(self) -> None:
            if self._asking is not None:
                self._asking.cancel()
                self._asking = None

        def _leave(self) -> None:
            """Stop counting it, once."""
            if self._counted:
                open_of[self._counted] -= 1
                if not open_of[self._counted]:
                    del open_of[self._counted]
                self._counted = ""

        def _cut(self, why: str) -> None:
            client = self.client[0] if self.client else "?"
            tell(who="", client=client, what="connection", why=why)
            self.transport.abort()

    return Connection
