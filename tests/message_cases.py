"""A small province and one incident of every kind, for the tests of messages. Names are MESSAGES.md's."""

from __future__ import annotations

from dataclasses import replace

from netmon.config import Config, NotifyConfig, WebConfig
from netmon.model import (
    Area,
    Cause,
    Change,
    Contact,
    Device,
    Evidence,
    Gateway,
    Incident,
    Inventory,
    Line,
    Node,
    Place,
    Probe,
    Sensor,
    SensorType,
    Site,
    Subject,
    TimelineEntry,
    Verdict,
    labels,
)
from netmon.state import GatewayView, SensorView, State

NOW = 1_795_404_660.0  # 2026-11-23 10:31 in Asia/Ho_Chi_Minh
CONFIG = Config(notify=NotifyConfig(noc_phone="02713888999"))
LINKS = replace(CONFIG, web=WebConfig(public_url="https://netmon.example.vn/"))
TECHNICIAN = Contact("an", "Anh An", "0901000001", "an@example.vn", ("technician",), ("loc-ninh",))
WHY = "{why}"

SITE = Site(
    "loc-thanh", "UBND xã Lộc Thành", "UBND Loc Thanhf", "government", "commune", "loc-ninh", unit_code="25270",
    place=Place(11.84, 106.59, "surveyed"), contacts=("van-thu", "an"),
)  # fmt: skip
ROOM = SensorType(
    "room", "temperature", "Cel", warn_above=35, alarm_above=40,
    words={"vi": "nhiệt độ phòng máy", "en": "machine room temperature"},
)  # fmt: skip
DOOR = SensorType(
    "door", "door", "/", warn_above=0.5, alarm_above=0.5, watch="closed-hours",
    words={"vi": "cửa phòng máy", "en": "machine room door"},
    values={"vi": {0.0: "đóng", 1.0: "mở"}, "en": {0.0: "closed", 1.0: "open"}},
)  # fmt: skip


def state() -> State:
    """The province as it is during the incidents below."""
    others = {
        f"p{n}": Site(f"p{n}", f"UBND xã Phú {n}", f"UBND Phu {n}", "government", "commune", "bu-gia-map")
        for n in range(1, 6)
    }
    lines = [
        Line(
            "loc-thanh-1",
            SITE.id,
            "gom",
            Probe("icmp", "198.18.0.10"),
            "VNPT",
            "TSL-0114",
            device="r",
            if_name="GE0/0/7",
        ),
        Line("loc-thanh-2", SITE.id, "gom", Probe("icmp", "198.18.0.11"), "Viettel", "VTL-22", role="backup"),
    ]
    found = State(
        Inventory(
            areas={
                a.id: a
                for a in (Area("loc-ninh", "Lộc Ninh", "Loc Ninh"), Area("bu-gia-map", "Bù Gia Mập", "Bu Gia Map"))
            },
            nodes={
                "gom": Node("gom", "Nút gom Bù Gia Mập (thiết bị của nhà mạng)", "aggregation", "loi", "Bu Gia Map"),
                "loi": Node("loi", "Lõi TSLCD cấp II", "core", None, "Loi tinh"),
                "cau": Node("cau", "Cầu hội nghị truyền hình (MCU)", "service", "loi", "MCU"),
            },
            sites={SITE.id: SITE, **others},
            lines={line.id: line for line in lines},
            devices={
                "r": Device("r", "router", "198.18.0.10", 161, "c", site=SITE.id),
                "ups": Device("ups", "ups", "198.19.0.10", 161, "c", site=SITE.id),
            },
            sensor_types={"room": ROOM, "door": DOOR},
            sensors={
                "heat": Sensor("heat", "room", "t/heat", "senml", "nhiệt độ phòng máy", site=SITE.id),
                "rise": Sensor("rise", "room", "t/rise", "senml", "nhiệt độ phòng máy", site=SITE.id),
                "door": Sensor("door", "door", "t/door", "senml", "cửa phòng máy", site=SITE.id),
                "far": Sensor("far", "room", "t/far", "senml", "nhiệt độ phòng máy", site="p1"),
                **{
                    f"gt-{n}": Sensor(f"gt-{n}", "room", f"t/gt-{n}", "senml", f"tủ đèn nút giao {n}")
                    for n in range(1, 7)
                },
            },
            gateways={
                "gw-town": Gateway("gw-town", "giao thông nội ô", place=Place(11.53, 106.88, "approx")),
                "gw-site": Gateway("gw-site", "LoRaWAN", site=SITE.id),
            },
            contacts={"an": TECHNICIAN, "van-thu": Contact("van-thu", "Chị Hoa", "0907000007")},
        )
    )
    found.sensors["heat"] = SensorView(
        "heat", "alarm", NOW - 300, 41.5, NOW - 60, NOW - 60, trail=((NOW - 960, 38.4), (NOW - 500, 40.0))
    )
    found.sensors["rise"] = SensorView("rise", "ok", NOW - 9000, 31.0, None, NOW - 60, trail=((NOW - 480, 24.5),))
    found.sensors["door"] = SensorView("door", "alarm", NOW - 60, 1.0, NOW - 60, NOW - 60)
    lamps = tuple(f"gt-{n}" for n in range(1, 7))
    found.gateways["gw-town"] = GatewayView("gw-town", "stale", NOW - 60, NOW - 1260, silent=lamps)
    found.gateways["gw-site"] = GatewayView("gw-site", "stale", NOW - 60, NOW - 1260, silent=("door", "far"))
    found.verdicts[Subject("line", "loc-thanh-1")] = Verdict(Subject("line", "loc-thanh-1"), "down", NOW)
    for site in ("p4", "p5"):
        found.verdicts[Subject("site", site)] = Verdict(Subject("site", site), "down", NOW)
    return found


