"""Sparkplug: no value is ever told under another name than it was born with, whatever is lost or repeated."""

from __future__ import annotations

import contextlib
import math

from hypothesis import given
from hypothesis import strategies as st

from netmon.collectors.mqtt.decode import DecodeError
from netmon.collectors.mqtt.decode.sparkplug import REBIRTH_EVERY_S, Address, Host, read_topic
from tests.sparkplug_edge import EdgeNode, M

NOW = 1_757_060_000.0
STEPS = st.lists(
    st.tuples(st.sampled_from(["NBIRTH", "DBIRTH", "NDATA", "DDATA", "DDEATH", "NDEATH"]), st.integers(0, 3),
              st.sampled_from(["heard", "heard", "heard", "lost", "twice"])),
    max_size=40,
)  # fmt: skip


@given(STEPS)
def test_values_go_by_the_name_they_were_born_with(steps: list[tuple[str, int, str]]) -> None:
    """The sender gives aliases other names at every birth; each value says which name it truly has."""
    node, host = EdgeNode(), Host()
    names = {"": 0, "plc": 0}
    asked: list[float] = []
    for number, (kind, shift, fate) in enumerate(steps):
        device = "plc" if kind.startswith("D") else ""
        if kind in ("NBIRTH", "DBIRTH"):
            names[device] = shift
        true = names[device]
        metrics = [M(f"m{true}" if "BIRTH" in kind else "", float(true), alias=1 if device else 2)]
        if kind == "NBIRTH":
            node.bd_seq += 1
        message = node.message(kind, [] if "DEATH" in kind else metrics, device)
        for _ in range({"heard": 1, "lost": 0, "twice": 2}[fate]):
            address = read_topic(message[0])
            assert address is not None
            outcome = host.take(address, message[1], NOW + number)
            asked += [NOW + number] if outcome.rebirth else []
            for record in outcome.records:
                if record.name.startswith("m"):
                    assert record.name == f"m{int(record.value)}"
                    assert record.device == device
    by_death = sum(kind == "NDEATH" for kind, _, _ in steps)
    assert len(asked) <= 1 + by_death + len(steps) / REBIRTH_EVERY_S


@given(
    st.lists(st.tuples(st.sampled_from(["NBIRTH", "NDATA", "DBIRTH", "NDEATH"]), st.binary(max_size=60)), max_size=5)
)
def test_any_bytes(messages: list[tuple[str, bytes]]) -> None:
    host = Host()
    for kind, data in messages:
        with contextlib.suppress(DecodeError):
            for record in host.take(Address("g", kind, "e", "d" if kind[0] == "D" else ""), data, NOW).records:
                assert record.kind in ("gone", "here") or math.isfinite(record.value)
