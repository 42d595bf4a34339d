"""GET /snmp: whom it may ask, with which credential and modules. The asking and the text are the exporter's.

Only devices of the inventory and targets on the allow-list are asked: else anybody could have our credentials sent to
his own host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netmon.addresses import AllowList, parse_target
from netmon.clock import Clock
from netmon.collectors.snmp.engine import Target
from netmon.collectors.snmp.exporter import Agent, Exporter
from netmon.collectors.snmp.modules import Module
from netmon.config import SnmpConfig
from netmon.errors import Refused
from netmon.model import Credential, Device, Inventory, Secret

MOST = 64  # scrapes at once: netmon's own polls come first
MODULES = ("if_mib", "generic")  # what is meant when none is named: snmp_exporter's default, or ours where it is absent
_VERSIONS = {0: "2c", 1: "1", 2: "2c", 3: "3"}  # of a module in the old form


class SnmpPage:
    """Answers /snmp. Raises Refused for what it does not do and CollectError when the device does not answer."""

    def __init__(self, agent: Agent, clock: Clock, config: SnmpConfig) -> None:
        self._exporter = Exporter(agent, clock)
        self._config = config
        self._allowed = AllowList(config.allow_targets, config.port)
        self._inventory: Inventory | None = None
        self._at: dict[str, list[Device]] = {}
        self._running = 0

    async def text(
        self, inventory: Inventory, modules: Mapping[str, Module], target: str, names: Sequence[str], auth: str
    ) -> bytes:
        """Prometheus text of a device id or address ``target``; ``auth`` may be empty for devices of the inventory."""
        chosen = _modules(modules, names)
        asked = self._target(inventory, target, auth, chosen)
        if self._running >= MOST:
            raise Refused(503, f"{MOST} scrapes are under way already")
        self._running += 1
        try:
            return await self._exporter.text(asked, chosen, self._config.budget_s)
        finally:
            self._running -= 1

    def _target(self, inventory: Inventory, text: str, auth: str, modules: Sequence[Module]) -> Target:
        device = inventory.devices.get(text)
        if device is not None:
            host, port = device.address, device.port
        else:
            host, given = _address(text)
            device = self._device(inventory, host, given)
            port = device.port if device else given or self._config.port
            if device is None and not self._allowed.holds(host, port):
                raise Refused(403, f'target "{text}" is neither in the inventory nor in snmp.allow_targets')
        credential = _credential(inventory, auth, device, modules)
        return Target(host, port, credential, device.id if device else text)

    def _device(self, inventory: Inventory, host: str, port: int | None) -> Device | None:
        if inventory is not self._inventory:
            self._inventory, self._at = inventory, {}
            for device in inventory.devices.values():
                self._at.setdefault(device.address, []).append(device)
        found = [device for device in self._at.get(host, ()) if port in (None, device.port)]
        if len(found) > 1:
            found = [device for device in found if device.port == self._config.port]
        return found[0] if found else None


def _modules(known: Mapping[str, Module], names: Sequence[str]) -> list[Module]:
    wanted = list(dict.fromkeys(names)) or [name for name in MODULES if name in known][:1]
    for name in wanted:
        if name not in known:
            raise Refused(400, f'unknown module "{name}"')
    return [known[name] for name in wanted]


def _address(text: str) -> tuple[str, int | None]:
    scheme, separator, rest = text.rpartition("://")
    if separator and scheme != "udp":
        raise Refused(400, f'target "{text}": only udp is spoken')
    try:
        return parse_target(rest)
    except ValueError as error:
        raise Refused(400, f"target {error}") from None


def _credential(inventory: Inventory, auth: str, device: Device | None, modules: Sequence[Module]) -> Credential:
    """The one named, else the device's own, else the one in a module of the old form."""
    name = auth or (device.credential if device else "")
    if name:
        credential = inventory.credentials.get(name)
        if credential is None:
            raise Refused(400, f'unknown auth "{name}"')
        return credential
    for module in modules:
        if module.auth:
            return _old_form(module)
    raise Refused(400, "auth is missing: the name of a credential of the inventory")


def _old_form(module: Module) -> Credential:
    auth = module.auth
    return Credential(
        name=module.name,
        version=_VERSIONS.get(module.version, str(module.version)),
        community=Secret(auth.get("community", "public")),
        username=auth.get("username", ""),
        security_level=auth.get("security_level", "noAuthNoPriv"),
        auth_protocol=auth.get("auth_protocol", "MD5"),
        auth_password=_secret(auth, "password"),
        priv_protocol=auth.get("priv_protocol", "DES"),
        priv_password=_secret(auth, "priv_password"),
        context_name=auth.get("context_name", ""),
    )


def _secret(auth: Mapping[str, str], key: str) -> Secret | None:
    return Secret(auth[key]) if auth.get(key) else None
