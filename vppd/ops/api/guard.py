"""Who may do what, how often, and what was refused.

Sessions, orders that wait for confirmation, and the rates of requests: all in memory, all bounded.
A restart ends every session.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from vppd.ops.api.users import NOBODY, Role, User

SESSIONS_MAX: Final = 1000
OFFERS_MAX: Final = 1000
OFFER_S: Final = 60.0  # time to confirm an order
USED_MAX: Final = 10_000
CLIENTS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody who asks."""

    name: str
    role: Role
    session: str = ""  # digest of the token; empty: not logged in
    until_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Offer:
    """An order that waits for its confirmation."""

    session: str
    order: dict[str, Any]
    effect: str
    seen: int  # newest order that its effect was computed beside
    until_s: float


class Sessions:
    """Who has logged in. Tokens are kept as digests: what leaks from memory opens nothing."""

    def __init__(self, clock: Callable[[], float], session_s: float) -> None:
        self._clock = clock
        self._session_s = session_s
        self._by_digest: OrderedDict[str, Who] = OrderedDict()

    def open(self, user: User) -> str:
        """Begin a session; the token is for its owner alone."""
        token = secrets.token_urlsafe(32)
        digest = _digest(token)
        until_s = self._clock() + self._session_s
        self._by_digest[digest] = Who(user.name, user.role, digest, until_s)
        while len(self._by_digest) > SESSIONS_MAX:
            self._by_digest.popitem(last=False)
        return token

    def who(self, token: str) -> Who | None:
        """Owner of a token; None: no session, or it is over."""
        digest = _digest(token)
        found = self._by_digest.get(digest)
        if found is None or not hmac.compare_digest(found.session, digest):
            return None
        if found.until_s < self._clock():
            del self._by_digest[digest]
            return None
        return found

    def holds(self, who: Who) -> bool:
        """Whether a session of before is still open."""
        return who.session in self._by_digest and self._clock() <= who.until_s

    def close(self, who: Who) -> None:
        """End a session."""
        self._by_digest.pop(who.session, None)


class Offers:
    """Orders that were shown with their effect. Each may be confirmed once, by who asked for it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._waiting: OrderedDict[str, Offer] = OrderedDict()
        self._used: OrderedDict[str, None] = OrderedDict()

    def make(self, who: Who, order: dict[str, Any], effect: str, seen: int) -> str:
        """Remember an order; what is returned confirms it."""
        token = secrets.token_urlsafe(24)
        until_s = self._clock() + OFFER_S
        self._waiting[_digest(token)] = Offer(who.session, order, effect, seen, until_s)
        while len(self._waiting) > OFFERS_MAX:
            self._waiting.popitem(last=False)
        return token

    def take(self, who: Who, token: str) -> Offer | str:
        """Order that is confirmed; or why not, in words."""
        digest = _digest(token)
        if digest in self._used:
            return "replayed: this order was given already"
        offer = self._waiting.get(digest)
        if offer is None:
            return "there is no such order to confirm: ask for its effect first"
        if not hmac.compare_digest(offer.session, who.session):
            return "somebody else asked for this order"
        del self._waiting[digest]
        self._used[digest] = None
        while len(self._used) > USED_MAX:
            self._used.popitem(last=False)
        if offer.until_s < self._clock():
            return f"too late: an effect is true for {OFFER_S:g} s; ask for it again"
        return offer


class Rate:
    """So many requests a second of one client, with a reserve for bursts."""

    def __init__(self, clock: Callable[[], float], per_s: float, burst: float) -> None:
        self._clock = clock
        self._per_s = per_s
        self._burst = burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, client: str) -> bool:
        """Count one request; False: it is one too many."""
        now_s = self._clock()
        left, at_s = self._left.pop(client, (self._burst, now_s))
        left = min(self._burst, left + (now_s - at_s) * self._per_s)
        allowed = left >= 1.0
        self._left[client] = (left - 1.0 if allowed else left, now_s)
        while len(self._left) > CLIENTS_MAX:
            self._left.popitem(last=False)
        return allowed


def checked_user(users: dict[str, User], name: str, password: str) -> User | None:
    """User of a name and password, or None. Slow by design: not for the event loop."""
    user = users.get(name, NOBODY)
    return user if user.has(password) and user.role is not Role.NONE else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
