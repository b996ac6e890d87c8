"""EV depots over MQTT. The depot types the maker's messages again (docs/points.md): load, kW."""

import asyncio
import contextlib
import json
import math
import time
from collections.abc import Callable

import pytest
from brokers import MqttBroker, keeps_the_standard
from helpers import run_async, until
from mqtt_peers import MqttPeer
from mqtt_peers import linked as broker_link

from vppd.config.schema import UnitConfig
from vppd.devices.mqtt_load import MqttLoad, MqttLoadConfig
from vppd.links.base import Answer, LinkError

T0_UTC = 1_790_000_000.0
CONFIG = MqttLoadConfig(link="m", prefix="ev/e1", ack_timeout_s=0.2, silence_s=0.3)
UNIT = UnitConfig(
    id="e1",
    kind="ev_hub",
    device=CONFIG,
    p_min_mw=-0.33,
    p_max_mw=0.0,
    ramp_up_mw_per_s=1.0,
    ramp_down_mw_per_s=1.0,
    basepoint_mw=-0.165,
    watchdog_s=10.0,
    fallback_mw=-0.1,
)


class Wire:
    """A TopicLink without a broker. `say` is what a broker would deliver."""

    def __init__(self) -> None:
        self.connected = True
        self.reason = ""
        self.sent: list[tuple[str, dict, float | None, bool, int]] = []
        self.depot: Callable[[str, dict], None] = lambda topic, message: None
        self._topics: dict[str, Callable[[str, bytes, bool], None]] = {}
        self._changes: list[Callable[[bool], None]] = []

    def publish(self, topic, payload, *, expiry_s=None, retain=False, qos=0) -> bool:
        if not self.connected:
            return False
        message = json.loads(payload)
        self.sent.append((topic, message, expiry_s, retain, qos))
        asyncio.get_running_loop().call_soon(self.depot, topic, message)
        return True

    def subscribe(self, topic, listener) -> None:
        self._topics[topic] = listener

    def on_change(self, listener) -> None:
        self._changes.append(listener)

    def say(self, name: str, payload: object, *, retained: bool = False) -> None:
        octets = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._topics[f"ev/e1/{name}"](f"ev/e1/{name}", octets, retained)

    def break_off(self) -> None:
        self.connected, self.reason = False, "connection lost"
        for listener in self._changes:
            listener(False)

    def introduce(self, *, rated_kw: float = 330.0) -> None:
        """What the broker keeps of a depot."""
        config = {"maker": "D", "rated_kw": rated_kw, "watchdog_s": 10, "fallback_kw": 165.0}
        self.say("config", config, retained=True)
        self.say("state", b"online", retained=True)

    def acknowledge(self, topic: str, message: dict) -> None:
        self.say("ack", {"seq": message["seq"], "ok": True})

    def refuse(self, topic: str, message: dict) -> None:
        self.say("ack", {"seq": message["seq"], "ok": False, "why": "local control"})


def telemetry(**keys: object) -> dict:
    return {"p_kw": 160.2, "min_kw": 10.0, "max_kw": 320.0, "remote": True, "t": T0_UTC, **keys}


