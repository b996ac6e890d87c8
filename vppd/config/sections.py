"""Sections of the configuration that stand for themselves: droop, guards, journal,
alarms, metrics, traces, API.
"""

from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit

from vppd.config import messages
from vppd.config.exposure import exposed, is_loopback
from vppd.config.fields import about, number, text

# What the configuration has to say to be allowed what is not safe.
INSECURE = "everybody on this network may read along and steer this plant"


@dataclass(frozen=True, slots=True)
class DroopConfig:
    """Frequency droop at plant level (IEEE 1547-2018, 6.5.2.7), added to the request."""

    droop_pu: float = field(
        metadata=number("pu", "frequency change for full power", above=0.0, maximum=1.0)
    )
    power_mw: float = field(
        metadata=number("MW", "power that 1 pu stands for", minimum=0.0, maximum=1e6)
    )
    deadband_hz: float = field(
        default=0.036,
        metadata=number("Hz", "half width of the dead band", minimum=0.0, maximum=2.0),
    )
    freq_nominal_hz: float = field(
        default=50.0, metadata=number("Hz", "nominal frequency", minimum=10.0, maximum=400.0)
    )
    stale_after_s: float = field(
        default=3.0,
        metadata=number("s", "older frequency gives no droop", above=0.0, maximum=60.0),
    )


@dataclass(frozen=True, slots=True)
class GuardsConfig:
    """Guards on the AGC signal."""

    agc_limit_pu: float = field(
        default=1.0, metadata=number("pu", "AGC is clipped here", above=0.0, maximum=2.0)
    )
    agc_tolerance_pu: float = field(
        default=0.05,
        metadata=number(
            "pu", "beyond limit + tolerance a value is refused", minimum=0.0, maximum=1.0
        ),
    )
    agc_rate_max_pu_per_s: float = field(
        default=float("inf"),
        metadata=number(
            "pu/s",
            "faster moves are refused; .inf where the market allows steps",
            above=0.0,
            allow_inf=True,
        ),
    )
    agc_interval_s: float = field(
        default=2.0,
        metadata=number("s", "how often the TSO sends AGC", minimum=0.1, maximum=600.0),
    )
    agc_stale_after_s: float = field(
        default=6.0,
        metadata=number("s", "an older value is stale: HOLD", above=0.0, maximum=3600.0),
    )
    agc_transit_max_s: float = field(
        default=6.0,
        metadata=number(
            "s", "a value with an older time tag is refused", above=0.0, maximum=3600.0
        ),
    )
    hold_s: float = field(
        default=10.0,
        metadata=number("s", "time in HOLD before RETURN", minimum=0.0, maximum=3600.0),
    )
    return_rate_pu_per_s: float = field(
        default=0.02,
        metadata=number("pu/s", "ramp of RETURN to the basepoints", above=0.0, maximum=10.0),
    )

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        if self.agc_stale_after_s > self.agc_interval_s:
            return []
        message = messages.STALE_BEFORE_NEXT.format(
            agc_interval_s=self.agc_interval_s, agc_stale_after_s=self.agc_stale_after_s
        )
        return [("agc_stale_after_s", message)]


