"""Faults of one unit's link, as they are now, and what becomes of each message by them."""

import random
from dataclasses import dataclass, field

from hil.faults.constant import stream
from hil.faults.fault import Fault

MESSAGE_KINDS = (
    "link_latency",
    "link_jitter",
    "link_loss",
    "link_hang",
    "link_slow_drip",
    "link_duplicate",
    "link_corrupt",
)


@dataclass(frozen=True, slots=True)
class Passage:
    """What becomes of one message."""

    delay_s: float = 0.0  # on top of the link's own latency
    lost: bool = False
    twice: bool = False  # delivered once more, at once
    corrupt: bool = False  # garbled; answers only
    drip_s: float = 0.0  # its octets come one by one, so far apart; answers only


@dataclass(slots=True)
class LinkState:
    """Link of one unit. All neutral by default; look at `active` before anything else.

    A connection that is reset, refused or half open is not a message's affair: that is
    `hil.faults.unit.UnitFaults`, with `Device.dark` and the connection's owner.
    """

    seed: int = 0
    unit: int = 0
    active: bool = False  # False: nothing below applies
    extra_latency_s: float = 0.0
    jitter_s: float = 0.0
    loss_pu: float = 0.0
    hang: bool = False  # orders arrive and are obeyed, answers do not leave
    duplicate_pu: float = 0.0
    corrupt_pu: float = 0.0
    drip_s: float = 0.0  # for each octet of an answer
    _faults: list[Fault] = field(default_factory=list)
    _rng: random.Random | None = None

    def begin(self, fault: Fault) -> None:
        """Have one more fault."""
        self._faults.append(fault)
        self._sum_up()

    def end(self, fault: Fault) -> None:
        """Be rid of a fault; one that never began is ignored."""
        if fault in self._faults:
            self._faults.remove(fault)
        self._sum_up()

    def passage(self, *, reply: bool) -> Passage:
        """Decide on one message; to be asked only while `active`, once for each message.

        Parameters
        ----------
        reply : bool
            From the unit to the daemon (telemetry, too), not the other way.
        """
        rng = self.rng
        delay_s = self.extra_latency_s
        if self.jitter_s:
            delay_s += self.jitter_s * rng.random()
        return Passage(
            delay_s,
            lost=(reply and self.hang) or self._happens(self.loss_pu),
            twice=self._happens(self.duplicate_pu),
            corrupt=reply and self._happens(self.corrupt_pu),
            drip_s=self.drip_s if reply else 0.0,
        )

    @property
    def rng(self) -> random.Random:
        """Random numbers of this link's faults, apart from those of its latency."""
        if self._rng is None:
            self._rng = stream(self.seed, self.unit, "link faults")
        return self._rng

    def _happens(self, probability_pu: float) -> bool:
        return probability_pu > 0.0 and self.rng.random() < probability_pu

    def _sum_up(self) -> None:
        """Latencies and drips of several faults add up; of probabilities the largest counts."""
        faults = self._faults
        self.active = bool(faults)
        self.extra_latency_s = _sum(faults, "link_latency")
        self.jitter_s = _sum(faults, "link_jitter")
        self.drip_s = _sum(faults, "link_slow_drip")
        self.loss_pu = _most(faults, "link_loss")
        self.duplicate_pu = _most(faults, "link_duplicate")
        self.corrupt_pu = _most(faults, "link_corrupt")
        self.hang = any(fault.kind == "link_hang" for fault in faults)


def _sum(faults: list[Fault], kind: str) -> float:
    return sum((fault.size for fault in faults if fault.kind == kind), 0.0)


def _most(faults: list[Fault], kind: str) -> float:
    return max((fault.size for fault in faults if fault.kind == kind), default=0.0)
