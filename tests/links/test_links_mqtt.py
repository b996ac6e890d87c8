"""The MQTT link with a real broker, and aiomqtt as the other client."""

import asyncio
import contextlib
import hashlib
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from brokers import KINDS, MOSQUITTO, MqttBroker
from certificates import OPENSSL, make_certificates
from helpers import Beats, run_async, until
from mqtt_peers import MqttPeer, linked
from processes import freeze, thaw

from vppd.links.mqtt import MqttConfig, MqttLink

needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


@pytest.mark.parametrize("kind", KINDS)
def test_both_ways_and_status(tmp_path, kind):
    async def scenario():
        async with (
            MqttBroker(tmp_path, kind=kind) as broker,
            MqttPeer(broker.port, "up", "vppd/state") as peer,
        ):
            got = []
            async with linked(broker.port) as link:
                link.subscribe("down", lambda *message: got.append(message))
                await link.wait_connected()
                await until(lambda: peer.on("vppd/state") == [b"online"])
                assert link.publish("up", b"1", expiry_s=1.5)
                assert link.publish("up", b"2", qos=1)
                await until(lambda: peer.on("up") == [b"1", b"2"])
                assert [m.expiry_s for m in peer.seen if m.topic == "up"] == [2, None]
                if kind == "mosquitto":  # the other raises it to the subscription's
                    assert [m.qos for m in peer.seen if m.topic == "up"] == [0, 1]
                await peer.publish("down", b"3")
                await until(lambda: got == [("down", b"3", False)])
            await until(lambda: peer.on("vppd/state")[-1] == b"offline")  # said, not willed
            assert link.reason == "stopped"

    run_async(scenario())


def test_retained_messages_are_marked(tmp_path):
    async def scenario():
        async with MqttBroker(tmp_path) as broker, MqttPeer(broker.port) as peer:
            await peer.publish("old", b"1", retain=True, qos=1)
            got = []
            async with linked(broker.port) as link:
                link.subscribe("old", lambda *message: got.append(message))
                await until(lambda: got == [("old", b"1", True)])
                await peer.publish("old", b"2", retain=True)
                await until(lambda: got[-1] == ("old", b"2", False))

    run_async(scenario())


def test_expired_message_is_not_delivered_late(tmp_path):
    """A setpoint that waited with the broker for its unit is worse than none."""

    async def scenario():
        async with MqttBroker(tmp_path) as broker, linked(broker.port) as link:
            await link.wait_connected()
            options = {"identifier": "unit", "clean_start": False, "properties": session_of(60)}
            async with MqttPeer(broker.port, "set", **options) as unit:
                await unit.publish("x", b"")
            link.publish("set", b"short", qos=1, expiry_s=0.2)
            link.publish("set", b"long", qos=1, expiry_s=30.0)
            await asyncio.sleep(2.1)  # the broker's clock, in whole seconds
            async with MqttPeer(broker.port, **options) as unit:
                await until(lambda: unit.on("set") == [b"long"])

    run_async(scenario())


def session_of(seconds: int):
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = seconds
    return properties


def test_broker_restart_subscribes_again_and_says_online_again(tmp_path):
    async def scenario():
        broker = MqttBroker(tmp_path)
        await broker.start()
        changes = []
        try:
            async with linked(broker.port) as link:
                got = []
                link.subscribe("down", lambda *message: got.append(message))
                link.on_change(changes.append)
                await link.wait_connected()
                await broker.kill()
                await until(lambda: not link.connected)
                assert link.publish("up", b"lost") is False
                await broker.start()
                async with MqttPeer(broker.port, "up", "vppd/state") as peer:
                    await until(lambda: link.epoch == 2)
                    await until(lambda: peer.on("vppd/state") == [b"online"])
                    await peer.publish("down", b"again")
                    await until(lambda: got == [("down", b"again", False)])
                    link.publish("up", b"new")
                    await until(lambda: peer.on("up") == [b"new"])  # nothing from before
            assert changes == [True, False, True]  # a stop is no news
        finally:
            await broker.kill()

    run_async(scenario())


def test_frozen_broker_is_found_by_the_echo(tmp_path):
    async def scenario():
        async with MqttBroker(tmp_path) as broker, linked(broker.port) as link:
            await link.wait_connected()
            await freeze(broker.process)
            beats = Beats()
            assert link.publish("up", b"into the void")  # nobody can know yet
            await until(lambda: not link.connected)
            assert beats.stop() < 1.5
            assert link.reason == "broker sent no echo for 0.5 s"
            thaw(broker.process)
            await until(lambda: link.epoch == 2)

    run_async(scenario())


