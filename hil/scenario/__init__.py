"""Scenarios: the records of a file, its reader, and the limits that its runs must meet."""

from hil.scenario.acceptance import Limit, Other, figure, in_words, missed, shortfall
from hil.scenario.daemon import POLICIES, AllocationConfig, GuardsConfig, WireConfig
from hil.scenario.faults import EventConfig, FaultsConfig, LinkDelays
from hil.scenario.fleet import KINDS, MAKERS, FleetConfig, KindConfig
from hil.scenario.load import FOLDER, Scenario, find, load, names
from hil.scenario.signal import SignalSource

__all__ = [
    "FOLDER",
    "KINDS",
    "MAKERS",
    "POLICIES",
    "AllocationConfig",
    "EventConfig",
    "FaultsConfig",
    "FleetConfig",
    "GuardsConfig",
    "KindConfig",
    "Limit",
    "LinkDelays",
    "Other",
    "Scenario",
    "SignalSource",
    "WireConfig",
    "figure",
    "find",
    "in_words",
    "load",
    "missed",
    "names",
    "shortfall",
]
