"""What the daemon is configured with, and how the devices are spread over processes."""

from dataclasses import dataclass

from hil.records import ruled

POLICIES = ("exact", "pro_rata", "merit_order", "response_aware")


@dataclass(frozen=True, slots=True)
class WireConfig:
    """How the simulated devices are spread over processes."""

    devices_per_process: int = ruled(70, minimum=1, maximum=10000)


@dataclass(frozen=True, slots=True)
class AllocationConfig:
    """What the daemon is configured to do."""

    policy: str = ruled("response_aware", choices=POLICIES)
    # None: the daemon's defaults
    look_ahead_s: float | None = ruled(None, minimum=0.05, maximum=60.0)
    settle_s: float | None = ruled(None, minimum=0.05, maximum=600.0)
    slow_s: float | None = ruled(None, minimum=0.0, maximum=3600.0)
    quiet_pu: float | None = ruled(None, minimum=0.0, maximum=0.2)
    trust_error_pu: float | None = ruled(None, minimum=0.0, maximum=1.0)
    soc_recovery_s: float | None = ruled(None, minimum=60.0, maximum=1e9)


@dataclass(frozen=True, slots=True)
class GuardsConfig:
    """Guards on the signal that the daemon is configured with. None: its defaults."""

    agc_stale_after_s: float | None = ruled(None, minimum=0.1, maximum=3600.0)
    hold_s: float | None = ruled(None, minimum=0.0, maximum=3600.0)
    return_rate_pu_per_s: float | None = ruled(None, minimum=1e-6, maximum=10.0)
