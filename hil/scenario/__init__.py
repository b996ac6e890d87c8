"""Scenarios: the records of a file, its reader, and the limits that its runs must meet."""

from hil.scenario.acceptance import Limit, Other, applicable, figure, in_words, missed, shortfall
from hil.scenario.checks import ChecksConfig
from hil.scenario.daemon import POLICIES, AllocationConfig, GuardsConfig, WireConfig
from hil.scenario.faults import EventConfig, FaultsConfig, LinkDelays, RandomFaultConfig
from hil.scenario.fleet import KINDS, MAKERS, FleetConfig, KindConfig
from hil.scenario.frequency import FrequencySource, PlantDroopConfig
from hil.scenario.load import FOLDER, Scenario, find, load, names
from hil.scenario.signal import SignalSource

__all__ = [
    "FOLDER",
    "KINDS",
    "MAKERS",
    "POLICIES",
    "AllocationConfig",
    "ChecksConfig",
    "EventConfig",
    "FaultsConfig",
    "FleetConfig",
    "FrequencySource",
    "GuardsConfig",
    "KindConfig",
    "Limit",
    "LinkDelays",
    "Other",
    "PlantDroopConfig",
    "RandomFaultConfig",
    "Scenario",
    "SignalSource",
    "WireConfig",
    "applicable",
    "figure",
    "find",
    "in_words",
    "load",
    "missed",
    "names",
    "shortfall",
]
