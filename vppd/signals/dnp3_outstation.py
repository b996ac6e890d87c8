"""The plant as a DNP3 outstation (IEEE 1815-2012): AGC and frequency in, telemetry out.

AO 0 is AGC, AO 1 the frequency where it is configured. A value is stamped when its octets reach
`data_received`, before they are parsed. DNP3 has no sequence for values, so an operate with the
same value as before is a fresh one.
"""

import asyncio
import errno
import ipaddress
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from py1815.control import AnalogOutput, CommandStatus
from py1815.objects import AnalogPoint
from py1815.observers import ProtocolAnomaly
from py1815.session import Control, Session

from vppd.config.exposure import exposed
from vppd.config.fields import about, number, text
from vppd.config.schema import SignalConfig
from vppd.links.tls import server_context
from vppd.points.dnp3_table import ONLINE
from vppd.signals.base import AgcValue, FrequencyValue, PlantReport
from vppd.signals.dnp3_points import AGC_SETPOINT, FREQUENCY, PlantPoints
from vppd.signals.dnp3_server import Connection

log = structlog.get_logger()
FREQ_MIN_HZ, FREQ_MAX_HZ = 10.0, 400.0  # no grid beyond: from 16.7 Hz (railways) to 400 Hz (ships)


@dataclass(frozen=True, slots=True)
class Dnp3OutstationConfig(SignalConfig):
    """AGC and telemetry by DNP3, with vppd as the outstation."""

    TYPE = "dnp3_outstation"

    host: str = field(default="127.0.0.1", metadata=text("address to listen on"))
    port: int = field(default=20000, metadata=number("", "TCP port", minimum=1.0, maximum=65535.0))
    outstation_address: int = field(
        default=1024, metadata=number("", "our link address", minimum=0.0, maximum=65519.0)
    )
    master_address: int = field(
        default=1,
        metadata=number("", "link address of the only master", minimum=0.0, maximum=65519.0),
    )
    allowed_peers: tuple[str, ...] = field(
        default=("127.0.0.1", "::1"),
        metadata=about("IP addresses or networks that may connect"),
    )
    unit: str = field(
        default="pu",
        metadata=text("what AO 0 is in: pu of regulation capacity, or MW", "pu", "mw"),
    )
    frequency: bool = field(
        default=False, metadata=about("AO 1 takes the grid's frequency, Hz; `droop` needs it")
    )
    select_timeout_s: float = field(
        default=10.0, metadata=number("s", "a select holds that long", above=0.0, maximum=60.0)
    )
    unsolicited: bool = field(
        default=True, metadata=about("report events unasked to a master that enables it")
    )
    idle_timeout_s: float = field(
        default=300.0,
        metadata=number("s", "a silent connection is closed after", above=0.0, maximum=86400.0),
    )
    ca_file: str | None = field(
        default=None, metadata=text("certificates of who signs the masters'; turns TLS on")
    )
    cert_file: str | None = field(default=None, metadata=text("our certificate, PEM"))
    key_file: str | None = field(default=None, metadata=text("our key, PEM"))
    allowed_names: tuple[str, ...] = field(
        default=(), metadata=about("with TLS: names, or sha256: prints, of the certificates let in")
    )
    insecure: bool = field(
        default=False,
        metadata=about("listen beyond this machine without TLS: whoever reaches the port commands"),
    )

    def brings(self) -> tuple[str, ...]:
        """Give what comes in by it."""
        return ("agc", "frequency") if self.frequency else ("agc",)

    def listens_on(self) -> tuple[str, int] | None:
        """Give host and port of the listening socket."""
        return self.host, self.port

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        found = []
        if self.outstation_address == self.master_address:
            found.append(("master_address", "must differ from outstation_address"))
        for peer in self.allowed_peers:
            try:
                ipaddress.ip_network(peer)
            except ValueError as error:
                found.append(("allowed_peers", str(error)))
        if self.ca_file is not None and not (self.cert_file and self.allowed_names):
            found.append(("ca_file", "TLS also needs cert_file and allowed_names"))
        tls = self.ca_file is not None
        return found + exposed(self.host, "DNP3", tls=tls, insecure=self.insecure)


