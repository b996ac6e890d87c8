"""What was possible, as an acceptance run: an hour of the reference scenario, found in time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hil import fleet, oracle, possible, running
from hil.scenario import Limit, Scenario, load

SCENARIO, DURATION_S = "zhejiang", 3600.0
REGULATION_MW = (80.0, 95.0)  # batteries suffice for the first, units saturate with the second
LIMITS = {
    "oracle.seconds": Limit(maximum=600.0),  # on two cores
    "oracle.gap_pct": Limit(maximum=0.2),
}


def scenarios(seed: int) -> list[Scenario]:
    """Give the hours whose bound is found, under names and limits of their own."""
    return [_hour(seed, regulation_mw) for regulation_mw in REGULATION_MW]


def _hour(seed: int, regulation_mw: float) -> Scenario:
    settings = {
        "name": f"oracle-{regulation_mw:g}",
        "title": f"What was possible in an hour at {regulation_mw:g} MW",
        "seed": str(seed),
        "duration_s": str(DURATION_S),
        "regulation_mw": str(regulation_mw),
        "acceptance": "{}",
    }
    made = load(SCENARIO, list(settings.items()))
    made.acceptance.update(LIMITS)
    return made


def find(
    scenario: Scenario, folder: Path, view: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Find the bound, write it to `FOLDER/oracle.json`, and give it as a result has it.

    Raises RunError.
    """

    def tell(share: float, _: str) -> None:
        view({"t_s": share * scenario.duration_s})

    try:
        bound = oracle.bound(scenario, fleet.draw(scenario, 0), progress=tell)
    except oracle.OracleError as error:
        raise running.RunError(running.COULD_NOT, str(error)) from error
    folder.mkdir(exist_ok=True)
    oracle.write(bound, folder / possible.NAME)
    return {"clock": "virtual", "oracle": possible.figures(bound)}
