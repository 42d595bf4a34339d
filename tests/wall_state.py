"""A made-up province of 310 sites with a bad morning, for the tests of pages and metrics. No real place is meant."""

from __future__ import annotations

from netmon.config import Config, WebConfig
from netmon.model import (
    CONDITIONS,
    SENSOR_STATES,
    Area,
    Cause,
    Condition,
    Device,
    Evidence,
    Figure,
    Incident,
    Inventory,
    Line,
    Node,
    PollResult,
    Port,
    Probe,
    Secret,
    Sensor,
    SensorType,
    Site,
    Subject,
    TimelineEntry,
    Verdict,
    labels,
)
from netmon.state import Health, Reach, SensorView, State

NOW = 1_795_404_660.0  # 2026-11-23 10:31 in Asia/Ho_Chi_Minh
TOKEN = "correct-horse"

AREAS = (
    ("tinh", "Tỉnh", 55), ("song-ba", "Sông Ba", 35), ("nui-lua", "Núi Lửa", 35), ("dong-cao", "Đồng Cao", 29),
    ("suoi-da", "Suối Đá", 25), ("phu-lam", "Phú Lâm", 23), ("chon-tra", "Chơn Trà", 21), ("dong-tam", "Đồng Tâm", 19),
    ("bu-na", "Bù Na", 19), ("phuoc-son", "Phước Sơn", 17), ("bu-dak", "Bù Đak", 17), ("binh-an", "Bình An", 15),
)  # fmt: skip
OFFICES = (
    "Sở Nội vụ",
    "Sở Tư pháp",
    "Sở Kế hoạch và Đầu tư",
    "Văn phòng UBND tỉnh",
    "Ban Tổ chức Tỉnh ủy",
    "Thanh tra tỉnh",
)
PLACES = (
    "Lộc Thành",
    "Lộc Thạnh",
    "Tân Phú",
    "Minh Hưng",
    "Đak Nhau",
    "Thanh Bình",
    "Phước Minh",
    "An Khương",
    "Hưng Chiến",
)


