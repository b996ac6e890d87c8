"""MQTT broker of a run: mosquitto, or iotcore's (from the package index) where it is missing."""

import shutil
import sys
from pathlib import Path

from hil.plumbing import Child, CouldNotRunError, wait_for_port

IOTCORE = "import sys; from iotcore import Broker; Broker(config_path=sys.argv[1]).run_forever()"
IOTCORE_TOML = """\
id = 0
[router]
id = 0
max_connections = 10000
max_outgoing_packet_count = 1000
max_segment_size = 1048576
max_segment_count = 10
[v5.1]
name = "v5"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 10000
max_payload_size = 65536
max_inflight_count = 100
"""
# `user root`: started by root it would change its user, and the kernel then forgets that it is to
# end with the bench (see `hil.tied`). Started by anybody else it stays that user.
MOSQUITTO_CONF = """\
user root
listener {port} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
log_type error
log_type warning
"""


def mosquitto() -> str | None:
    """Path of mosquitto; distributions put it where only root looks."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def command(port: int, folder: Path, *, embedded: bool = False) -> list[str]:
    """Write the broker's configuration and return its command."""
    program = None if embedded else mosquitto()
    if program is not None:
        conf = folder / "mosquitto.conf"
        conf.write_text(MOSQUITTO_CONF.format(port=port))
        return [program, "-c", str(conf)]
    toml = folder / "broker.toml"
    toml.write_text(IOTCORE_TOML.format(port=port))
    return [sys.executable, "-c", IOTCORE, str(toml)]


async def start(port: int, folder: Path, *, embedded: bool = False) -> Child:
    """Start the broker and wait until it accepts connections. Raises CouldNotRunError."""
    argv = command(port, folder, embedded=embedded)
    child = await Child.start("broker", argv, folder / "broker.log")
    try:
        await wait_for_port(port, child, timeout_s=10.0)
    except CouldNotRunError:
        await child.kill()
        raise
    return child