def _why(error: OSError) -> str:
    """Say why nobody can listen there, and what to do about it."""
    match error.errno:
        case errno.EADDRINUSE:
            return "is in use by another program; choose another port or stop it"
        case errno.EADDRNOTAVAIL:
            return "is no address of this machine; choose one of its own, or 0.0.0.0 for all"
        case errno.EACCES:
            return "needs a right that this user lacks; choose a port above 1023"
    return f"cannot be listened on: {(error.strerror or str(error)).lower()}"


class Dnp3Outstation:
    """Signal that a TSO's DNP3 master writes and reads."""

    def __init__(
        self,
        config: Dnp3OutstationConfig,
        clock: Callable[[], float],
        *,
        base_dir: Path = Path(),
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.agc: AgcValue | None = None
        self.frequency: FrequencyValue | None = None
        self.counts: Counter[str] = Counter()  # what was refused and why, since the start
        self.clock = clock
        self.idle_timeout_s = config.idle_timeout_s
        self.allowed_names = frozenset(config.allowed_names)
        self.points = PlantPoints(frequency=config.frequency)
        self.received_s = math.nan  # when the octets now being parsed came
        self.session = Session(
            self.points,
            control_provider=self,
            events=self.points.events,
            outstation_address=config.outstation_address,
            master_address=config.master_address,
            select_timeout=config.select_timeout_s,
            unsolicited=config.unsolicited,
            unsolicited_confirm_timeout=2.0,  # reads wait behind an unconfirmed one: not for long
            clock=clock,
            anomaly_observer=self._note_anomaly,
        )
        self._config = config
        self._wall = wall
        self._listeners: list[Callable[[], None]] = []
        self._frequency_listeners: list[Callable[[], None]] = []
        self._capacity_mw = (math.nan, math.nan)  # up, down; of the newest report
        self._server: asyncio.Server | None = None
        self._connection: Connection | None = None
        self._log = log.bind(signal=config.id)
        self._networks = [ipaddress.ip_network(peer) for peer in config.allowed_peers]
        self._tls = None
        if config.ca_file is not None and config.cert_file is not None:
            self._tls = server_context(base_dir, config.ca_file, config.cert_file, config.key_file)

    @property
    def port(self) -> int:
        """Port that is listened on; the configured one before `bind`."""
        if self._server is None or not self._server.sockets:
            return self._config.port
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def peers_refused(self) -> int:
        """Connections of peers that may not connect, since the start."""
        return self.counts["peer_refused"]

    def on_agc(self, listener: Callable[[], None]) -> None:
        """Call `listener()` in the event loop when a new AGC value is there."""
        self._listeners.append(listener)

    def on_frequency(self, listener: Callable[[], None]) -> None:
        """Call `listener()` in the event loop when a new frequency is there."""
        self._frequency_listeners.append(listener)

    async def bind(self) -> None:
        """Open the listening socket. Raises OSError with the address in its text."""
        config = self._config
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self), config.host, config.port, ssl=self._tls
            )
        except OSError as error:
            place = f"signal {config.id}: {config.host}:{config.port}"
            raise OSError(error.errno, f"{place} {_why(error)}") from error

    async def run(self) -> None:
        """Serve until cancelled."""
        if self._server is None:
            await self.bind()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.close()

    def close(self) -> None:
        """Stop listening and end the connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._connection is not None:
            self._connection.end("stopped")

    def publish(self, report: PlantReport) -> None:
        """Put a report into the points, and send what the master asked to be told of."""
        self._capacity_mw = (report.regulation_capacity_up_mw, report.regulation_capacity_down_mw)
        self.points.update(report, int(self._wall() * 1000.0))
        if self._connection is not None:
            self._connection.initiate()

    # ------------------------------------------------------------- connections

    def admits(self, host: str) -> bool:
        """Whether a peer may connect, by its IP address."""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self._networks)

    def opened(self, connection: Connection, host: str) -> None:
        """Make an admitted connection the master's. The one before it is cut off."""
        if self._connection is not None:
            self._connection.end("displaced by a new connection")
        self._connection = connection
        self.session.connection_reset()
        self._log.info("master_connected", peer=host)

    def ended(self, connection: Connection, reason: str) -> None:
        """Note the end of a connection."""
        if self._connection is connection:
            self._connection = None
            self._log.info("master_lost", reason=reason)

    def note(self, event: str, **fields: str) -> None:
        """Count what was refused. One line in the log for the first, no line a frame."""
        self.counts[event] += 1
        if self.counts[event] == 1:
            self._log.warning(event, **fields)

    def _note_anomaly(self, anomaly: ProtocolAnomaly) -> None:
        self.note(anomaly.code.value, message=anomaly.message)

    # ---------------------------------------------------------------- controls

    def select(self, controls: Sequence[Control]) -> list[CommandStatus]:
        """Say what an operate would be answered. Nothing is taken over."""
        return [self._judge(control)[0] for control in controls]

    def operate(self, controls: Sequence[Control]) -> list[CommandStatus]:
        """Take values over."""
        return [self._operate(control) for control in controls]

    def _operate(self, control: Control) -> CommandStatus:
        status, value, taken = self._judge(control)
        is_frequency = self._config.frequency and control.index == FREQUENCY
        if status is not CommandStatus.SUCCESS:
            event = "frequency_refused" if is_frequency else "agc_refused"
            self.note(event, status=status.name, index=str(control.index))
            return status
        self.points.outputs[control.index] = AnalogPoint(value, ONLINE)
        if is_frequency:
            self.frequency = FrequencyValue(taken, self.received_s)
        else:
            self.agc = AgcValue(taken, self.received_s)
        for listener in self._frequency_listeners if is_frequency else self._listeners:
            listener()
        return status

    def _judge(self, control: Control) -> tuple[CommandStatus, float, float]:
        """Status, value as sent, value as it is taken: pu, or Hz."""
        command = control.command
        if not isinstance(command, AnalogOutput):
            return CommandStatus.NOT_SUPPORTED, math.nan, math.nan
        value = float(command.value)
        if control.index == AGC_SETPOINT:
            return self._judge_agc(value)
        if control.index != FREQUENCY or not self._config.frequency:
            return CommandStatus.NOT_SUPPORTED, math.nan, math.nan
        if not FREQ_MIN_HZ <= value <= FREQ_MAX_HZ:  # NaN is not, either
            return CommandStatus.OUT_OF_RANGE, math.nan, math.nan
        return CommandStatus.SUCCESS, value, value

    def _judge_agc(self, value: float) -> tuple[CommandStatus, float, float]:
        """As `_judge`, in pu. Range and rate are judged by the core's guards."""
        if not math.isfinite(value):
            return CommandStatus.OUT_OF_RANGE, math.nan, math.nan
        if self._config.unit == "pu":
            return CommandStatus.SUCCESS, value, value
        capacity_mw = self._capacity_mw[0] if value >= 0.0 else self._capacity_mw[1]
        if not capacity_mw > 0.0:  # nothing sold, or no report yet: MW have no meaning in pu
            return CommandStatus.AUTOMATION_INHIBIT, math.nan, math.nan
        return CommandStatus.SUCCESS, value, value / capacity_mw


def create(
    config: Dnp3OutstationConfig,
    *,
    clock: Callable[[], float],
    links: dict[str, object],  # noqa: ARG001 - every signal is created by the same call
    utc: Callable[[], float] = time.time,
    base_dir: Path,
) -> Dnp3Outstation:
    """Create the signal of a configuration record. Raises OSError for unreadable certificates."""
    return Dnp3Outstation(config, clock, base_dir=base_dir, wall=utc)