class Clocks:
    """Both clocks of a driver, set by the test."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def clock(self) -> float:
        return self.now_s

    def wall(self) -> float:
        return T0_UTC + self.now_s - 100.0


def depot() -> tuple[Wire, MqttLoad, Clocks]:
    wire, clocks = Wire(), Clocks()
    return wire, MqttLoad(CONFIG, UNIT, wire, clocks.clock, wall=clocks.wall), clocks


def test_telemetry_is_turned_into_mw_of_generation():
    wire, driver, _ = depot()

    async def scenario():
        wire.introduce()
        wire.say("telemetry", telemetry(t=T0_UTC - 0.5))
        reading = await driver.read()
        assert reading.p_meas_mw == pytest.approx(-0.1602)
        assert reading.p_avail_max_mw == pytest.approx(-0.010)
        assert reading.p_avail_min_mw == pytest.approx(-0.320)
        assert reading.measured_at_s == pytest.approx(99.5)  # by its own time tag
        assert (reading.remote, reading.reason, reading.following) == (True, "", True)
        wire.say("telemetry", telemetry(remote=False))
        reading = await driver.read()
        assert (reading.remote, reading.reason) == (False, "local control")

    run_async(scenario())


def test_first_setpoint_brings_the_mode_with_it():
    wire, driver, _ = depot()

    async def scenario():
        wire.introduce()
        wire.depot = wire.acknowledge
        await driver.start()
        assert wire.sent == []  # the depot would follow an old setpoint
        assert await driver.write(-0.15) is Answer.ACCEPTED
        assert await driver.write(-0.2) is Answer.ACCEPTED
        first = wire.sent[0][1]["seq"]
        mode = {"mode": "follow", "watchdog_s": 10.0, "fallback_kw": 100.0, "seq": first}
        assert wire.sent == [
            ("ev/e1/mode", mode, 2.0, False, 1),
            ("ev/e1/set", {"p_kw": 150.0, "seq": first + 1}, 2.0, False, 0),
            ("ev/e1/set", {"p_kw": 200.0, "seq": first + 2}, 2.0, False, 0),
        ]

    run_async(scenario())


def test_refused_and_unanswered_writes():
    wire, driver, _ = depot()

    async def scenario():
        wire.introduce()
        await driver.start()
        began_s = time.monotonic()
        assert await driver.write(-0.15) is Answer.UNKNOWN
        assert time.monotonic() - began_s < 1.0
        wire.depot = wire.refuse
        assert await driver.write(-0.15) is Answer.REFUSED
        topics = [topic for topic, *_ in wire.sent]
        assert topics == ["ev/e1/mode", "ev/e1/set"] * 2  # each sent once, the mode not yet in
        wire.depot = wire.acknowledge
        assert await driver.write(-0.15) is Answer.ACCEPTED

    run_async(scenario())


def test_acknowledgement_of_another_or_an_old_write_is_not_taken():
    wire, driver, _ = depot()

    def muddle(topic: str, message: dict) -> None:
        wire.say("ack", {"seq": message["seq"] - 1, "ok": True})
        wire.say("ack", {"seq": message["seq"], "ok": True}, retained=True)
        wire.say("ack", {"seq": str(message["seq"]), "ok": True})

    async def scenario():
        wire.introduce()
        wire.depot = wire.acknowledge
        await driver.start()
        await driver.write(-0.1)
        wire.depot = muddle
        assert await driver.write(-0.15) is Answer.UNKNOWN
        assert driver.counts["late_ack"] == 2
        assert driver.counts["malformed_ack"] == 1

    run_async(scenario())


def test_cancelled_write_leaves_the_driver_usable():
    wire, driver, _ = depot()

    async def scenario():
        wire.introduce()
        await driver.start()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(driver.write(-0.1), 0.05)
        wire.depot = wire.acknowledge
        assert await driver.write(-0.1) is Answer.ACCEPTED

    run_async(scenario())


@pytest.mark.parametrize(
    ("setup", "reason"),
    [
        (lambda wire: None, "unit has not said online"),
        (lambda wire: wire.say("state", b"offline", retained=True), "unit says offline"),
        (lambda wire: wire.say("state", b"online", retained=True), "no config"),
        (lambda wire: wire.introduce(rated_kw=300.0), "rated 0.3 MW, p_min_mw is -0.33"),
        (lambda wire: wire.break_off(), "connection lost"),
        (
            lambda wire: (
                wire.say("state", b"online"),
                wire.say("config", {"maker": "E", "rated_kw": 330.0}),
            ),
            "no config",
        ),
    ],
)
def test_start_says_what_is_wrong(setup, reason):
    wire, driver, _ = depot()

    async def scenario():
        setup(wire)
        with pytest.raises(LinkError, match=reason):
            await driver.start()

    run_async(scenario())


def test_offline_unit_is_neither_written_to_nor_read():
    wire, driver, _ = depot()

    async def scenario():
        wire.introduce()
        wire.say("telemetry", telemetry())
        await driver.start()
        wire.say("state", b"offline")
        with pytest.raises(LinkError, match="unit says offline"):
            await driver.read()
        with pytest.raises(LinkError, match="unit says offline"):
            await driver.write(-0.1)
        assert wire.sent == []

    run_async(scenario())


def test_unit_that_restarted_does_not_follow_any_more():
    """Its connection to the broker was lost, not ours: the link's epoch does not tell."""
    wire, driver, _ = depot()

    async def scenario():
        wire.introduce()
        wire.depot = wire.acknowledge
        await driver.start()
        await driver.write(-0.1)
        wire.say("state", b"offline")
        wire.say("state", b"online")
        wire.say("telemetry", telemetry())
        assert (await driver.read()).following is False
        await driver.start()
        assert (await driver.read()).following is True
        await driver.write(-0.1)
        assert [topic for topic, *_ in wire.sent[-2:]] == ["ev/e1/mode", "ev/e1/set"]
        assert [expiry_s for _, _, expiry_s, _, _ in wire.sent[-2:]] == [2.0, 2.0]

    run_async(scenario())