def _fact(key: str, before_s: float, **args: str) -> Evidence:
    return Evidence(key, NOW - before_s, args)


def _lost(kind: str, confirmed: bool, *evidence: Evidence, missing: tuple[str, ...] = (), told: str = "") -> Incident:
    cause = Cause(kind, confirmed, evidence, missing)  # type: ignore[arg-type]
    return Incident(
        1043, Subject("site", SITE.id), "outage", "critical", NOW - 60, NOW - 53, cause, told or kind,  # type: ignore[arg-type]
        tell_at=NOW,
    )  # fmt: skip


def _about(
    kind: str, subject: str, severity: str, *alerts: str, cause: Cause | None = None, **more: object
) -> Incident:
    what, _, key = subject.partition(":")
    keys = tuple((name, labels(device=key)) for name in alerts)
    incident = Incident(
        1050,
        Subject(what, key),
        kind,
        severity,
        NOW - 120,
        NOW - 60,
        cause or Cause(),
        alerts=keys,  # type: ignore[arg-type]
    )
    return replace(incident, **more)  # type: ignore[arg-type]


def _ended(incident: Incident, after_s: float = 5640.0) -> Incident:
    return replace(incident, good_since=NOW + after_s, closed_at=NOW + after_s + 60)


UPS = (_fact("ups_on_battery", 1560), _fact("ups_charge", 120, percent="4.5"))
SILENT = _fact("router_silent", 60, count="17")
NODE = Cause("upstream", True, (_fact("node_silent", 60), _fact("children_lost", 60, lost="15", known="15")))
DARK = _fact("light_lost", 58, port="GE0/0/7")
LOSSY = _fact("poor_loss", 120, percent="4.2")
SERVING = _fact("node_silent_serving", 60)
PHU = ("p1", "p2", "p3", "p4", "p5")
UPLINK = _fact("uplink_lost", 60)
REBOOTED = _fact("rebooted", -5500)

SAID = (TimelineEntry(NOW - 60, "opened", "Trực NOC", "mạng rất chậm"),)

LAMPS = _fact("gateway_silent", 1260, count="6", names=", ".join(f"tủ đèn nút giao {n}" for n in range(1, 7)))
BOTH = _fact("gateway_silent", 1260, count="2", names="cửa phòng máy, nhiệt độ phòng máy (UBND xã Phú 1)")

