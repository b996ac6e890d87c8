"""`raw/frequency.json`: where a run's frequency came from, and the droop of the plant."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from hil.scenario import FrequencySource, PlantDroopConfig, Scenario
from hil.scenario.frequency import from_json


@dataclass(frozen=True, slots=True)
class Frequency:
    """What a scenario says of the frequency."""

    source: FrequencySource
    droop: PlantDroopConfig | None


def write(scenario: Scenario, raw_dir: Path) -> None:
    """Write the file of a run."""
    droop = scenario.droop
    record = {
        "source": asdict(scenario.frequency),
        "droop": None if droop is None else asdict(droop),
    }
    (raw_dir / "frequency.json").write_text(json.dumps(record, indent=1))


def read(raw_dir: Path) -> Frequency:
    """Read the file of a run; without one there is no frequency."""
    path = raw_dir / "frequency.json"
    if not path.exists():
        return Frequency(FrequencySource(), None)
    record = json.loads(path.read_text())
    droop = record["droop"]
    return Frequency(
        from_json(record["source"]), None if droop is None else PlantDroopConfig(**droop)
    )