def test_will_is_published_when_the_daemon_dies(tmp_path):
    """kill -9 of a process with the link: the broker says offline for it."""
    script = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from mqtt_peers import linked
async def main(port):
    async with linked(port) as link:
        await link.wait_connected()
        await asyncio.Event().wait()
asyncio.run(main(int(sys.argv[1])))
"""

    async def scenario():
        async with MqttBroker(tmp_path) as broker, MqttPeer(broker.port, "vppd/state") as peer:
            daemon = await asyncio.create_subprocess_exec(
                sys.executable, "-c", script, str(broker.port)
            )
            await until(lambda: peer.on("vppd/state") == [b"online"])
            daemon.kill()
            await daemon.wait()
            await until(lambda: peer.on("vppd/state") == [b"online", b"offline"])

    run_async(scenario())


def test_who_calls_us_offline_is_contradicted(tmp_path):
    """The will of a connection that died before may come after our own word."""

    async def scenario():
        async with (
            MqttBroker(tmp_path) as broker,
            MqttPeer(broker.port, "vppd/state") as peer,
            linked(broker.port) as link,
        ):
            await link.wait_connected()
            await until(lambda: peer.on("vppd/state") == [b"online"])
            await peer.publish("vppd/state", b"offline", retain=True)
            await until(lambda: peer.on("vppd/state") == [b"online", b"offline", b"online"])

    run_async(scenario())


@needs_mosquitto
def test_more_messages_than_the_broker_takes_at_a_time(tmp_path):
    """gmqtt raises OverflowError at the 20th unacknowledged one with mosquitto's default."""

    async def scenario():
        async with (
            MqttBroker(tmp_path) as broker,
            MqttPeer(broker.port, "mode") as peer,
            linked(broker.port) as link,
        ):
            await link.wait_connected()
            sent = [str(i).encode() for i in range(300)]
            assert all(link.publish("mode", payload, qos=1) for payload in sent)
            for i in range(200):  # SUBSCRIBE takes from the same window
                link.subscribe(f"t/{i}", lambda *message: None)
            await until(lambda: peer.on("mode") == sent)

    run_async(scenario())


def test_peer_that_accepts_and_closes_is_not_stormed():
    async def scenario():
        connects = 0

        async def close(reader, writer):
            nonlocal connects
            connects += 1
            writer.close()

        server = await asyncio.start_server(close, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with linked(port, backoff_min_s=0.01, backoff_max_s=0.3):
            await asyncio.sleep(1.0)
        server.close()
        assert 3 <= connects <= 30

    run_async(scenario())


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "no CONNACK of an MQTT 5 broker within 0.3 s"),
        (b"\x20\x03\x00\x87\x00", "broker refuses: code 135"),
        (b"\x20\x02\x00\x01", "no CONNACK of an MQTT 5 broker"),  # speaks MQTT 3.1.1 only
        (b"\x20\xff\xff\xff\xff\xff", ""),
        (b"\xf0\x02\x00\x00" * 50, "no CONNACK"),
        (b"\x20\x05\x00\x00\x02\x99\x00", ""),
    ],
)
def test_broker_that_is_none_is_given_up_in_time(octets, reason):
    async def scenario():
        async def answer(reader, writer):
            with contextlib.suppress(ConnectionError):
                await reader.read(100)
                writer.write(octets)
                await reader.read()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with linked(port, connect_timeout_s=0.3) as link:
            await until(lambda: link.reason != "not connected yet", timeout_s=2.0)
            assert reason in link.reason
            assert link.epoch == 0
        server.close()

    run_async(scenario())


def test_what_the_broker_says_on_disconnecting_is_told():
    async def scenario():
        async def disconnect(reader, writer):
            with contextlib.suppress(ConnectionError):
                await reader.read(100)
                writer.write(b"\x20\x03\x00\x00\x00")
                await reader.read(100)
                writer.write(b"\xe0\x01\x8e")
                await reader.read()
            writer.close()

        server = await asyncio.start_server(disconnect, "127.0.0.1", 0)
        async with linked(server.sockets[0].getsockname()[1]) as link:
            await until(lambda: link.epoch and not link.connected)
            assert link.reason == "taken over by another client with the id 'vppd'"
        server.close()

    run_async(scenario())


