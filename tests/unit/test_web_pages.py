"""What the pages say about a bad morning, and in which words."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from netmon import counts
from netmon.alerts.catalog import load_catalog
from netmon.model import CAUSES, CONDITIONS, SENSOR_STATES, Gateway, Incident, Subject, TimelineEntry, labels
from netmon.sensor_means import SLOT_S
from netmon.state import GatewayView, SensorView, State
from netmon.web import pages, render
from netmon.web.alert_text import alert_text
from netmon.web.format import exact_text, number_text, split_duration, time_text
from netmon.works import REPEATS, WORK_KINDS
from tests import wall_state
from tests.unit.web_app import WORDS, Stage

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
NOW = wall_state.NOW


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_headline_counts_every_site_once():
    head = counts.headline(wall_state.state(), NOW, ZONE)
    assert (head.up, head.total) == (286, 310)
    assert head.conditions == {"up": 284, "degraded": 2, "down": 4, "unreachable": 19, "unknown": 1}
    assert head.causes == {"power": 2, "line": 1, "upstream": 19, "unknown": 1}
    assert sum(head.causes.values()) == head.conditions["down"] + head.conditions["unreachable"]


def test_communes_are_counted_by_unit_code():
    head = counts.headline(wall_state.state(), NOW, ZONE)
    # bu-na: nine communes with two sites and one with one; song-ba-04/05 share one; two more lost one of two sites
    assert (head.communes, head.communes_lost, head.communes_partly) == (133, 11, 2)


def test_a_site_out_of_service_is_in_no_count():
    state = wall_state.state()
    sites = dict(state.inventory.sites)
    sites["tinh-00"] = replace(sites["tinh-00"], until="2026-11-23")
    sites["tinh-01"] = replace(sites["tinh-01"], since="2026-11-24")
    sites["tinh-02"] = replace(sites["tinh-02"], since="2026-11-23", until="2026-11-24")
    state.inventory = replace(state.inventory, sites=sites)
    assert counts.headline(state, NOW, ZONE).total == 308
    shown = {tile.id for area in pages.areas(state, NOW, ZONE) for tile in area.tiles}
    assert "tinh-02" in shown
    assert not shown & {"tinh-00", "tinh-01"}


def test_nothing_is_known_before_anything_was_judged():
    head = counts.headline(State(wall_state.inventory()), NOW, ZONE)
    assert (head.up, head.conditions, head.causes) == (0, {"unknown": 310}, {})


def test_areas_hold_all_sites_in_the_order_of_the_inventory():
    found = pages.areas(wall_state.state(), NOW, ZONE)
    assert [(area.id, area.total) for area in found] == [(key, count) for key, _, count in wall_state.AREAS]
    assert {area.id: area.up for area in found if area.up < area.total} == {
        "song-ba": 33, "nui-lua": 34, "suoi-da": 24, "phu-lam": 22, "bu-na": 0,
    }  # fmt: skip


def test_a_lost_site_points_to_its_own_incident_before_that_of_the_node():
    state = wall_state.state()
    assert counts.incident_of_site(state)["bu-na-05"].id == 1050
    own = replace(state.incidents[1051], id=1060, subject=Subject("site", "bu-na-05"))
    state.incidents[1060] = own
    assert counts.incident_of_site(state)["bu-na-05"].id == 1060
    assert counts.headline(state, NOW, ZONE).causes == {"power": 3, "line": 1, "upstream": 18, "unknown": 1}


def test_open_incidents_nodes_first_then_severity_then_the_newest():
    assert [i.id for i in counts.open_incidents(wall_state.state())] == [1050, 1054, 1056, 1053, 1051, 1052, 1055]


def test_troubled_sensors_are_listed_and_explained_ones_counted():
    state = wall_state.state()
    rows = pages.troubled_sensors(state, "vi")
    assert [(row.view.state, row.limit) for row in rows] == [("alarm", 40), ("warning", 4), ("stale", None)]
    assert pages.explained_sensors(state) == 1


def test_the_limit_shown_is_the_one_that_was_crossed():
    state = wall_state.state()
    types = dict(state.inventory.sensor_types)
    types["room-temp"] = replace(types["room-temp"], warn_below=5.0, alarm_below=0.0)
    state.inventory = replace(state.inventory, sensor_types=types)
    for value, name, limit in ((-1.0, "alarm", 0.0), (4.0, "warning", 5.0), (36.0, "warning", 35.0)):
        state.sensors["tinh-00-temp"] = SensorView("tinh-00-temp", name, NOW, value)  # type: ignore[arg-type]
        row = next(r for r in pages.troubled_sensors(state, "vi") if r.sensor.id == "tinh-00-temp")
        assert row.limit == limit


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("UBND xã Lộc Thành", "UB Lộc Thành"),
        ("Đảng ủy xã Lộc Thạnh", "ĐU Lộc Thạnh"),
        ("Trung tâm Chính trị huyện Bù Đăng", "TTCT H. Bù Đăng"),
        ("UBND thị xã Bình Long", "UB TX. Bình Long"),
        ("UBND", "UBND"),
        ("", ""),
    ],
)
def test_short_labels(name, label):
    assert pages.short_label(name) == label


# --- format ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "text"),
    [
        ("2026-11-23T10:30:59", "10:30"),
        ("2026-11-22T22:41:00", "22/11 22:41"),
        ("2025-12-31T23:59:00", "31/12/2025 23:59"),
    ],
)
def test_times(at, text):
    assert time_text(datetime.fromisoformat(at).replace(tzinfo=ZONE).timestamp(), NOW, ZONE) == text


def test_times_are_in_the_configured_zone():
    assert time_text(NOW, NOW, UTC) == "03:31"
    assert exact_text(NOW, ZONE) == "23/11/2026 10:31:00"


@pytest.mark.parametrize(
    ("seconds", "parts"),
    [
        (-5, [(0, "s")]),
        (59.9, [(59, "s")]),
        (60, [(1, "min")]),
        (3599, [(59, "min")]),
        (3600, [(1, "h")]),
        (5640, [(1, "h"), (34, "min")]),
        (86400, [(1, "d")]),
        (90061, [(1, "d"), (1, "h")]),
    ],
)
def test_durations(seconds, parts):
    assert split_duration(seconds) == parts


@pytest.mark.parametrize(
    ("value", "vi", "en"),
    [(41.5, "41,5", "41.5"), (0.0, "0", "0"), (1e9, "1000000000", "1000000000"), (0.00421, "0,00421", "0.00421")],
)
def test_numbers(value, vi, en):
    assert (number_text(value, "vi"), number_text(value, "en")) == (vi, en)


# --- words -----------------------------------------------------------------------------------------------------------


def keys_used() -> set[str]:
    """Every literal key of the templates and of the renderer, and what the composed ones can become."""
    sources = [path.read_text() for path in (render.HERE / "templates").iterdir()]
    sources += [path.read_text() for path in render.HERE.glob("*.py")]
    found = {
        key
        for text in sources
        for key in re.findall(r"""['"]((?:page|unit|condition|cause|sensor)\.[a-z_]+)['"]""", text)
    }
    composed = {key for key in found if key.endswith("_")}
    for prefix, names in (("condition", CONDITIONS), ("cause", CAUSES), ("sensor", SENSOR_STATES)):
        found |= {f"{prefix}.{name}" for name in names}
    found |= {f"unit.{unit}" for unit in ("d", "h", "min", "s")}
    found |= {f"page.kind_{kind}" for kind in ("outage", "degraded", "redundancy", "alert", "report")}
    found |= {f"page.severity_{severity}" for severity in ("info", "warning", "critical")}
    found |= {f"page.work_{kind}" for kind in WORK_KINDS} | {f"page.repeat_{repeat}" for repeat in REPEATS}
    events = "opened raised evidence cause child flap closed reopened ack comment told unack ack_over assigned"
    return (found - composed) | {f"page.event_{event}" for event in events.split()}


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_text_of_a_page_has_words(language):
    assert len(keys_used()) > 100
    assert not keys_used() - WORDS[language].keys()


