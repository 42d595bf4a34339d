"""The dashboards of the sensors: rooms by area, power, the town, and the sensors' own health."""

from __future__ import annotations

from grafana_foundation_sdk.builders import bargauge, dashboard, stat
from panels import BLUE, GREEN, RED, SOURCE, YELLOW, graph, listing, new, number, query, steps

SITE = "max without (instance, job) (netmon_site_info)"
LAST_SEEN = "netmon_sensor_last_seen_timestamp_seconds"
SENSOR = "max without (instance, job) (netmon_sensor_info)"


def value(quantity: str) -> str:
    return f'max without (instance, job) (netmon_sensor_value{{quantity="{quantity}"}})'


def by_area(aggregate: str, quantity: str) -> str:
    return f"{aggregate} by (area) ({value(quantity)} * on (site) group_left (area) {SITE})"


def named(expr: str) -> str:
    """With the name people know the sensor by."""
    return f"{expr} * on (sensor) group_left (name) {SENSOR}"


def hottest(title: str, text: str, quantity: str, unit: str, *levels: tuple[float | None, str]) -> bargauge.Panel:
    return (
        bargauge.Panel()
        .title(title)
        .description(text)
        .datasource(SOURCE)
        .unit(unit)
        .with_target(query(f"topk(15, {named(value(quantity))})", "{{site}}{{node}} {{name}}", instant=True))
        .thresholds(steps(*levels))
        .height(9)
        .span(12)
    )


def environment() -> dashboard.Dashboard:
    """Machine rooms and offices: temperature, humidity, doors, by area."""
    return (
        new("netmon – Môi trường", "netmon-environment", "Nhiệt độ, độ ẩm và cửa phòng máy theo khu vực")
        .with_panel(
            number(
                "Nóng nhất",
                f"max({value('temperature')})",
                "Hottest room",
                (None, GREEN),
                (35, YELLOW),
                (40, RED),
                unit="celsius",
            )
        )
        .with_panel(
            number("Ẩm nhất", f"max({value('humidity')})", "Dampest room", (None, GREEN), (90, YELLOW), unit="humidity")
        )
        .with_panel(
            number(
                "Phòng quá nóng",
                f"count({value('temperature')} > 35) or vector(0)",
                "Rooms above 35 °C now",
                (None, GREEN),
                (1, RED),
            )
        )
        .with_panel(
            number(
                "Ngoài 20–25 °C",
                f"count({value('temperature')} < 20 or {value('temperature')} > 25) or vector(0)",
                "Rooms outside what TT 06/2026/TT-BKHCN asks of machine rooms, now: a figure, no alarm",
                (None, BLUE),
            )
        )
        .with_panel(
            number("Cửa đang mở", f"sum({value('door')})", "Machine room doors open", (None, GREEN), (1, YELLOW))
        )
        .with_panel(
            number(
                "Thay đổi nhanh", "sum(netmon_sensor_fast)", "Sensors that change too fast", (None, GREEN), (1, YELLOW)
            )
        )
        .with_row(dashboard.Row("Theo khu vực"))
        .with_panel(
            graph(
                "Nhiệt độ cao nhất", "Hottest room of each area", "celsius", (by_area("max", "temperature"), "{{area}}")
            )
        )
        .with_panel(
            graph("Nhiệt độ trung bình", "Mean of each area", "celsius", (by_area("avg", "temperature"), "{{area}}"))
        )
        .with_panel(
            graph("Độ ẩm cao nhất", "Dampest room of each area", "humidity", (by_area("max", "humidity"), "{{area}}"))
        )
        .with_panel(
            graph(
                "Phòng của nút gom",
                "Rooms of the nodes",
                "celsius",
                ('max by (node) (netmon_sensor_value{quantity="temperature", node!=""})', "{{node}}"),
            )
        )
        .with_row(dashboard.Row("Từng phòng"))
        .with_panel(
            hottest("Nóng nhất", "Hottest rooms", "temperature", "celsius", (None, GREEN), (35, YELLOW), (40, RED))
        )
        .with_panel(hottest("Ẩm nhất", "Dampest rooms", "humidity", "humidity", (None, GREEN), (90, YELLOW)))
    )


