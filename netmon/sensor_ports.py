"""Which port a sensor belongs to. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from netmon.rawvalues import Oid, Value, as_text

JOIN_METRICS = frozenset({"entPhysicalName", "entPhysicalClass", "entPhysicalContainedIn", "entAliasMappingIdentifier"})
_PARENTS = 3  # levels of entPhysicalContainedIn that a join climbs
_PLACE = re.compile(r"\d+(?:/\d+){2,}\Z")  # shelf/slot/subslot/port
SENSOR_CLASS, PORT_CLASS = 8, 10  # entPhysicalClass


class Ports:
    """Finds the port that a sensor belongs to, by what ENTITY-MIB (RFC 6933) says."""

    def __init__(self, values: Mapping[str, Mapping[Oid, Value]], ports: Mapping[int, str]) -> None:
        self._values = values
        self._ports = ports
        self._names = set(ports.values())
        self._parents = self._column("entPhysicalContainedIn")
        self._classes = self._column("entPhysicalClass")
        self._aliases: dict[int, str] = {}
        # entAliasMappingIdentifier.<entity>.<logical entity> = ifIndex.<n>
        for index, target in values.get("entAliasMappingIdentifier", {}).items():
            if isinstance(target, tuple) and len(target) > 1 and (name := ports.get(target[-1])):
                self._aliases.setdefault(index[0], name)
        self._below: dict[int, list[str]] = {}
        for entity, name in self._aliases.items():
            self._below.setdefault(self._parents.get(entity, 0), []).append(name)
        self._places: dict[str, set[str]] = {}
        for name in self._aliases.values():
            if place := _PLACE.search(name):
                self._places.setdefault(place[0], set()).add(name)

    def _column(self, metric: str) -> dict[int, int]:
        return {index[0]: v for index, v in self._values.get(metric, {}).items() if isinstance(v, int)}

    def find(self, join: str, index: Oid) -> str:
        """Name of the port, or "" if there is none to be sure of."""
        if join == "ifindex":
            return self._ports.get(index[0], "")
        name = as_text(self._values.get("entPhysicalName", {}).get(index[:1]))
        if join == "name" or name in self._names:
            return name if name in self._names else ""
        entity = index[0]
        return self._by_tree(entity) or self._by_place(name if self._classes.get(entity) == SENSOR_CLASS else "")

    def _by_tree(self, entity: int) -> str:
        if entity in self._aliases:
            return self._aliases[entity]
        # Only a sensor is looked for further up: what is a port itself and has no interface has none.
        for _ in range(_PARENTS if self._classes.get(entity) == SENSOR_CLASS else 0):
            entity = self._parents.get(entity, 0)
            if entity in self._aliases:
                return self._aliases[entity]
            # Cisco hangs the sensors of a transceiver beside the port, not below it.
            if len(below := self._below.get(entity, [])) == 1:
                return below[0]
            if not entity or below or self._classes.get(entity) == PORT_CLASS:
                break
        return ""

    def _by_place(self, name: str) -> str:
        # IOS XR puts the transceiver under its cage and the port under the board: only the place in the names,
        # "power Rx 0/0/1/1" and "GigabitEthernet0/0/1/1", brings them together.
        place = _PLACE.search(name)
        found = self._places.get(place[0], set()) if place else set()
        return next(iter(found)) if len(found) == 1 else ""
