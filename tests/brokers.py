"""An MQTT 5 broker for tests: mosquitto, or iotcore's where that is not installed."""

import asyncio
import contextlib
import shutil
import sys
from pathlib import Path

import pytest
from processes import free_port

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
KINDS = ["mosquitto", "iotcore"] if MOSQUITTO else ["iotcore"]

# iotcore gives each message the QoS of the subscription, and publishes no last will.
keeps_the_standard = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")

IOTCORE_SCRIPT = (
    "import sys; from iotcore import Broker; Broker(config_path=sys.argv[1]).run_forever()"
)
IOTCORE_TOML = """\
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 1048576
max_segment_count = 10
[v5.1]
name = "v5"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 5000
max_payload_size = 65536
max_inflight_count = 100
"""


class MqttBroker:
    """A broker process on a port of its own. `kill` and `start` again keep the port."""

    def __init__(self, folder: Path, *lines: str, kind: str = KINDS[0]) -> None:
        self.port = free_port()
        self._file = folder / f"{kind}.toml"
        if kind == "iotcore":
            self._file.write_text(IOTCORE_TOML.format(port=self.port))
            self._command = [sys.executable, "-c", IOTCORE_SCRIPT, str(self._file)]
        else:
            # As root it would become a user who may not read the test's folder.
            text = [
                "user root",
                f"listener {self.port} 127.0.0.1",
                *(lines or ("allow_anonymous true",)),
            ]
            self._file.write_text("\n".join(text) + "\n")
            self._command = [str(MOSQUITTO), "-c", str(self._file)]

    async def __aenter__(self) -> "MqttBroker":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def start(self) -> None:
        """Start the process, and wait until it accepts a connection."""
        quiet = asyncio.subprocess.DEVNULL
        self.process = await asyncio.create_subprocess_exec(
            *self._command, stdout=quiet, stderr=quiet
        )
        async with asyncio.timeout(10.0):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    await writer.wait_closed()
                    return
                await asyncio.sleep(0.005)

    async def kill(self) -> None:
        """kill -9."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