ARMED = {"mode": "follow", "watchdog_s": 10, "fallback_kw": 100.0}


@pytest.mark.parametrize(
    "lost", [{"mode": "autonomous"}, {"watchdog_s": 30}, {"fallback_kw": 165.0}]
)
def test_mode_or_dead_man_that_fell_back_is_seen_in_telemetry(lost):
    wire, driver, _ = depot()

    async def scenario():
        wire.introduce()
        wire.depot = wire.acknowledge
        await driver.start()
        wire.say("telemetry", telemetry(**ARMED | lost))
        assert (await driver.read()).following  # nothing was asserted yet
        await driver.write(-0.15)
        assert (await driver.read()).following  # that was said before
        wire.say("telemetry", telemetry(**ARMED))
        assert (await driver.read()).following
        wire.say("telemetry", telemetry(**ARMED | lost))
        assert not (await driver.read()).following
        await driver.start()
        assert not (await driver.read()).following  # an order is no proof
        await driver.write(-0.15)
        assert [topic for topic, *_ in wire.sent[-2:]] == ["ev/e1/mode", "ev/e1/set"]
        assert not (await driver.read()).following
        wire.say("telemetry", telemetry(**ARMED))
        assert (await driver.read()).following

    run_async(scenario())


def test_mode_that_is_not_told_is_asserted_again_twice_in_a_watchdog():
    wire, driver, clocks = depot()

    async def scenario():
        wire.introduce()
        wire.depot = wire.acknowledge
        await driver.start()
        for _ in range(9):
            assert await driver.write(-0.15) is Answer.ACCEPTED
            clocks.now_s += 2.0

    run_async(scenario())
    topics = [topic.removeprefix("ev/e1/") for topic, *_ in wire.sent]
    assert topics == ["mode", *["set"] * 3, "mode", *["set"] * 3, "mode", *["set"] * 3]


@pytest.mark.parametrize("age_s", [3.5, 60.0, -2.5])
def test_late_telemetry_is_not_new(age_s):
    wire, driver, _ = depot()

    async def scenario():
        wire.introduce()
        wire.say("telemetry", telemetry(t=T0_UTC - age_s))
        with pytest.raises(LinkError, match=f"{age_s:.1f} s old by its own time tag"):
            await driver.read()
        assert driver.counts["late"] == 1

    run_async(scenario())


def test_retained_telemetry_is_somebodys_old_one():
    wire, driver, _ = depot()

    async def scenario():
        wire.introduce()
        wire.say("telemetry", telemetry(), retained=True)
        with pytest.raises(LinkError, match="no telemetry for"):
            await driver.read()

    run_async(scenario())


