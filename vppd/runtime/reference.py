"""Write the page of the configuration: `python -m vppd.runtime.reference docs/config.md`."""

import sys
from pathlib import Path

from vppd.config.reference import write
from vppd.runtime.registry import installed

if __name__ == "__main__":
    write(Path(sys.argv[1]), installed())