@dataclass(frozen=True, slots=True)
class JournalConfig:
    """The tick journal."""

    enabled: bool = field(default=True, metadata=about("write the journal"))
    sync: bool = field(default=True, metadata=about("fdatasync after each group of records"))
    segment_s: float = field(
        default=3600.0,
        metadata=number("s", "length of one segment file", minimum=10.0, maximum=86400.0),
    )
    queue_ticks: int = field(
        default=120,
        metadata=number(
            "",
            "ticks that may wait for the disk before records are dropped, and an alarm raised",
            minimum=2.0,
            maximum=10000.0,
        ),
    )
    key_credential: str | None = field(
        default=None,
        metadata=text(
            "systemd credential with the private key that signs the journal, by its name;"
            " `vppd key new` makes one"
        ),
    )
    key_file: str | None = field(
        default=None,
        metadata=text("file with that key instead, mode 0400; relative to this file"),
    )
    sign_every_s: float = field(
        default=60.0,
        metadata=number(
            "s", "time between two signed heads of the chain", minimum=1.0, maximum=3600.0
        ),
    )
    heads_file: str | None = field(
        default=None,
        metadata=text(
            "file, on another machine's share, to which each head is appended as a line of JSON;"
            " relative to this file"
        ),
    )
    unsynced_max_s: float = field(
        default=0.0,
        metadata=number(
            "s",
            "a tick that is not on the disk after that time is told as late; 0: one tick",
            minimum=0.0,
            maximum=3600.0,
        ),
    )
    reserve_mb: float = field(
        default=8.0,
        metadata=number(
            "MB",
            "room kept on the disk, so that a full one still takes events; 0: none",
            minimum=0.0,
            maximum=10000.0,
        ),
    )
    keep_days: float = field(
        default=float("inf"),
        metadata=number(
            "d", "segments older than this are removed; events stay", above=0.0, allow_inf=True
        ),
    )
    keep_gb: float = field(
        default=float("inf"),
        metadata=number(
            "GB", "beyond this the oldest segments are removed", above=0.0, allow_inf=True
        ),
    )
    parquet_dir: str | None = field(
        default=None,
        metadata=text(
            "folder to which closed segments are written as Parquet, for reading; none is removed"
            " before; relative to this file"
        ),
    )

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        if self.key_credential is None or self.key_file is None:
            return []
        return [("key_file", messages.TWO_KEYS)]


@dataclass(frozen=True, slots=True)
class AlarmConfig:
    """One alarm otherwise than the catalogue has it. What is not given stays as it is there."""

    alarm: str = field(metadata=text("name of the alarm, as docs/alarms.md has it"))
    priority: str | None = field(
        default=None,
        metadata=text("how soon it wants an answer", "critical", "high", "medium", "low"),
    )
    on_delay_s: float | None = field(
        default=None,
        metadata=number(
            "s", "how long its condition is there before it is raised", minimum=0.0, maximum=86400.0
        ),
    )
    off_delay_s: float | None = field(
        default=None,
        metadata=number(
            "s", "how long its condition is gone before it ends", minimum=0.0, maximum=86400.0
        ),
    )
    shelve_max_s: float | None = field(
        default=None,
        metadata=number(
            "s",
            "it may be shelved for at most so long; 0: not at all",
            minimum=0.0,
            maximum=604800.0,
        ),
    )


@dataclass(frozen=True, slots=True)
class AlarmsConfig:
    """Alarms: how many one operator is shown, and what is set otherwise than by the catalogue."""

    flood_shown_max: int = field(
        default=10,
        metadata=number(
            "",
            "so many alarms below HIGH are raised in flood_window_s; more are held back",
            minimum=1.0,
            maximum=10000.0,
        ),
    )
    flood_window_s: float = field(
        default=600.0,
        metadata=number("s", "time in which they are counted", minimum=1.0, maximum=86400.0),
    )
    flood_shown_again: int = field(
        default=5,
        metadata=number(
            "",
            "what was held back is shown when no more than so many came in that time",
            minimum=0.0,
            maximum=10000.0,
        ),
    )
    kinds: tuple[AlarmConfig, ...] = field(
        default=(), metadata=about("alarms that are set otherwise (docs/alarms.md)")
    )

    def cross_checks(self) -> list[tuple[str, str]]:
        """What is shown again leaves room for what is new."""
        if self.flood_shown_again < self.flood_shown_max:
            return []
        return [("flood_shown_again", messages.FLOOD_CROSS.format(shown=self.flood_shown_max))]


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """The listener for Prometheus, `GET /metrics` (docs/metrics.md)."""

    host: str = field(default="127.0.0.1", metadata=text("address to listen on"))
    port: int = field(default=9477, metadata=number("", "TCP port", minimum=1.0, maximum=65535.0))
    ca_file: str | None = field(
        default=None, metadata=text("certificates of who signs the scrapers'; turns TLS on")
    )
    cert_file: str | None = field(default=None, metadata=text("our certificate, PEM"))
    key_file: str | None = field(default=None, metadata=text("our key, PEM"))
    insecure: bool = field(
        default=False,
        metadata=about("listen beyond this machine without TLS: whoever reaches the port reads"),
    )

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        found = []
        if self.ca_file is not None and self.cert_file is None:
            found.append(("cert_file", messages.TLS_HALF.format(given="ca_file")))
        if self.ca_file is None and (self.cert_file or self.key_file):
            found.append(("ca_file", messages.TLS_HALF.format(given="cert_file")))
        tls = self.ca_file is not None
        return found + exposed(self.host, "HTTP", tls=tls, insecure=self.insecure)