def test_two_of_one_id_do_not_storm_the_broker_and_say_why(tmp_path):
    """Each throws the other out as soon as it connects; the echo that it had proves nothing."""

    async def scenario():
        short = {"backoff_min_s": 0.005, "backoff_max_s": 0.4, "heartbeat_s": 0.02}
        async with (
            MqttBroker(tmp_path) as broker,
            linked(broker.port, **short) as one,
            linked(broker.port, **short) as other,
        ):
            reasons = set()
            for link in (one, other):
                link.on_change(lambda _up, link=link: reasons.add(link.reason))
            await until(lambda: one.epoch >= 4 and other.epoch >= 4)
            before = one.epoch + other.epoch
            await asyncio.sleep(2.0)  # a rate is measured over time
            assert one.epoch + other.epoch - before <= 40  # mean waits of 0.2 s; it was hundreds
            suspicions = ("taken over by another client with the id 'vppd'", "took it over")
            assert any(s in reason for reason in reasons for s in suspicions), reasons

    run_async(scenario())


def test_connection_that_ends_without_a_word_names_the_suspicion():
    async def scenario():
        async def let_in_and_close(reader, writer):
            await reader.read(100)
            writer.write(b"\x20\x03\x00\x00\x00")
            await reader.read(100)
            writer.close()

        server = await asyncio.start_server(let_in_and_close, "127.0.0.1", 0)
        async with linked(server.sockets[0].getsockname()[1]) as link:
            await until(lambda: link.epoch and not link.connected)
            assert link.reason == (
                "connection lost after 0.0 s: another client with the id 'vppd' took it over,"
                " or the broker closed it"
            )
        server.close()

    run_async(scenario())


def test_back_off_begins_anew_once_a_connection_has_held(tmp_path):
    async def scenario():
        async with MqttBroker(tmp_path) as broker, linked(broker.port) as link:
            for _ in range(5):
                link._backoff.next_s()
            assert link._backoff.ceiling_s == 0.2
            await link.wait_connected()
            await until(lambda: link._backoff.ceiling_s == 0.02)

    run_async(scenario())


def test_shadow_disturbs_nobody_and_publishes_nothing(tmp_path):
    async def scenario():
        async with (
            MqttBroker(tmp_path) as broker,
            MqttPeer(broker.port, "#") as peer,
            linked(broker.port) as live,
        ):
            await live.wait_connected()
            await until(lambda: len(peer.on("vppd/state/echo/vppd")) >= 2)
            got = []
            async with linked(broker.port, shadow=True) as shadow:
                shadow.subscribe("tele", lambda *message: got.append(message))
                await shadow.wait_connected()
                assert shadow.publish("set", b"1", qos=1) is False
                await peer.publish("tele", b"2")
                await until(lambda: got == [("tele", b"2", False)])
                began = len(peer.on("vppd/state/echo/vppd"))
                await until(lambda: len(peer.on("vppd/state/echo/vppd")) >= began + 3)
                assert (live.epoch, shadow.epoch) == (1, 1)
            await peer.publish("last", b"")
            await until(lambda: peer.on("last"))
            assert {each.topic for each in peer.seen} == {
                "vppd/state", "vppd/state/echo/vppd", "tele", "last",
            }  # fmt: skip
            assert peer.on("vppd/state") == [b"online"]
            assert live.connected

    run_async(scenario())


def mosquitto_user(name: str, password: bytes) -> str:
    """A line of mosquitto's password file (PBKDF2-SHA512)."""
    salt = b"0123456789ab"
    key = hashlib.pbkdf2_hmac("sha512", password, salt, 101)
    return f"{name}:$7$101${b64encode(salt).decode()}${b64encode(key).decode()}\n"


