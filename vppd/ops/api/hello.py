"""What the daemon hands to its api process."""

from collections.abc import Callable
from dataclasses import dataclass

from vppd.core.orders import Standing
from vppd.core.types import Decision, Image, Params, State
from vppd.ops.orders.book import Book


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the api process. Paths are absolute."""

    host: str
    port: int
    users_file: str | None
    tls_certificate: str | None
    tls_key: str | None
    anonymous: str  # role of who has not logged in: viewer or none
    hosts: tuple[str, ...]  # names that a request may be for
    session_s: float


@dataclass(frozen=True, slots=True)
class Hello:
    """What does not change while the daemon runs."""

    site: str
    version: str
    params: Params
    links: tuple[str, ...]  # of each unit
    settings: Settings
    journal: str | None  # folder


@dataclass(frozen=True, slots=True)
class Inputs:
    """All of the last tick, and what stands: to explain it, and to say what an order will do."""

    utc_s: float
    before: State
    image: Image
    after: State
    decision: Decision
    base: Standing  # by the configuration
    book: Book


@dataclass(frozen=True, slots=True)
class Unpack:
    """How to read them from bytes; each raises for bytes of another form."""

    hello: Callable[[bytes], Hello]
    inputs: Callable[[bytes, Params], Inputs]
