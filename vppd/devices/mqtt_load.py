"""EV depot over MQTT, "maker D" (`docs/points.md`): JSON topics below a prefix.

The depot speaks by itself; `on_news` tells when it did. A retained telemetry or acknowledgement is
somebody's old one and is ignored; what we send is never retained.

An acknowledged mode is not yet one that is in force, and may be lost without a word. A depot that
tells mode, watchdog and fallback in its telemetry is held against them; one that does not tell the
mode is told it again twice in each watchdog time.
"""

import asyncio
import itertools
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import structlog

from vppd.config.fields import number, text
from vppd.config.schema import DeviceConfig, UnitConfig
from vppd.devices.base import NAN, Reading
from vppd.devices.meter import Meter
from vppd.links.base import Answer, LinkError, TopicLink
from vppd.points import messages
from vppd.points.messages import MessageError, parse_object

MAKER = "D"
RATING_TOLERANCE = 1.01
EXPIRY_S = 2.0
FOLLOW = "follow"
ASSERT_PU = 0.5  # of the watchdog time: a mode that is not told is asserted again after that
FUTURE_MAX_S = 2.0  # a time tag further ahead is that of a wrong clock

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MqttLoadConfig(DeviceConfig):
    """An EV depot of maker D on a broker."""

    DRIVER = "mqtt_load"
    LINK_TYPES: ClassVar[tuple[str, ...]] = ("mqtt",)

    prefix: str = field(
        metadata=text(
            "prefix of its topics, such as ev/ev071", pattern=r"[^#+$/][^#+]*[^#+/]|[^#+$/]"
        )
    )
    ack_timeout_s: float = field(
        default=0.5,
        metadata=number("s", "deadline of each acknowledgement", above=0.0, maximum=10.0),
    )
    telemetry_late_s: float = field(
        default=3.0,
        metadata=number(
            "s", "telemetry older by its own time tag is not new", above=0.0, maximum=60.0
        ),
    )
    silence_s: float = field(
        default=2.5,
        metadata=number("s", "without telemetry for longer a read fails", above=0.0, maximum=60.0),
    )

    def address_key(self) -> Hashable:
        """Two depots need different topics."""
        return self.prefix


