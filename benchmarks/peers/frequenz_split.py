"""The Frequenz SDK's split over batteries (`BatteryDistributionAlgorithm`), in its own process.

It solves another problem: shares by capacity and state of charge, the rest greedily, and only for
batteries. It gets fleets of batteries with the same ratings and requests as ours gets. What is
timed is `distribute_power` alone, inside the process.
"""

import json
import math
import subprocess
from pathlib import Path

import numpy as np

from benchmarks import fleets, ours
from benchmarks.peers.frequenz_setup import NotInstalledError, ensure
from benchmarks.timing import Row, repeat, row

WHO = "Frequenz SDK"
WHAT = "shares by capacity and SoC"
WORKER = Path(__file__).with_name("frequenz_worker.py")
ANSWER_S = 180.0


def orders(problems: list[fleets.Problem], n: int) -> dict[str, object]:
    """What the worker is told."""
    rng = np.random.default_rng((fleets.SEED, n, 3))
    calls = [
        {
            "request_mw": p.request_mw,
            "rated_mw": p.upper_mw.tolist(),
            "soc_pct": rng.uniform(20.0, 80.0, n).tolist(),
            "energy_mwh": (2.0 * p.upper_mw).tolist(),
        }
        for p in problems
    ]
    return {"calls": calls, "budget_s": 8.0, "at_least": 8, "at_most": 500}


def ask(python: Path, order: dict[str, object]) -> dict[str, object]:
    """Run the worker once. Raises NotInstalledError when it does not work here."""
    try:
        result = subprocess.run(
            [python, WORKER], input=json.dumps(order) + "\n",
            capture_output=True, text=True, timeout=ANSWER_S, check=True,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        raise NotInstalledError((error.stderr or str(error)).strip().splitlines()[-1]) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalledError(str(error)) from error
    return json.loads(result.stdout)


def measure(n: int) -> list[Row]:
    """Theirs, and ours on the same fleets of batteries, in the same minute."""
    problems = fleets.batteries(n, 8)
    calls = ours.Exact(problems, warm=False)
    times_ns = repeat(calls, budget_s=0.5, at_least=50, at_most=5000)
    same = row(
        f"{ours.WHO}, cold", "the fleet of batteries", n, times_ns,
        sum_error_mw=calls.sum_error_mw, cost_over_best=0.0,
    )  # fmt: skip
    try:
        answer = ask(ensure(), orders(problems, n))
    except NotInstalledError as error:
        return [same, Row(WHO, WHAT, n, note=f"not available: {error}")]
    theirs = row(WHO, WHAT, n, answer["times_ns"], sum_error_mw=answer["sum_error_mw"])
    ratio = theirs.median_us / same.median_us if same.median_us > 0.0 else math.nan
    note = f"{ratio:,.0f} times ours on the same fleet; version {answer['version']}"
    return [same, Row(**{**vars(theirs), "note": note})]
