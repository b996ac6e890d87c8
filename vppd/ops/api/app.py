"""The HTTP API: who asks, what is answered. docs/api.md tells it from outside."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from importlib.resources import files
from math import isfinite
from typing import Annotated, Any, Final

from fastapi import FastAPI, HTTPException, Query, Request, Response, WebSocket
from fastapi import Path as InPath
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocketDisconnect, WebSocketState

from vppd.core.effect import Effect, effect
from vppd.core.types import GATE_OF, Gate, Mode, Reason, Verdict
from vppd.ops.api.daemon_link import DaemonGoneError, DaemonLink
from vppd.ops.api.effect_words import effect_words
from vppd.ops.api.frame import SCALARS
from vppd.ops.api.gate import COOKIE
from vppd.ops.api.guard import OFFER_S, Offers, Rate, Sessions, Who, checked_user
from vppd.ops.api.hello import Hello, Inputs
from vppd.ops.api.hub import Hub, Viewer
from vppd.ops.api.models import (
    Acted,
    AlarmBody,
    Confirmation,
    GivenOrder,
    Login,
    Me,
    Offer,
    OrderBody,
    PlanBody,
    Problem,
    Verb,
)
from vppd.ops.api.users import Role, User
from vppd.ops.orders.book import with_order
from vppd.ops.orders.form import OrderError, parse

HISTORY_NAMES: Final = (
    "utc_s", "agc_pu", "freq_hz", "request_mw", "measured_mw", "unserved_mw", "basepoint_mw",
    "capacity_up_mw", "capacity_down_mw", "promise_up_mw_2", "promise_down_mw_2",
    "promise_firm_up_mw_2", "promise_firm_down_mw_2", "late_ms", "tick_us", "mode",
)  # fmt: skip
REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    code: {"model": Problem, "description": text}
    for code, text in {
        400: "no such text: not JSON, or not UTF-8", 401: "not logged in", 403: "not for this role",
        413: "too large", 421: "called by a name that is not the console's", 422: "not of the form",
        429: "too many requests", 503: "the daemon does not answer yet",
    }.items()
}  # fmt: skip
NOT_FOUND: Final[dict[int | str, dict[str, Any]]] = {404: {"model": Problem}}
CONFLICT: Final[dict[int | str, dict[str, Any]]] = {409: {"model": Problem}}
ASKERS_MAX: Final = 16
SLIPS: Final = (400, 405, 409, 422)  # what a person does wrong who may do it

Audit = Callable[..., None]
Explain = Callable[[Hello, Inputs, str], dict[str, Any]]
Events = Callable[[int, str], list[dict[str, Any]]]


class Desk:
    """What the routes need."""

    def __init__(
        self,
        hello: Hello,
        link: DaemonLink,
        hub: Hub,
        users: dict[str, User],
        sessions: Sessions,
        offers: Offers,
        logins: Rate,
        audit: Audit,
        explain: Explain,
    ) -> None:
        self.hello = hello
        self.link = link
        self.hub = hub
        self.users = users
        self.sessions = sessions
        self.offers = offers
        self.logins = logins
        self.audit = audit
        self.explain = explain
        # One computation of a sort at a time, off the event loop: who asks why, or tries passwords,
        # holds up no order.
        self.ordering, self.checking, self.asking = (asyncio.Semaphore(1) for _ in range(3))
        self.askers = 0
        self.secure = hello.settings.tls_certificate is not None

    def refuse(
        self, request: Request, code: int, why: str, said: str | None = None
    ) -> HTTPException:
        """Refuse a request, and have it written down; `said`: what the client is told instead."""
        who: Who = request.state.who
        client = request.client.host if request.client else "?"
        what = f"{request.method} {request.url.path}"
        # An order that cannot be given is an operator's slip, no intruder.
        self.audit(who=who.name, client=client, what=what, why=why, alarm=code not in SLIPS)
        request.state.told = True
        return HTTPException(code, said or why)

    async def explained(self, request: Request, unit: str) -> dict[str, Any]:
        """Why a unit has its setpoint. Raises HTTPException when too many ask already."""
        if self.askers >= ASKERS_MAX:
            raise self.refuse(request, 429, f"{ASKERS_MAX} others ask already; try again")
        self.askers += 1
        try:
            inputs = await self.inputs()
            async with self.asking:
                return await asyncio.to_thread(self.explain, self.hello, inputs, unit)
        finally:
            self.askers -= 1

    def holds(self, who: Who) -> bool:
        """Whether somebody is still who they were: a session ends, and so does what it opened."""
        return not who.session or self.sessions.holds(who)

    def need(self, request: Request, role: Role) -> Who:
        """Who asks, if that role may. Raises HTTPException."""
        who: Who = request.state.who
        if who.role >= role:
            return who
        if not who.session:
            raise self.refuse(request, 401, "not logged in")
        raise self.refuse(request, 403, f"for {_a(role)}; {who.name} is {_a(who.role)}")

    async def inputs(self) -> Inputs:
        """Inputs of the last tick. Raises HTTPException."""
        try:
            return await self.link.inputs()
        except DaemonGoneError as error:
            raise HTTPException(503, str(error)) from error

    async def ask(self, request: Request, do: str, **fields: Any) -> dict[str, Any]:
        """Have the daemon do something. Raises HTTPException."""
        try:
            answer = await self.link.ask(do, **fields)
        except DaemonGoneError as error:
            unsure = f"{error}; whether it was done is not known: look at what is in force"
            raise HTTPException(503, unsure) from error
        if not answer.get("ok"):
            raise self.refuse(request, 409, str(answer.get("error")))
        return answer


def _a(role: Role) -> str:
    """Say "an operator", "a viewer"."""
    name = role.name.lower()
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def make_app(desk: Desk) -> FastAPI:
    """Build the application; the gate is put around it by who serves it."""
    app = FastAPI(
        title="vppd",
        version=desk.hello.version,
        summary="See and steer a virtual power plant",
        docs_url=None, redoc_url=None,  # they would be fetched from elsewhere
        openapi_url="/api/openapi.json",
        responses=REFUSED,
    )  # fmt: skip
    app.state.desk = desk
    _add_session_routes(app, desk)
    _add_reading_routes(app, desk)
    _add_order_routes(app, desk)
    _add_live_route(app, desk)
    app.mount("/", StaticFiles(packages=[("vppd.ops", "console")], html=True), name="console")
    return app


def _add_session_routes(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/session", summary="Who asks")
    async def me(request: Request) -> Me:
        who: Who = request.state.who
        return Me(name=who.name, role=who.role.name.lower(), users=bool(desk.users))

    @app.post("/api/session", summary="Log in; the session is a cookie")
    async def log_in(login: Login, request: Request, response: Response) -> Me:
        client = request.client.host if request.client else "?"
        if not desk.logins.allows(client):
            raise desk.refuse(request, 429, "too many logins; wait a minute")
        async with desk.checking:
            user = await asyncio.to_thread(checked_user, desk.users, login.name, login.password)
        if user is None:
            # A name that nobody has may be a password that slipped into the wrong field.
            whose = f"of {login.name!r}" if login.name in desk.users else "of nobody known"
            said = "wrong name or password"
            raise desk.refuse(request, 401, f"{said} {whose}", said)
        response.set_cookie(
            COOKIE, desk.sessions.open(user), max_age=int(desk.hello.settings.session_s),
            httponly=True, samesite="strict", secure=desk.secure, path="/",
        )  # fmt: skip
        desk.link.say("login", who=user.name, role=user.role.name.lower(), client=client)
        return Me(name=user.name, role=user.role.name.lower(), users=True)

    @app.delete("/api/session", status_code=204, summary="Log out")
    async def log_out(request: Request, response: Response) -> None:
        desk.sessions.close(request.state.who)
        response.delete_cookie(COOKIE, path="/")


def _add_reading_routes(app: FastAPI, desk: Desk) -> None:
    site = json.dumps(_site(desk.hello), allow_nan=False).encode()
    tag = f'"{hashlib.sha256(site).hexdigest()[:32]}"'

    @app.get("/api/site", summary="What does not change while the daemon runs")
    async def get_site(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        return Response(site, media_type="application/json", headers={"etag": tag})

    @app.get("/api/status", summary="Status, alarms, orders and plans")
    async def get_status() -> dict[str, Any]:
        if not desk.hub.status:
            raise HTTPException(503, "the daemon has not finished its first tick")
        return desk.hub.status

    @app.get(
        "/api/history", summary="Columns of the last ticks",
        response_model=dict[str, list[float | None]],
    )  # fmt: skip
    async def get_history(
        seconds: Annotated[float, Query(gt=0.0, le=7200.0)] = 3600.0,
    ) -> Response:
        found = desk.hub.history_json(list(HISTORY_NAMES), seconds)
        return Response(found, media_type="application/json")

    @app.get("/api/events", summary="Events, the newest first")
    async def get_events(
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
        contains: Annotated[str, Query(max_length=64)] = "",
        before_utc_s: Annotated[float, Query(ge=0.0, le=1e11)] = 1e11,
    ) -> list[dict[str, Any]]:
        return desk.hub.find_events(contains, before_utc_s, limit)

    @app.get(
        "/api/units/{unit}/why", summary="Why this setpoint: the three gates", responses=NOT_FOUND
    )
    async def get_why(
        unit: Annotated[str, InPath(min_length=1, max_length=64)],
        request: Request,
    ) -> dict[str, Any]:
        if unit not in desk.hello.params.ids:
            raise HTTPException(404, f"there is no unit {unit!r}")
        return await desk.explained(request, unit)


def _add_order_routes(app: FastAPI, desk: Desk) -> None:
    @app.post("/api/orders/preview", summary="What an order would do", responses=CONFLICT)
    async def preview(order: OrderBody, request: Request) -> Offer:
        who = desk.need(request, Role.OPERATOR)
        wanted = order.model_dump(exclude_none=True)
        inputs = await desk.inputs()
        try:
            async with desk.ordering:
                found = await asyncio.to_thread(_effect_of, desk.hello, inputs, wanted)
        except OrderError as error:
            raise desk.refuse(request, 409, str(error)) from error
        words = effect_words(found)
        confirmation = desk.offers.make(who, wanted, " ".join(words), inputs.book.newest)
        return Offer(
            words=_order_words(wanted), effect=_finite(asdict(found)), effect_words=words,
            confirmation=confirmation, valid_s=OFFER_S,
        )  # fmt: skip

    @app.post("/api/orders", summary="Confirm an order; once", responses=CONFLICT)
    async def confirm(body: Confirmation, request: Request) -> GivenOrder:
        who = desk.need(request, Role.OPERATOR)
        offer = desk.offers.take(who, body.confirmation)
        if isinstance(offer, str):
            raise desk.refuse(request, 409, offer)
        answer = await desk.ask(
            request, "order", who=who.name, role=who.role.name.lower(), why=body.why,
            order=offer.order, effect=offer.effect, seen=offer.seen,
        )  # fmt: skip
        return GivenOrder(number=answer["number"], order=answer["order"])

    @app.post("/api/plans", summary="Propose a plan", responses=CONFLICT)
    async def propose(body: PlanBody, request: Request) -> GivenOrder:
        who = desk.need(request, Role.ENGINEER)
        plan = body.model_dump(exclude={"why"})
        answer = await desk.ask(request, "propose", who=who.name, why=body.why, plan=plan)
        return GivenOrder(number=answer["number"], order=answer["order"])

    @app.post("/api/alarms/{alarm}/{verb}", summary="Act on an alarm", responses=CONFLICT)
    async def act(
        alarm: Annotated[str, InPath(min_length=1, max_length=100)],
        verb: Verb,
        body: AlarmBody,
        request: Request,
    ) -> Acted:
        who = desk.need(request, Role.OPERATOR)
        await desk.ask(
            request, "alarm", verb=verb, who=who.name, alarm=alarm, why=body.why, for_s=body.for_s
        )  # fmt: skip
        return Acted(alarm=alarm, verb=verb)


def _add_live_route(app: FastAPI, desk: Desk) -> None:
    @app.websocket("/api/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        viewer = Viewer()
        hub = desk.hub
        hub.viewers.add(viewer)
        desk.link.say("viewers", units=hub.wants_units)
        if hub.status_text:
            viewer.tell(hub.status_text)
        newest = hub.frame_units or hub.frame
        if newest is not None:
            viewer.offer(newest)
        listening = asyncio.create_task(_listen(socket, viewer, desk))
        sending = asyncio.create_task(_send(socket, viewer, desk))
        try:
            await asyncio.wait((listening, sending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (listening, sending):
                task.cancel()
                with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError, OSError):
                    await task
            hub.viewers.discard(viewer)
            desk.link.say("viewers", units=hub.wants_units)


async def _send(socket: WebSocket, viewer: Viewer, desk: Desk) -> None:
    """Send what there is, until the session ends by which it was opened."""
    while True:
        texts, frame = await viewer.next()
        if not desk.holds(socket.state.who):
            await socket.close(1008, "the session has ended")
            return
        for text in texts:
            await socket.send_text(text)
        if frame is not None:
            await socket.send_bytes(frame)


async def _listen(socket: WebSocket, viewer: Viewer, desk: Desk) -> None:
    """Hear "units" or "plant": whether the columns of units are wanted. Nothing else is said."""
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        if text not in ("units", "plant"):
            who: Who = socket.state.who
            client = socket.client.host if socket.client else "?"
            desk.audit(who=who.name, client=client, what="WebSocket", why="says what it may not")
            if socket.application_state is WebSocketState.CONNECTED:
                await socket.close(1008, "only units or plant")
            return
        viewer.units = text == "units"
        desk.link.say("viewers", units=desk.hub.wants_units)


def _effect_of(hello: Hello, inputs: Inputs, wanted: dict[str, Any]) -> Effect:
    """Effect of an order. Raises OrderError."""
    params = hello.params
    form = parse(wanted, params)
    setpoint_mw = inputs.decision.p_setpoint_mw
    book = with_order(inputs.book, form, params, setpoint_mw, "", "", inputs.utc_s)
    before = inputs.book.standing(inputs.base, params)
    after = book.standing(inputs.base, params)
    return effect(inputs.after, inputs.image, params, before, after)


def _order_words(wanted: dict[str, Any]) -> str:
    parts = []
    for key, value in wanted.items():
        if key == "kind":
            continue
        shown = value if not isinstance(value, list) else ", ".join(value[:5])
        more = f" and {len(value) - 5} more" if isinstance(value, list) and len(value) > 5 else ""
        parts.append(f"{key} {shown}{more}")
    return f"{wanted['kind'].replace('_', ' ')}: {'; '.join(parts)}" if parts else wanted["kind"]


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v if not isinstance(v, float) or isfinite(v) else None for k, v in row.items()}


def _site(hello: Hello) -> dict[str, Any]:
    params = hello.params
    columns = {
        name: [round(v, 6) if isfinite(v) else None for v in getattr(params, name).tolist()]
        for name in ("p_min_mw", "p_max_mw", "energy_mwh", "safe_mw")
    }
    return {
        "site": hello.site,
        "version": hello.version,
        "tick_s": params.tick_s,
        "freq_nominal_hz": params.freq_nominal_hz,
        "scalars": SCALARS,
        "units": {
            "id": params.ids, "kind": params.kinds, "link": hello.links,
            "group": params.unit_group.tolist(), **columns,
        },
        "groups": {"id": params.group_ids, "parent": params.group_parent.tolist()},
        "names": {
            "mode": [mode.name for mode in Mode],
            "verdict": [verdict.name for verdict in Verdict],
            "reason": [reason.name for reason in Reason],
            "gate": [Gate(GATE_OF[reason]).name.lower() for reason in Reason],
        },
    }  # fmt: skip


def console_folder() -> Any:
    """Folder of the page's files."""
    return files("vppd.ops") / "console"
