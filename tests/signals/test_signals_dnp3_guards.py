"""Who may speak to the outstation, and what it does with those who should not."""

import asyncio
import contextlib
import ssl
import struct
import time

import pytest
from certificates import OPENSSL, make_certificates
from dnp3_frames import fragment
from dnp3_links import linked
from helpers import run_async, until

from vppd.links.base import Answer
from vppd.signals.dnp3_outstation import Dnp3Outstation, Dnp3OutstationConfig
from vppd.signals.dnp3_server import OCTETS_PER_S_MAX

READ_CLASS_0 = bytes([60, 1, 6])


def request(sequence: int, function: int, objects: bytes) -> bytes:
    application = bytes([0xC0 | sequence, function]) + objects
    return fragment(application, source=1, to=1024, control=0xC4)


def agc(sequence: int, value: float, *, index: int = 0) -> bytes:
    objects = bytes([41, 3, 0x17, 1, index]) + struct.pack("<f", value) + b"\0"
    return request(sequence, 5, objects)


@contextlib.asynccontextmanager
async def serving(*, base_dir=None, **keys: object):
    config = Dnp3OutstationConfig(id="tso", **{"port": 0, "unsolicited": False, **keys})
    signal = Dnp3Outstation(config, time.monotonic, base_dir=base_dir)
    await signal.bind()
    task = asyncio.create_task(signal.run())
    try:
        yield signal
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Wire:
    """A connection that sends octets and waits for what comes back."""

    def __init__(self, port: int, **keys: object) -> None:
        self._where = {"host": "127.0.0.1", "port": port, **keys}

    async def __aenter__(self) -> "Wire":
        self.reader, self.writer = await asyncio.open_connection(**self._where)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()

    async def ask(self, octets: bytes) -> bytes:
        self.writer.write(octets)
        return await asyncio.wait_for(self.reader.read(4096), 5.0)

    async def ended(self) -> bool:
        """Wait until the outstation has ended the connection."""
        with contextlib.suppress(ConnectionError):
            while await asyncio.wait_for(self.reader.read(65536), 5.0):
                pass
        return True


def test_stranger_is_not_let_in_and_displaces_nobody():
    async def scenario():
        async with serving(allowed_peers=("127.0.0.1",)) as signal, Wire(signal.port) as master:
            assert await master.ask(agc(0, 0.5))
            async with Wire(signal.port, local_addr=("127.0.0.2", 0)) as stranger:
                assert await stranger.ended()
                assert signal.counts["peer_refused"] == 1
            assert await master.ask(agc(1, 0.25))
            assert signal.agc.pu == 0.25

    run_async(scenario())


@pytest.mark.parametrize(
    ("peers", "host", "let_in"),
    [
        (("10.1.0.0/16",), "10.1.2.3", True),
        (("10.1.0.0/16",), "10.2.2.3", False),
        (("::1",), "::1", True),
        (("127.0.0.1",), "::ffff:127.0.0.1", True),  # IPv4 on a socket that has both
        (("127.0.0.1",), "?", False),
        ((), "127.0.0.1", False),
    ],
)
def test_allow_list(peers, host, let_in):
    signal = Dnp3Outstation(Dnp3OutstationConfig(id="s", allowed_peers=peers), time.monotonic)
    assert signal.admits(host) is let_in


def test_master_that_comes_again_displaces_its_dead_connection():
    async def scenario():
        async with serving() as signal, Wire(signal.port) as dead:
            await dead.ask(agc(0, 0.5))
            async with Wire(signal.port) as alive:
                assert await alive.ask(agc(0, 0.25))  # the same sequence number: no repeat
                assert await dead.ended()
                assert signal.agc.pu == 0.25
                assert await alive.ask(agc(1, 0.75))

    run_async(scenario())


