"""Links, devices and signals of a configuration, made and put together."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vppd.config.params import basepoints_mw
from vppd.config.schema import Config
from vppd.core.types import Order
from vppd.devices.base import Driver
from vppd.devices.runner import DeviceRunner
from vppd.links.base import Link
from vppd.runtime.image import Standing
from vppd.runtime.registry import Kind, kinds
from vppd.signals.base import Signal


@dataclass(frozen=True, slots=True)
class Plant:
    """Everything that talks to the outside."""

    links: dict[str, Link]
    devices: Sequence[DeviceRunner]  # in the order of the fleet
    signals: Sequence[Signal]


def build_plant(
    config: Config,
    base_dir: Path,
    *,
    clock: Callable[[], float],
    utc: Callable[[], float],
    rng: random.Random,
    shadow: bool,
    link_kinds: Mapping[str, Kind] | None = None,
) -> Plant:
    """Make every link, device and signal. Opens nothing.

    `clock`, `utc`: monotonic and wall clock, s. `link_kinds`: other links of the same types, those
    of the bench in memory, say.

    Raises ValueError or OSError for what only shows here: a point table or a certificate that
    cannot be read.
    """
    link_kinds = kinds("vppd.links") if link_kinds is None else link_kinds
    links = {
        link.id: link_kinds[link.TYPE].create(
            link,
            rng=random.Random(rng.random()),
            clock=clock,
            base_dir=base_dir,
            shadow=shadow,
        )
        for link in config.links
    }
    drivers = [
        _driver(config, i, links, base_dir, clock=clock, utc=utc) for i in range(len(config.fleet))
    ]
    devices = [
        DeviceRunner(
            unit.id,
            driver,
            links[unit.device.link],
            clock,
            setpoint_age_max_s=config.site.setpoint_age_max_s,
            poll_s=config.site.tick_s,
            phase_s=i / len(config.fleet) * config.site.tick_s,
            hold_writes=shadow,
        )
        for i, (unit, driver) in enumerate(zip(config.fleet, drivers, strict=True))
    ]
    signals = [
        kinds("vppd.signals")[signal.TYPE].create(
            signal, clock=clock, utc=utc, links=links, base_dir=base_dir
        )
        for signal in config.signals
    ]
    return Plant(links, devices, signals)


def _driver(
    config: Config,
    index: int,
    links: dict[str, Link],
    base_dir: Path,
    *,
    clock: Callable[[], float],
    utc: Callable[[], float],
) -> Driver:
    unit = config.fleet[index]
    kind = kinds("vppd.devices")[unit.device.DRIVER]
    driver: Driver = kind.create(
        unit.device, unit, links[unit.device.link], clock, utc=utc, base_dir=base_dir
    )
    return driver


def standing_orders(config: Config) -> Standing:
    """Return the static plan, and what the operator has fixed in the configuration."""
    operator_mw = np.array(
        [np.nan if unit.hold_mw is None else unit.hold_mw for unit in config.fleet]
    )
    locked = (~np.isnan(operator_mw)).astype(np.uint8)
    for array in (operator_mw, locked):
        array.setflags(write=False)
    return Standing(
        order=Order.AUTO,
        regulation_capacity_up_mw=config.plan.regulation_capacity_up_mw,
        regulation_capacity_down_mw=config.plan.regulation_capacity_down_mw,
        basepoint_mw=basepoints_mw(config),
        locked=locked,
        operator_mw=operator_mw,
    )
