"""`python -m hil.wire FLEET.json K`: wire process K of a run; records beside the fleet's file."""

import sys
from pathlib import Path

import uvloop

from hil.fleet import read
from hil.priority import raise_priority
from hil.wire.process import WireProcess


async def serve(fleet_file: Path, process: int) -> None:
    """Run one wire process."""
    raise_priority()
    await WireProcess(read(fleet_file), process, fleet_file.parent).run()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
