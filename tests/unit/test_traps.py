"""The listener on loopback: whom it believes, what it answers and counts; a burst loses nothing and holds nothing."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from dataclasses import replace

import pytest
from pysnmp.hlapi.v3arch.asyncio import (
    Integer32,
    IpAddress,
    OctetString,
    UsmUserData,
    usmAesCfb128Protocol,
    usmHMAC192SHA256AuthProtocol,
)

from netmon.clock import Clock
from netmon.collectors.snmp import ber
from netmon.collectors.snmp.pdu import (
    INFORM,
    TRAP_V2,
    TrapV1,
    VarBind,
    decode_message,
    encode_message,
    encode_trap_v1_message,
)
from netmon.collectors.snmp.trap_decode import SNMP_TRAP_OID
from netmon.collectors.trap_socket import TrapSocket, bind
from netmon.collectors.traps import DECODED_PER_TURN, INFORMS_KEPT, UNKNOWN_MOST, Traps, own_engine_id
from netmon.config import TrapConfig
from netmon.errors import NetmonError
from tests.conftest import ROOT, free_port
from tests.trap_bench import COMMUNITY, DEVICES, INVENTORY, LINK_DOWN, Bench, listening, notify

UPTIME = (1, 3, 6, 1, 2, 1, 1, 3, 0)
COLD_START = (1, 3, 6, 1, 6, 3, 1, 1, 5, 1)
PORT = (
    ("1.3.6.1.2.1.2.2.1.1.7", Integer32(7)),
    ("1.3.6.1.2.1.31.1.1.1.1.7", OctetString("GE0/0/7")),
)
USER = UsmUserData(
    "netmon-traps", "auth-of-a-test", "priv-of-a-test", usmHMAC192SHA256AuthProtocol, usmAesCfb128Protocol
)


def message(number: int = 1, community: str = COMMUNITY, pdu_type: int = TRAP_V2, uptime: int = 1) -> bytes:
    binds = [VarBind(UPTIME, ber.TIME_TICKS, uptime), VarBind(SNMP_TRAP_OID, ber.OBJECT_ID, COLD_START)]
    return encode_message(1, community.encode(), pdu_type, number, 0, 0, binds)


def told(bench: Bench) -> list[tuple[str, str]]:
    return [(event.kind, event.device) for event in bench.events]


# --- pysnmp sends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 1])
def test_traps_of_v1_and_v2c(version: int) -> None:
    async def main() -> None:
        async with listening() as bench:
            assert await notify(bench, LINK_DOWN, *PORT, version=version) == ""
            assert await notify(bench, "1.3.6.1.4.1.318.0.5", version=version) == ""
            await bench.counted(accepted=2)
            assert told(bench) == [("link_down", "r-1"), ("ups_on_battery", "r-1")]
            assert (bench.events[0].if_index, bench.events[0].if_name) == (7, "GE0/0/7")
            assert dict(bench.traps.kinds) == {"link_down": 1, "ups_on_battery": 1}

    asyncio.run(main())


def test_an_inform_is_acknowledged() -> None:
    async def main() -> None:
        async with listening() as bench:
            assert await notify(bench, LINK_DOWN, *PORT, how="inform") == ""
            await bench.counted(accepted=1, acknowledged=1, received=1)
            assert bench.events[0].if_name == "GE0/0/7"

    asyncio.run(main())


def test_an_inform_of_a_stranger_is_not() -> None:
    async def main() -> None:
        async with listening() as bench:
            error = await notify(bench, LINK_DOWN, how="inform", source="127.0.0.99", timeout_s=0.2)
            assert "timeout" in error
            assert (bench.traps.stats["acknowledged"], bench.events) == (0, [])

    asyncio.run(main())


def test_traps_and_informs_of_v3() -> None:
    async def main() -> None:
        async with listening() as bench:
            assert await notify(bench, LINK_DOWN, *PORT, user=USER, source="127.0.0.3") == ""
            assert await notify(bench, LINK_DOWN, *PORT, user=USER, how="inform", source="127.0.0.3") == ""
            await bench.counted(accepted=2, acknowledged=1, discovery=1)
            assert told(bench) == [("link_down", "r-3")] * 2
            assert bench.events[1].if_name == "GE0/0/7"

    asyncio.run(main())


def test_a_wrong_password_or_user_of_v3_is_not_believed() -> None:
    wrong = UsmUserData("netmon-traps", "another-secret", "priv-of-a-test", usmHMAC192SHA256AuthProtocol,
                        usmAesCfb128Protocol)  # fmt: skip
    unsafe = UsmUserData("netmon-traps")
    stranger = UsmUserData("somebody")

    async def main() -> None:
        async with listening() as bench:
            for user in (wrong, unsafe, stranger):
                await notify(bench, LINK_DOWN, user=user, source="127.0.0.3")
            await bench.counted(wrong_digest=1, wrong_level=1, wrong_user=1)
            assert bench.events == []

    asyncio.run(main())


def test_a_relay_sends_for_a_device() -> None:
    async def main() -> None:
        async with listening() as bench:
            # 198.18/15 is reached as 10.0/15 by the address map; the relay itself is no device.
            inside = ("1.3.6.1.6.3.18.1.3.0", IpAddress("10.9.8.7"))
            await notify(bench, "1.3.6.1.2.1.33.2.1", inside, source="127.0.0.77")
            await bench.counted(accepted=1)
            trap = TrapV1((1, 3, 6, 1, 2, 1, 33, 2), bytes((10, 9, 8, 7)), 6, 1, 0)
            bench.send(encode_trap_v1_message(COMMUNITY.encode(), trap, []), "127.0.0.77")
            nowhere = trap._replace(agent_address=bytes((10, 9, 8, 8)))
            bench.send(encode_trap_v1_message(COMMUNITY.encode(), nowhere, []), "127.0.0.77")
            await bench.counted(accepted=2, unknown_sender=1)
            assert told(bench) == [("ups_on_battery", "ups-10")] * 2

    asyncio.run(main())


def test_the_address_a_trap_carries_goes_through_the_address_map() -> None:
    device = replace(DEVICES["ups-10"], address="10.0.0.7")

    async def main() -> None:
        async with listening() as bench:
            bench.traps.set_inventory(replace(INVENTORY, devices={"ups-10": device}), {"198.18.0.0/15": "10.0.0.0/15"})
            trap = TrapV1((1, 3, 6, 1, 2, 1, 33, 2), bytes((198, 18, 0, 7)), 6, 1, 0)
            bench.send(encode_trap_v1_message(COMMUNITY.encode(), trap, []))
            await bench.counted(accepted=1)
            assert told(bench) == [("ups_on_battery", "ups-10")]

    asyncio.run(main())


# --- whom it believes ------------------------------------------------------------------------------------------------


def test_senders_and_communities() -> None:
    async def main() -> None:
        async with listening() as bench:
            bench.send(message())
            bench.send(message(community="khác"))  # that of another device
            bench.send(message(community="khác"), "127.0.0.2")
            bench.send(message(), "127.0.0.3")  # a device of v3
            bench.send(message(), "127.0.0.9")
            bench.send(b"\x30\x03abc")
            bench.send(b"")
            await bench.counted(
                received=7, accepted=2, wrong_community=2, unknown_sender=1, malformed=2, unsupported_version=0
            )
            assert told(bench) == [("cold_start", "r-1"), ("cold_start", "r-2")]

    asyncio.run(main())


def test_unknown_senders_are_remembered_up_to_a_bound_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with listening() as bench:
            for number in range(UNKNOWN_MOST + 20):
                bench.send(message(), f"127.1.{number // 250}.{number % 250 + 1}")
            bench.send(message(), "127.1.0.1")
            await bench.counted(unknown_sender=UNKNOWN_MOST + 21)
            assert bench.traps.unknown_senders == UNKNOWN_MOST
            device = replace(DEVICES["r-1"], address="127.1.0.1")
            bench.traps.set_inventory(replace(INVENTORY, devices={"r-1": device}), {})
            assert bench.traps.unknown_senders == UNKNOWN_MOST - 1
            bench.send(message(), "127.1.0.1")
            await bench.counted(accepted=1)

    asyncio.run(main())
    lines = [r.getMessage() for r in caplog.records if "no device" in r.getMessage()]
    assert len(lines) == len(set(lines)) == UNKNOWN_MOST


def test_secrets_are_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)

    async def main() -> None:
        async with listening() as bench:
            for source in ("127.0.0.1", "127.0.0.2", "127.0.0.9"):
                bench.send(message(), source)
            await bench.counted(received=3)

    asyncio.run(main())
    assert caplog.text and COMMUNITY not in caplog.text and "khác" not in caplog.text


# --- informs ---------------------------------------------------------------------------------------------------------


def test_a_repeated_inform_is_acknowledged_again_and_counts_once() -> None:
    async def main() -> None:
        async with listening() as bench:
            inform = message(7, pdu_type=INFORM)
            for data in (inform, inform, message(7, pdu_type=INFORM, uptime=2), message(8, pdu_type=INFORM)):
                bench.send(data)
            await bench.counted(acknowledged=4, repeated=1, accepted=3)
            for number in range(INFORMS_KEPT):
                bench.send(message(100 + number, pdu_type=INFORM))
            bench.send(inform)
            await bench.counted(accepted=3 + INFORMS_KEPT + 1)

    asyncio.run(main())


def ask(host: str, port: int, family: socket.AddressFamily, source: str) -> bytes:
    """What comes back to a sender that takes it from the address it sent to only."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        sock.settimeout(5)
        sock.connect((host, port))
        sock.send(message(3, pdu_type=INFORM))
        return sock.recv(2000)


