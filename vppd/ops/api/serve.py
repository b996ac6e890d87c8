"""Serves the API in its own process: one event loop, until the daemon ends."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import uvicorn

from vppd.ops.api.app import Desk, Explain, make_app
from vppd.ops.api.connection import limited
from vppd.ops.api.daemon_link import DaemonLink
from vppd.ops.api.gate import Gate
from vppd.ops.api.guard import Offers, Rate, Sessions
from vppd.ops.api.hello import Hello, Settings, Unpack
from vppd.ops.api.hub import Hub
from vppd.ops.api.past import Past
from vppd.ops.api.secrets import server_context, users_of
from vppd.ops.api.users import Role, User
from vppd.ops.beside import give_way

NICE: Final = 5
REQUESTS_PER_S, REQUESTS_BURST = 50.0, 400.0
LOGINS_PER_S, LOGINS_BURST = 0.1, 10.0
AUDITS_PER_S, AUDITS_BURST = 2.0, 100.0
KIND_PER_S, KIND_BURST = 0.5, 20.0  # of one client, for one reason
CONNECTIONS_MAX: Final = 500
WEBSOCKET_MAX: Final = 1024
QUOTE: Final = "'"
LOOPBACK: Final = frozenset(("localhost", "127.0.0.1", "::1"))
ANY: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, never bound to
PastEvents = Callable[[Path], list[dict[str, Any]]]


async def serve(
    pipe: socket.socket, listening: socket.socket, history: Past, unpack: Unpack,
    explain: Explain, past: PastEvents,
) -> None:  # fmt: skip
    """Serve until the daemon's end of the pipe is closed.

    Raises UsersError or OSError for users or a certificate that cannot be read.
    """
    hub = Hub(history)
    loop = asyncio.get_running_loop()
    link = DaemonLink(hub, unpack)
    await loop.create_connection(lambda: link, sock=pipe)
    hello = await link.hello
    users = users_of(hello.settings)
    audit = Audit(link, time.monotonic)
    app = gated(hello, link, hub, users, explain, audit)
    server = uvicorn.Server(_config(app, hello.settings, audit))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    reading = asyncio.create_task(_read_past(hello, hub, past))
    ended = asyncio.create_task(link.closed.wait())
    give_way(NICE)  # from here on: to start late helps nobody
    await asyncio.wait((serving, ended), return_when=asyncio.FIRST_COMPLETED)
    reading.cancel()
    server.should_exit = server.force_exit = True
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(serving, 1.0)


def gated(
    hello: Hello, link: DaemonLink, hub: Hub, users: dict[str, User], explain: Explain,
    audit: "Audit",
) -> Gate:  # fmt: skip
    """Put the application behind its gate."""
    settings = hello.settings
    clock = time.monotonic
    sessions = Sessions(clock, settings.session_s)
    logins = Rate(clock, LOGINS_PER_S, LOGINS_BURST)
    desk = Desk(hello, link, hub, users, sessions, Offers(clock), logins, audit, explain)
    return Gate(
        make_app(desk),
        sessions=sessions,
        rate=Rate(clock, REQUESTS_PER_S, REQUESTS_BURST),
        anonymous=Role[settings.anonymous.upper()],
        hosts=names_of(settings),
        secure=settings.tls_certificate is not None,
        audit=audit,
    )


def names_of(settings: Settings) -> frozenset[str]:
    """Names that a request may be for."""
    own = {settings.host.lower()} - set(ANY)
    names = {name.lower() for name in settings.hosts} | own | LOOPBACK
    if settings.host in ANY:
        names.add(socket.gethostname().lower())
    return frozenset(names)


class Audit:
    """Tells the daemon of what was refused; of a flood, how many more there were.

    A flood of one client for one reason uses up a part of what is told, so that nobody hides what
    he is after in noise.
    """

    def __init__(self, link: DaemonLink, clock: Callable[[], float]) -> None:
        self._link = link
        self._rate = Rate(clock, AUDITS_PER_S, AUDITS_BURST)
        self._kinds = Rate(clock, KIND_PER_S, KIND_BURST)
        self._more = 0

    def __call__(self, *, who: str, client: str, what: str, why: str, alarm: bool = True) -> None:
        """Tell of one refusal; `alarm` false: nothing that anybody need look into."""
        kind = f"{client} {who} {why.partition(QUOTE)[0][:40]}"  # what is quoted, others choose
        if not (self._kinds.allows(kind) and self._rate.allows("")):
            self._more += 1
            return
        more = f" (and {self._more} more before it)" if self._more else ""
        self._more = 0
        fields = {"who": who, "client": client, "what": what[:200], "why": (why + more)[:300]}
        self._link.say("audit", alarm=alarm, **fields)


def _config(app: Gate, settings: Settings, audit: Audit) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        loop="none",
        http=limited(audit),
        ws="websockets-sansio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws_max_size=WEBSOCKET_MAX,
        ws_per_message_deflate=False,  # frames are numbers: it would cost more than it saves
        ws_ping_interval=10.0,
        ws_ping_timeout=20.0,
        limit_concurrency=CONNECTIONS_MAX,
        h11_max_incomplete_event_size=16 << 10,
        timeout_keep_alive=30,
    )
    config.load()
    if settings.tls_certificate is not None:
        config.ssl = server_context(settings)
    return config


async def _read_past(hello: Hello, hub: Hub, past: PastEvents) -> None:
    """Read the journal's events before this start, off the event loop."""
    if hello.journal is None:
        return
    rows = await asyncio.to_thread(past, Path(hello.journal))
    known = {(event.row.get("utc_s"), event.row.get("event")) for event in hub.events}
    older = [row for row in rows if (row.get("utc_s"), row.get("event")) not in known]
    hub.add_events(older, older=True)