@dataclass(frozen=True, slots=True)
class TracingConfig:
    """Traces of ticks by OpenTelemetry (extra `vppd[otel]`)."""

    endpoint: str = field(
        default="http://127.0.0.1:4318/v1/traces",
        metadata=text("where a collector takes OTLP over HTTP", pattern=r"https?://[^/\s]+(/\S*)?"),
    )
    every_ticks: int = field(
        default=60,
        metadata=number("", "one tick in so many is traced", minimum=1.0, maximum=1e6),
    )
    insecure: bool = field(default=False, metadata=about("send to another machine over plain HTTP"))

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        url = urlsplit(self.endpoint)
        tls, host = url.scheme == "https", url.hostname or ""
        found = exposed(host, "HTTP", tls=tls, insecure=self.insecure)
        return [("endpoint", message) for _, message in found]


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """HTTP API and console. Anywhere but on loopback it wants TLS and users."""

    CROSS_CHECKS: ClassVar[tuple[str, ...]] = ("words_check", "tls_check", "exposure_check")

    port: int = field(
        default=8470, metadata=number("", "TCP port; 0: any free one", minimum=0.0, maximum=65535.0)
    )
    host: str = field(default="127.0.0.1", metadata=text("address that it listens on"))
    users_file: str | None = field(
        default=None,
        metadata=text(
            "users with the hashes of their passwords, lines of `vppd user`; relative to this file,"
            " or the name of a credential (LoadCredential= of systemd). Without users nobody can"
            " give orders"
        ),
    )
    anonymous: str = field(
        default="viewer",
        metadata=text("role of who has not logged in; viewer: sees all", "viewer", "none"),
    )
    cert_file: str | None = field(
        default=None, metadata=text("PEM file of the certificate and its chain; as users_file")
    )
    key_file: str | None = field(
        default=None, metadata=text("PEM file of its private key; as users_file")
    )
    hosts: tuple[str, ...] = field(
        default=(),
        metadata=text("more names that the console is called by; requests for others are refused"),
    )
    session_s: float = field(
        default=43200.0,
        metadata=number("s", "a login ends after that time", minimum=60.0, maximum=604800.0),
    )
    insecure: str | None = field(
        default=None,
        metadata=text(
            f"the words `{INSECURE}`: then it listens on any address without TLS and users"
        ),
    )

    def words_check(self) -> list[tuple[str, str]]:
        """Who says that it is insecure says so in full."""
        if self.insecure is None or self.insecure == INSECURE:
            return []
        return [("insecure", messages.INSECURE_WORDS.format(words=INSECURE))]

    def tls_check(self) -> list[tuple[str, str]]:
        """A certificate has a key, and a key a certificate."""
        if (self.cert_file is None) == (self.key_file is None):
            return []
        keys = ("cert_file", "key_file")
        given, key = keys if self.key_file is None else keys[::-1]
        return [(key, messages.TLS_HALF.format(given=given))]

    def exposure_check(self) -> list[tuple[str, str]]:
        """Anywhere but on loopback: TLS, users, and nobody without a login."""
        if self.insecure is not None or is_loopback(self.host):
            return []
        lacks = []
        if self.cert_file is None:
            lacks.append("cert_file and key_file")
        if self.users_file is None:
            lacks.append("users_file")
        if self.anonymous != "none":
            lacks.append("anonymous: none")
        if not lacks:
            return []
        message = messages.API_EXPOSED.format(
            host=self.host, lacks=" and ".join(lacks), words=INSECURE
        )
        return [("host", message)]
