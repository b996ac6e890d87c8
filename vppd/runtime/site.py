"""A checked configuration, and where it came from. Light: `vppd check` needs nothing else."""

from dataclasses import dataclass
from pathlib import Path

from vppd.config.load import parse_config, read_config, resolve_path
from vppd.config.schema import Config
from vppd.runtime.registry import installed

SOCKET_NAME = "vppd.sock"
JOURNAL_NAME = "journal"
INSTALLED_STATE_DIR = Path("/var/lib/vppd")  # as systemd/vppd.service has it


@dataclass(frozen=True, slots=True)
class Site:
    """What a daemon is started with."""

    config: Config
    text: bytes
    base_dir: Path  # relative paths of the configuration start here
    state_dir: Path


def load_site(path: Path) -> Site:
    """Load and check a configuration. Raises ConfigError, OSError."""
    text = read_config(path)
    config = parse_config(text, str(path), installed())
    return Site(config, text, path.absolute().parent, resolve_path(path, config.site.state_dir))
