"""Faults of the bench: constant ones as streams, timed ones as a schedule from the seed."""

from hil.faults.constant import Outage, constant_outages, outages, stream
from hil.faults.fault import Fault
from hil.faults.schedule import schedule

__all__ = ["Fault", "Outage", "constant_outages", "outages", "schedule", "stream"]
