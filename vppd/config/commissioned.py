"""What step tests have found (`vppd commission`): files that go over the keys of their units."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from vppd.config.build import Builder
from vppd.config.complaints import Complaints
from vppd.config.document import MAX_BYTES, read_document
from vppd.config.fields import number
from vppd.config.schema import Config, Registry, UnitConfig

SUFFIX = ".yaml"


@dataclass(frozen=True, slots=True)
class ResponseConfig:
    """Response of one unit. What is not written stays as the unit has it."""

    dead_time_s: float | None = field(
        default=None,
        metadata=number("s", "dead time, the way there included", minimum=0.0, maximum=600.0),
    )
    lag_s: float | None = field(
        default=None,
        metadata=number("s", "time constant of the lag behind it", minimum=0.0, maximum=3600.0),
    )
    step_min_mw: float | None = field(
        default=None,
        metadata=number("MW", "smallest change the unit acts on", minimum=0.0, maximum=1e4),
    )
    resolution_mw: float | None = field(
        default=None,
        metadata=number("MW", "grid of the setpoints the unit takes", minimum=0.0, maximum=1e4),
    )


def with_commissioned(config: Config, folder: Path, registry: Registry) -> Config:
    """Give the configuration with what the files of a folder say, one a unit: `ID.yaml`.

    A unit without a file stays as it is. Raises ConfigError for a file with problems, OSError for
    one that cannot be read.
    """
    fleet = tuple(
        _with_file(unit, folder / f"{unit.id}{SUFFIX}", registry) for unit in config.fleet
    )
    return replace(config, fleet=fleet)


def _with_file(unit: UnitConfig, path: Path, registry: Registry) -> UnitConfig:
    if not path.exists():
        return unit
    complaints = Complaints(str(path))
    with path.open("rb") as file:
        root = read_document(file.read(MAX_BYTES + 1), complaints)
    found = Builder(registry, complaints).record(ResponseConfig, root, "").record
    complaints.raise_if_any()
    said = {f.name: getattr(found, f.name) for f in fields(found)}
    changed = replace(unit, **{key: value for key, value in said.items() if value is not None})
    for key, message in changed.steps_check():
        complaints.add(root.start_mark, key, message)
    complaints.raise_if_any()
    return changed