def test_no_page_word_is_left_over():
    composed = (
        "page.block_",
        "page.level_",
        "page.kind_",
        "page.severity_",
        "page.event_",
        "page.work_",
        "page.repeat_",
    )
    words = {key for key in WORDS["vi"].keys() if key.startswith("page.")} - keys_used()  # noqa: SIM118
    assert not {key for key in words if not key.startswith(composed)}


@pytest.mark.parametrize("rule", load_catalog(), ids=lambda rule: rule.alert)
def test_every_alert_reads_without_template_marks(rule):
    series = labels(site="tinh-00", node="node-core", line="tinh-00-l1", sensor="cau-nga-ba", device="d", ifName="i",
                    direction="in", queue="q", channel="c", peer="p", protocol="bgp")  # fmt: skip
    for language in ("vi", "en"):
        text = alert_text(rule.summary[language], series, 0.925, wall_state.state(), language)
        assert "{{" not in text
        assert "tinh-00" not in text


def test_alert_text_fills_names_and_values():
    state = wall_state.state()
    summary = "{{ $labels.site }} {{$labels.direction}}: {{ $value | humanizePercentage }}, {{ $value }}"
    assert alert_text(summary, labels(site="tinh-00", direction="in"), 0.925, state, "vi") == (
        "Sở Nội vụ in: 92,5 %, 0,925"
    )
    assert alert_text("{{ $value }}", (), None, state, "vi") == "…"