def power() -> dashboard.Dashboard:
    """Mains, UPS, voltage, transformers."""
    return (
        new("netmon – Nguồn điện", "netmon-power", "Điện lưới, UPS, điện áp, trạm biến áp")
        .with_panel(
            number(
                "Mất điện lưới",
                f"count({value('mains')} < 0.5) or vector(0)",
                "Mains sensors that tell of a cut",
                (None, GREEN),
                (1, RED),
            )
        )
        .with_panel(number("UPS chạy ắc quy", "sum(netmon_ups_on_battery)", "UPS on battery", (None, GREEN), (1, RED)))
        .with_panel(
            number(
                "Ắc quy thấp nhất",
                "min(netmon_ups_charge_ratio)",
                "Lowest charge",
                (None, RED),
                (0.3, YELLOW),
                (0.6, GREEN),
                unit="percentunit",
            )
        )
        .with_panel(
            number(
                "Điện áp thấp nhất",
                f"min({value('voltage')})",
                "Lowest voltage",
                (None, RED),
                (200, GREEN),
                unit="volt",
            )
        )
        .with_panel(
            number(
                "Điện áp cao nhất",
                f"max({value('voltage')})",
                "Highest voltage",
                (None, GREEN),
                (242, RED),
                unit="volt",
            )
        )
        .with_panel(
            number("Chiếu sáng", f"sum({value('power')})", "Power of street lighting", (None, BLUE), unit="watt")
        )
        .with_row(dashboard.Row("UPS"))
        .with_panel(
            listing(
                "UPS yếu nhất",
                "UPS by charge, the lowest first",
                "bottomk(20, max without (instance, job) (netmon_ups_charge_ratio) "
                f"* on (site) group_left (name, area) {SITE})",
            )
        )
        .with_panel(
            graph(
                "UPS chạy ắc quy theo khu vực",
                "UPS on battery by area",
                "none",
                (
                    "sum by (area) (max without (instance, job) (netmon_ups_on_battery) "
                    f"* on (site) group_left (area) {SITE})",
                    "{{area}}",
                ),
            )
        )
        .with_row(dashboard.Row("Điện áp và trạm biến áp"))
        .with_panel(graph("Điện áp", "Voltage", "volt", (named(value("voltage")), "{{site}} {{name}}")))
        .with_panel(graph("Công suất", "Power of street lighting", "watt", (named(value("power")), "{{name}}")))
        .with_panel(
            graph("Dầu máy biến áp", "Transformer oil", "celsius", (named(value("oil_temperature")), "{{name}}"))
        )
        .with_panel(graph("Tải máy biến áp", "Transformer load", "percent", (named(value("load")), "{{name}}")))
    )


def town() -> dashboard.Dashboard:
    """Traffic, water, and what else the town measures."""
    return (
        new("netmon – Đô thị", "netmon-town", "Giao thông, nước, mưa, ngập, không khí, tiện ích")
        .with_row(dashboard.Row("Giao thông"))
        .with_panel(graph("Lưu lượng xe", "Vehicles per minute", "none", (named(value("vehicles")), "{{name}}")))
        .with_panel(graph("Tốc độ", "Mean speed", "velocitykmh", (named(value("speed")), "{{name}}")))
        .with_row(dashboard.Row("Nước"))
        .with_panel(graph("Mực nước", "Water level", "lengthm", (named(value("water_level")), "{{name}}"), span=8))
        .with_panel(graph("Áp lực", "Pressure", "pressurepa", (named(value("pressure")), "{{name}}"), span=8))
        .with_panel(graph("Lưu lượng", "Flow in l/s", "none", (named(value("flow")), "{{name}}"), span=8))
        .with_panel(graph("Độ đục", "Turbidity in NTU", "none", (named(value("turbidity")), "{{name}}"), span=8))
        .with_panel(graph("Clo dư", "Free chlorine in mg/l", "none", (named(value("chlorine")), "{{name}}"), span=8))
        .with_panel(graph("pH", "Acidity", "none", (named(value("ph")), "{{name}}"), span=8))
        .with_row(dashboard.Row("Mưa và ngập"))
        .with_panel(graph("Lượng mưa", "Rain", "lengthmm", (named(value("rain")), "{{name}}")))
        .with_panel(graph("Ngập đường", "Flood on roads", "lengthm", (named(value("flood")), "{{name}}")))
        .with_row(dashboard.Row("Không khí và tiện ích"))
        .with_panel(graph("Bụi mịn PM2.5", "Fine dust, µg/m³", "none", (named(value("pm25")), "{{name}}"), span=8))
        .with_panel(graph("Tiếng ồn", "Noise", "dB", (named(value("noise")), "{{name}}"), span=8))
        .with_panel(graph("Thùng rác", "Bin fill levels", "percent", (named(value("fill")), "{{name}}"), span=8))
        .with_panel(graph("Chỗ đỗ xe", "Free parking spaces", "none", (named(value("parking")), "{{name}}"), span=8))
    )


