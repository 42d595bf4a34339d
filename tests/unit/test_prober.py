"""The prober over real loopback sockets: losses, parents, reloads, and a loop that was held."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from netmon.clock import Clock
from netmon.collectors.probes.prober import Prober
from netmon.collectors.probes.stamp import StampReflector
from netmon.collectors.probes.stamp_packet import reflect
from netmon.config import ProbeConfig
from netmon.errors import CollectError
from netmon.model import Probe
from netmon.state import Reach

FAST = ProbeConfig(interval_s=0.2, timeout_s=0.1, burst_count=4, burst_spacing_s=0.03)


class Router(StampReflector):
    """A reflector that can fall silent; ``times`` are when probes came."""

    alive = True

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def respond(self, data: bytes, addr: tuple[Any, ...]) -> bytes | None:
        self.times.append(time.monotonic())
        return super().respond(data, addr) if self.alive else None


class Net:
    """A prober, what it told, and routers on 127.18.0.0/16."""

    def __init__(self, config: ProbeConfig, clock: Clock, **kwargs: Any) -> None:
        self.told: list[Reach] = []
        self.prober = Prober(config, clock, self.told.append, **kwargs)
        self.routers: dict[str, Router] = {}
        self.probes: dict[str, Probe] = {}

    async def add(self, name: str, host: str) -> Router:
        router = Router()
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: router, local_addr=(host, 0))
        self.probes[name] = Probe("stamp", host, transport.get_extra_info("sockname")[1])
        self.routers[name] = router
        return router

    def lost(self, name: str) -> bool | None:
        reach = self.prober.reach(name)
        assert reach is not None
        return reach.lost

    def changes(self, name: str) -> list[bool | None]:
        """The values of ``lost`` that were told, each once per change."""
        found: list[bool | None] = []
        for reach in self.told:
            if reach.target == name and (not found or found[-1] is not reach.lost):
                found.append(reach.lost)
        return found


@asynccontextmanager
async def network(config: ProbeConfig = FAST, clock: Clock | None = None, **kwargs: Any) -> AsyncIterator[Net]:
    net = Net(config, clock or Clock(), **kwargs)
    await net.prober.start()
    try:
        yield net
    finally:
        await net.prober.close()
        for router in net.routers.values():
            if router.transport is not None:
                router.transport.close()


async def until(check: Callable[[], object], what: str = "condition") -> None:
    end = time.monotonic() + 15
    while not check():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.01)


def test_a_province_is_seen_and_one_line_lost_and_found() -> None:
    async def main() -> None:
        async with network() as net:
            for number in range(60):
                await net.add(f"line-{number}", f"127.18.1.{number + 1}")
            net.prober.set_targets(net.probes, {})
            assert net.prober.waiting() == 60
            await until(lambda: net.prober.waiting() == 0, "first round")
            assert all(net.lost(name) is False for name in net.probes)
            before = time.time()
            net.routers["line-7"].alive = False
            await until(lambda: net.lost("line-7"), "line-7 lost")
            reach = net.prober.reach("line-7")
            assert reach is not None
            assert before - FAST.interval_s <= reach.since <= time.time() - FAST.timeout_s
            net.routers["line-7"].alive = True
            await until(lambda: net.lost("line-7") is False, "line-7 back")
            assert net.changes("line-7") == [False, True, False]
            assert [name for name in net.probes if True in net.changes(name)] == ["line-7"]
            told = net.told[-1]
            assert told.rtt_s is not None
            assert 0 < told.rtt_s < 5

    asyncio.run(main())


def test_parents_are_looked_at_the_moment_a_child_loses_a_probe() -> None:
    """With half a minute between probes, parent and grandparent are still judged beside the child."""

    async def main() -> None:
        slow = ProbeConfig(interval_s=30.0, timeout_s=0.1, burst_count=4, burst_spacing_s=0.03)
        async with network(slow) as net:
            for name, host in (("child", "127.18.2.1"), ("parent", "127.18.2.2"), ("top", "127.18.2.3")):
                await net.add(name, host)
            net.prober.set_targets(net.probes, {"child": ("parent",), "parent": ("top",), "top": ("child",)})
            for name in net.probes:
                net.prober.check_now(name)
            await until(lambda: all(net.lost(name) is False for name in net.probes), "all reachable")
            await asyncio.sleep(0.1)  # so that the last answers are no longer fresh enough
            seen = len(net.routers["top"].times)
            net.routers["child"].alive = net.routers["parent"].alive = False
            net.prober.check_now("child")
            await until(lambda: net.lost("child") and net.lost("parent"), "child and parent lost")
            assert net.lost("top") is False
            assert len(net.routers["top"].times) > seen

    asyncio.run(main())


def test_a_reload_keeps_what_is_the_same() -> None:
    async def main() -> None:
        async with network() as net:
            for name in ("same", "moved", "dropped"):
                await net.add(name, "127.18.3.1")
            net.prober.set_targets(net.probes, {})
            await until(lambda: all(net.lost(name) is False for name in net.probes), "all reachable")
            same = net.prober.reach("same")
            targets = {**net.probes, "moved": net.probes["same"], "none": Probe("none", "127.18.3.9")}
            del targets["dropped"]
            net.prober.set_targets(targets, {})
            assert same is not None
            again = net.prober.reach("same")
            assert again is not None
            assert again.since == same.since
            assert net.lost("moved") is None
            assert net.prober.reach("dropped") is None
            assert net.prober.reach("none") is None
            await until(lambda: net.lost("moved") is False, "moved reachable")
            net.told.clear()
            count = len(net.routers["dropped"].times)
            await until(lambda: len(net.told) > 5, "news of the others")
            assert "dropped" not in {reach.target for reach in net.told}
            assert len(net.routers["dropped"].times) <= count + 1

    asyncio.run(main())


def test_a_held_loop_loses_nothing_and_stacks_nothing() -> None:
    """Answers wait in the socket while the loop stands still: they came in time and say so themselves."""

    def reflector(sock: socket.socket, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                data, address = sock.recvfrom(2048)
            except TimeoutError:
                continue
            now = time.time_ns()
            sock.sendto(reflect(data, now, now) or b"", address)

    async def main(sock: socket.socket) -> None:
        async with network() as net:
            net.probes = {f"line-{n}": Probe("stamp", "127.18.4.1", sock.getsockname()[1]) for n in range(100)}
            net.prober.set_targets(net.probes, {})
            await until(lambda: all(net.lost(name) is False for name in net.probes), "all reachable")
            for _ in range(3):
                time.sleep(0.7)  # noqa: ASYNC251  # the fault: somebody holds the loop
                await asyncio.sleep(0.1)
            sent, held = net.prober.stats["sent"], net.prober.stats["skipped"]
            assert held >= 3 * 100
            await asyncio.sleep(0.1)
            assert net.prober.stats["sent"] - sent <= 4 * 100  # as often as after a start, not those that were missed
            assert {reach.lost for reach in net.told} == {False}
            assert net.prober.stats["lost"] == 0

    stop = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.18.4.1", 0))
        sock.settimeout(0.1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        thread = threading.Thread(target=reflector, args=(sock, stop))
        thread.start()
        try:
            asyncio.run(main(sock))
        finally:
            stop.set()
            thread.join()


def test_tcp() -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with network() as net, server:
            net.prober.set_targets({"bridge": Probe("tcp", "127.0.0.1", port)}, {})
            await until(lambda: net.lost("bridge") is False, "bridge reachable")
            assert net.told[-1].rtt_s is not None
            assert 0 < net.told[-1].rtt_s < 5
            server.close()
            await server.wait_closed()
            await until(lambda: net.lost("bridge"), "bridge lost")
            assert net.told[-1].error == "Connection refused"

    asyncio.run(main())


def test_a_held_loop_takes_no_connection_for_lost() -> None:
    """A connection that was made while the loop stood still is only seen in the loop's next turns."""

    async def main() -> None:
        with socket.create_server(("127.18.4.2", 0)) as server:  # the kernel answers, nobody needs to accept
            async with network() as net:
                net.prober.set_targets({"bridge": Probe("tcp", *server.getsockname())}, {})
                await until(lambda: net.lost("bridge") is False, "bridge reachable")
                for _ in range(10):
                    sent = net.prober.stats["sent"]
                    while net.prober.stats["sent"] == sent:  # noqa: ASYNC110  # the very turn after it was sent
                        await asyncio.sleep(0)
                    time.sleep(2 * FAST.timeout_s)  # noqa: ASYNC251  # the fault: somebody holds the loop, a probe is out
                await asyncio.sleep(0.2)
                reach = net.prober.reach("bridge")
                assert reach is not None
                assert (reach.lost, reach.loss_ratio, reach.blips) == (False, 0.0, 0)
                assert net.prober.stats["lost"] == 0

    asyncio.run(main())


