"""Users and certificate of the API, read from files: by the daemon to check them, then for use."""

import ssl
from pathlib import Path

from vppd.ops.api.hello import Settings
from vppd.ops.api.users import User, read_users


def users_of(settings: Settings) -> dict[str, User]:
    """Users that may log in. Raises UsersError, OSError."""
    return {} if settings.users_file is None else read_users(Path(settings.users_file))


def server_context(settings: Settings) -> ssl.SSLContext:
    """TLS 1.2 at least. Raises OSError, which ssl.SSLError is."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(str(settings.tls_certificate), settings.tls_key)
    return context