@needs_mosquitto
def test_user_and_password_from_a_file(tmp_path, monkeypatch):
    async def scenario(port: int, link: MqttLink):
        task = asyncio.create_task(link.keep())
        try:
            await until(lambda: link.epoch or link.reason != "not connected yet")
            return link.reason
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def main():
        (tmp_path / "users").write_text(mosquitto_user("vppd", b"pss"))
        (tmp_path / "users").chmod(0o600)
        lines = ("allow_anonymous false", f"password_file {tmp_path / 'users'}")
        async with MqttBroker(tmp_path, *lines) as broker:
            keys = {"id": "m", "port": broker.port, "username": "vppd", "password_file": "secret"}
            config = MqttConfig(**keys)
            assert "secret" in await scenario(broker.port, MqttLink(config, base_dir=tmp_path))
            (tmp_path / "secret").write_text("wrong\n")
            (tmp_path / "secret").chmod(0o644)
            link = MqttLink(config, base_dir=tmp_path)
            assert "chmod 600" in await scenario(broker.port, link)
            (tmp_path / "secret").chmod(0o600)
            assert (
                "not auth"
                in (await scenario(broker.port, MqttLink(config, base_dir=tmp_path))).lower()
            )
            (tmp_path / "secret").write_text("pss\n")
            assert await scenario(broker.port, MqttLink(config, base_dir=tmp_path)) == ""
            folder = tmp_path / "credentials"  # as systemd passes them (LoadCredential=)
            folder.mkdir()
            (folder / "secret").write_text("pss")
            (folder / "secret").chmod(0o400)
            (tmp_path / "secret").unlink()
            monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
            assert await scenario(broker.port, MqttLink(config, base_dir=tmp_path)) == ""

    run_async(main())


@needs_mosquitto
@pytest.mark.skipif(OPENSSL is None, reason="no openssl command")
def test_tls_with_certificates_of_both(tmp_path):
    make_certificates(tmp_path, "broker", "vppd")
    lines = (
        "allow_anonymous true",
        f"cafile {tmp_path / 'ca.pem'}",
        f"certfile {tmp_path / 'broker.pem'}",
        f"keyfile {tmp_path / 'broker.key'}",
        "require_certificate true",
    )

    async def main():
        async with MqttBroker(tmp_path, *lines) as broker:
            tls = {"ca_file": str(tmp_path / "ca.pem")}
            own = {"cert_file": f"{tmp_path}/vppd.pem", "key_file": f"{tmp_path}/vppd.key"}
            async with linked(broker.port, **tls, **own) as link:
                await link.wait_connected()
                got = []
                link.subscribe("t", lambda *message: got.append(message))
                link.publish("t", b"1")
                await until(lambda: got)
            async with linked(broker.port, **tls) as link:  # without a certificate of ours
                await until(lambda: link.reason not in ("", "not connected yet"))
                assert link.epoch == 0
            async with linked(broker.port, ca_file=f"{tmp_path}/vppd.pem", **own) as link:
                await until(lambda: link.reason.startswith("TLS: "))

    run_async(main())


def test_listener_that_raises_ends_the_link_and_is_not_swallowed(tmp_path):
    async def scenario():
        async with MqttBroker(tmp_path) as broker:
            link = MqttLink(MqttConfig(id="m", port=broker.port))
            link.subscribe("t", lambda *message: 1 / 0)
            task = asyncio.create_task(link.keep())
            await link.wait_connected()
            link.publish("t", b"")
            with pytest.raises(RuntimeError) as caught:
                await task
            assert isinstance(caught.value.__cause__, ZeroDivisionError)

    run_async(scenario())


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_is_left_behind(tmp_path):
    """Tasks, timers and sockets of ten connections are gone after them."""

    async def scenario():
        async with MqttBroker(tmp_path) as broker:
            before = open_files()
            for _ in range(10):
                async with linked(broker.port) as link:
                    await link.wait_connected()
                    link.publish("t", b"", qos=1)
            await until(lambda: open_files() == before)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            assert not [task for task in others if "gmqtt" in repr(task)]
            timers = getattr(asyncio.get_running_loop(), "_scheduled", ())
            assert not [t for t in timers if "gmqtt" in repr(t) and not t.cancelled()]

    run_async(scenario())


def test_wildcards_are_no_topics():
    link = MqttLink(MqttConfig(id="m"))
    for topic in ("", "a/#", "+/b"):
        with pytest.raises(ValueError, match="not the name of a topic"):
            link.subscribe(topic, lambda *message: None)
    assert link.publish("t", b"") is False


def test_config():
    config = MqttConfig(id="m", backoff_min_s=3.0, key_file="k", password_file="p")  # noqa: S106 - no password
    assert [key for key, _ in config.cross_checks()] == ["backoff_max_s", "ca_file", "username"]
