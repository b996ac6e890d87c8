"""What the API needs before the daemon serves: its socket, its users, its certificate.

All of it is looked at here, so that what is wrong ends the start with a message, and not the api
process again and again.
"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vppd.config.sections import ApiConfig
from vppd.links.tls import locate, locate_secret
from vppd.ops.api.hello import Settings
from vppd.ops.api.secrets import server_context, users_of

BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Api:
    """What the api process serves on, and how."""

    settings: Settings
    listening: socket.socket


def open_api(config: ApiConfig, base_dir: Path, kept: Sequence[socket.socket]) -> Api:
    """Check what it needs, and listen; `kept`: sockets that listen already, of the manager.

    Raises UsersError, OSError.
    """
    settings = settings_of(config, base_dir)
    for spare in kept[1:]:
        spare.close()
    return Api(settings, kept[0] if kept else listen(settings))


def settings_of(config: ApiConfig, base_dir: Path) -> Settings:
    """Give what the api process is to know. Raises UsersError, OSError."""

    def path(name: str | None) -> str | None:
        return None if name is None else str(locate(name, base_dir))

    settings = Settings(
        host=config.host,
        port=int(config.port),
        users_file=path(config.users_file),
        tls_certificate=path(config.cert_file),
        tls_key=None if config.key_file is None else str(locate_secret(config.key_file, base_dir)),
        anonymous=config.anonymous,
        hosts=config.hosts,
        session_s=config.session_s,
    )
    users_of(settings)
    if settings.tls_certificate is not None:
        server_context(settings)
    return settings


def listen(settings: Settings) -> socket.socket:
    """Socket that listens already: it holds clients until the api process is there.

    Raises OSError, with the address in it.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        address = f"api: {settings.host}:{settings.port}"
        raise OSError(error.errno, error.strerror or str(error), address) from error
    listening.setblocking(False)
    return listening


def url_of(api: Api) -> str:
    """Where the console is, for people."""
    scheme = "http" if api.settings.tls_certificate is None else "https"
    host = f"[{api.settings.host}]" if ":" in api.settings.host else api.settings.host
    return f"{scheme}://{host}:{api.listening.getsockname()[1]}/"