def sensors() -> dashboard.Dashboard:
    """Whether the sensors themselves are well: silent, stuck, gateways, quarantine."""

    def count(title: str, text: str, state: str, colour: str) -> stat.Panel:
        return number(title, f'sum(netmon_sensor_state{{state="{state}"}})', text, (None, GREEN), (1, colour))

    return (
        new("netmon – Cảm biến", "netmon-sensors", "Cảm biến im lặng, đứng yên, gateway, tin không đọc được")
        .with_panel(count("Im lặng", "Silent without a reason", "stale", YELLOW))
        .with_panel(count("Im lặng do đường truyền", "Silent with their line or gateway", "explained", BLUE))
        .with_panel(count("Giá trị sai", "Impossible or bad values", "invalid", YELLOW))
        .with_panel(number("Đứng yên", "sum(netmon_sensor_stuck)", "Stuck values", (None, GREEN), (1, YELLOW)))
        .with_panel(count("Báo động", "In alarm", "alarm", RED))
        .with_panel(
            number(
                "Gateway im lặng",
                'sum(netmon_gateway_state{state="stale"})',
                "Silent gateways",
                (None, GREEN),
                (1, RED),
            )
        )
        .with_row(dashboard.Row("Im lặng và đứng yên"))
        .with_panel(
            graph(
                "Cảm biến theo trạng thái",
                "Sensors by state",
                "none",
                ("sum by (state) (max without (instance, job) (netmon_sensor_state))", "{{state}}"),
            )
        )
        .with_panel(
            listing(
                "Lâu nhất chưa nghe",
                "Seconds since the last word, the longest first",
                f"topk(30, {named(f'time() - max without (instance, job) ({LAST_SEEN})')})",
            )
        )
        .with_panel(
            listing(
                "Đứng yên",
                "1: the same value for too long",
                f"topk(30, {named('max without (instance, job) (netmon_sensor_stuck)')})",
            )
        )
        .with_panel(
            listing(
                "Gateway",
                "State of each gateway",
                "(max without (instance, job) (netmon_gateway_state) == 1) "
                "* on (gateway) group_left (name) max without (instance, job) (netmon_gateway_info)",
            )
        )
        .with_row(dashboard.Row("Tin nhận và tin không đọc được"))
        .with_panel(
            graph(
                "Tin MQTT theo kết quả",
                "Messages by what became of them",
                "ops",
                ("sum by (result) (rate(netmon_mqtt_messages_total[5m]))", "{{result}}"),
                span=8,
            )
        )
        .with_panel(
            number(
                "Cách ly trong một giờ",
                'sum(increase(netmon_spool_events_total{event="quarantined"}[1h])) or vector(0)',
                "Messages put into quarantine over the last hour",
                (None, GREEN),
                (1, YELLOW),
            )
            .span(8)
            .height(8)
        )
        .with_panel(
            graph(
                "Chờ trên đĩa",
                "Readings on disk that wait for the history database",
                "bytes",
                ("max(netmon_spool_bytes)", "spool"),
                span=8,
            )
        )
    )