# --- pages -----------------------------------------------------------------------------------------------------------


def test_the_wall_says_what_is_wrong_in_vietnamese():
    page = text_of(Stage().get("/").text)
    for part in (
        "286 /310 điểm thông suốt", "19 mất theo nút trên", "2 mất điện", "19 mất nút gom", "1 chưa rõ nguyên nhân",
        "Xã mất hoàn toàn 11/133", "mất một phần 2", "Sự cố đang mở 7", "1050 Nút gom Bù Na", "19 điểm mất theo",
        "đã xác nhận mất điện", "UPS chạy ắc quy từ 10:05", "nghi hỏng đường truyền", "10:05 · 26 phút",
        "✓ Nguyễn Văn A",
        "Cảm biến Nhiệt độ phòng máy ở mức báo động", "41,5 °C", "báo động (ngưỡng 40)", "im lặng · 2 giờ 15 phút",
        "1 cảm biến im lặng do mất đường truyền", "10:31:00",
    ):  # fmt: skip
        assert part in page, part


def test_english_when_asked_and_vietnamese_for_an_unknown_language():
    page = Stage().get("/?lang=en").text
    assert 'lang="en"' in page
    assert "286 /310 sites reachable" in text_of(page)
    assert 'href="/sites/song-ba-04?lang=en"' in page
    assert 'lang="vi"' in Stage().get("/?lang=xx").text


def test_every_site_is_on_the_wall_with_a_sign_beside_its_colour():
    page = Stage().get("/").text
    tiles = re.findall(r'<a class="tile (\w+)" href="/sites/([\w-]+)"[^>]*><i>(.)</i>', page)
    assert len({site for _, site, _ in tiles}) == 310
    assert {(condition, sign) for condition, _, sign in tiles} == {
        ("up", "•"), ("degraded", "▲"), ("down", "×"), ("unreachable", "↑"), ("unknown", "?"),
    }  # fmt: skip


def test_notices_tell_what_is_wrong_with_netmon_itself():
    stage = Stage()
    health = stage.state.health
    assert 'class="notice ' not in stage.get("/").text
    health.last_reload_at = NOW - 3600  # the one that was good
    health.last_reload_ok, health.reload_problems, health.reload_refused_at = False, ("a", "b"), NOW - 60
    health.broker_connected, health.influx_ok, health.first_round_done = False, False, False
    health.evaluated_at = NOW - 20
    stage.now += 1
    page = text_of(stage.get("/").text)
    for part in (
        "Nạp cấu hình mới lúc 10:30 thất bại (2 lỗi)", "Mất kết nối máy chủ MQTT", "Cơ sở dữ liệu lịch sử",
        "Đang quét vòng đầu", "netmon không xét trạng thái từ 10:30",
    ):  # fmt: skip
        assert part in page, part


def test_what_people_and_devices_write_is_escaped():
    stage = Stage()
    evil = "<script>alert(1)</script>\"'&"
    inventory = stage.state.inventory
    sites = dict(inventory.sites)
    sites["song-ba-04"] = replace(sites["song-ba-04"], name=evil, hours=evil)
    areas = dict(inventory.areas)
    areas["song-ba"] = replace(areas["song-ba"], name=evil)
    stage.state.inventory = replace(inventory, sites=sites, areas=areas)
    stage.state.incidents[1051] = replace(stage.state.incidents[1051], acked_by=evil)
    for path in ("/", "/sites/song-ba-04", "/incidents/1051", "/sites/tinh-00"):
        page = stage.get(path).text
        assert "<script>alert" not in page
        assert "<u>WAN</u>" not in page  # the alias of a port
    assert "&lt;script&gt;alert(1)" in stage.get("/sites/song-ba-04").text


