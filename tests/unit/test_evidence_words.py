"""Every evidence and missing key that root cause emits has its text in both languages, with the names it fills in."""

from __future__ import annotations

import ast
import re
from importlib import resources

import pytest
import yaml

from netmon.model import CAUSES
from tests.conftest import ROOT

SOURCES = ("rootcause.py", "power.py", "review.py", "planned.py")
KEY = re.compile(r"^[a-z][a-z0-9_]+$")


def words() -> dict[str, dict[str, dict[str, str]]]:
    found: dict[str, dict[str, dict[str, str]]] = yaml.safe_load(
        resources.files("netmon").joinpath("words.yml").read_text(encoding="utf-8")
    )
    return found


def strings() -> set[str]:
    """All string constants of the modules that make evidence."""
    trees = [ast.parse((ROOT / "netmon" / "alerts" / name).read_text(encoding="utf-8")) for name in SOURCES]
    return {n.value for t in trees for n in ast.walk(t) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def evidence_keys() -> set[str]:
    """First arguments of Evidence(...), where they are written out."""
    found = set()
    for name in SOURCES:
        for node in ast.walk(ast.parse((ROOT / "netmon" / "alerts" / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Evidence":
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    found.add(first.value)
    return found


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_key_has_its_text(language: str) -> None:
    texts = words()[language]
    passed_on = {"light_lost", "port_down", "parent_port_down", "parent_light_lost", "node_silent", "ups_charge"}
    passed_on |= {"node_silent_serving", "neighbour_ups_on_battery", "feeder_ups_on_battery", "poor_loss", "poor_rtt"}
    passed_on |= {"poor_jitter"}
    assert passed_on <= strings()
    assert len(evidence_keys()) > 10
    assert evidence_keys() | passed_on <= set(texts["ev"])
    assert {"ups", "parent_port", "ont_power", "uptime"} <= set(texts["missing"])


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_rule_and_every_reason_against_one_has_its_text(language: str) -> None:
    why, why_not = words()[language]["rule"], words()[language]["rule_not"]
    rules = {text for text in strings() if text.split("_")[0] in CAUSES and "_" in text[:-1] and KEY.match(text)}
    rules -= {*words()[language]["ev"], "planned_"}
    assert len(rules) > 15
    assert rules <= set(why)
    for name in SOURCES:
        for node in ast.walk(ast.parse((ROOT / "netmon" / "alerts" / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "_reject":
                constants = [[c.value for c in ast.walk(a) if isinstance(c, ast.Constant)] for a in node.args]
                assert set(constants[0]) <= set(why)
                assert {c for c in constants[1] if isinstance(c, str)} <= set(why_not)


def test_no_text_without_evidence() -> None:
    assert set(words()["vi"]["ev"]) <= strings()
    assert set(words()["vi"]["missing"]) <= strings()