class MqttLoad:
    """Driver of one depot."""

    def __init__(
        self,
        config: MqttLoadConfig,
        unit: UnitConfig,
        link: TopicLink,
        clock: Callable[[], float],
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.counts: Counter[str] = Counter()  # messages that were not taken, and why
        self._config = config
        self._unit = unit
        self._link = link
        self._clock = clock
        self._wall = wall
        # Begins where no daemon before this one has been, should the depot want it to grow.
        self._sequence = itertools.count(int(wall()))
        self._acks: dict[int, asyncio.Future[Answer]] = {}
        self._news = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        fallback_mw = unit.basepoint_mw if unit.fallback_mw is None else unit.fallback_mw
        self._dead_man = {
            "watchdog_s": unit.watchdog_s,
            **messages.DEPOT_FALLBACK.encode(fallback_mw),
        }
        self._assert_mode = True  # before the next setpoint
        self._asserted_s = -math.inf
        self._tells_mode = False
        self._meter = Meter(unit, wall)
        self._log = log.bind(device=unit.id)
        self._state = ""  # as said; empty: nothing yet
        self._rated_mw = math.nan
        self._reading: Reading | None = None
        self._heard_s = -math.inf
        self._late = ""
        self._fell_back = False
        for name, listener in (
            ("config", self._configured),
            ("state", self._state_said),
            ("telemetry", self._measured),
            ("ack", self._acknowledged),
        ):
            link.subscribe(f"{config.prefix}/{name}", self._checked(name, listener))
        link.on_change(lambda connected: None if connected else self._forget())

    def on_news(self, listener: Callable[[], None]) -> None:
        """Call `listener()` when telemetry has come (a read gives it at once), or it is back."""
        self._listeners.append(listener)

    async def start(self, read_only: bool = False) -> None:  # noqa: ARG002 - nothing is written here
        """Wait for what the depot says of itself, and check it. Raises LinkError.

        Mode, watchdog and fallback go out with the first setpoint: before it, the depot would
        follow an old one.
        """
        await self._wait_for(lambda: bool(self._state) and math.isfinite(self._rated_mw))
        self._require_online()
        if math.isnan(self._rated_mw):
            raise LinkError("no config of the depot")
        if self._unit.p_min_mw < self._rated_mw * RATING_TOLERANCE:
            raise LinkError(
                f"depot is rated {-self._rated_mw:g} MW, p_min_mw is {self._unit.p_min_mw:g}"
            )
        self._assert_mode = True
        if not self._tells_mode:
            self._fell_back = False  # else its telemetry tells when it is so

    async def write(self, p_setpoint_mw: float) -> Answer:
        """Send one setpoint, once; behind the mode, until that was accepted.

        It leaves at once or not at all: then this raises LinkError.
        """
        self._require_online()
        if not self._tells_mode and self._clock() >= self._assert_again_s():
            self._assert_mode = True
        try:
            setpoint = messages.DEPOT_SETPOINT.encode(p_setpoint_mw)
        except ValueError as error:
            raise LinkError(str(error)) from error
        sent: list[int] = []
        timeout_s = self._config.ack_timeout_s
        expiry = asyncio.get_running_loop().call_later(timeout_s, self._give_up, sent)
        try:
            if self._assert_mode:
                sent.append(self._send("mode", {"mode": FOLLOW, **self._dead_man}, qos=1))
            sent.append(self._send("set", setpoint, qos=0))
            answers = [await self._acks[sequence] for sequence in sent]
        finally:
            expiry.cancel()
            for sequence in sent:
                del self._acks[sequence]
        if Answer.UNKNOWN in answers:
            return Answer.UNKNOWN
        if Answer.REFUSED in answers:
            return Answer.REFUSED
        if self._assert_mode:
            self._assert_mode = False
            self._asserted_s = self._clock()
        return Answer.ACCEPTED

    async def read(self) -> Reading:
        """Newest telemetry; waits only for the first of a connection. Raises LinkError.

        No setpoint waits for a depot that speaks when it likes: what is young is given again.
        """
        if self._reading is None:
            await self._wait_for(lambda: self._reading is not None)
        self._require_online()
        if self._reading is None or self._clock() - self._heard_s > self._config.silence_s:
            raise LinkError(self._late or f"no telemetry for {self._config.silence_s:g} s")
        return self._reading._replace(following=False) if self._fell_back else self._reading

    # ----------------------------------------------------------------- messages

    def _configured(self, payload: bytes, _retained: bool) -> None:
        document = parse_object(payload)
        if document.get("maker") != MAKER:
            raise MessageError(f"maker {document.get('maker')!r} is not {MAKER!r}")
        self._rated_mw = messages.DEPOT_RATED.decode(document)

    def _state_said(self, payload: bytes, retained: bool) -> None:
        """Note online or offline. Said live, either means that mode and dead man are gone.

        A live online is news: a depot that was lost has come back, telemetry or not.
        """
        if payload not in (b"online", b"offline"):
            raise MessageError(f"state is {payload[:20]!r}")
        self._state = payload.decode()
        self._fell_back = self._fell_back or not retained
        if self._state == "online" and not retained:
            self._tell()

    def _measured(self, payload: bytes, retained: bool) -> None:
        if retained:
            self.counts["retained"] += 1
            return
        document = parse_object(payload)
        age_s = self._wall() - messages.number(document, "t")
        if not -FUTURE_MAX_S <= age_s <= self._config.telemetry_late_s:
            self.counts["late"] += 1
            self._late = f"telemetry is {age_s:.1f} s old by its own time tag"
            return
        remote = document.get("remote")
        if not isinstance(remote, bool):
            raise MessageError("remote is not true or false")
        in_force = self._mode_in_force(document)
        now_s = self._clock()
        measured_at_s = now_s - max(0.0, age_s)
        if self._meter.is_due():
            told = document.get("e_kwh") is not None
            self._meter.take(messages.DEPOT_ENERGY.decode(document) if told else NAN, measured_at_s)
        self._reading = Reading(
            p_meas_mw=messages.DEPOT_P_MEAS.decode(document),
            measured_at_s=measured_at_s,
            p_avail_min_mw=messages.DEPOT_P_AVAIL_MIN.decode(document),
            p_avail_max_mw=messages.DEPOT_P_AVAIL_MAX.decode(document),
            remote=remote,
            reason="" if remote else "local control",
            energy_mwh=self._meter.energy_mwh,
            energy_at_s=self._meter.at_s,
        )
        self._note_mode(in_force, remote=remote)
        self._heard_s = now_s
        self._late = ""
        self._tell()

    def _mode_in_force(self, document: dict[str, object]) -> bool | None:
        """Whether it says that mode and dead man are as we left them; None: it does not say."""
        if document.get("mode") is None:
            return None
        told = [key for key in self._dead_man if document.get(key) is not None]
        same = (
            math.isclose(messages.number(document, key), self._dead_man[key], abs_tol=1e-3)
            for key in told
        )
        return all(same) and document["mode"] == FOLLOW

    def _note_mode(self, in_force: bool | None, *, remote: bool) -> None:
        """Note what became of the mode. A depot in local control takes none, and says so."""
        self._tells_mode = in_force is not None
        if in_force:
            self._fell_back = False
        elif self._tells_mode and remote and not self._assert_mode:
            self._fell_back = True

    def _acknowledged(self, payload: bytes, retained: bool) -> None:
        document = parse_object(payload)
        waiting = self._acks.get(messages.whole(document, "seq"))
        if retained or waiting is None or waiting.done():
            self.counts["late_ack"] += 1
            return
        accepted = document.get("ok") is True
        waiting.set_result(Answer.ACCEPTED if accepted else Answer.REFUSED)

    def _checked(
        self, name: str, take: Callable[[bytes, bool], None]
    ) -> Callable[[str, bytes, bool], None]:
        """Listener that counts what is malformed, and logs the first of each kind."""

        def listener(topic: str, payload: bytes, retained: bool) -> None:
            try:
                take(payload, retained)
            except MessageError as error:
                self.counts[f"malformed_{name}"] += 1
                if self.counts[f"malformed_{name}"] == 1:
                    self._log.warning("message_malformed", topic=topic, reason=str(error))
            self._news.set()

        return listener

    # ------------------------------------------------------------------ helpers

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _assert_again_s(self) -> float:
        return self._asserted_s + ASSERT_PU * self._unit.watchdog_s

    def _send(self, name: str, document: Mapping[str, object], *, qos: int) -> int:
        """Send one message and expect its acknowledgement. Raises LinkError if it did not leave."""
        sequence = next(self._sequence)
        payload = json.dumps({**document, "seq": sequence}).encode()
        topic = f"{self._config.prefix}/{name}"
        if not self._link.publish(topic, payload, expiry_s=EXPIRY_S, qos=qos):
            raise LinkError(self._link.reason or "not connected")
        self._acks[sequence] = asyncio.get_running_loop().create_future()
        return sequence

    def _give_up(self, sent: list[int]) -> None:
        """Wait for acknowledgements no longer."""
        for sequence in sent:
            if not self._acks[sequence].done():
                self._acks[sequence].set_result(Answer.UNKNOWN)

    def _require_online(self) -> None:
        if not self._link.connected:
            raise LinkError(self._link.reason or "not connected")
        if self._state != "online":
            raise LinkError("unit says offline" if self._state else "unit has not said online")

    def _forget(self) -> None:
        """Know nothing: the connection is gone, and what the depot said before it."""
        self._state, self._late = "", ""
        self._rated_mw = math.nan
        self._reading = None
        self._heard_s = -math.inf
        self._fell_back = self._tells_mode = False
        self._news.set()

    async def _wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait for messages until the condition holds; for `silence_s` at most."""
        try:
            async with asyncio.timeout(self._config.silence_s):
                while self._link.connected and not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return


def create(
    config: MqttLoadConfig,
    unit: UnitConfig,
    link: TopicLink,
    clock: Callable[[], float],
    *,
    utc: Callable[[], float] = time.time,
    base_dir: Path = Path(),  # noqa: ARG001 - every driver is created by the same call
) -> MqttLoad:
    """Create the driver of a configuration record; it subscribes at once."""
    return MqttLoad(config, unit, link, clock, wall=utc)
