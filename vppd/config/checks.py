"""Rules over the whole file: who refers to whom, and whether the plan fits the fleet."""

import math
from collections.abc import Callable, Iterator, Mapping

from yaml import Mark

from vppd.config import messages
from vppd.config.build import Draft, ask, shapes_of
from vppd.config.complaints import Complaints
from vppd.config.mappings import join
from vppd.config.words import nearest, quoted

Add = Callable[[Mark, str, str], None]
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_ANY = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, never bound to
_MUCH_LARGER = 10.0  # than the largest of the others: no unit is expected to be
_ROUNDING = 1e-9  # of the capacity: sums of decimals are not exact


def check_file(root: Draft, complaints: Complaints, alarms: Mapping[str, bool]) -> None:
    """Note what is wrong between the parts of a file. Parts that could not be read are left out.

    `alarms`: which there are, and whether anybody may shelve them.
    """
    add = complaints.add
    _alarms_exist(root, alarms, add)
    for section in ("links", "fleet", "signals", "groups"):
        _ids_differ(root.parts.get(section, []), add)
    _inputs_exist(root, add)
    if root.values.get("fleet") == ():
        add(root.where("fleet"), "fleet", messages.NO_UNITS)
        return  # of the rest, all would follow from that
    _groups_exist(root, add)
    _links_fit(root, add)
    _links_lead_away(root, add)
    _addresses_differ(root, add)
    _capacity_fits(root, add)
    _watchdogs_outlast_ticks(root, add)
    _products_score(root, add)


def _ids_differ(drafts: list[Draft], add: Add) -> None:
    first: dict[str, Draft] = {}
    for draft in drafts:
        name = draft.values.get("id")
        if name is None:
            continue
        taken = first.setdefault(name, draft)
        if taken is not draft:
            line = taken.where("id").line + 1
            message = messages.ID_TAKEN.format(written=quoted(name), path=taken.path, line=line)
            add(draft.where("id"), join(draft.path, "id"), message)


def _devices(root: Draft) -> Iterator[Draft]:
    for unit in root.parts.get("fleet", []):
        yield from unit.parts.get("device", [])


def _link_users(root: Draft) -> Iterator[Draft]:
    """Give devices and signals that name a link."""
    for draft in (*_devices(root), *root.parts.get("signals", [])):
        if draft.values.get("link"):
            yield draft


def _unread_users(root: Draft) -> int:
    """Count the parts that may name a link which cannot be read."""
    devices, signals = list(_devices(root)), root.parts.get("signals", [])
    lists = sum(1 for section in ("fleet", "signals") if section not in root.values)
    unread = sum(1 for draft in (*devices, *signals) if _lacks_link(draft))
    return lists + len(root.parts.get("fleet", [])) - len(devices) + unread


def _lacks_link(draft: Draft) -> bool:
    return "link" not in draft.values and (not draft.chosen or "link" in shapes_of(draft.cls))


def _links_fit(root: Draft, add: Add) -> None:
    """Each link named exists and is of a type its user can speak to; each link has a user."""
    drafts = root.parts.get("links", [])
    links = {draft.values["id"]: draft for draft in drafts if "id" in draft.values}
    all_known = "links" in root.values and all("id" in draft.values for draft in drafts)
    used = set()
    for user in _link_users(root):
        name = user.values["link"]
        if name in links:
            used.add(name)
            _type_fits(user, links[name], add)
            continue
        near = nearest(name, links)
        used.add(near)  # one complaint is enough
        if all_known:  # else it may be the link whose id cannot be read
            template = messages.NO_LINK_NEAR if near else messages.NO_LINK
            message = template.format(written=quoted(name), near=near)
            add(user.where("link"), join(user.path, "link"), message)
    unused = [draft for name, draft in links.items() if name not in used]
    if len(unused) > _unread_users(root):  # else those may be what they are for
        for draft in unused:
            add(draft.where("id"), join(draft.path, "id"), messages.LINK_UNUSED)


