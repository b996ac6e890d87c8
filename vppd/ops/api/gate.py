"""What every request passes before anything else looks at it.

    name it is called by -> rate -> size -> origin -> who -> may that role see it

The name: a page from elsewhere may have its own name point to this machine (DNS rebinding), and
would then be of our origin. The origin: a page from elsewhere may send what its reader's browser is
allowed to. What is refused is told to the daemon, which writes it into the journal.
"""

from collections.abc import Callable
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vppd.ops.api.guard import Rate, Sessions, Who
from vppd.ops.api.users import Role

COOKIE: Final = "vppd_session"
BODY_MAX: Final = 64 << 10
PLAN_MAX: Final = 2 << 20
SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
OPEN_PATHS: Final = ("/api/session",)  # to log in one need not be logged in
MALFORMED: Final = {
    400: "no such text: not JSON, or not UTF-8", 405: "no such method",
    422: "not of the form",
}  # fmt: skip
HEADERS: Final = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self'; object-src 'none';"
        " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
Audit = Callable[..., None]


class TooLargeError(Exception):
    """A body that grew beyond what is taken."""


class Gate:
    """ASGI middleware. Leaves who asks in `scope["state"]["who"]`."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        sessions: Sessions,
        rate: Rate,
        anonymous: Role,
        hosts: frozenset[str],
        secure: bool,
        audit: Audit,
    ) -> None:
        self._app = app
        self._sessions = sessions
        self._rate = rate
        self._anonymous = anonymous
        self._hosts = hosts
        self._secure = secure
        self._audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        who = self._who(headers)
        scope.setdefault("state", {})["who"] = who
        refusal = self._refusal(scope, headers, who)
        if refusal is not None:
            code, why = refusal
            self.tell(scope, who, why)
            await _refuse(code, why, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        await self._pass(scope, receive, send, who)

    def tell(self, scope: Scope, who: Who, why: str) -> None:
        """Tell the daemon what was refused."""
        what = f"{scope.get('method', 'WebSocket')} {scope['path']}"
        self._audit(who=who.name, client=_client(scope), what=what, why=why)

    def _tell_answer(self, scope: Scope, who: Who, status: int) -> None:
        """Tell of what the application refuses by itself: a body or method that is none of ours."""
        if status in MALFORMED and not scope["state"].get("told"):
            what = f"{scope['method']} {scope['path']}"
            why = MALFORMED[status]
            self._audit(who=who.name, client=_client(scope), what=what, why=why, alarm=False)

    async def _pass(self, scope: Scope, receive: Receive, send: Send, who: Who) -> None:
        body = _Bounded(receive, _body_max(scope))
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if body.too_large and not started:
                return  # whatever the application makes of a body that was cut off
            if message["type"] == "http.response.start":
                started = True
                self._tell_answer(scope, who, message["status"])
                _add_headers(message, secure=self._secure)
            await send(message)

        with suppress(TooLargeError):
            await self._app(scope, body.receive, answer)
        if body.too_large and not started:
            why = f"a body of more than {_body_max(scope)} bytes"
            self.tell(scope, who, why)
            await _refuse(413, why, scope, receive, send)

    def _who(self, headers: Headers) -> Who:
        token = _cookie(headers)
        found = self._sessions.who(token) if token else None
        return found or Who("", self._anonymous)

    def _refusal(self, scope: Scope, headers: Headers, who: Who) -> tuple[int, str] | None:
        """Code and reason; None: it may pass."""
        host = _host_of(headers.get("host", ""))
        if host not in self._hosts:
            return 421, f"called by the name {host[:80]!r}; see api.hosts"
        if not self._rate.allows(_client(scope)):
            return 429, "too many requests"
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > _body_max(scope):
            return 413, f"a body of more than {_body_max(scope)} bytes"
        acts = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        if acts and not _same_origin(headers):
            return 403, "it comes from another page"
        if who.role < Role.VIEWER and _is_protected(scope["path"]):
            return 401, "not logged in"
        return None


def _is_protected(path: str) -> bool:
    """The page itself has nothing of the plant in it; it has the form to log in."""
    return path.startswith("/api/") and path not in OPEN_PATHS


def _body_max(scope: Scope) -> int:
    return PLAN_MAX if scope["path"] == "/api/plans" else BODY_MAX


class _Bounded:
    """A body, with an end where no length was said or a wrong one."""

    def __init__(self, receive: Receive, size_max: int) -> None:
        self.too_large = False
        self._receive = receive
        self._left = size_max

    async def receive(self) -> Message:
        """Next part. Raises TooLargeError."""
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.too_large = True
            raise TooLargeError
        return message


def _client(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "?"


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _host_of(netloc: str) -> str:
    try:
        return (urlsplit(f"//{netloc}").hostname or "").lower()
    except ValueError:
        return ""


def _same_origin(headers: Headers) -> bool:
    """Whether it comes from our own page, or from no page at all."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    try:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    except ValueError:
        return False


def _add_headers(message: Message, *, secure: bool) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("cache-control", "no-cache")
    if secure:
        headers.setdefault("strict-transport-security", "max-age=31536000")


async def _refuse(code: int, why: str, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()  # the request to open
        await send({"type": "websocket.close", "code": 1008, "reason": why[:120]})
        return
    headers = {**HEADERS, "connection": "close"}
    await JSONResponse({"detail": why}, code, headers=headers)(scope, receive, send)
