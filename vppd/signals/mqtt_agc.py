"""AGC over MQTT in, a report after each tick out (`docs/points.md`, "AGC over MQTT")."""

import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, cast

import structlog

from vppd.config.fields import number, text
from vppd.config.schema import ID, SignalConfig
from vppd.core.types import Mode, Quality
from vppd.links.base import TopicLink
from vppd.points.messages import MessageError, parse_object, whole
from vppd.points.messages import number as number_in
from vppd.signals.base import AgcValue, FrequencyValue, PlantReport, PromiseReport

TOPIC = r"[^#+$][^#+]*"

log = structlog.get_logger()

REORDER_S = 1.0  # a broker delivers out of order within this time, if at all


@dataclass(frozen=True, slots=True)
class MqttSignalConfig(SignalConfig):
    """AGC by MQTT."""

    TYPE = "mqtt"
    LINK_TYPES: ClassVar[tuple[str, ...]] = ("mqtt",)

    link: str = field(metadata=text("id of the broker's link", pattern=ID))
    agc_topic: str = field(default="vppd/agc", metadata=text("where AGC comes from", pattern=TOPIC))
    report_topic: str = field(
        default="vppd/report", metadata=text("where the plant reports to", pattern=TOPIC)
    )
    report_expiry_s: float = field(
        default=5.0,
        metadata=number("s", "an undelivered report is dropped after", minimum=1.0, maximum=3600.0),
    )


class MqttSignal:
    """Signal on two topics. Its link is kept by the shell, as those of devices are."""

    def __init__(
        self,
        config: MqttSignalConfig,
        link: TopicLink,
        clock: Callable[[], float],
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.agc: AgcValue | None = None
        self.frequency: FrequencyValue | None = None
        self.counts: Counter[str] = Counter()  # messages that were not taken, and why
        self._config = config
        self._link = link
        self._clock = clock
        self._wall = wall
        self._listeners: list[Callable[[], None]] = []
        self._log = log.bind(signal=config.id)
        link.subscribe(config.agc_topic, self._received)

    def on_agc(self, listener: Callable[[], None]) -> None:
        """Call `listener()` in the event loop when a new AGC value is there."""
        self._listeners.append(listener)

    def on_frequency(self, listener: Callable[[], None]) -> None:
        """Call nobody: no frequency comes by it."""

    async def bind(self) -> None:
        """Open nothing: the link does."""

    async def run(self) -> None:
        """Serve until cancelled."""
        await asyncio.get_running_loop().create_future()

    def publish(self, report: PlantReport) -> None:
        """Send the report; nothing is kept for a broker that is not there."""
        message = {
            "p_meas_mw": _or_null(report.p_meas_mw),
            "headroom_mw": _or_null(report.headroom_mw),
            "footroom_mw": _or_null(report.footroom_mw),
            "mode": Mode(report.mode).name.lower(),
            "quality": Quality(report.quality).name.lower(),
            "unserved_mw": _or_null(report.unserved_mw),
            "agc_pu": _or_null(report.agc_pu),
            "units_online": report.units_online,
            **_promise(report.promise),
            "t": self._wall(),
        }
        payload = json.dumps(message, allow_nan=False).encode()
        expiry_s = self._config.report_expiry_s
        self._link.publish(self._config.report_topic, payload, expiry_s=expiry_s)

    def _received(self, topic: str, payload: bytes, retained: bool) -> None:
        received_s = self._clock()
        if retained:  # somebody's last word before we came, however long ago
            self.counts["retained"] += 1
            return
        try:
            document = parse_object(payload)
            value = AgcValue(
                pu=number_in(document, "pu"),
                received_s=received_s,
                sequence=whole(document, "seq"),
                transit_s=self._wall() - number_in(document, "t"),
            )
        except MessageError as error:
            self.counts["malformed"] += 1
            if self.counts["malformed"] == 1:
                self._log.warning("message_malformed", topic=topic, reason=str(error))
            return
        if self._is_overtaken(value):
            self.counts["overtaken"] += 1
            return
        self.agc = value
        for listener in self._listeners:
            listener()

    def _is_overtaken(self, value: AgcValue) -> bool:
        """True for a message that a newer one overtook: it must not take that one's place.

        Only shortly after it: a sequence that stays behind is judged by the core, where a TSO
        that has begun to count anew is heard again.
        """
        newest = self.agc
        if newest is None or value.received_s - newest.received_s > REORDER_S:
            return False
        return 0 <= value.sequence <= newest.sequence


def _promise(promise: PromiseReport) -> dict[str, object]:
    """Headroom that is promised; lists go with `promise_s`."""
    lists = {
        f"promise_{name}": [_or_null(value) for value in getattr(promise, name)]
        for name in ("s", "up_mw", "down_mw", "firm_up_mw", "firm_down_mw")
    }
    return {
        "capacity_up_mw": _or_null(promise.capacity_up_mw),
        "capacity_down_mw": _or_null(promise.capacity_down_mw),
        **lists,
    }


def _or_null(value: float) -> float | None:
    """JSON has no NaN: what is not known is null, never 0.0."""
    return value if math.isfinite(value) else None


def create(
    config: MqttSignalConfig,
    *,
    clock: Callable[[], float],
    links: dict[str, object],
    utc: Callable[[], float] = time.time,
    base_dir: Path,  # noqa: ARG001 - every signal is created by the same call
) -> MqttSignal:
    """Create the signal of a configuration record; it subscribes at once."""
    return MqttSignal(config, cast("TopicLink", links[config.link]), clock, wall=utc)
