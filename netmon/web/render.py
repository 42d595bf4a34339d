"""Templates and words put together: whole pages, and the fragments of the wall that the live stream sends again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from netmon import counts
from netmon.alerts.handling import said_of_mains
from netmon.alerts.messages_facts import Texts
from netmon.model import CONDITIONS, Evidence, Figure, Incident, TimelineEntry
from netmon.sensor_means import SLOT_S
from netmon.state import State
from netmon.web import pages
from netmon.web.alert_text import alert_text
from netmon.web.format import exact_text, number_text, split_duration, time_text
from netmon.web.sparkline import sparkline

HERE = Path(__file__).parent
STATIC = HERE / "static"
_ENVIRONMENT = Environment(  # templates are compiled once; what differs by language is given when rendering
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
MOST_ROWS = 100  # of a list on the wall; the rest is counted
UNITS = {"Cel": "°C", "%RH": "%", "m3/h": "m³/h", "m3": "m³"}  # SenML and UCUM codes that people write otherwise

# A sign beside every colour. Only characters that every font has.
GLYPHS = {
    "up": "•", "degraded": "▲", "down": "×", "unreachable": "↑", "unknown": "?",
    "ok": "•", "warning": "▲", "alarm": "!", "stale": "…", "explained": "↑", "invalid": "?",
}  # fmt: skip

# Figures on the page of a site: words and unit.
FIGURES = {
    "netmon_device_cpu_ratio": ("page.fig_cpu", "ratio"),
    "netmon_device_memory_ratio": ("page.fig_memory", "ratio"),
    "netmon_device_temperature_celsius": ("page.fig_temperature", "°C"),
    "netmon_device_fan_ok": ("page.fig_fan", "flag"),
    "netmon_device_supply_ok": ("page.fig_supply", "flag"),
    "netmon_optical_rx_dbm": ("page.fig_light", "dBm"),
    "netmon_neighbor_up": ("page.fig_neighbor", "flag"),
    "netmon_ups_on_battery": ("page.fig_battery", "flag"),
    "netmon_ups_charge_ratio": ("page.fig_charge", "ratio"),
    "netmon_ups_runtime_seconds": ("page.fig_runtime", "s"),
}


def compile_templates() -> None:
    """Read and compile all of them, which takes some 100 ms once."""
    for name in _ENVIRONMENT.list_templates():
        _ENVIRONMENT.get_template(name)


def assets_version() -> str:
    """Changes with every byte of the static files, so that browsers may keep them for ever."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


