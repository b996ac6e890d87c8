"""A checked configuration, and where it came from. Light: `vppd check` needs nothing else."""

from dataclasses import dataclass
from pathlib import Path

from vppd.config.commissioned import with_commissioned
from vppd.config.load import parse_config, read_config, resolve_path
from vppd.config.schema import Config
from vppd.runtime.registry import installed

SOCKET_NAME = "vppd.sock"
CONTROL_NAME = "control.sock"
JOURNAL_NAME = "journal"
INSTALLED_STATE_DIR = Path("/var/lib/vppd")  # as systemd/vppd.service has it


@dataclass(frozen=True, slots=True)
class Site:
    """What a daemon is started with."""

    config: Config
    text: bytes
    base_dir: Path  # relative paths of the configuration start here
    state_dir: Path
    path: Path  # the file


def load_site(path: Path) -> Site:
    """Load and check a configuration, with what step tests found. Raises ConfigError, OSError."""
    text, registry = read_config(path), installed()
    config = parse_config(text, str(path), registry)
    if config.site.commissioning_dir is not None:
        folder = resolve_path(path, config.site.commissioning_dir)
        config = with_commissioned(config, folder, registry)
    return Site(
        config, text, path.absolute().parent, resolve_path(path, config.site.state_dir), path
    )