def test_site_page():
    page = text_of(Stage().get("/sites/song-ba-00").text)
    for part in (
        "UBND xã Lộc Thành", "Thông suốt", "Khu vực Sông Ba", "Mã đơn vị 25100", "Khối Chính quyền", "Cấp Xã",
        "Cùng tòa nhà Đảng ủy xã Lộc Thành", "TSL-01000 vnpt", "vnpt · dự phòng", "Nút gom Sông Ba", "4,2 ms", "0,6 ms",
        "song-ba-00-rt bộ định tuyến", "Trả lời SNMP", "CPU 12 %", "GE0/0/1", "1000 Mbit/s", "Không có cảm biến",
    ):  # fmt: skip
        assert part in page, part


def test_site_page_of_a_lost_site():
    page = text_of(Stage().get("/sites/song-ba-04").text)
    for part in (
        "Mất kết nối · 10:05 · 26 phút",
        "1051 Mất kết nối",
        "1049 Mất kết nối",
        "Không trả lời SNMP (timeout)",
    ):
        assert part in page, part
    assert "1050 Mất nút gom" in text_of(Stage().get("/sites/bu-na-07").text)


def test_site_page_with_sensors():
    stage = Stage()
    at = NOW - 900
    stage.state.sensors["tinh-00-temp"] = replace(
        stage.state.sensors["tinh-00-temp"], trail=((at, 38.4), (NOW - 300, 40.0)), skew_s=7200.0
    )
    slot = int(at // SLOT_S) * SLOT_S
    stage.daemon.curves["tinh-00-temp"] = [(slot - SLOT_S, 36.0), (slot, 38.25), (slot - 2 * 86400, 10.0)]
    raw = stage.get("/sites/tinh-00").text
    assert "Báo động Đồng hồ sai 41,5 °C (ngưỡng 40) tăng 3,1 °C trong 14 phút" in text_of(raw)
    assert "19 giây trước" in text_of(raw)
    assert '<svg class="spark"' in raw
    assert "<title>36 °C – 38,25 °C</title>" in raw
    stage.daemon.disk_refuses = True
    raw = stage.get("/sites/tinh-00").text
    assert "41,5 °C" in raw
    assert "<svg" not in raw


def test_a_stuck_sensor_is_listed_and_a_word_stands_for_its_number():
    stage = Stage()
    facts = stage.state.inventory
    kinds = {
        **facts.sensor_types,
        "water": replace(facts.sensor_types["water"], stuck_s=600.0, values={"vi": {3.0: "đầy"}, "en": {3.0: "full"}}),
    }
    stage.state.inventory = replace(facts, sensor_types=kinds)
    stage.state.sensors["cau-nga-ba"] = SensorView(
        "cau-nga-ba", "ok", NOW - 900, 3.0, NOW - 5, NOW - 5, same_since=NOW - 900
    )
    assert "đầy" in text_of(stage.get("/").text)
    assert "giá trị đứng yên" in text_of(stage.get("/").text)
    assert "value does not move" in text_of(stage.get("/?lang=en").text)


def test_a_silent_gateway_lists_its_sensors():
    stage = Stage()
    stage.state.inventory = replace(stage.state.inventory, gateways={"gw": Gateway("gw", "gateway cầu Ngã Ba")})
    stage.state.gateways["gw"] = GatewayView("gw", "stale", NOW - 60, NOW - 900, silent=("cau-nga-ba", "tinh-00-temp"))
    incident = Incident(
        1077, Subject("gateway", "gw"), "alert", "warning", NOW - 60, NOW - 30,
        alerts=(("GatewaySilent", labels(gateway="gw", state="stale")),),
    )  # fmt: skip
    stage.state.incidents[1077] = incident
    page = text_of(stage.get("/incidents/1077").text)
    assert "1077 gateway cầu Ngã Ba" in page
    assert "2 cảm biến im lặng theo" in page
    assert "Nhiệt độ phòng máy Sở Nội vụ" in page
    told = {i["id"]: i for i in stage.get("/api/v1/incidents").json()}
    assert (told[1077]["subject_kind"], told[1077]["name"]) == ("gateway", "gateway cầu Ngã Ba")


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        ("opened", "outage upstream suspected", "mở nghi mất nút gom"),
        ("opened", "outage unknown", "mở mất nút gom, chưa rõ nguyên nhân"),
        ("raised", "degraded line suspected", "nâng mức chất lượng kém, nghi hỏng đường truyền"),
        ("reopened", "unknown", "mở lại chưa rõ nguyên nhân"),
        ("reopened", "NodeDown", "mở lại Mất nút Nút gom Bù Na"),
        ("closed", "power confirmed", "đóng đã xác nhận mất điện"),
        ("cause", "upstream confirmed", "nguyên nhân đã xác nhận mất nút gom"),
        ("evidence", "children_lost", "bằng chứng 19/19 kênh bên dưới mất cùng lúc"),
        ("evidence", "children_lost light_lost", "mất cùng lúc, từ 10:05; light_lost"),
        ("child", "+3", "điểm mất theo +3"),
        ("child", "bu-na-03", "điểm mất theo "),
        ("flap", "", "chập chờn"),
    ],
)
def test_the_timeline_is_told_in_words(kind, text, told):
    stage = Stage()
    old = stage.state.incidents[1050]
    entry = TimelineEntry(NOW, kind, "netmon", text)
    stage.state.incidents[1050] = replace(old, timeline=(entry,), alerts=(("NodeDown", labels(node="node-bu-na")),))
    page = text_of(stage.get("/incidents/1050").text).partition("Diễn biến")[2]
    assert told in page
    assert "netmon" not in page.partition("Nhận xử lý")[0]
    assert "bu-na-03" not in page


