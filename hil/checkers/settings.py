"""What the checkers hold a run against: the daemon's configuration, and the scenario's own limits.

The configuration is read as the text that it is, from `daemon.yaml`; defaults are those of
docs/config.md. Only the short top-level sections are parsed: a fleet of 2,000 units would take
longer than all checks together.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hil.scenario.checks import ChecksConfig

TELEMETRY_AGE = "telemetry_age_max_s"


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits of the checks."""

    tick_s: float = 1.0
    setpoint_age_max_s: float = 2.0
    telemetry_age_max_s: float = 5.0  # the units' longest
    droop: bool = False  # the plant answers the frequency, too
    policy: str = "exact"
    look_ahead_s: float = 1.0
    resume_within_s: float = ChecksConfig().resume_within_s
    resume_error_pct: float = ChecksConfig().resume_error_pct


def read(config: Path, run: dict[str, Any]) -> Settings:
    """Read the settings of a run; defaults where there is no configuration.

    Parameters
    ----------
    config : Path
        `daemon.yaml`.
    run : dict
        `run.json`.

    Raises
    ------
    ValueError
        A number in one of the two is none.
    """
    text = config.read_text(encoding="utf-8") if config.exists() else ""
    site = section(text, "site")
    templates = section(text, "templates").values()
    default, checks = Settings(), run.get("checks") or {}
    return Settings(
        tick_s=float(site.get("tick_s", default.tick_s)),
        setpoint_age_max_s=float(site.get("setpoint_age_max_s", default.setpoint_age_max_s)),
        telemetry_age_max_s=max(
            (float(each.get(TELEMETRY_AGE, default.telemetry_age_max_s)) for each in templates),
            default=default.telemetry_age_max_s,
        ),
        droop=bool(section(text, "droop")),
        policy=str(run.get("policy", default.policy)),
        look_ahead_s=float(section(text, "policy").get("look_ahead_s", default.look_ahead_s)),
        resume_within_s=float(checks.get("resume_within_s", default.resume_within_s)),
        resume_error_pct=float(checks.get("resume_error_pct", default.resume_error_pct)),
    )


def section(text: str, key: str) -> dict[str, Any]:
    """One top-level mapping of a YAML text; empty where there is none."""
    found = re.search(rf"^{key}:.*\n(?:[ \t].*\n|\n)*", text + "\n", flags=re.MULTILINE)
    if found is None:
        return {}
    value = yaml.safe_load(found[0])[key]
    return value if isinstance(value, dict) else {}