def inventory() -> Inventory:
    """310 sites in 12 areas; every commune has a people's committee and a party committee."""
    areas = {key: Area(key, name, name[:10]) for key, name, _ in AREAS}
    nodes = {
        "node-uplink": Node("node-uplink", "Kết nối cấp trên", "uplink", None),
        "node-core": Node("node-core", "Lõi TSLCD cấp II", "core", "node-uplink", probe=Probe("icmp", "198.18.0.1")),
        "node-mcu": Node("node-mcu", "Cầu hội nghị truyền hình (MCU)", "service", "node-core"),
    }
    sites: dict[str, Site] = {}
    lines: dict[str, Line] = {}
    devices: dict[str, Device] = {}
    for a, (area, area_name, count) in enumerate(AREAS):
        node = "node-core" if area == "tinh" else f"node-{area}"
        if area != "tinh":
            nodes[node] = Node(node, f"Nút gom {area_name}", "aggregation", "node-core")
        for i in range(count):
            party, place = i % 2 == 1, PLACES[(i // 2) % len(PLACES)]
            level, unit, commune = "commune", f"{25000 + a * 100 + i // 2}", f"xã {place}"
            name = f"{'Đảng ủy' if party else 'UBND'} xã {place}" + (f" {i // 18 + 1}" if i >= 18 else "")
            if area == "tinh":
                level, unit, commune = "province", "", ""
                name = OFFICES[i % len(OFFICES)] + (f" {i // 6 + 1}" if i >= 6 else "")
            site = f"{area}-{i:02d}"
            sites[site] = Site(
                site, name, f"{'DU' if party else 'UB'} {area[:8]} {i}", "party" if party else "government", level,
                area, unit_code=unit, commune=commune, hours="07:00-17:00", building=f"bld-{area}-{i // 2}",
            )  # fmt: skip
            for k in range(2 if i == 0 else 1):
                line = f"{site}-l{k + 1}"
                lines[line] = Line(
                    line, site, node, Probe("icmp", f"198.18.{a + 1}.{i * 2 + k + 1}"), provider="vnpt",
                    circuit=f"TSL-{a:02d}{i:03d}", device=f"{site}-rt", if_name="GE0/0/1",
                    role="backup" if k else "primary",
                )  # fmt: skip
            devices[f"{site}-rt"] = Device(
                f"{site}-rt", "router", f"198.18.{a + 1}.{i * 2 + 1}", 161, "snmp", site=site
            )
            if i % 3 == 0:
                devices[f"{site}-ups"] = Device(f"{site}-ups", "ups", f"198.19.{a + 1}.{i + 1}", 161, "snmp", site=site)
    types = {
        "room-temp": SensorType(
            "room-temp",
            "temperature",
            "Cel",
            -20,
            80,
            35,
            40,
            words={"vi": "Nhiệt độ phòng máy", "en": "Room temperature"},
        ),
        "water": SensorType("water", "water_level", "m", 0, 20, 4, 5, words={"vi": "Mực nước", "en": "Water level"}),
    }
    sensors = {
        f"{site}-temp": Sensor(
            f"{site}-temp", "room-temp", f"iot/{site}/temp", "senml", "Nhiệt độ phòng máy", site=site
        )
        for site in list(sites)[::8]
    }
    sensors["cau-nga-ba"] = Sensor(
        "cau-nga-ba", "water", "iot/cau/muc-nuoc", "json", "Mực nước cầu Ngã Ba", via="cellular"
    )
    return Inventory(areas, nodes, sites, lines, devices, types, sensors)


def config() -> Config:
    return Config(web=WebConfig(token=Secret(TOKEN)))


def state(now: float = NOW) -> State:
    """A fibre cut above one area, a power cut, a dead router, a hot room; the rest is well."""
    made = State(
        inventory(), health=Health(now - 86400, "0f3a", now - 3600, first_round_done=True, broker_connected=True)
    )
    conditions: dict[str, Condition] = dict.fromkeys(made.inventory.sites, "up")
    for site, found in made.inventory.sites.items():
        if found.area == "bu-na":
            conditions[site] = "unreachable"
    conditions |= {
        "song-ba-04": "down", "song-ba-05": "down", "nui-lua-07": "down", "suoi-da-02": "down", "tinh-03": "degraded",
        "dong-cao-00": "degraded", "phu-lam-11": "unknown",
    }  # fmt: skip
    for site, condition in conditions.items():
        _judge(made, Subject("site", site), condition, now)
    for line, facts in made.inventory.lines.items():
        condition = conditions[facts.site]
        if line == "dong-cao-00-l1":
            condition = "down"
        elif line == "dong-cao-00-l2":
            condition = "up"
        _judge(made, Subject("line", line), condition, now)
        lost = condition in ("down", "unreachable")
        made.reach[line] = Reach(line, lost, now - 1560, now - 3, None if lost else 0.0042, 0.0, 0.0006)
    for node in made.inventory.nodes:
        _judge(made, Subject("node", node), "down" if node == "node-bu-na" else "up", now)
    for device, kind in made.inventory.devices.items():
        made.polls[device] = poll(device, kind.site, now, ok=conditions[kind.site] not in ("down", "unreachable"))
    for sensor in made.inventory.sensors:
        made.sensors[sensor] = SensorView(sensor, "ok", now - 4000, 27.5, now - 20, now - 19)
    hot, silent, *_, explained = [s for s in made.inventory.sensors if s.endswith("-temp")]
    made.sensors[hot] = SensorView(hot, "alarm", now - 640, 41.5, now - 20, now - 19)
    made.sensors[silent] = SensorView(silent, "stale", now - 8100, 29.4, now - 11700, now - 11700)
    made.sensors[explained] = SensorView(explained, "explained", now - 1500, 28.0, now - 1600, now - 1600)
    made.sensors["cau-nga-ba"] = SensorView("cau-nga-ba", "warning", now - 300, 4.2, now - 30, now - 30)
    for incident in incidents(now):
        made.incidents[incident.id] = incident
    fill_gauges(made)
    made.revision = 1
    return made


def _judge(made: State, subject: Subject, condition: Condition, now: float) -> None:
    made.verdicts[subject] = Verdict(subject, condition, now - (1560 if condition != "up" else 90000))


def incidents(now: float) -> list[Incident]:
    """Open ones of every look, and one that ended."""
    power = Cause("power", True, (Evidence("ups_on_battery", now - 3120, {"t": "10:05"}),), ("uptime",))
    line = Cause("line", False, (Evidence("light_lost", now - 1500, {"port": "GE0/0/1"}),))
    upstream = Cause("upstream", True, (Evidence("children_lost", now - 1560, {"lost": "19", "known": "19"}),))
    opened = (
        TimelineEntry(now - 1500, "opened", "netmon", ""),
        TimelineEntry(now - 900, "ack", "Nguyễn Văn A", "Đang đi"),
    )
    return [
        Incident(
            1050, Subject("node", "node-bu-na"), "outage", "critical", now - 1560, now - 1550, upstream, "upstream",
            children=tuple(f"bu-na-{i:02d}" for i in range(19)), already_down=("bu-na-03",), timeline=opened,
        ),
        Incident(1051, Subject("site", "song-ba-04"), "outage", "critical", now - 1540, now - 1500, power, "power",
                 timeline=opened, acked_by="Nguyễn Văn A"),
        Incident(1052, Subject("site", "song-ba-05"), "outage", "critical", now - 1540, now - 1500, power, "power"),
        Incident(1053, Subject("site", "nui-lua-07"), "outage", "critical", now - 900, now - 860, line, "line"),
        Incident(1054, Subject("site", "suoi-da-02"), "outage", "critical", now - 130, now - 70),
        Incident(1055, Subject("site", "dong-cao-00"), "redundancy", "warning", now - 86000, now - 85000, line, "line"),
        Incident(1056, Subject("sensor", "tinh-00-temp"), "alert", "critical", now - 640, now - 640,
                 alerts=(("SensorAlarm", labels(sensor="tinh-00-temp")),)),
        Incident(1049, Subject("site", "song-ba-04"), "outage", "critical", now - 9000, now - 8900, power, "power",
                 good_since=now - 7060, closed_at=now - 7000),
    ]  # fmt: skip


def poll(device: str, site: str, at: float, *, ok: bool = True, families: int = 3, rows: int = 2) -> PollResult:
    """A poll of ``families`` x ``rows`` lines, as real ones look."""
    if not ok:
        return PollResult(device, at, 1.5, False, "timeout")
    stamp = int(at * 1000)
    names = [f"ifHC{'In' if k % 2 else 'Out'}Octets{k // 2 or ''}" for k in range(families)]
    rows_of = [
        f'{{device="{device}",site="{site}",ifName="GigabitEthernet0/0/{r}"}} {r * 1234567} {stamp}'
        for r in range(rows)
    ]
    return PollResult(
        device, at, 0.21, True,
        chunks={name: "".join(f"{name}{row}\n" for row in rows_of).encode() for name in names},
        families={name: f"# HELP {name} Octets - 1.3.6.1.2.1\n# TYPE {name} counter\n".encode() for name in names},
        figures=(Figure("netmon_device_cpu_ratio", labels(device=device, site=site), 0.12),),
        ports={
            "GE0/0/1": Port("GE0/0/1", 1, at, "<u>WAN</u>", True, True, 1e9),
            "GE0/0/2": Port("GE0/0/2", 2, at, "LAN", True, False),
        },
        sys_uptime_s=864000.0, sys_name=device, varbinds=families * rows,
    )  # fmt: skip


def fill_gauges(made: State) -> None:
    """The gauges that a daemon would have set from this state."""
    put = made.gauges.set
    for subject, verdict in made.verdicts.items():
        for condition in CONDITIONS:
            here = labels(**{subject.kind: subject.id, "state": condition})
            if subject.kind == "line":
                here = labels(line=subject.id, site=made.inventory.lines[subject.id].site, state=condition)
            put(f"netmon_{subject.kind}_state", here, float(verdict.condition == condition))
    for site in made.inventory.sites.values():
        up = made.verdicts[Subject("site", site.id)].condition in ("up", "degraded")
        put("netmon_site_up", labels(site=site.id), float(up))
        put(
            "netmon_site_info",
            labels(site=site.id, name=site.name, block=site.block, area=site.area, level=site.level),
            1,
        )
    for device in made.inventory.devices.values():
        where = {"device": device.id, "site": device.site}
        put("netmon_snmp_up", labels(**where), float(made.polls[device.id].ok))
        put("netmon_device_cpu_ratio", labels(**where), 0.12)
        put("netmon_threshold", labels(alertname="DeviceCpuHigh", device=device.id), 0.9)
    for sensor in made.inventory.sensors.values():
        for name in SENSOR_STATES:
            here = labels(sensor=sensor.id, site=sensor.site, state=name)
            put("netmon_sensor_state", here, float(made.sensors[sensor.id].state == name))


def change(made: State, site: str, condition: Condition, now: float) -> None:
    """A site's verdict changes, as the daemon would do it."""
    made.verdicts[Subject("site", site)] = Verdict(Subject("site", site), condition, now)
    made.revision += 1
