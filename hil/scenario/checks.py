"""What the checkers of a run are told; everything else they know from the run itself."""

from dataclasses import dataclass

from hil.records import ruled


@dataclass(frozen=True, slots=True)
class ChecksConfig:
    """When regulation counts as resumed after the last timed fault."""

    resume_within_s: float = ruled(10.0, minimum=0.1, maximum=3600.0)
    resume_error_pct: float = ruled(20.0, minimum=0.1, maximum=100.0)  # of regulation capacity