def test_select_does_not_survive_its_connection():
    async def scenario():
        select = request(0, 3, bytes([41, 3, 0x17, 1, 0]) + struct.pack("<f", 0.5) + b"\0")
        operate = request(1, 4, bytes([41, 3, 0x17, 1, 0]) + struct.pack("<f", 0.5) + b"\0")
        async with serving() as signal:
            async with Wire(signal.port) as first:
                assert await first.ask(select)
            async with Wire(signal.port) as second:
                answer = await second.ask(operate)
            assert answer[-3] == 2  # status NO_SELECT, before the CRC
            assert signal.agc is None

    run_async(scenario())


MALFORMED = {
    "start octets": b"\x05\x64" * 400,
    "junk": bytes(range(256)) * 4,
    "empty fragment": fragment(b"", source=1, to=1024, control=0xC4),
    "65535 controls": request(0, 5, bytes([41, 3, 0x28, 0xFF, 0xFF]) + b"\0" * 60),
    "no such variation": request(0, 5, bytes([41, 9, 0x17, 1, 0]) + b"\0" * 9),
    "a relay": request(0, 5, bytes([12, 1, 0x17, 1, 0, 3, 1]) + b"\0" * 9),
    "65536 inputs": request(0, 1, bytes([30, 5, 1]) + struct.pack("<HH", 0, 65535)),
    "range beyond": request(0, 1, bytes([30, 5, 0, 3, 60])),
    "index beyond": request(0, 1, bytes([30, 5, 0x17, 2, 1, 200])),
    "unknown group": request(0, 1, bytes([110, 0, 6])),
    "time": request(0, 2, bytes([50, 1, 7, 1]) + b"\0" * 6),
    "unknown function": request(0, 99, b""),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_request_leaves_the_outstation_serving(case):
    async def scenario():
        async with serving() as signal, Wire(signal.port) as master:
            master.writer.write(MALFORMED[case])
            await master.ask(request(7, 1, READ_CLASS_0))
            await asyncio.wait_for(master.ask(agc(8, -0.5)), 5.0)
            await until(lambda: signal.agc is not None)
            assert signal.agc.pu == -0.5

    run_async(scenario())


def test_flood_ends_the_connection_before_it_is_parsed():
    async def scenario():
        async with serving() as signal:
            async with Wire(signal.port) as master:
                master.writer.write(b"\x05\x64" * OCTETS_PER_S_MAX)
                assert await master.ended()
            async with Wire(signal.port) as master:
                assert await master.ask(agc(0, 0.5))

    run_async(scenario())


def test_silent_connection_is_closed():
    async def scenario():
        async with serving(idle_timeout_s=0.05) as signal, Wire(signal.port) as master:
            began_s = time.monotonic()
            assert await master.ended()
            assert time.monotonic() - began_s < 2.0

    run_async(scenario())


def test_points_by_range_and_by_index():
    async def scenario():
        async with serving() as signal, Wire(signal.port) as master:
            by_range = await master.ask(request(0, 1, bytes([30, 5, 0, 5, 6])))
            assert bytes([30, 5, 0, 5, 6]) in by_range
            by_index = await master.ask(request(1, 1, bytes([30, 1, 0x17, 2, 8, 0])))
            assert bytes([30, 1, 0x17, 2, 8]) in by_index
            await master.ask(agc(2, 0.5))
            output = await master.ask(request(3, 1, bytes([40, 3, 6])))
            assert bytes([40, 3, 0, 0, 0, 1]) in output  # AO 0 online
            assert signal.counts == {}

    run_async(scenario())


def test_outputs_are_read_back_and_there_is_a_second_one_where_it_is_configured():
    async def scenario(*, frequency):
        async with serving(frequency=frequency) as signal, Wire(signal.port) as master:
            second, every = bytes([40, 3, 0, 1, 1]), bytes([40, 3, 6])
            answers = [
                await master.ask(request(k, 1, each)) for k, each in ((0, every), (1, second))
            ]
            await master.ask(agc(2, 49.8, index=1))
            return [*answers, await master.ask(request(3, 1, second))]

    every, before, after = run_async(scenario(frequency=True))
    assert bytes([40, 3, 0, 0, 1]) in every
    assert bytes([40, 3, 0, 1, 1, 0x04, 0, 0, 0, 0]) in before  # COMM_LOST
    assert bytes([40, 3, 0, 1, 1, 0x01]) + struct.pack("<f", 49.8) in after
    every, before, after = run_async(scenario(frequency=False))
    assert bytes([40, 3, 0, 0, 0]) in every
    assert not any(bytes([40, 3, 0, 1, 1]) in each for each in (before, after))


def test_what_the_record_brings():
    def brings(**keys):
        return Dnp3OutstationConfig(id="tso", **keys).brings()

    assert (brings(), brings(frequency=True)) == (("agc",), ("agc", "frequency"))


def test_port_in_use_is_named():
    async def scenario():
        async with serving() as signal:
            words = rf"signal tso: 127\.0\.0\.1:{signal.port} is in use by another program"
            with pytest.raises(OSError, match=words):
                async with serving(port=signal.port):
                    pass

    run_async(scenario())


@pytest.mark.skipif(OPENSSL is None, reason="no openssl command")
def test_tls_lets_in_only_the_names_it_was_told(tmp_path):
    make_certificates(tmp_path, "vppd", "tso", "other")

    def client(name: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        context.load_cert_chain(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        return context

    async def scenario():
        tls = {"ca_file": "ca.pem", "cert_file": "vppd.pem", "key_file": "vppd.key"}
        async with serving(base_dir=tmp_path, allowed_names=("tso",), **tls) as signal:
            async with Wire(signal.port, ssl=client("tso")) as master:
                assert await master.ask(agc(0, 0.5))
                async with Wire(signal.port, ssl=client("other")) as other:
                    assert await other.ended()
                assert await master.ask(agc(1, 0.25))
            assert signal.counts["peer_refused"] == 1
            assert signal.agc.pu == 0.25

    run_async(scenario())


@pytest.mark.skipif(OPENSSL is None, reason="no openssl command")
def test_our_own_link_over_tls(tmp_path):
    """The master's side of TLS; what it says inside is tested against others."""
    make_certificates(tmp_path, "vppd", "tso")

    async def scenario():
        tls = {"ca_file": "ca.pem", "cert_file": "vppd.pem", "key_file": "vppd.key"}
        async with serving(base_dir=tmp_path, allowed_names=("tso",), **tls) as signal:
            files = {key: f"{tmp_path}/{name}" for key, name in tls.items()}
            own = {"cert_file": f"{tmp_path}/tso.pem", "key_file": f"{tmp_path}/tso.key"}
            async with linked(signal.port, **{**files, **own}) as link:
                await link.wait_connected()
                assert await link.operate({0: 0.5}) is Answer.ACCEPTED
                assert len(await link.read_analog_inputs()) == 25
            async with linked(
                signal.port, **{**files, **own, "ca_file": files["cert_file"]}
            ) as link:
                await until(lambda: link.reason.startswith("TLS: "))

    run_async(scenario())


@pytest.mark.parametrize(
    ("keys", "blamed"),
    [
        ({"host": "10.0.0.5"}, ["host"]),
        ({"host": "10.0.0.5", "insecure": True}, []),
        ({"host": "localhost"}, []),
        ({"host": "::1"}, []),
        ({"allowed_peers": ("10.0.0.1/8", "tso.example")}, ["allowed_peers", "allowed_peers"]),
        ({"outstation_address": 1}, ["master_address"]),
        ({"ca_file": "ca.pem"}, ["ca_file"]),
    ],
)
def test_config(keys, blamed):
    config = Dnp3OutstationConfig(id="s", **keys)
    assert [key for key, _ in config.cross_checks()] == blamed