def test_telemetry_is_given_until_it_is_old():
    wire, driver, clocks = depot()
    news = []
    driver.on_news(lambda: news.append(True))

    async def scenario():
        wire.introduce()
        asyncio.get_running_loop().call_later(0.02, wire.say, "telemetry", telemetry())
        first = await driver.read()  # waits for the first
        clocks.now_s += 0.25
        assert await driver.read() == first  # a setpoint never waits for the next
        clocks.now_s += 0.25
        with pytest.raises(LinkError, match=r"no telemetry for 0\.3 s"):
            await driver.read()
        wire.say("telemetry", telemetry(p_kw=99.0, t=T0_UTC + 0.5))
        assert (await driver.read()).p_meas_mw == pytest.approx(-0.099)
        assert len(news) == 2

    run_async(scenario())


def test_a_depot_that_says_online_is_news_and_what_the_broker_keeps_is_none():
    wire, driver, _ = depot()
    news = []
    driver.on_news(lambda: news.append(True))
    wire.introduce()
    wire.say("state", b"offline")
    assert news == []
    wire.say("state", b"online")
    assert news == [True]


MALFORMED = [
    b"",
    b"null",
    b"[]",
    b"{",
    b"\xff\xfe",
    b"[" * 4000,
    b"{}" + b" " * 5000,
    telemetry(p_kw=None),
    telemetry(p_kw="160"),
    telemetry(p_kw=True),
    telemetry(p_kw=10**400),
    json.dumps(telemetry(p_kw=math.nan)).encode(),
    json.dumps(telemetry(min_kw=-math.inf)).encode(),
    telemetry(remote=1),
    telemetry(t="now"),
    {"p_kw": 1.0},
]


@pytest.mark.parametrize("payload", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_telemetry_is_counted_and_not_taken(payload):
    wire, driver, _ = depot()

    async def scenario():
        wire.introduce()
        for name in ("telemetry", "ack", "config"):
            wire.say(name, payload)
        assert driver.counts["malformed_telemetry"] == 1
        assert driver.counts["malformed_ack"] == 1
        wire.say("telemetry", telemetry())
        assert (await driver.read()).p_meas_mw == pytest.approx(-0.1602)

    run_async(scenario())


def test_setpoint_that_is_no_number_is_not_sent():
    wire, driver, _ = depot()

    async def scenario():
        wire.introduce()
        await driver.start()
        with pytest.raises(LinkError):
            await driver.write(math.nan)
        assert wire.sent == []

    run_async(scenario())


async def read_for_ever(driver: MqttLoad) -> None:
    while True:
        await driver.read()
        await asyncio.sleep(0.01)


@keeps_the_standard
def test_over_a_real_broker(tmp_path):
    """From the depot's start to its death, with its last will."""
    from aiomqtt import Will

    will = Will("ev/e1/state", b"offline", retain=True, qos=1)

    async def scenario():
        async with MqttBroker(tmp_path) as broker, broker_link(broker.port) as link:
            driver = MqttLoad(CONFIG, UNIT, link, time.monotonic)
            await link.wait_connected()
            topics = ("ev/e1/set", "ev/e1/mode")
            with contextlib.suppress(ConnectionAbortedError):
                async with MqttPeer(broker.port, *topics, will=will, keepalive=2) as ev:
                    config = json.dumps({"maker": "D", "rated_kw": 330.0})
                    await ev.publish("ev/e1/config", config, retain=True, qos=1)
                    await ev.publish("ev/e1/state", b"online", retain=True, qos=1)
                    await driver.start()
                    write = asyncio.create_task(driver.write(-0.15))
                    await until(lambda: len(ev.seen) == 2)
                    assert [(m.topic, m.qos, m.retain, m.expiry_s) for m in ev.seen] == [
                        ("ev/e1/mode", 1, False, 2),
                        ("ev/e1/set", 0, False, 2),
                    ]
                    for message in ev.seen:
                        ack = {"seq": json.loads(message.payload)["seq"], "ok": True}
                        await ev.publish("ev/e1/ack", json.dumps(ack))
                    assert await write is Answer.ACCEPTED
                    now = telemetry(t=time.time())
                    await ev.publish("ev/e1/telemetry", json.dumps(now))
                    assert (await driver.read()).p_meas_mw == pytest.approx(-0.1602)
                    ev.die()
                    with pytest.raises(LinkError, match="unit says offline"):
                        await read_for_ever(driver)

    run_async(scenario())
