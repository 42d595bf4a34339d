"""Parts of dashboards: how a panel looks is said once."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef, Threshold, ThresholdsMode

SOURCE = DataSourceRef(type_val="prometheus", uid="netmon")
GREEN, YELLOW, RED, BLUE = "#3fb27f", "#e0b400", "#e5484d", "#5794f2"


def query(expr: str, legend: str = "", *, instant: bool = False, ref: str = "A") -> prometheus.Dataquery:
    built = prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(ref)
    return built.instant() if instant else built.range()


def steps(*levels: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    values = [Threshold(value=value, color=colour) for value, colour in levels]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(values)


def number(title: str, expr: str, text: str, *levels: tuple[float | None, str], unit: str = "none") -> stat.Panel:
    return (
        stat.Panel()
        .title(title)
        .description(text)
        .datasource(SOURCE)
        .with_target(query(expr, instant=True))
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .unit(unit)
        .thresholds(steps(*levels))
        .height(4)
        .span(4)
    )


def graph(title: str, text: str, unit: str, *targets: tuple[str, str], span: int = 12) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(title)
        .description(text)
        .datasource(SOURCE)
        .unit(unit)
        .fill_opacity(8)
        .line_width(1)
        .legend(
            VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)
        )
        .height(8)
        .span(span)
    )
    for index, (expr, legend) in enumerate(targets):
        panel = panel.with_target(query(expr, legend, ref=chr(65 + index)))
    return panel


def listing(title: str, text: str, expr: str, span: int = 12) -> table.Panel:
    return (
        table.Panel()
        .title(title)
        .description(text)
        .datasource(SOURCE)
        .with_target(query(expr, instant=True).format("table"))  # type: ignore[arg-type]
        .height(9)
        .span(span)
    )


def new(title: str, uid: str, text: str) -> dashboard.Dashboard:
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(text)
        .tags(["netmon"])
        .timezone("Asia/Ho_Chi_Minh")
        .refresh("10s")
        .time("now-6h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
    )