def test_snmp_by_a_function_handed_in() -> None:
    outcome: list[float | Exception] = [0.25]

    async def snmp(probe: Probe) -> float:
        assert probe.address == "127.18.5.1"
        if isinstance(outcome[-1], Exception):
            raise outcome[-1]
        return outcome[-1]

    async def main() -> None:
        async with network(ProbeConfig(interval_s=0.1, timeout_s=0.5, burst_count=4), snmp_probe=snmp) as net:
            net.prober.set_targets({"ups": Probe("snmp", "127.18.5.1", 161)}, {})
            await until(lambda: net.lost("ups") is False, "reachable")
            assert net.told[-1].rtt_s == 0.25
            outcome.append(CollectError("auth", "no answer"))
            await until(lambda: net.lost("ups"), "lost")
            assert net.told[-1].error == "auth"
            outcome.append(ZeroDivisionError("a bug"))
            await until(lambda: net.told[-1].error == "internal error", "the bug is told")
            outcome.append(0.1)
            await until(lambda: net.lost("ups") is False, "back")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("probe", "text"),
    [
        (Probe("snmp", "127.18.5.1"), "no way to probe by snmp"),
        (Probe("icmp", "x" * 300), "not resolved"),
    ],
    ids=["no function", "no such name"],
)
def test_what_cannot_be_probed_stays_unknown_and_says_why(probe: Probe, text: str) -> None:
    async def main() -> None:
        async with network() as net:
            net.prober.set_targets({"odd": probe}, {})
            await until(lambda: net.told and text in net.told[-1].error, "told why")
            await until(lambda: net.prober.stats["unsent"] > 2, "goes on")
            assert net.lost("odd") is None
            assert len(net.told) == 1
            assert net.prober.waiting() == 0

    asyncio.run(main())


