"""Links and their delays, faults that are always there, and faults by time."""

from dataclasses import dataclass, field

from hil.records import rule, ruled


@dataclass(frozen=True, slots=True)
class LinkDelays:
    """Latency of every link, each way, drawn evenly for each message."""

    latency_ms: tuple[float, float] = ruled((20.0, 80.0), minimum=0.0, maximum=60000.0)


@dataclass(frozen=True, slots=True)
class FaultsConfig:
    """Faults that are always there. `faults: none` switches them off."""

    write_loss_pct: float = ruled(2.0, minimum=0.0, maximum=100.0)
    telemetry_noise_pct: float = ruled(2.0, minimum=0.0, maximum=100.0)
    offline_pct: float = ruled(1.0, minimum=0.0, maximum=50.0)
    outage_mean_s: float = ruled(60.0, minimum=0.1, maximum=86400.0)
    model_error_pct: float = ruled(20.0, minimum=0.0, maximum=100.0)  # dead times, lags; 1 sigma

    @classmethod
    def none(cls) -> "FaultsConfig":
        """No faults at all."""
        return cls(0.0, 0.0, 0.0, 60.0, 0.0)


@dataclass(frozen=True, slots=True)
class EventConfig:
    """One fault at a time after the start of the scored run."""

    at_s: float = field(metadata=rule(minimum=0.0, maximum=1e7))
    kind: str = field(metadata=rule(choices=("link_cut", "wire_kill", "agc_cut")))
    duration_s: float = ruled(30.0, minimum=0.0, maximum=1e6)
    process: int = ruled(0, minimum=0, maximum=10000)  # wire_kill: which one
    units: tuple[str, ...] = ()  # link_cut: ids
    how: str = ruled("closed", choices=("closed", "silent"))  # connection ended, or just mute
