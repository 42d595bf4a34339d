"""A gateway is judged by its sensors: tables of (time, who speaks, state then), and what becomes of its sensors."""

from __future__ import annotations

from dataclasses import replace

from netmon import gateways, sensors
from netmon.model import Condition, Gateway, GatewayState, Reading, Sensor, SensorType, Word
from netmon.sensors import EXPLAINED_LATE_S
from netmon.state import GatewayView, SensorView

T0 = 1_000_000.0
FAST = SensorType("fast", "speed", "km/h", silence_s=900)
SLOW = SensorType("slow", "rain", "mm", silence_s=3600)
DOOR = SensorType("door", "door", "/", report="on-change", silence_s=0)


class Bench:
    """One gateway and its sensors, moved as the pipeline moves them: gateway first, then each sensor."""

    def __init__(self, *kinds: SensorType, silence_s: float = 0.0) -> None:
        self.gateway = Gateway("g", "G", silence_s=silence_s)
        self.kinds = dict(zip("abcdef", kinds, strict=False))
        self.sensors = {name: Sensor(name, kind.id, f"t/{name}", "senml") for name, kind in self.kinds.items()}
        self.views = {name: SensorView(name) for name in self.kinds}
        self.view = GatewayView("g")
        self.via: Condition | None = "up"
        self.broker = True

    def at(self, offset_s: float, *speaking: str, gone: str = "") -> GatewayState:
        now = T0 + offset_s
        for name in speaking:
            self._sense(name, now, Reading(name, 1.0, now))
        for name in gone:
            self.views[name] = sensors.gone(self.views[name], now)
        pairs = [(self.views[name], kind) for name, kind in self.kinds.items()]
        self.view = gateways.judge(self.view, self.gateway, pairs, now, self.via, self.broker)
        for name in self.kinds:
            self._sense(name, now, None)
        return self.view.state

    def says(self, offset_s: float, word: str, *, retained: bool = False) -> GatewayState:
        self.view = gateways.told(self.view, Word("g", T0 + offset_s, word == "offline", retained))
        return self.at(offset_s)

    def _sense(self, name: str, now: float, reading: Reading | None) -> None:
        way = gateways.way(self.view, self.via)
        self.views[name] = sensors.step(
            self.views[name], self.sensors[name], self.kinds[name], now, reading, way, self.broker,
            via_heard_at=self.view.heard_at,
        )  # fmt: skip

    def states(self) -> str:
        return " ".join(view.state for view in self.views.values())


def test_all_silent_is_the_gateway_and_no_sensor_is_blamed() -> None:
    bench = Bench(FAST, FAST, SLOW)
    for t in range(0, 3600, 300):
        assert bench.at(t, "a", "b", "c") == "ok"
    # The last word was at 3300: the fast ones are overdue at 4200, long before the slow one is.
    assert (bench.at(4300), bench.states()) == ("ok", "explained explained ok")
    assert (bench.at(6900), bench.states()) == ("ok", "explained explained ok")
    assert (bench.at(6901), bench.states()) == ("stale", "explained explained explained")
    assert bench.view.silent == ("a", "b", "c")
    assert (bench.at(90_000), bench.states()) == ("stale", "explained explained explained")


def test_a_gateway_with_its_own_patience_is_noticed_sooner() -> None:
    bench = Bench(FAST, SLOW, silence_s=600)
    bench.at(0, "a", "b")
    assert bench.at(600) == "ok"
    assert bench.at(601) == "stale"
    assert (bench.view.silent, bench.states()) == (("a", "b"), "ok ok"), "its sensors are not late yet"
    assert bench.at(601 + 300) == "stale"
    assert bench.states() == "explained ok"


def test_one_silent_among_others_is_to_blame() -> None:
    bench = Bench(FAST, FAST)
    bench.at(0, "a", "b")
    for t in range(100, 1200, 100):
        bench.at(t, "b")
    assert (bench.view.state, bench.states()) == ("ok", "stale ok")
    assert bench.at(1100 + 901) == "stale", "then the other one, too"
    assert bench.states() == "stale explained", "what was dead before stays so"


def test_after_its_return_each_sensor_has_its_usual_time() -> None:
    bench = Bench(FAST, FAST)
    bench.at(0, "a", "b")
    assert bench.at(1000) == "stale"
    assert (bench.at(5000, "a"), bench.states()) == ("ok", "ok unknown")
    for t in range(5100, 6000, 100):
        bench.at(t, "a")
    assert bench.states() == "ok unknown"
    assert (bench.at(6000, "a"), bench.states()) == ("ok", "ok stale")


