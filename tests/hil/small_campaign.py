"""A campaign of ten units and 20 s for the tests, in files of its own."""

from pathlib import Path

SMALL = """\
extends: zhejiang
name: small
title: ten units & a <signal>
duration_s: 20
regulation_mw: 1.0
fleet:
  kinds:
    battery: {makers: {sunspec_battery: 2}, rated_mw: 2.0}
    ev_hub: {makers: {modbus_ev_hub: 1, mqtt_ev_hub: 1}, rated_mw: 1.0}
    hvac: {makers: {modbus_hvac: 1, dnp3_hvac: 1}, rated_mw: 1.0}
    industrial: {makers: {dnp3_industrial: 2}, rated_mw: 1.0}
    pv: {makers: {sunspec_pv: 2}, rated_mw: 1.0}
"""
IMPOSSIBLE = "acceptance={tracking.accuracy_pct: {minimum: 100}}"


def small(folder: Path) -> str:
    """Write the scenario; returns its path."""
    path = folder / "small.yaml"
    path.write_text(SMALL)
    return str(path)
