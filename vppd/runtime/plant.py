"""Links, devices and signals of a configuration, made and put together."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vppd.config.params import basepoints_mw
from vppd.config.schema import Config, LinkConfig, UnitConfig
from vppd.core.orders import Standing
from vppd.core.types import Order
from vppd.devices.base import Driver
from vppd.devices.runner import DeviceRunner
from vppd.links.base import Link
from vppd.runtime.registry import Kind, kinds
from vppd.signals.base import Signal


@dataclass(frozen=True, slots=True)
class Plant:
    """Everything that talks to the outside."""

    links: dict[str, Link]
    devices: Sequence[DeviceRunner]  # in the order of the fleet
    signals: Sequence[Signal]


class _Stays:
    """What of a plant that runs can stay."""

    def __init__(self, config: Config | None = None, plant: Plant | None = None) -> None:
        self.devices: dict[str, DeviceRunner] = {}
        self._links: dict[str, tuple[LinkConfig, Link]] = {}
        self._units: dict[str, tuple[UnitConfig, Link]] = {}
        if config is None or plant is None:
            return
        self.devices = {device.unit_id: device for device in plant.devices}
        self._links = {link.id: (link, plant.links[link.id]) for link in config.links}
        self._units = {unit.id: (unit, plant.links[unit.device.link]) for unit in config.fleet}

    def link(self, config: LinkConfig) -> Link | None:
        """Give the link of this very configuration."""
        was, link = self._links.get(config.id, (None, None))
        return link if was == config else None

    def device(self, unit: UnitConfig, link: Link) -> DeviceRunner | None:
        """Give what drives this very unit over this very link."""
        was, over = self._units.get(unit.id, (None, None))
        return self.devices[unit.id] if was == unit and over is link else None


def build_plant(
    config: Config,
    base_dir: Path,
    *,
    clock: Callable[[], float],
    utc: Callable[[], float],
    rng: random.Random,
    shadow: bool,
    link_kinds: Mapping[str, Kind] | None = None,
    before: tuple[Config, Plant] | None = None,
) -> Plant:
    """Make every link, device and signal. Opens nothing.

    `clock`, `utc`: monotonic and wall clock, s. `link_kinds`: other links of the same types, those
    of the bench in memory, say. `before`: a plant that runs; its signals, its links of the same
    configuration, and its devices of the same one on such links are taken over, and a device that
    must be made anew knows what the one before it knew.

    Raises ValueError or OSError for what only shows here: a point table or a certificate that
    cannot be read.
    """
    link_kinds = kinds("vppd.links") if link_kinds is None else link_kinds
    stays = _Stays(*before) if before is not None else _Stays()
    links = {
        link.id: stays.link(link)
        or link_kinds[link.TYPE].create(
            link,
            rng=random.Random(rng.random()),
            clock=clock,
            base_dir=base_dir,
            shadow=shadow,
        )
        for link in config.links
    }

    def runner(i: int) -> DeviceRunner:
        unit = config.fleet[i]
        made = DeviceRunner(
            unit.id,
            _driver(config, i, links, base_dir, clock=clock, utc=utc),
            links[unit.device.link],
            clock,
            setpoint_age_max_s=config.site.setpoint_age_max_s,
            poll_s=config.site.tick_s,
            phase_s=i / len(config.fleet) * config.site.tick_s,
            hold_writes=shadow,
        )
        if (old := stays.devices.get(unit.id)) is not None:
            made.take_over(old)
        return made

    devices = [
        stays.device(unit, links[unit.device.link]) or runner(i)
        for i, unit in enumerate(config.fleet)
    ]
    if before is not None:
        return Plant(links, devices, before[1].signals)
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
