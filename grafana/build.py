"""Writes the Grafana dashboards: python grafana/build.py. The JSON is committed; a test keeps it current."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import bargauge, dashboard, statetimeline
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import VariableRefresh

sys.path.insert(0, str(Path(__file__).parent))

import iot
from panels import BLUE, GREEN, RED, SOURCE, YELLOW, graph, listing, new, number, query, steps

OUT = Path(__file__).parent / "dashboards"


def province() -> dashboard.Dashboard:
    """What is broken, where, since when: the first look of the shift."""
    state = "sum by (state) (max without (instance, job) (netmon_site_state))"
    named = "* on (site) group_left (name, area) max without (instance, job) (netmon_site_info)"
    return (
        new("netmon – Toàn tỉnh", "netmon-province", "Trạng thái 310 điểm của mạng truyền số liệu chuyên dùng")
        .with_panel(number("Điểm thông suốt", "sum(netmon_site_up)", "Reachable sites now", (None, RED), (1, GREEN)))
        .with_panel(number("Tổng số điểm", "count(netmon_site_up)", "Sites in the inventory", (None, BLUE)))
        .with_panel(
            number("Mất kết nối", 'sum(netmon_site_state{state="down"})', "Sites down", (None, GREEN), (1, RED))
        )
        .with_panel(
            number(
                "Mất theo nút",
                'sum(netmon_site_state{state="unreachable"})',
                "Behind a lost node",
                (None, GREEN),
                (1, YELLOW),
            )
        )
        .with_panel(
            number(
                "Không giám sát được",
                'sum(netmon_site_state{state="unknown"})',
                "netmon cannot see",
                (None, GREEN),
                (1, YELLOW),
            )
        )
        .with_panel(
            number(
                "Sự cố đang mở", "sum(netmon_incidents_open) or vector(0)", "Open incidents", (None, GREEN), (1, RED)
            )
        )
        .with_row(dashboard.Row("Diễn biến"))
        .with_panel(graph("Điểm theo trạng thái", "Sites by condition", "none", (state, "{{state}}")))
        .with_panel(
            graph(
                "Thông suốt theo khu vực",
                "Share of reachable sites by area",
                "percentunit",
                (
                    "avg by (area) (max without (instance, job) (netmon_site_up) * on (site) group_left (area) "
                    "max without (instance, job) (netmon_site_info))",
                    "{{area}}",
                ),
            )
        )
        .with_row(dashboard.Row("Ở đâu"))
        .with_panel(
            listing("Nút gom", "Condition of each node", "max by (node, state) (netmon_node_state) == 1", span=8)
        )
        .with_panel(
            listing(
                "20 kênh mất gói nhiều nhất",
                "Highest loss",
                f'topk(20, max without (instance, job) (netmon_probe_loss_ratio{{line!=""}}) {named})',
                span=8,
            )
        )
        .with_panel(
            listing(
                "20 kênh tải cao nhất",
                "Highest use of the contract bandwidth",
                f"topk(20, max without (instance, job) (netmon_line_utilization_ratio) {named})",
                span=8,
            )
        )
        .with_row(dashboard.Row("Cảm biến và nguồn điện"))
        .with_panel(
            graph(
                "Cảm biến theo trạng thái",
                "Sensors by state",
                "none",
                ("sum by (state) (max without (instance, job) (netmon_sensor_state))", "{{state}}"),
                span=8,
            )
        )
        .with_panel(
            number("UPS chạy ắc quy", "sum(netmon_ups_on_battery)", "UPS on battery", (None, GREEN), (1, RED))
            .span(4)
            .height(8)
        )
        .with_panel(
            bargauge.Panel()
            .title("Nhiệt độ phòng máy")
            .description("Hottest rooms")
            .datasource(SOURCE)
            .unit("celsius")
            .with_target(
                query(
                    'topk(12, max by (sensor) (netmon_sensor_value{quantity="temperature"}))',
                    "{{sensor}}",
                    instant=True,
                )
            )
            .thresholds(steps((None, GREEN), (35, YELLOW), (40, RED)))
            .height(8)
            .span(12)
        )
        .with_row(dashboard.Row("netmon"))
        .with_panel(
            graph(
                "Thời gian hỏi thiết bị",
                "How long polls take",
                "s",
                ("quantile(0.5, max by (device) (netmon_poll_duration_seconds))", "p50"),
                ("quantile(0.95, max by (device) (netmon_poll_duration_seconds))", "p95"),
                span=8,
            )
        )
        .with_panel(
            graph(
                "Tin MQTT",
                "Sensor messages by result",
                "ops",
                ("sum by (result) (rate(netmon_mqtt_messages_total[5m]))", "{{result}}"),
                span=8,
            )
        )
        .with_panel(
            graph(
                "Vòng lặp bị giữ",
                "Longest hold of the event loop",
                "s",
                ("max(netmon_loop_hold_seconds)", "giữ"),
                span=8,
            )
        )
    )


def site() -> dashboard.Dashboard:
    """Everything about one site, for the technician who answers the phone."""
    one = 'site="$site"'
    return (
        new("netmon – Một điểm", "netmon-site", "Đường truyền, thiết bị, nguồn điện và cảm biến của một điểm")
        .with_variable(
            dashboard.QueryVariable("site")
            .label("Điểm")
            .datasource(SOURCE)
            .query("label_values(netmon_site_info, site)")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        )
        .with_panel(
            statetimeline.Panel()
            .title("Trạng thái điểm")
            .description("Condition over time")
            .datasource(SOURCE)
            .with_target(query(f"max by (state) (netmon_site_state{{{one}}}) == 1", "{{state}}"))
            .height(6)
            .span(16)
        )
        .with_panel(
            number("Thông suốt", f"max(netmon_site_up{{{one}}})", "Reachable now", (None, RED), (1, GREEN)).height(6)
        )
        .with_panel(
            number(
                "Mất gói",
                f"max(netmon_probe_loss_ratio{{{one}}})",
                "Round-trip loss",
                (None, GREEN),
                (0.01, YELLOW),
                (0.05, RED),
                unit="percentunit",
            ).height(6)
        )
        .with_row(dashboard.Row("Đường truyền"))
        .with_panel(
            graph(
                "Trễ khứ hồi",
                "Round-trip time",
                "s",
                (f"max by (line) (netmon_probe_rtt_seconds{{{one}}})", "{{line}}"),
            )
        )
        .with_panel(
            graph(
                "Tải so với hợp đồng",
                "Use of the contract bandwidth and its P95",
                "percentunit",
                (f"max by (line, direction) (netmon_line_utilization_ratio{{{one}}})", "{{line}} {{direction}}"),
            )
        )
        .with_panel(
            graph(
                "Lưu lượng các cổng",
                "Traffic by port",
                "bps",
                (f"8 * rate(ifHCInOctets{{{one}}}[2m])", "{{device}} {{ifName}} in"),
                (f"-8 * rate(ifHCOutOctets{{{one}}}[2m])", "{{device}} {{ifName}} out"),
            )
        )
        .with_panel(
            graph("Rung pha", "Jitter", "s", (f"max by (line) (netmon_probe_jitter_seconds{{{one}}})", "{{line}}"))
        )
        .with_row(dashboard.Row("Thiết bị"))
        .with_panel(
            graph(
                "CPU và bộ nhớ",
                "Processor and memory",
                "percentunit",
                (f"max by (device) (netmon_device_cpu_ratio{{{one}}})", "CPU {{device}}"),
                (f"max by (device) (netmon_device_memory_ratio{{{one}}})", "RAM {{device}}"),
                span=8,
            )
        )
        .with_panel(
            graph(
                "Nhiệt độ thiết bị",
                "Device temperature",
                "celsius",
                (f"max by (device, sensor) (netmon_device_temperature_celsius{{{one}}})", "{{device}} {{sensor}}"),
                span=8,
            )
        )
        .with_panel(
            graph(
                "Thời gian chạy",
                "Uptime",
                "s",
                (f"max by (device) (netmon_device_uptime_seconds{{{one}}})", "{{device}}"),
                span=8,
            )
        )
        .with_row(dashboard.Row("Nguồn điện và môi trường"))
        .with_panel(
            graph(
                "Ắc quy UPS",
                "Battery charge",
                "percentunit",
                (f"max by (device) (netmon_ups_charge_ratio{{{one}}})", "{{device}}"),
            )
        )
        .with_panel(
            graph(
                "Cảm biến",
                "Sensor values",
                "none",
                (f"max by (sensor, quantity, unit) (netmon_sensor_value{{{one}}})", "{{sensor}} ({{unit}})"),
            )
        )
    )


def build() -> dict[str, str]:
    """File name -> JSON text of every dashboard."""
    made: dict[str, Any] = {
        "province.json": province(),
        "site.json": site(),
        "environment.json": iot.environment(),
        "power.json": iot.power(),
        "town.json": iot.town(),
        "sensors.json": iot.sensors(),
    }
    return {name: JSONEncoder(sort_keys=True, indent=2).encode(board.build()) + "\n" for name, board in made.items()}


def main() -> int:
    OUT.mkdir(exist_ok=True)
    for name, text in build().items():
        (OUT / name).write_text(text, encoding="utf-8")
        print(f"wrote {OUT / name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
