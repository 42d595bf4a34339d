"""GET /snmp of the running daemon: a device of the inventory told as snmp_exporter would, nobody else asked."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.live.province import Province

pytestmark = pytest.mark.live


def _answering(province: Province) -> str:
    """A device that answered its latest poll."""
    for series, value in province.metrics().items():
        if (match := re.match(r'netmon_snmp_up\{.*?device="([^"]+)"', series)) and value == 1:
            return match[1]
    pytest.fail("no device answers")


def _ports(text: str, device: str = "") -> dict[tuple[str, str], float]:
    """Speeds and states by object and port."""
    return {
        (sample.name, sample.labels["ifName"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name in ("ifHighSpeed", "ifMtu", "ifType") and sample.labels.get("device", "") == device
    }


def test_a_device_is_told_as_its_polls_tell_it(province: Province) -> None:
    device = _answering(province)
    answer = province.get(f"/snmp?target={device}&module=generic")
    assert answer.status == 200
    found = _ports(answer.text)
    assert found
    assert found == _ports(province.get("/metrics").text, device)
    assert 'snmp_scrape_pdus_returned{module="generic"}' in answer.text


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("target=192.0.2.1&auth=public", 403, 'target "192.0.2.1" is neither in the inventory nor in'),
        ("target=DEVICE&module=gone", 400, 'unknown module "gone"'),
        ("target=DEVICE&auth=gone", 400, 'unknown auth "gone"'),
        ("module=generic", 400, "one target is needed"),
    ],
)
def test_what_is_refused(province: Province, query: str, status: int, told: str) -> None:
    answer = province.get(f"/snmp?{query.replace('DEVICE', _answering(province))}")
    assert answer.status == status
    assert told in answer.text
