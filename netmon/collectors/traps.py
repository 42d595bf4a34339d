"""Traps and informs (UDP): whose they are, whether to believe them, what they say.

A sender counts when its address is a device's, and community or user and keys are those of its credential; what a relay
sends over v1 or v2c is taken for the device that it names. Datagrams are read into a bounded queue and decoded a few at
a time, so that a burst never holds the loop. Nothing is concluded from a trap: ``on_event`` makes netmon look.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import logging
import random
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from netmon.addresses import AddressMap
from netmon.clock import Clock
from netmon.collectors.snmp.ber import BerError, OidCache
from netmon.collectors.snmp.pdu import V3, begin
from netmon.collectors.snmp.trap_decode import Notification, acknowledgement, decode_notification, event_of
from netmon.collectors.snmp.trap_usm import TrapUsm
from netmon.collectors.snmp.v3 import read_wrapper
from netmon.collectors.trap_socket import RECEIVE_BUFFER_BYTES, Datagram, TrapSocket, bind
from netmon.config import TrapConfig
from netmon.model import Credential, Device, Event, Inventory

log = logging.getLogger(__name__)

READ_PER_WAKE = 200  # datagrams; about 1 ms
DECODED_PER_TURN = 20  # about 1 ms; then the loop gets a turn
UNKNOWN_MOST = 1000  # addresses of unknown senders that are remembered
INFORMS_KEPT = 16  # per device: one of these is a repetition, its acknowledgement was lost
OIDS_KEPT = 10_000
BOOTS_SINCE = 1_577_836_800  # 2020-01-01: seconds since then as snmpEngineBoots grow with every start and last to 2088

Sender = tuple[Device, Credential]


class Believed(NamedTuple):
    """A notification whose sender is known for sure. ``reply``: what an inform is answered with."""

    device: Device
    notification: Notification
    reply: bytes = b""


class Traps:
    """``stats``: datagrams by what became of them; ``kinds``: events by kind."""

    def __init__(
        self, config: TrapConfig, clock: Clock, on_event: Callable[[Event], None], engine_id: bytes = b"netmon"
    ) -> None:
        self._config, self._clock, self._on_event = config, clock, on_event
        self.stats: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self._sockets: list[TrapSocket] = []
        self._queue: deque[Datagram] = deque()
        self._queue_dropped = 0
        self._decoding = False
        self._senders: dict[str, list[Sender]] = {}
        self._map = AddressMap({})
        self._unknown: set[str] = set()
        self._informs: dict[str, deque[object]] = {}
        self._oids = OidCache(OIDS_KEPT)
        boots = max(1, int(clock.now()) - BOOTS_SINCE)
        self._usm = TrapUsm(engine_id, boots, clock.mono(), random.getrandbits(63))

    def set_inventory(self, inventory: Inventory, address_map: Mapping[str, str]) -> None:
        """Take the devices over; ``address_map`` is for addresses that traps carry inside."""
        senders: dict[str, list[Sender]] = {}
        for device in inventory.devices.values():
            credential = inventory.credentials.get(device.credential)
            if credential is not None:
                senders.setdefault(_compressed(device.address), []).append((device, credential))
        self._senders, self._map = senders, AddressMap(address_map)
        self._unknown -= senders.keys()
        self._informs = {device: kept for device, kept in self._informs.items() if device in inventory.devices}

    def start(self, handed_over: Iterable[TrapSocket] = ()) -> None:
        """Listen where the configuration says, and on sockets that are bound already. Raises NetmonError."""
        self._sockets = list(handed_over)
        if self._config.listen:
            self._sockets.append(bind(self._config.listen))
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            loop.add_reader(sock.sock, self._readable, sock)
            log.info("listening for traps at=%s buffer_bytes=%d", sock.name, sock.buffer_bytes)
            if sock.buffer_bytes < 2 * RECEIVE_BUFFER_BYTES:
                log.warning(
                    "small trap buffer, a burst may be lost; raise net.core.rmem_max to=%d", RECEIVE_BUFFER_BYTES
                )

    def close(self) -> None:
        """Stop listening. What waits undecoded is dropped: the polls will see the same."""
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            loop.remove_reader(sock.sock)
            sock.close()
        self._sockets.clear()
        self._queue.clear()

    @property
    def listening(self) -> bool:
        return bool(self._sockets)

    @property
    def addresses(self) -> list[str]:
        """Where it listens."""
        return [sock.name for sock in self._sockets]

    @property
    def depth(self) -> int:
        """Datagrams that wait to be decoded."""
        return len(self._queue)

    @property
    def dropped(self) -> int:
        """Datagrams lost because the queue, or the kernel's before it, was full."""
        return self._queue_dropped + sum(sock.dropped() for sock in self._sockets)

    @property
    def unknown_senders(self) -> int:
        """Addresses that sent something and are no device's, as many as are remembered."""
        return len(self._unknown)

    # --- from the socket to events -----------------------------------------------------------------------------------

    def _readable(self, sock: TrapSocket) -> None:
        try:
            found = sock.receive(READ_PER_WAKE, self._clock.now())
        except OSError as error:
            self.stats["socket_errors"] += 1
            log.error("trap socket failed at=%s reason=%s", sock.name, error.strerror)
            return
        self.stats["received"] += len(found)
        taken = found[: max(0, self._config.queue_size - len(self._queue))]
        self._queue_dropped += len(found) - len(taken)
        self._queue.extend(taken)
        if self._queue and not self._decoding:
            self._decoding = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        try:
            for _ in range(min(DECODED_PER_TURN, len(self._queue))):
                self._take(self._queue.popleft())
        finally:  # whatever one datagram did, the rest goes on
            self._decoding = bool(self._queue)
            if self._decoding:
                asyncio.get_running_loop().call_soon(self._turn)

    def _take(self, datagram: Datagram) -> None:
        senders = self._senders.get(_compressed(datagram.host), [])
        try:
            version, start, end = begin(datagram.data)
            found = self._open_v3(datagram, start, end, senders) if version == V3 else self._open(datagram, senders)
        except BerError:
            self.stats["malformed"] += 1
            return
        if found is None or (found.notification.inform and not self._acknowledge(datagram, found)):
            return
        event = event_of(found.notification, found.device.id, datagram.at)
        self.stats["accepted"] += 1
        self.kinds[event.kind] += 1
        self._on_event(event)

    def _open(self, datagram: Datagram, senders: list[Sender]) -> Believed | None:
        """A v1 or v2c message: its community makes it believed."""
        notification = decode_notification(datagram.data, self._oids)
        senders = senders or self._named(notification)
        if not senders:
            self._note_unknown(datagram.host)
            return None
        device = _with_community(senders, notification.community)
        if device is None:
            self.stats["wrong_community"] += 1
            return None
        return Believed(device, notification, acknowledgement(notification) if notification.inform else b"")

    def _open_v3(self, datagram: Datagram, start: int, end: int, senders: list[Sender]) -> Believed | None:
        """A v3 message: its MAC makes it believed; what asks for our engine id is told it, if a device asks."""
        wrapper = read_wrapper(datagram.data, start, end)
        if not senders:
            self._note_unknown(datagram.host)
            return None
        known = [s for s in senders if s[1].version == "3" and wrapper.user in (b"", s[1].username.encode())]
        if not known:
            self.stats["wrong_user"] += 1
            return None
        device, credential = known[0]
        opened = self._usm.open(datagram.data, wrapper, credential, device.id, self._clock.mono())
        if opened.notification is None:
            self.stats[opened.what] += 1
            if opened.reply:
                datagram.socket.reply(datagram, opened.reply)
            return None
        return Believed(device, opened.notification, opened.reply)

    def _named(self, notification: Notification) -> list[Sender]:
        """The devices at the address that a relay says the trap came from."""
        return self._senders.get(self._map.translate(notification.agent), []) if notification.agent else []

    def _note_unknown(self, host: str) -> None:
        self.stats["unknown_sender"] += 1
        if host not in self._unknown and len(self._unknown) < UNKNOWN_MOST:
            self._unknown.add(host)
            log.warning("trap from an address that is no device's address=%s", host)

    def _acknowledge(self, datagram: Datagram, found: Believed) -> bool:
        """Answer an inform; False if it is one that was heard before."""
        sent = datagram.socket.reply(datagram, found.reply)
        self.stats["acknowledged" if sent else "send_errors"] += 1
        inform = found.notification
        kept = self._informs.setdefault(found.device.id, deque(maxlen=INFORMS_KEPT))
        # Not the request id alone: there are agents that count from 1 again, or not at all. The first is sysUpTime.
        key = (inform.request_id, inform.trap, *inform.varbinds[:1])
        if key in kept:
            self.stats["repeated"] += 1
            return False
        kept.append(key)
        return True


def own_engine_id(salt: str) -> bytes:
    """An snmpEngineID (RFC 3411) for this machine and ``salt``, the same after every start."""
    try:
        machine = Path("/etc/machine-id").read_text(encoding="ascii")
    except (OSError, UnicodeError):
        machine = socket.gethostname()
    # netmon has no enterprise number of its own: that of RFC 5612 stands in. 5: bytes of one's own choice follow.
    return (
        (0x80000000 | 32473).to_bytes(4, "big") + b"\x05" + hashlib.sha256(f"{machine} {salt}".encode()).digest()[:12]
    )


def _with_community(senders: Iterable[Sender], community: bytes) -> Device | None:
    for device, credential in senders:
        known = credential.community.reveal().encode()
        if credential.version != "3" and hmac.compare_digest(known, community):
            return device
    return None


def _compressed(address: str) -> str:
    """One spelling per IPv6 address."""
    if ":" not in address:
        return address
    try:
        return ipaddress.ip_address(address).compressed
    except ValueError:
        return address