def _groups_exist(root: Draft, add: Add) -> None:
    """Each group named exists, a parent above its parts; the policy keeps their limits."""
    groups = root.parts.get("groups", [])
    above: list[str] = []
    for group in groups:
        parent = group.values.get("parent")
        if parent is not None and parent not in above:
            message = messages.PARENT_LATER.format(written=quoted(parent))
            add(group.where("parent"), join(group.path, "parent"), message)
        above.append(group.values.get("id", ""))
    for unit in root.parts.get("fleet", []):
        name = unit.values.get("group")
        if name is None or name in above or "" in above:
            continue
        near = nearest(name, above)
        template = messages.NO_GROUP_NEAR if near else messages.NO_GROUP
        message = template.format(written=quoted(name), near=near)
        add(unit.where("group"), join(unit.path, "group"), message)
    for policy in root.parts.get("policy", []):
        if groups and policy.values.get("allocation") in ("pro_rata", "merit_order"):
            add(policy.where("allocation"), "policy.allocation", messages.GROUPS_POLICY)


def _type_fits(user: Draft, link: Draft, add: Add) -> None:
    wanted: tuple[str, ...] = getattr(user.cls, "LINK_TYPES", ())
    if not (user.chosen and link.chosen and wanted) or link.cls.TYPE in wanted:  # type: ignore[attr-defined]  # only links come here
        return
    message = messages.LINK_TYPE.format(
        written=quoted(user.values["link"]),
        type=link.cls.TYPE,  # type: ignore[attr-defined]  # as above
        user=getattr(user.cls, "DRIVER", "") or getattr(user.cls, "TYPE", ""),
        wanted=" or ".join(wanted),
    )
    add(user.where("link"), join(user.path, "link"), message)


def _links_lead_away(root: Draft, add: Add) -> None:
    """No link leads to where the plant itself listens: it would steer itself."""
    listening = [
        (place, signal.values.get("id"))
        for signal in root.parts.get("signals", [])
        if (place := ask(signal.record, "listens_on")) is not None
    ]
    for link in root.parts.get("links", []):
        peer = ask(link.record, "connects_to")
        for place, signal_id in listening:
            if peer is not None and _is_same_place(peer, place):
                host, port = peer
                message = messages.LINK_TO_SELF.format(host=host, port=port, signal=signal_id)
                add(link.where("port"), join(link.path, "port"), message)


def _is_same_place(peer: tuple[str, int], listening: tuple[str, int]) -> bool:
    """Tell whether who connects to `peer` reaches who listens. Names are not looked up."""
    (host, port), (own_host, own_port) = peer, listening
    if port != own_port:
        return False
    return host == own_host or (host in _LOOPBACK and own_host in (*_LOOPBACK, *_ANY))


def _addresses_differ(root: Draft, add: Add) -> None:
    """No two devices have one address: both would write to the same machine."""
    peers = {
        link.values["id"]: ask(link.record, "address_key")
        for link in root.parts.get("links", [])
        if "id" in link.values
    }
    first: dict[tuple[object, object], Draft] = {}
    for device in _devices(root):
        link = device.values.get("link")
        address = ask(device.record, "address_key")
        if link is None or address is None:
            continue
        taken = first.setdefault((peers.get(link) or link, address), device)
        if taken is not device:
            line = taken.mark.line + 1
            message = messages.ADDRESS_TAKEN.format(path=taken.path, line=line)
            add(device.mark, device.path, message)


def _inputs_exist(root: Draft, add: Add) -> None:
    """One signal brings AGC, and one the frequency where there is droop."""
    drafts = root.parts.get("signals", [])
    _one_brings_agc(drafts, add)
    found = [ask(draft.record, "brings") for draft in drafts if draft.chosen]
    if root.unsure("signals") or len(found) < len(drafts) or None in found:
        return  # the one that cannot be read may bring it
    brought = {name for names in found for name in names}
    if "agc" not in brought:
        add(root.where("signals"), "signals", messages.NO_AGC)
    if root.values.get("droop") is not None and "frequency" not in brought:
        add(root.where("droop"), "droop", messages.NO_FREQUENCY)


def _one_brings_agc(drafts: list[Draft], add: Add) -> None:
    """The core remembers one sequence of AGC: with two sources, each would make the other old."""
    known = [draft for draft in drafts if draft.chosen or draft.guessed]
    sources = [draft for draft in known if "agc" in (ask(draft.record, "brings") or ())]
    for draft in sources[1:]:
        first = sources[0]
        message = messages.SECOND_AGC.format(path=first.path, line=first.mark.line + 1)
        add(draft.mark, draft.path, message)