def test_incident_page():
    stage = Stage()
    page = text_of(stage.get("/incidents/1050").text)
    for part in (
        "1050 Nút gom Bù Na", "đang mở · 26 phút", "Bắt đầu 23/11/2026 10:05:00", "Mở lúc 23/11/2026 10:05:10",
        "19/19 kênh bên dưới mất cùng lúc", "19 điểm mất theo", "đã mất từ trước", "nhận việc Nguyễn Văn A Đang đi",
    ):  # fmt: skip
        assert part in page, part
    page = text_of(stage.get("/incidents/1051").text)
    assert "Còn thiếu: chưa đọc được thời gian chạy của router. Cách có: netmon đọc khi router trả lời lại" in page
    assert "UBND xã Tân Phú Sông Ba" in page
    ended = stage.get("/incidents/1049").text
    assert "đã đóng 08:34 · 32 phút" in text_of(ended)
    assert 'value="comment"' in ended and 'value="ack"' not in ended  # what is over can only be commented


@pytest.mark.parametrize("path", ["/sites/nowhere", "/incidents/7", "/sites/%3Cscript%3E"])
def test_what_is_not_there_says_so(path):
    answer = Stage().get(path)
    assert answer.status_code == 404
    assert "Không tìm thấy" in answer.text


# --- taking an incident ----------------------------------------------------------------------------------------------


def test_taking_an_incident_from_its_page():
    stage = Stage()
    good = {"who": " Trần B ", "note": "đi xem", "token": wall_state.TOKEN}
    answer = stage.post("/incidents/1052/act", data=good)
    assert (answer.status_code, answer.headers["location"]) == (303, "/incidents/1052")
    assert stage.state.incidents[1052].acked_by == "Trần B"
    assert "✓ Trần B" in text_of(stage.get("/").text)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"who": "B", "note": "giữ lại", "token": "wrong"}, 403),
        ({"who": "B", "note": "giữ lại"}, 403),
        ({"who": " ", "note": "giữ lại", "token": wall_state.TOKEN}, 403),
        ({"who": "B", "note": "x" * 20_000, "token": wall_state.TOKEN}, 413),
    ],
)
def test_a_refused_form_changes_nothing_and_keeps_what_was_written(form, status):
    stage = Stage()
    answer = stage.post("/incidents/1052/act", data=form)
    assert answer.status_code == status
    assert stage.state.incidents[1052].acked_by == ""
    assert wall_state.TOKEN not in answer.text
    if status == 403:
        assert 'value="giữ lại"' in answer.text


def test_a_closed_incident_cannot_be_taken():
    assert Stage().post("/incidents/1049/act", data={"who": "B", "token": wall_state.TOKEN}).status_code == 409


def test_a_form_with_too_many_fields_is_refused():
    assert Stage().post("/incidents/1052/act", content="&".join(f"a{n}=1" for n in range(30))).status_code == 400


def test_what_a_person_says_of_the_mains_is_told_in_words() -> None:
    stage = Stage()
    entry = TimelineEntry(wall_state.NOW, "evidence", "Anh An", "no_mains_said bot")
    stage.state.incidents[1050] = replace(stage.state.incidents[1050], timeline=(entry,))
    text = stage.get("/incidents/1050").text
    assert "Anh An tại điểm báo mất điện lúc" in text
    assert "no_mains_said" not in text
