"""The catalogue as a plant wants it: priorities, delays and limits of its configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from vppd.config.sections import AlarmConfig, AlarmsConfig
from vppd.ops.alarms.catalogue import KINDS, Kind, Priority
from vppd.ops.alarms.state import Delays


@dataclass(frozen=True, slots=True)
class Settings:
    """What the board goes by.

    `shown_max` alarms below HIGH are raised in any `window_s`; what was held back comes when no
    more than `shown_again` were.
    """

    kinds: Mapping[str, Kind]
    shown_max: int
    shown_again: int
    window_s: float


def settings_of(config: AlarmsConfig) -> Settings:
    """Settings of a configuration. Raises KeyError for an alarm that there is not."""
    changed = {each.alarm: _changed(KINDS[each.alarm], each) for each in config.kinds}
    return Settings(
        kinds={**KINDS, **changed},
        shown_max=int(config.flood_shown_max),
        shown_again=int(config.flood_shown_again),
        window_s=config.flood_window_s,
    )


def _changed(kind: Kind, config: AlarmConfig) -> Kind:
    delays = Delays(
        kind.delays.on_s if config.on_delay_s is None else config.on_delay_s,
        kind.delays.off_s if config.off_delay_s is None else config.off_delay_s,
    )
    return replace(
        kind,
        delays=delays,
        priority=kind.priority if config.priority is None else Priority[config.priority.upper()],
        shelve_max_s=kind.shelve_max_s if config.shelve_max_s is None else config.shelve_max_s,
    )


BY_CATALOGUE: Final = settings_of(AlarmsConfig())
