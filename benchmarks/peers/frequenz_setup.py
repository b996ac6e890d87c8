"""An environment of its own for the Frequenz SDK: .venv-bench, from the package index."""

import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENT = "frequenz-sdk==1.0.0rc2214"
HOME = Path(__file__).resolve().parents[2] / ".venv-bench"
PYTHON = HOME / "bin" / "python"
INSTALL_S = 420.0


class NotInstalledError(Exception):
    """The peer cannot be had on this machine; the message says why."""


def _runs() -> bool:
    if not PYTHON.exists():
        return False
    check = (
        f"import importlib.metadata as m; assert m.version('frequenz-sdk') == '{REQUIREMENT[14:]}'"
    )
    return subprocess.run([PYTHON, "-c", check], capture_output=True, check=False).returncode == 0


def ensure() -> Path:
    """Install the SDK if it is not there; its Python. Raises NotInstalledError."""
    if _runs():
        return PYTHON
    print(f"installing {REQUIREMENT} into {HOME.name} (once)", file=sys.stderr)
    try:
        venv.create(HOME, with_pip=True, clear=True)
        subprocess.run(
            [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENT],
            check=True, capture_output=True, text=True, timeout=INSTALL_S,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or "").strip().splitlines()
        raise NotInstalledError(lines[-1] if lines else str(error)) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalledError(str(error)) from error
    if not _runs():
        raise NotInstalledError("installed, but does not import")
    return PYTHON