@pytest.mark.parametrize(
    ("listen", "host", "family", "source"),
    [
        ("0.0.0.0", "127.0.0.55", socket.AF_INET, "127.0.0.1"),
        ("::", "127.0.0.55", socket.AF_INET, "127.0.0.1"),
        ("::", "::1", socket.AF_INET6, "::1"),
        ("::1", "::1", socket.AF_INET6, "::1"),
    ],
)
def test_the_answer_comes_from_the_address_that_was_asked(
    listen: str, host: str, family: socket.AddressFamily, source: str
) -> None:
    async def main() -> None:
        async with listening(listen) as bench:
            answer = decode_message(await asyncio.to_thread(ask, host, bench.port, family, source))
            assert answer.request_id == 3
            assert told(bench) == [("cold_start", "r-6" if family == socket.AF_INET6 else "r-1")]

    asyncio.run(main())


def test_one_socket_takes_both_families() -> None:
    async def main() -> None:
        async with listening("::") as bench:
            bench.send(message(), "127.0.0.1", "127.0.0.1")
            bench.send(message(), "::1", "::1")
            await bench.counted(accepted=2)
            assert told(bench) == [("cold_start", "r-1"), ("cold_start", "r-6")]

    asyncio.run(main())


# --- sockets ---------------------------------------------------------------------------------------------------------