def test_a_lost_line_explains_it_and_the_broker_hides_it() -> None:
    bench = Bench(FAST)
    bench.at(0, "a")
    bench.via = "down"
    assert (bench.at(1000), bench.states()) == ("explained", "explained")
    bench.via = "up"
    assert (bench.at(1100), bench.states()) == ("unknown", "unknown")
    assert (bench.at(1100 + 901), bench.states()) == ("stale", "explained")
    bench.via = "down"
    assert bench.at(2001 + EXPLAINED_LATE_S) == "explained", "noticed only just before"
    bench.via, bench.broker = "up", False
    assert (bench.at(3000), bench.states()) == ("unknown", "unknown")


def test_what_never_spoke_and_what_speaks_on_change_tell_nothing() -> None:
    bench = Bench(FAST, DOOR)
    assert bench.at(0) == "unknown"
    assert bench.at(10, "b") == "ok"
    assert bench.at(10**7) == "ok"


def test_told_gone_is_silent_at_once() -> None:
    bench = Bench(FAST, FAST)
    bench.at(0, "a", "b")
    assert (bench.at(5, gone="a"), bench.states()) == ("ok", "stale ok")
    assert (bench.at(6, gone="b"), bench.states()) == ("stale", "explained explained")
    assert (bench.at(7, "a"), bench.states()) == ("ok", "ok stale")
    assert (bench.at(8, "b"), bench.states()) == ("ok", "ok ok")


def test_what_it_says_of_itself_counts_at_once_and_its_sensors_are_given_time_after() -> None:
    """A bridge that went away and came back must not leave its sensors to be told one by one."""
    bench = Bench(FAST, SLOW)
    bench.at(0, "a", "b")
    assert (bench.says(10, "offline"), bench.view.silent, bench.states()) == ("stale", ("a", "b"), "ok ok")
    assert (bench.at(5000), bench.states()) == ("stale", "explained explained")
    assert (bench.says(5100, "online"), bench.states()) == ("unknown", "unknown unknown"), "all are late all the same"
    assert (bench.at(5200, "a"), bench.states()) == ("ok", "ok unknown")
    for t in range(5300, 8700, 300):
        assert (bench.at(t, "a"), bench.states()) == ("ok", "ok unknown")
    assert (bench.at(8800, "a"), bench.states()) == ("ok", "ok stale"), "b has had its hour"


def test_a_word_through_it_is_newer_than_that_it_is_gone() -> None:
    bench = Bench(FAST)
    bench.at(0, "a")
    assert bench.says(10, "offline") == "stale"
    assert bench.at(20, "a") == "ok"
    assert bench.view.gone_at is None
    bench.via = "down"
    assert bench.says(30, "offline") == "explained", "its line is why"


def test_that_it_is_there_does_not_speak_for_its_sensors() -> None:
    bench = Bench(FAST, FAST, silence_s=600)
    bench.at(0, "a", "b")
    for t in range(60, 960, 60):
        assert bench.says(t, "online") == "ok", "nothing of its sensors, but they are not late"
    assert (bench.says(961, "online"), bench.states()) == ("stale", "explained explained"), "all of them: one incident"


def test_its_heartbeat_is_missed_where_sensors_speak_only_when_something_happens() -> None:
    bench = Bench(DOOR, silence_s=600)
    assert bench.at(0) == "unknown"
    assert bench.says(0, "online") == "ok"
    assert bench.at(600) == "ok"
    assert bench.at(601) == "stale"
    assert bench.says(700, "online") == "ok"


def test_replays_of_its_words() -> None:
    bench = Bench(FAST)
    bench.view = GatewayView("g")
    assert bench.says(0, "offline", retained=True) == "stale", "nothing newer is known"
    assert bench.says(10, "online", retained=True) == "unknown", "but no sign of life"
    bench.at(20, "a")
    assert bench.says(30, "offline", retained=True) == "ok", "it has been heard since we listen"
    bench.broker = False
    bench.at(40)
    bench.broker = True
    bench.at(50)
    assert bench.says(60, "offline", retained=True) == "stale", "what was heard is older than the gap"


def test_a_step_of_the_clock_changes_nothing() -> None:
    bench = Bench(FAST)
    bench.at(0, "a")
    bench.at(1000)
    moved = gateways.shifted(bench.view, -5000.0)
    assert moved == replace(bench.view, since=bench.view.since - 5000, heard_at=T0 - 5000, hearing_since=T0 - 5000)