def test_a_name_is_resolved() -> None:
    async def main() -> None:
        async with network() as net:
            router = await net.add("named", "127.0.0.1")
            port = net.probes["named"].port
            net.prober.set_targets({"named": Probe("stamp", "localhost", port)}, {})
            await until(lambda: net.told, "told something")
            if ":" in socket.getaddrinfo("localhost", None)[0][4][0]:
                return  # this machine's localhost is ::1, where the router does not listen
            await until(lambda: net.lost("named") is False, "reachable")
            assert router.times

    asyncio.run(main())


def test_what_the_system_refuses_to_send_is_lost_with_its_words() -> None:
    """Broadcast needs a permission the socket has not, so nothing leaves; other targets do not notice."""

    async def main() -> None:
        async with network() as net:
            await net.add("good", "127.18.6.1")
            targets: Mapping[str, Probe] = {**net.probes, "bad": Probe("stamp", "255.255.255.255", 862)}
            net.prober.set_targets(targets, {})
            await until(lambda: net.lost("bad") and net.lost("good") is False, "bad lost, good reachable")
            bad = net.prober.reach("bad")
            assert bad is not None
            assert bad.error == "Permission denied"
            assert net.changes("good") == [False]

    asyncio.run(main())


def test_a_step_of_the_system_clock_moves_nothing_that_was_told() -> None:
    shift = [0.0]

    async def main() -> None:
        clock = Clock(wall=lambda: time.time() + shift[0])
        async with network(clock=clock) as net:
            await net.add("line", "127.18.7.1")
            net.prober.set_targets(net.probes, {})
            await until(lambda: len(net.told) > 2, "reachable")
            since = net.told[-1].since
            shift[0] = 3600.0
            assert clock.check_step() == pytest.approx(3600.0, abs=1.0)
            net.told.clear()
            await until(lambda: len(net.told) > 2, "more news")
            assert {reach.since for reach in net.told} == {since}
            assert net.told[-1].last_answer_at == pytest.approx(time.time() + 3600, abs=5)
            assert net.changes("line") == [False]

    asyncio.run(main())


def test_nothing_is_left_after_close() -> None:
    async def main() -> None:
        async with network() as net:
            await net.add("line", "127.18.8.1")
            net.prober.set_targets({**net.probes, "tcp": Probe("tcp", "127.18.8.1", 9)}, {})
            await until(lambda: net.lost("line") is False, "reachable")
        count = len(net.told)
        await asyncio.sleep(0.5)
        assert len(net.told) == count
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
