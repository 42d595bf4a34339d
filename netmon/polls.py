"""What is probed and polled, and by whose credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netmon.collectors.snmp.engine import Target
from netmon.errors import CollectError
from netmon.model import Device, Inventory, PollResult, Probe

if TYPE_CHECKING:
    from netmon.app import App

SYS_UPTIME = (1, 3, 6, 1, 2, 1, 1, 3, 0)  # SNMPv2-MIB sysUpTime.0: every agent has it


class Polls:
    """Of one running daemon."""

    def __init__(self, app: App) -> None:
        self._app = app

    def take_targets(self, inventory: Inventory) -> None:
        """Probe and poll exactly what the inventory holds."""
        app = self._app
        probes: dict[str, Probe] = {line.id: line.probe for line in inventory.lines.values()}
        probes |= {node.id: node.probe for node in inventory.nodes.values() if node.probe}
        parents = {target: app.topology.parents_of_target(target) for target in probes}
        app.prober.set_targets(probes, parents)
        app.scheduler.set_devices(inventory.devices, app.config.snmp.interval_s)
        app.poller.keep_only(inventory.devices)
        app.traps.set_inventory(inventory, app.config.address_map)

    async def poll(self, device: Device) -> PollResult:
        """One poll of one device."""
        credential = self._app.state.inventory.credentials[device.credential]
        return await self._app.poller.poll(device, credential)

    def take(self, result: PollResult) -> None:
        """Count it, and let it be judged."""
        metrics = self._app.self_metrics
        metrics.poll_time.observe(result.duration_s)
        if not result.ok:
            metrics.poll_failures.labels(result.reason).inc()
        for reason in result.failed.values():
            metrics.poll_tables_failed.labels(reason).inc()
        self._app.pipeline.take_poll(result)

    async def probe(self, probe: Probe) -> float:
        """Round trip of one cheap SNMP request, for targets where nothing else is open. Raises CollectError."""
        app = self._app
        for device in app.state.inventory.devices.values():
            if device.address == probe.address:
                credential = app.state.inventory.credentials[device.credential]
                before = app.clock.mono()
                await app.engine.get(Target(device.address, device.port, credential, device.id), [SYS_UPTIME])
                return app.clock.mono() - before
        raise CollectError("no_device", f"no device at {probe.address} to probe with SNMP")
