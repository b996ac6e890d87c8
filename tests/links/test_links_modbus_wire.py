"""What stands between a request and its answer, on the wire's side."""

import asyncio
import random
import struct

import pytest
import uvloop
from helpers import run_async, until
from hypothesis import given, settings
from hypothesis import strategies as st
from modbus_peers import RawPeer, Registers, registers_body, reply
from processes import JsonPeer, free_port, freeze, thaw
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    WriteMultipleRegistersRequest,
)

from vppd.links.base import Answer, LinkError
from vppd.links.modbus import ModbusTcpConfig, ModbusTcpLink
from vppd.links.modbus_wire import GuardedClient, decode_reply, reply_fault

READ_TWO = ReadHoldingRegistersRequest(address=10, count=2, dev_id=1)
WRITE_TWO = WriteMultipleRegistersRequest(address=10, registers=[1, 2], dev_id=1)


@given(st.binary(min_size=3, max_size=254))
def test_only_an_answer_to_the_read_is_taken(body):
    good = body[:3] == bytes([1, 3, 4]) and len(body) == 7
    exception = body[:2] == bytes([1, 0x83]) and len(body) == 3
    assert (reply_fault(READ_TWO, body) == "") == (good or exception)


@given(st.binary(min_size=3, max_size=254))
def test_only_an_answer_to_the_write_is_taken(body):
    good = body == struct.pack(">BBHH", 1, 16, 10, 2)
    exception = body[:2] == bytes([1, 0x90]) and len(body) == 3
    assert (reply_fault(WRITE_TWO, body) == "") == (good or exception)


@given(words=st.tuples(st.integers(0, 65535), st.integers(0, 65535)))
def test_registers_come_out_as_they_went_in(words):
    body = struct.pack(">BBBHH", 1, 3, 4, *words)
    assert reply_fault(READ_TWO, body) == ""
    assert decode_reply(READ_TWO, body).registers == list(words)


@settings(max_examples=40)
@given(
    pieces=st.lists(
        st.one_of(
            st.binary(max_size=400),
            st.builds(  # a header that looks right before a body that does not
                lambda t, n, b: struct.pack(">HHH", t, 0, n) + b,
                st.integers(0, 3),
                st.integers(0, 300),
                st.binary(max_size=300),
            ),
        ),
        max_size=6,
    )
)
def test_no_stream_raises_into_the_event_loop(pieces):
    """Whatever comes, the request ends with an answer or a reason, and the loop stays clean."""

    async def scenario():
        raised = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, c: raised.append(c))
        async with RawPeer(lambda _f: b"".join(pieces) or None) as peer:
            config = ModbusTcpConfig(id="l", port=peer.port, timeout_s=0.02, backoff_min_s=0.01)
            link = ModbusTcpLink(config, random.Random(1))
            keeper = asyncio.create_task(link.keep())
            await link.wait_connected()
            try:
                words = await link.read_registers(1, 0, 1)
            except LinkError:
                words = [0]
            keeper.cancel()
            await asyncio.wait([keeper])
        assert raised == []
        assert len(words) == 1

    run_async(scenario())


def test_a_cancellation_that_comes_with_the_answer_is_not_lost():
    """asyncio.wait_for of Python 3.11 loses it, and a daemon that waits for its tasks hangs."""

    async def scenario():
        async with RawPeer(lambda _f: None) as peer:
            client = GuardedClient("127.0.0.1", peer.port, 10.0, lambda _reason: None)
            await client.connect()
            task = asyncio.ensure_future(client.read_holding_registers(0, count=1, device_id=1))
            await until(lambda: peer.frames)
            client.ctx.data_received(reply(peer.frames[0], registers_body([1])))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            client.ctx.drop("done")

    run_async(scenario())


def test_a_dropped_connection_sends_nothing_that_still_waits():
    """close() would first send what the transport holds: setpoints that are old by then."""

    class Transport:
        def __init__(self):
            self.calls = []

        def abort(self):
            self.calls.append("abort")

        def close(self):
            self.calls.append("close")

    async def scenario():
        reasons = []
        client = GuardedClient("127.0.0.1", 1, 0.5, reasons.append)
        client.ctx.transport = transport = Transport()
        client.ctx.drop("three in a row")
        client.ctx.drop("again")
        assert transport.calls == ["abort", "close"]
        assert reasons == ["three in a row"]

    run_async(scenario())


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_frozen_peer_looks_connected_and_is_found_out(loop_factory):
    """SIGSTOP: its kernel keeps the connection, takes writes, and even accepts new connections."""

    async def scenario():
        port = free_port()
        async with JsonPeer("modbus_server.py", port) as server:
            config = ModbusTcpConfig(id="l", port=port, timeout_s=0.2, backoff_max_s=0.1)
            link = ModbusTcpLink(config, random.Random(1))
            keeper = asyncio.create_task(link.keep())
            await link.wait_connected()
            assert await link.write_registers(1, 5, [55]) is Answer.ACCEPTED
            await freeze(server.process)
            assert link.connected
            assert await link.write_registers(1, 5, [56]) is Answer.UNKNOWN
            for _ in range(2):
                with pytest.raises(LinkError, match="no answer"):
                    await link.read_registers(1, 5, 1)
            assert not link.connected
            await until(lambda: link.epoch == 2)  # connected again, to a process that is frozen
            with pytest.raises(LinkError, match="no answer"):
                await link.read_registers(1, 5, 1)
            thaw(server.process)
            words = []
            while not words:
                await link.wait_connected()
                try:
                    words = await link.read_registers(1, 5, 1)
                except LinkError:
                    await asyncio.sleep(0)
            keeper.cancel()
            await asyncio.wait([keeper])
            written = [line["word"] for line in server.lines if line["event"] == "write"]
            assert written.count(56) <= 1  # what was in its buffers; never a second copy

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(asyncio.wait_for(scenario(), 20.0))


def test_the_link_works_under_uvloop():
    """Production runs on it; its transports close and abort in their own way."""

    async def scenario():
        device = Registers({0: 7})
        async with RawPeer(device) as peer:
            config = ModbusTcpConfig(id="l", port=peer.port, timeout_s=0.05, backoff_min_s=0.01)
            link = ModbusTcpLink(config, random.Random(1))
            keeper = asyncio.create_task(link.keep())
            await link.wait_connected()
            assert await link.read_registers(1, 0, 1) == [7]
            peer.cut()
            await until(lambda: link.epoch == 2)
            peer.answer = lambda _f: b"no modbus at all"
            with pytest.raises(LinkError, match="sends no Modbus"):
                await link.read_registers(1, 0, 1)
            peer.answer = device
            await link.wait_connected()
            assert await link.read_registers(1, 0, 1) == [7]
            keeper.cancel()
            await asyncio.wait([keeper])
            assert (link.connected, link.reason) == (False, "stopped")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(scenario(), 20.0))