def _capacity_fits(root: Draft, add: Add) -> None:
    """What was sold is no more than what the units can do around their basepoints."""
    units = root.parts.get("fleet", [])
    for plan in root.parts.get("plan", []):
        if plan.unsure("allow_oversold") or plan.values["allow_oversold"]:
            continue
        for key, limit, template in (
            ("regulation_capacity_up_mw", "p_max_mw", messages.CAPACITY_UP),
            ("regulation_capacity_down_mw", "p_min_mw", messages.CAPACITY_DOWN),
        ):
            ranges_mw = [
                abs(unit.values[limit] - unit.values["basepoint_mw"])
                for unit in units
                if not (unit.unsure(limit) or unit.unsure("basepoint_mw"))
            ]
            capacity_mw = plan.values.get(key)
            unread = len(units) - len(ranges_mw) + ("fleet" not in root.values)
            # A unit that cannot be read may be the one that makes up the difference.
            largest_mw = max(ranges_mw, default=math.inf)
            possible_mw = sum(ranges_mw) + (unread and unread * _MUCH_LARGER * largest_mw)
            if capacity_mw is not None and capacity_mw > possible_mw * (1.0 + _ROUNDING):
                message = template.format(capacity_mw=capacity_mw, range_mw=sum(ranges_mw))
                message += messages.UNCOUNTED.format(count=unread) if unread else ""
                add(plan.where(key), join(plan.path, key), message)


def _watchdogs_outlast_ticks(root: Draft, add: Add) -> None:
    for site in root.parts.get("site", []):
        tick_s = site.values.get("tick_s")
        for unit in root.parts.get("fleet", []):
            watchdog_s = unit.values.get("watchdog_s")
            if tick_s is None or watchdog_s is None or watchdog_s > tick_s:
                continue
            message = messages.WATCHDOG_TICK.format(tick_s=tick_s, watchdog_s=watchdog_s)
            add(unit.where("watchdog_s"), join(unit.path, "watchdog_s"), message)


def _products_score(root: Draft, add: Add) -> None:
    """Each product has a market that can score the plant second by second, and its parameters."""
    for plan in root.parts.get("plan", []):
        sold_mw = [plan.values.get(f"regulation_capacity_{way}_mw") for way in ("up", "down")]
        for draft in plan.parts.get("products", []):
            _product_scores(draft, sold_mw, add)


def _product_scores(draft: Draft, sold_mw: list[float | None], add: Add) -> None:
    if draft.unsure("market") or draft.unsure("params"):
        return
    # Here, for a plant without products starts a tenth of a second sooner without the markets.
    from vppd.market.parameters import ParameterError  # noqa: PLC0415
    from vppd.market.product import NotLiveError, product  # noqa: PLC0415
    from vppd.market.registry import UnknownMarketError  # noqa: PLC0415

    name, up_mw, down_mw = draft.values["market"], *sold_mw
    capacity_mw = up_mw if up_mw is not None and up_mw == down_mw else math.nan
    try:
        product(name, draft.values["params"], capacity_mw)
    except (UnknownMarketError, NotLiveError) as error:
        message = messages.PRODUCT_MARKET.format(why=error)
        add(draft.where("market"), join(draft.path, "market"), message)
    except ParameterError as error:
        if None not in sold_mw:  # else it may be the capacity that cannot be read
            message = messages.PRODUCT_PARAMS.format(market=name, why=error)
            add(draft.where("params"), join(draft.path, "params"), message)


def _alarms_exist(root: Draft, alarms: Mapping[str, bool], add: Add) -> None:
    """Each alarm that is set is one of the catalogue, is set once, and not loosened beyond it."""
    first: dict[str, Draft] = {}
    sections = root.parts.get("alarms", [])
    for draft in (kind for section in sections for kind in section.parts.get("kinds", [])):
        name = draft.values.get("alarm")
        if name is None:
            continue
        if name not in alarms:
            near = nearest(name, alarms)
            template = messages.NO_ALARM_NEAR if near else messages.NO_ALARM
            message = template.format(written=quoted(name), near=near)
            add(draft.where("alarm"), join(draft.path, "alarm"), message)
            continue
        if first.setdefault(name, draft) is not draft:
            taken = first[name]
            message = messages.ALARM_TWICE.format(
                written=quoted(name), path=taken.path, line=taken.where("alarm").line + 1
            )
            add(draft.where("alarm"), join(draft.path, "alarm"), message)
        if draft.values.get("shelve_max_s") and not alarms[name]:
            message = messages.NOT_SHELVED.format(written=quoted(name))
            add(draft.where("shelve_max_s"), join(draft.path, "shelve_max_s"), message)
