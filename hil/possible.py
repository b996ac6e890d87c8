"""What was possible in a run, worked out beside it by a process of its own: `vppd-hil oracle`.

In virtual time it takes the other core; on the real clock it comes after the run, which must have
the machine for itself.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hil import oracle

NAME = "oracle.json"
NICE = 10  # the run beside it goes first
TIMEOUT_S = 1800.0


class Possible:
    """One bound. `arguments`: of `vppd-hil oracle`, scenario first."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="vppd-hil-"))
        argv = [sys.executable, "-m", "hil.cli", "oracle", *arguments]
        argv += ["--out", str(self._folder / NAME)]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self._process.pid, NICE)

    def wait(self, out_dir: Path) -> dict[str, Any]:
        """Wait for it, and put it into OUT; for `oracle` of the result, or why there is none."""
        try:
            _, said = self._process.communicate(timeout=TIMEOUT_S)
            if self._process.returncode != 0:
                words = said.decode(errors="replace").strip().splitlines()
                return {"note": words[-1] if words else f"exit {self._process.returncode}"}
            shutil.copyfile(self._folder / NAME, out_dir / NAME)
            return figures(oracle.read(out_dir / NAME))
        except subprocess.TimeoutExpired:
            return {"note": f"not found within {TIMEOUT_S:g} s"}
        finally:
            self.close()

    def close(self) -> None:
        """End it, and leave nothing behind."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        shutil.rmtree(self._folder, ignore_errors=True)


def figures(bound: oracle.Bound) -> dict[str, Any]:
    """Give the figures of a bound for `result.json`."""
    return {
        "possible_pct": bound.accuracy_pct,
        "reachable_pct": bound.reachable_pct,
        "gap_pct": bound.gap_pct,
        "possible_mae_mw": bound.mae_mw,
        "clusters": bound.clusters,
        "method": bound.method,
        "seconds": round(bound.seconds, 3),
    }
