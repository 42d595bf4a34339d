"""What every contender reads: 17 numeric columns of 20 ports, which is 340 useful varbinds per device and poll. Pure.

The same columns as a netmon profile, as a module of snmp_exporter 0.21, and as plain OIDs for everybody else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from netmon.collectors.snmp.ber import COUNTER32, COUNTER64, GAUGE32, INTEGER, OCTET_STRING, TIME_TICKS, Oid

ROWS = 20
IF: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1)
IFX: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1)
IF_NAME: Oid = (*IFX, 1)
COMMUNITY = "public"
USER, AUTH_PASSWORD, PRIV_PASSWORD = "bench", "bench-auth-password", "bench-priv-password"


class Column(NamedTuple):
    """A column: ``tag`` as the agent sends it, ``kind`` as modules call it; ``rate``: how fast it counts, 0 = not."""

    name: str
    oid: Oid
    tag: int
    kind: str
    rate: int = 0


# In the order of their OIDs, as an agent gives them.
COLUMNS = (
    Column("ifAdminStatus", (*IF, 7), INTEGER, "gauge"),
    Column("ifOperStatus", (*IF, 8), INTEGER, "gauge"),
    Column("ifLastChange", (*IF, 9), TIME_TICKS, "gauge"),
    Column("ifInDiscards", (*IF, 13), COUNTER32, "counter", 1),
    Column("ifInErrors", (*IF, 14), COUNTER32, "counter", 1),
    Column("ifInUnknownProtos", (*IF, 15), COUNTER32, "counter", 3),
    Column("ifOutDiscards", (*IF, 19), COUNTER32, "counter", 1),
    Column("ifOutErrors", (*IF, 20), COUNTER32, "counter", 1),
    Column("ifHCInOctets", (*IFX, 6), COUNTER64, "counter", 4_000_000),
    Column("ifHCInUcastPkts", (*IFX, 7), COUNTER64, "counter", 6_000),
    Column("ifHCInMulticastPkts", (*IFX, 8), COUNTER64, "counter", 60),
    Column("ifHCInBroadcastPkts", (*IFX, 9), COUNTER64, "counter", 30),
    Column("ifHCOutOctets", (*IFX, 10), COUNTER64, "counter", 2_000_000),
    Column("ifHCOutUcastPkts", (*IFX, 11), COUNTER64, "counter", 4_000),
    Column("ifHCOutMulticastPkts", (*IFX, 12), COUNTER64, "counter", 30),
    Column("ifHCOutBroadcastPkts", (*IFX, 13), COUNTER64, "counter", 10),
    Column("ifCounterDiscontinuityTime", (*IFX, 19), TIME_TICKS, "gauge"),
)
SLOW = (
    Column("ifDescr", (*IF, 2), OCTET_STRING, "DisplayString"),
    Column("ifType", (*IF, 3), INTEGER, "gauge"),
    Column("ifMtu", (*IF, 4), INTEGER, "gauge"),
    Column("ifSpeed", (*IF, 5), GAUGE32, "gauge"),
    Column("ifName", IF_NAME, OCTET_STRING, "DisplayString"),
    Column("ifHighSpeed", (*IFX, 15), GAUGE32, "gauge"),
    Column("ifAlias", (*IFX, 18), OCTET_STRING, "DisplayString"),
)  # what netmon's generic profile reads of a port now and then; of these snmp_exporter reads ifName, for its label
USEFUL = len(COLUMNS) * ROWS


def dotted(oid: Oid) -> str:
    return ".".join(map(str, oid))


def _metric(column: Column) -> dict[str, Any]:
    name = {"labels": ["ifIndex"], "labelname": "ifName", "oid": dotted(IF_NAME), "type": "DisplayString"}
    return {
        "name": column.name,
        "oid": dotted(column.oid),
        "type": column.kind,
        "help": f"{column.name} of the port",
        "indexes": [{"labelname": "ifIndex", "type": "gauge"}],
        "lookups": [name, {"labels": [], "labelname": "ifIndex"}],
    }


def profile() -> dict[str, Any]:
    """The profile for netmon, in place of ``generic``: the columns, and as slow facts what ports are known by."""
    metrics = [_metric(column) for column in COLUMNS] + [_metric(column) for column in SLOW]
    hidden = [column.name for column in SLOW]
    return {
        "modules": {"bench": {"walk": [dotted(IF), dotted(IFX)], "metrics": metrics}},
        "netmon": {"name": "generic", "modules": ["bench"], "slow": hidden, "hide": hidden},
    }


def exporter_modules() -> dict[str, Any]:
    """snmp.yml for snmp_exporter 0.21: the credential inside the module; nothing is walked that is not wanted."""
    module = {
        "walk": [dotted(IF_NAME), *(dotted(column.oid) for column in COLUMNS)],
        "metrics": [_metric(column) for column in COLUMNS],
        "max_repetitions": 25,
        "retries": 3,
        "timeout": "5s",
    }
    v3 = {
        "username": USER,
        "security_level": "authPriv",
        "password": AUTH_PASSWORD,
        "auth_protocol": "SHA",
        "priv_protocol": "AES",
        "priv_password": PRIV_PASSWORD,
    }
    return {
        "v2c": {**module, "version": 2, "auth": {"community": COMMUNITY}},
        "v3": {**module, "version": 3, "auth": v3},
    }


def as_yaml(tree: Mapping[str, Any]) -> str:
    """JSON is YAML, but for keys that are numbers."""
    return re.sub(r'"(-?\d+)": ', r"\1: ", json.dumps(tree))
