"""The DNP3 link against opendnp3, an outstation that shares no code with it."""

import contextlib
import importlib.util

import pytest
from certificates import OPENSSL, make_certificates
from dnp3_links import linked
from helpers import Beats, run_async, until
from processes import JsonPeer, free_port, freeze, thaw
from tls_gateway import tls_gateway

from vppd.links.base import Answer, LinkError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("opendnp3") is None, reason="yadnp3 has no wheel for this machine"
)


def test_reads_floats_with_their_flags():
    async def scenario():
        port = free_port()
        async with JsonPeer("opendnp3_outstation.py", port) as peer, linked(port) as link:
            await link.wait_connected()
            await peer.ask("done", ai={0: [50.0123, 1], 1: [-7.5, 5]})
            values = await link.read_analog_inputs()
            assert values[0] == (pytest.approx(50.0123, abs=1e-5), 1)  # int32 would be 50
            assert values[1] == (-7.5, 5)
            assert len(values) == 20

    run_async(scenario())


def test_poll_of_an_outstation_without_floats():
    async def scenario():
        port = free_port()
        async with (
            JsonPeer("opendnp3_outstation.py", port) as peer,
            linked(port, poll="default") as link,
        ):
            await link.wait_connected()
            await peer.ask("done", ai={2: [12.25, 1]})
            assert (await link.read_analog_inputs())[2] == (12.0, 1)

    run_async(scenario())


def test_whole_numbers_go_out_as_floats():
    async def scenario():
        port = free_port()
        async with JsonPeer("opendnp3_outstation.py", port) as peer, linked(port) as link:
            await link.wait_connected()
            assert await link.operate({0: 50.0, 3: 1.0}) is Answer.ACCEPTED
            await peer.wait(2, event="operate", kind="AnalogOutputFloat32")
            assert [line["value"] for line in peer.found(event="operate")] == [50.0, 1.0]

    run_async(scenario())


def test_select_before_operate():
    async def scenario():
        port = free_port()
        async with JsonPeer("opendnp3_outstation.py", port) as peer, linked(port) as link:
            await link.wait_connected()
            assert await link.operate({4: 2.5}, select=True) is Answer.ACCEPTED
            await peer.wait(event="operate", value=2.5)
            assert [line["event"] for line in peer.lines] == ["ready", "select", "operate"]

    run_async(scenario())


def test_refused_status_inside_a_good_reply_is_a_refusal():
    async def scenario():
        port = free_port()
        async with JsonPeer("opendnp3_outstation.py", port) as peer, linked(port) as link:
            await link.wait_connected()
            await peer.ask("done", refuse=True)
            assert await link.operate({0: 1.0}) is Answer.REFUSED
            assert await link.operate({0: 1.0}, select=True) is Answer.REFUSED
            await peer.wait(event="select")
            assert len(peer.found(event="operate")) == 1  # a refused select is not operated

    run_async(scenario())


def test_killed_outstation_is_told_and_found_again():
    async def scenario():
        port = free_port()
        async with JsonPeer("opendnp3_outstation.py", port) as peer, linked(port) as link:
            await link.wait_connected()
            assert await link.operate({0: 1.0}) is Answer.ACCEPTED
            await peer.kill()
            await until(lambda: not link.connected)
            with pytest.raises(LinkError, match=r"connection|closed"):
                await link.operate({0: 2.0})
            await until(lambda: "refused" in link.reason)
            await peer.start()
            await link.wait_connected()
            assert link.epoch == 2
            assert await link.operate({0: 3.0}) is Answer.ACCEPTED
            await peer.wait(event="operate", value=3.0)
            assert [line["value"] for line in peer.found(event="operate")] == [1.0, 3.0]

    run_async(scenario())


def test_frozen_outstation_is_unknown_dropped_and_never_sent_to_twice():
    async def scenario():
        port = free_port()
        async with JsonPeer("opendnp3_outstation.py", port) as peer, linked(port) as link:
            await link.wait_connected()
            assert await link.operate({0: 1.0}) is Answer.ACCEPTED
            await freeze(peer.process)
            assert link.connected  # its kernel keeps the connection up
            beats = Beats()
            for value in (2.0, 3.0, 4.0):
                assert await link.operate({0: value}) is Answer.UNKNOWN
            assert beats.stop() < 1.5
            await until(lambda: link.epoch > 1)  # given up, and connected anew (by the kernel)
            thaw(peer.process)
            beats = Beats()
            answer = Answer.UNKNOWN
            while answer is not Answer.ACCEPTED and beats.s < 5.0:
                with contextlib.suppress(LinkError):
                    await link.wait_connected()
                    answer = await link.operate({0: 5.0})
            beats.stop()
            assert answer is Answer.ACCEPTED
            await peer.wait(event="operate", value=5.0)
            values = [line["value"] for line in peer.found(event="operate")]
            assert all(values.count(value) <= 1 for value in (1.0, 2.0, 3.0, 4.0))

    run_async(scenario())


@pytest.mark.skipif(OPENSSL is None, reason="no openssl command")
def test_tls_with_certificates_of_both(tmp_path):
    make_certificates(tmp_path, "device", "vppd")
    other = tmp_path / "other"
    other.mkdir()
    make_certificates(other, "vppd")

    async def scenario():
        plain = free_port()
        async with (
            JsonPeer("opendnp3_outstation.py", plain) as peer,
            tls_gateway(plain, tmp_path) as port,
        ):
            keys = {"cert_file": tmp_path / "vppd.pem", "key_file": tmp_path / "vppd.key"}
            keys |= {"ca_file": tmp_path / "ca.pem"}
            tls = {key: str(path) for key, path in keys.items()} | {"connect_timeout_s": 10.0}
            async with linked(port, **tls) as link:
                await link.wait_connected()
                assert await link.operate({0: 50.0}) is Answer.ACCEPTED
            async with linked(port, **tls | {"ca_file": str(other / "ca.pem")}) as link:
                await until(lambda: "certificate" in link.reason)
            strange = {"cert_file": str(other / "vppd.pem"), "key_file": str(other / "vppd.key")}
            async with linked(port, **tls | strange) as link:
                await until(lambda: link.reason not in ("", "not connected yet"))
            assert len(peer.found(event="operate")) == 1

    run_async(scenario())
