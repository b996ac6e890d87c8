"""Who can reach a listener: nobody but this machine, unless the configuration says so."""

import ipaddress

from vppd.config import messages


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone. A name that is not `localhost` may be anywhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def exposed(host: str, what: str, *, tls: bool, insecure: bool) -> list[tuple[str, str]]:
    """Complain of a listener, or a way to a broker, that others can reach and that is plain.

    In the form of `cross_checks`: (key, message).
    """
    if tls or insecure or is_loopback(host):
        return []
    return [("host", messages.EXPOSED.format(host=host, what=what))]