OPEN: dict[str, Incident] = {
    "power": _lost("power", True, SILENT, *UPS),
    "power_suspected": _lost("power", False, SILENT, _fact("same_feeder", 60, count="3"), missing=("ups",)),
    "power_suspected_ups": _lost("power", False, SILENT, UPS[0]),
    "line": _lost("line", True, _fact("router_alive", 30), DARK, _fact("ups_on_mains", 20)),
    "line_suspected": _lost("line", False, SILENT, _fact("parent_port_down", 58, port="1/1/3"), missing=("ont_power",)),
    "device": _lost("device", True, SILENT, _fact("parent_port_up", 10, port="1/1/3")),
    "device_suspected": _lost("device", False, SILENT, _fact("parent_port_up", 10, port="1/1/3")),
    "overrun_power": _lost(
        "planned", True, _fact("planned_power", 7200, name="Lộ 471 Lộc Ninh", work="3"), _fact("planned_until", 900)
    ),
    "overrun": _lost(
        "planned", True, _fact("planned_provider", 7200, name="VNPT nối cáp", work="4"), _fact("planned_until", 900)
    ),
    "overrun_node": _about(
        "outage", "node:gom", "critical", children=PHU,
        cause=Cause("planned", True, (_fact("planned_provider", 7200, name="VNPT"), _fact("planned_until", 900))),
    ),
    "report": _about("report", f"site:{SITE.id}", "warning", timeline=SAID),
    "upstream": _lost("upstream", True, _fact("node_above", 70, name="Nút gom Lộc Ninh")),
    "unknown": _lost("unknown", False, SILENT, missing=("ups", "parent_port")),
    "again": replace(_lost("unknown", False, SILENT, missing=("ups",)), flaps=2),
    "taken": replace(_lost("power", True, *UPS), acked_by="Chị Bình"),
    "redundancy": _about("redundancy", f"site:{SITE.id}", "warning", cause=Cause("line", True, (DARK,))),
    "degraded": _about("degraded", f"site:{SITE.id}", "warning", cause=Cause(evidence=(LOSSY,))),
    "node": _about(
        "outage", "node:gom", "critical", cause=NODE, children=PHU, already_down=(SITE.id,)
    ),
    "core": _about("outage", "node:loi", "critical", cause=NODE, children=("p1", "p2")),
    "service": _about("outage", "node:cau", "critical", cause=Cause(evidence=(_fact("node_silent", 60),))),
    "node_degraded": _about("degraded", "node:gom", "warning", cause=Cause(evidence=(SERVING,))),
    "blind": _about(
        "outage", "netmon:netmon", "critical", cause=Cause("monitor", True, (UPLINK,)), children=("p1", "p2")
    ),
    "alarm": _about("alert", "sensor:heat", "critical", "SensorAlarm"),
    "fast": _about("alert", "sensor:rise", "warning", "SensorFast"),
    "door": _about("alert", "sensor:door", "critical", "SensorAlarm"),
    "gateway": _about("alert", "gateway:gw-town", "warning", "GatewaySilent", cause=Cause(evidence=(LAMPS,))),
    "gateway_site": _about("alert", "gateway:gw-site", "warning", "GatewaySilent", cause=Cause(evidence=(BOTH,))),
    "silent": _about("alert", "sensor:heat", "warning", "SensorSilent"),
    "battery": _about("alert", "device:ups", "warning", "UpsOnBattery", cause=Cause("power", True, UPS[:1])),
    "broker": _about("alert", "netmon:netmon", "warning", "NetmonBrokerLost"),
    "own_rule": _about("alert", f"site:{SITE.id}", "warning", "TuCuaMo"),
}  # fmt: skip
CLOSED: dict[str, Incident] = {
    "back": _ended(_lost("power", True, *UPS, REBOOTED)),
    "back_unknown": _ended(_lost("unknown", False, SILENT), 45),
    "back_found": _ended(_lost("power", False, REBOOTED, told="unknown")),
    "corrected": _ended(_lost("power", True, *UPS, REBOOTED, told="line"), 200_000),
    "withdrawn": _ended(_lost("unknown", False, SILENT, REBOOTED, told="line")),
    "node_back": _ended(OPEN["node"]),
    "report_over": _ended(OPEN["report"]),
    "redundancy_back": _ended(OPEN["redundancy"]),
    "degraded_over": _ended(OPEN["degraded"]),
    "alarm_over": _ended(OPEN["alarm"]),
    "gateway_over": _ended(OPEN["gateway"]),
    "service_back": _ended(OPEN["service"]),
    "battery_over": _ended(OPEN["battery"]),
    "blind_over": _ended(OPEN["blind"], 300),
}


def changes() -> dict[str, Change]:
    """Every case by name."""
    found = {name: Change("opened", incident, NOW) for name, incident in OPEN.items()}
    return found | {name: Change("closed", i, i.closed_at or NOW) for name, i in CLOSED.items()}