def test_a_socket_that_was_handed_over_is_used_beside_its_own() -> None:
    async def main() -> None:
        given = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        given.bind(("127.0.0.1", 0))
        port = given.getsockname()[1]
        async with listening("127.0.0.1", TrapSocket(given)) as bench:
            assert bench.traps.addresses == [f"127.0.0.1:{port}", f"127.0.0.1:{bench.port}"]
            bench.send(message())
            bench.port = port
            bench.send(message())
            await bench.counted(accepted=2)

    asyncio.run(main())


def test_without_an_address_nothing_is_listened_on() -> None:
    async def main() -> None:
        async with listening(listen="") as bench:
            assert not bench.traps.listening
            assert (bench.traps.depth, bench.traps.dropped) == (0, 0)

    asyncio.run(main())


def test_an_address_that_is_taken_is_told_in_one_line() -> None:
    port = free_port(socket.SOCK_DGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", port))
        with pytest.raises(NetmonError, match=rf"^traps: cannot listen on 127.0.0.1:{port}: Address already in use$"):
            bind(f"127.0.0.1:{port}")


def test_a_handed_over_socket_must_be_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock, pytest.raises(NetmonError, match="not UDP"):
        TrapSocket(sock)


def test_the_engine_id_stays_and_is_one() -> None:
    one = own_engine_id("/var/lib/netmon")
    assert one == own_engine_id("/var/lib/netmon") != own_engine_id("/srv/other")
    assert 5 <= len(one) <= 32 and one[0] & 0x80


# --- many ------------------------------------------------------------------------------------------------------------


def test_a_full_queue_drops_and_counts() -> None:
    async def main() -> None:
        async with listening(queue_size=50) as bench:
            for number in range(120):  # all in the kernel before the loop has a turn
                bench.send(message(number))
            await bench.until(lambda: len(bench.events) + bench.traps.dropped == 120)
            assert bench.traps.stats["received"] == 120
            assert len(bench.events) == 50 and bench.traps.dropped == 70
            assert bench.traps.depth == 0

    asyncio.run(main())


def test_what_the_kernel_dropped_is_counted() -> None:
    with bind(f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}").sock as sock:
        trap_socket = TrapSocket(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(200):
                sender.sendto(message(number), sock.getsockname())
        taken = len(trap_socket.receive(1000, 0.0))
        assert 0 < taken < 200
        assert trap_socket.dropped() == 200 - taken


def test_a_bug_in_what_an_event_causes_costs_that_event_only() -> None:
    broken: list[int] = []

    async def main() -> None:
        port = free_port(socket.SOCK_DGRAM)
        seen: list[str] = []

        def on_event(event: object) -> None:
            seen.append("x")
            if len(seen) == 2:
                raise ZeroDivisionError

        asyncio.get_running_loop().set_exception_handler(lambda loop, context: broken.append(1))
        traps = Traps(TrapConfig(f"127.0.0.1:{port}"), Clock(), on_event)
        traps.set_inventory(INVENTORY, {})
        traps.start()
        bench = Bench(traps, [], "127.0.0.1", port)
        for number in range(5):
            bench.send(message(number))
        await bench.until(lambda: len(seen) == 5)
        traps.close()

    asyncio.run(main())
    assert broken == [1]


def test_a_burst_of_5000_in_a_second_loses_nothing_and_does_not_hold_the_loop() -> None:
    """From another process, while a poll loop ticks beside it: which gets a turn every few traps."""

    async def main() -> None:
        async with listening() as bench:
            ticks = 0

            async def polling() -> None:
                nonlocal ticks
                while True:
                    await asyncio.sleep(0)
                    ticks += 1

            command = [sys.executable, "-m", "tests.trap_burst", str(bench.port), "5000", "1"]
            child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=subprocess.PIPE)
            try:
                await bench.until(lambda: bench.traps.stats["received"], "the burst begins")
                before, beside = bench.traps.stats["accepted"], asyncio.create_task(polling())
                await bench.until(lambda: len(bench.events) + bench.traps.dropped >= 5000, "all have come")
                beside.cancel()
                sent, _ = await asyncio.wait_for(child.communicate(), 30)
            finally:
                if child.returncode is None:
                    child.kill()
            assert int(sent.split()[0]) == 5000
            assert (len(bench.events), bench.traps.dropped) == (5000, 0)
            assert dict(bench.traps.kinds) == {"link_down": 5000}
            assert ticks >= (5000 - before) / DECODED_PER_TURN - 2

    asyncio.run(main())


def test_a_burst_waits_in_the_kernel_while_the_loop_is_held() -> None:
    """As many as fit the granted buffer: with the rights of the service's socket unit all 5,000 do."""

    async def main() -> None:
        sock = bind(f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}")
        async with listening("127.0.0.1", sock, listen="") as bench:
            bench.port = sock.sock.getsockname()[1]
            count = min(5000, sock.buffer_bytes // 1500)
            for number in range(count):  # sent by the very thread that should read
                bench.send(message(number))
            await bench.until(lambda: len(bench.events) == count, f"all {count}")
            assert bench.traps.dropped == 0

    asyncio.run(main())
