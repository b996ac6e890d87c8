"""`python -m hil.tso SPEC.json`: the TSO of a run; records beside the file."""

import sys
from pathlib import Path

import uvloop

from hil.priority import raise_priority
from hil.tso.process import TsoProcess, read


async def serve(spec_file: Path) -> None:
    """Run the TSO."""
    raise_priority()
    await TsoProcess(read(spec_file), spec_file.parent).run()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