class Renderer:
    """Renders pages of one state in one language."""

    def __init__(
        self,
        state: State,
        words: Mapping[str, Texts],
        language: str,
        default: str,
        zone: tzinfo,
        summaries: Mapping[str, str],
    ) -> None:
        self.state = state
        self.language = language
        self.zone = zone
        self._words = words[language]
        self._summaries = summaries  # of the alerts, in this language
        self._now = 0.0
        self._given: dict[str, object] = {
            "lang": language,
            "languages": sorted(words, key=lambda code: (code != default, code)),
            "query": "" if language == default else f"?lang={language}",
            "assets": assets_version(),
            "glyph": GLYPHS,
            "conditions": CONDITIONS,
            "t": self.text,
            "time": lambda at: time_text(at, self._now, zone),
            "exact": lambda at: exact_text(at, zone),
            "clock": lambda at: f"{datetime.fromtimestamp(at, zone):%H:%M:%S}",
            "age": self._age,
            "duration": self.duration,
            "number": lambda value: number_text(value, language),
            "unit": lambda code: UNITS.get(code, code),
            "evidence": self.evidence,
            "kind_text": self.kind_text,
            "happened": self.happened,
            "figures": self.figures,
            "sensor_value": self.sensor_value,
            "sensor_trend": self.sensor_trend,
            "curve": self.curve,
        }

    def text(self, key: str, *, default: str | None = None, **args: object) -> str:
        """The words for ``key``; ``default`` (or the key itself) where there are none, so that a page never fails."""
        try:
            return self._words.text(key, **args)
        except (KeyError, IndexError, ValueError):
            return key if default is None else default

    def evidence(self, evidence: Evidence) -> str:
        """One line that a person can check."""
        when = time_text(evidence.at, self._now, self.zone)
        return self.text(f"ev.{evidence.key}", default=evidence.key, **{"t": when, **evidence.args})

    def kind_text(self, incident: Incident) -> str:
        """What is wrong, in few words: the condition, or the alerts that make up the incident."""
        if incident.kind == "alert" and incident.alerts:
            name, labels = key = incident.alerts[0]
            alert = self.state.alerts.get(key)
            summary = self._summaries.get(name, name)
            return alert_text(summary, labels, alert.value if alert else None, self.state, self.language)
        if incident.kind == "outage":
            return self.text("page.kind_node" if incident.subject.kind == "node" else "page.kind_outage")
        return self.text(f"page.kind_{incident.kind}", default=incident.kind)

    def happened(self, incident: Incident, entry: TimelineEntry) -> str:
        """What a line of the timeline says, in words: netmon keeps codes, independent of language. People's stay."""
        if (said := said_of_mains(entry)) is not None:
            return f"{self.evidence(said)} {entry.text.partition(' ')[2]}".strip()
        if entry.who != "netmon":
            return f"{entry.who} {entry.text}".strip()
        what, _, rule = entry.text.partition(" by ")
        codes = what.split()
        if entry.kind == "evidence":
            known = {evidence.key: self.evidence(evidence) for evidence in incident.cause.evidence}
            return "; ".join(known.get(code) or self._alert_name(incident, code) for code in codes)
        if entry.kind == "child":
            site = self.state.inventory.sites.get(entry.text)
            return site.name if site else entry.text
        if len(codes) > 1 and codes[-1] in ("confirmed", "suspected"):
            codes[-2:] = [self.text(f"page.{codes[-1]}"), self.text(f"cause.{codes[-2]}").lower()]
        elif codes and codes[-1] == "unknown":
            codes[-1] = self.text("cause.unknown").lower()
        elif codes:
            codes[-1] = self._alert_name(incident, codes[-1])
        if codes and codes[0] in ("outage", "degraded", "redundancy"):
            node = incident.subject.kind == "node" and codes[0] == "outage"
            wrong = self.text("page.kind_node" if node else f"page.kind_{codes[0]}").lower()
            codes[:1] = [] if wrong == codes[-1] else [f"{wrong},"]
        return " ".join([*codes, f"({self.text(f'rule.{rule}', default=rule)})"] if rule else codes)

    def _alert_name(self, incident: Incident, name: str) -> str:
        """The alert's summary where it is one of the incident's."""
        given = next((labels for alert, labels in incident.alerts if alert == name), None)
        if given is None or name not in self._summaries:
            return name
        alert = self.state.alerts.get((name, given))
        return alert_text(self._summaries[name], given, alert.value if alert else None, self.state, self.language)

    def figures(self, figures: Iterable[Figure]) -> list[tuple[str, str]]:
        """The figures that people ask for, as (name, value with unit); the others are for Prometheus."""
        shown = []
        for figure in figures:
            key, unit = FIGURES.get(figure.name, ("", ""))
            if key:
                given = dict(figure.labels)
                which = given.get("sensor") or given.get("ifName") or given.get("peer") or ""
                shown.append((f"{self.text(key)} {which}".strip(), self._quantity(figure.value, unit)))
        return shown

    def sensor_value(self, row: pages.SensorRow) -> str:
        """28,4 °C, or what the value stands for."""
        if row.view.value is None:
            return "–"
        return row.word or self._amount(row.view.value, row.unit)

    def sensor_trend(self, row: pages.SensorRow) -> str:
        """How it moved lately; "" where that is too little to be read."""
        if row.moved is None or not (by := float(f"{abs(row.moved.change):.1f}")):
            return ""
        key = "word.rose" if row.moved.change > 0 else "word.fell"
        return self.text(key, by=self._amount(by, row.unit), dur=self.duration(row.moved.over_s))

    def curve(self, row: pages.SensorRow, means: Sequence[tuple[int, float]], since: float, until: float) -> Markup:
        """Its five-minute means as a small curve."""
        low, high = (f(value for _, value in means) if means else 0.0 for f in (min, max))
        label = f"{self._amount(low, row.unit)} – {self._amount(high, row.unit)}"
        return sparkline(means, since, until, SLOT_S, label)

    def _amount(self, value: float, unit: str) -> str:
        return f"{number_text(value, self.language)} {UNITS.get(unit, unit)}".strip()

    def _quantity(self, value: float, unit: str) -> str:
        if unit == "ratio":
            return f"{number_text(value * 100, self.language, 3)} %"
        if unit == "s":
            return self.duration(value)
        if unit == "flag":
            return self.text("page.flag_yes" if value else "page.flag_no")
        return f"{number_text(value, self.language)} {unit}"

    def duration(self, seconds: float) -> str:
        return " ".join(f"{count} {self.text(f'unit.{unit}')}" for count, unit in split_duration(seconds))

    def _age(self, at: float) -> Markup:
        """How long ago, counted on by the browser. `live` leaves this text out when it looks for changes."""
        shown, exact = self.duration(self._now - at), exact_text(at, self.zone)
        return Markup('<time class="age" data-since="{}" title="{}">{}</time>').format(int(at), exact, shown)

    def page(self, template: str, now: float, **context: object) -> str:
        """A whole page."""
        self._now = now
        local = datetime.fromtimestamp(now, self.zone).utcoffset()
        offset = int(local.total_seconds()) if local else 0
        return _ENVIRONMENT.get_template(template).render(self._given, now=now, offset=offset, **context)

    def fragment(self, name: str, now: float) -> str:
        """One part of the wall by its id."""
        self._now = now
        state = self.state
        context: dict[str, object]
        if name == "headline":
            context = {"h": counts.headline(state, now, self.zone)}
        elif name == "notices":
            context = {"notices": self.notices(now)}
        elif name == "incidents":
            rows = counts.open_incidents(state)
            context = {"rows": [pages.incident_row(state, i) for i in rows[:MOST_ROWS]], "total": len(rows)}
        elif name == "sensors":
            troubled = pages.troubled_sensors(state, self.language)
            explained = pages.explained_sensors(state)
            context = {"rows": troubled[:MOST_ROWS], "total": len(troubled), "explained": explained}
        else:
            context = {"nodes": pages.nodes(state)}
        return _ENVIRONMENT.get_template(f"part_{name}.html").render(self._given, **context)

    def area(self, view: pages.AreaView, now: float) -> str:
        """The fragment of one area."""
        self._now = now
        return _ENVIRONMENT.get_template("part_area.html").render(self._given, area=view)

    def notices(self, now: float) -> list[tuple[str, str]]:
        """What netmon has to say of itself, as (bad | warn | info, text)."""
        health, found = self.state.health, []
        if health.evaluated_at and now - health.evaluated_at > pages.STALLED_S:
            found.append(("bad", self.text("page.stalled", t=time_text(health.evaluated_at, now, self.zone))))
        if health.drill:
            found.append(("info", self.text("drill.running", id=health.drill[0], place=health.drill[1])))
        if not health.first_round_done:
            found.append(("info", self.text("page.first_round")))
        if not health.last_reload_ok:
            when = time_text(health.reload_refused_at, now, self.zone)
            found.append(("bad", self.text("page.reload_failed", t=when, n=len(health.reload_problems))))
        if health.broker_connected is False:
            found.append(("warn", self.text("page.broker_lost")))
        if health.influx_ok is False:
            found.append(("warn", self.text("page.history_lost")))
        return found


def json_bytes(value: object) -> bytes:
    """JSON in one line (an event's data may hold no line break)."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
