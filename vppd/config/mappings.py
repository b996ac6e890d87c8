"""Keys of YAML mappings, merge keys `<<` resolved, duplicates refused, the size bounded."""

from dataclasses import dataclass, field
from typing import NamedTuple

import yaml

from vppd.config import messages
from vppd.config.complaints import Complaints
from vppd.config.errors import WHOLE_FILE
from vppd.config.words import describe, shorten, tag_name

MAX_MERGE_DEPTH = 64
MAX_VALUES = 3_000_000


class Entry(NamedTuple):
    """One key of a mapping: where it stands, and its value."""

    mark: yaml.Mark
    node: yaml.Node


@dataclass(slots=True)
class Budget:
    """Values that may still be visited: a few aliases can stand for billions of them."""

    complaints: Complaints
    left: int = field(default_factory=lambda: MAX_VALUES)

    def spend(self, count: int, mark: yaml.Mark) -> None:
        """Take `count` values off; raise ConfigError when none are left."""
        self.left -= count
        if self.left < 0:
            message = messages.TOO_MANY.format(limit=MAX_VALUES)
            raise self.complaints.fatal(mark.line + 1, WHOLE_FILE, message)


class Mappings:
    """Reads mappings, each once, however many aliases name it."""

    def __init__(self, complaints: Complaints, budget: Budget) -> None:
        self._complaints = complaints
        self._budget = budget
        self._read: dict[int, dict[str, Entry]] = {}
        self._open: set[int] = set()  # mappings whose merge keys are being resolved

    def entries(self, node: yaml.MappingNode, path: str, depth: int = 0) -> dict[str, Entry]:
        """Give the keys of a mapping; own keys win over merged, earlier merged over later."""
        known = self._read.get(id(node))
        if known is not None:
            return known
        own: dict[str, Entry] = {}
        self._read[id(node)] = own
        merged: list[yaml.MappingNode] = []
        for key_node, value_node in node.value:
            if tag_name(key_node) == "merge":
                self._note(own, "<<", Entry(key_node.start_mark, value_node), path)
                merged += self._sources(value_node, key_node.start_mark, path)
            elif isinstance(key_node, yaml.ScalarNode):
                key = shorten(key_node.value)
                self._note(own, key, Entry(key_node.start_mark, value_node), path)
            else:
                message = messages.KEY_NOT_A_WORD.format(what=describe(key_node))
                self._complaints.add(key_node.start_mark, path or WHOLE_FILE, message)
        self._budget.spend(len(own), node.start_mark)
        merge_key = own.pop("<<", None)
        if merge_key is not None:
            self._open.add(id(node))
            self._merge(own, merged, join(path, "<<"), merge_key.mark, depth)
            self._open.remove(id(node))
        return own

    def _note(self, own: dict[str, Entry], key: str, entry: Entry, path: str) -> None:
        first = own.setdefault(key, entry)
        if first is not entry:
            message = messages.TWICE.format(line=first.mark.line + 1)
            self._complaints.add(entry.mark, join(path, key), message)

    def _merge(
        self,
        own: dict[str, Entry],
        merged: list[yaml.MappingNode],
        path: str,
        mark: yaml.Mark,
        depth: int,
    ) -> None:
        for source in merged:
            if id(source) in self._open or depth >= MAX_MERGE_DEPTH:
                message = messages.MERGE_DEPTH.format(limit=MAX_MERGE_DEPTH)
                self._complaints.add(mark, path, message)
                continue
            found = self.entries(source, path.removesuffix(".<<"), depth + 1)
            self._budget.spend(len(found), mark)
            for key, entry in found.items():
                own.setdefault(key, entry)

    def _sources(self, node: yaml.Node, mark: yaml.Mark, path: str) -> list[yaml.MappingNode]:
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found = []
        for item in items:
            if isinstance(item, yaml.MappingNode):
                found.append(item)
            else:
                message = messages.MERGE_KIND.format(what=describe(item))
                self._complaints.add(mark, join(path, "<<"), message)
        return found


def join(path: str, key: str) -> str:
    """Give the path of a key: `fleet[3]`, `p_max_mw` -> `fleet[3].p_max_mw`."""
    return f"{path}.{key}" if path else key
