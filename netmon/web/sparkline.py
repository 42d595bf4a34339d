"""A curve as one small SVG: no script, no library, readable in print. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT, EDGE = 140, 26, 2
GAP_SLOTS = 3  # a longer pause between two means is a gap in the line


def sparkline(curve: Sequence[tuple[int, float]], since: float, until: float, slot_s: int, label: str) -> Markup:
    """The curve from ``since`` to ``until``; a lone value is a dot; "" where there is none. ``label`` is read aloud."""
    if not curve or until <= since:
        return Markup("")
    low, high = min(value for _, value in curve), max(value for _, value in curve)
    span = high - low

    def point(at: int, value: float) -> str:
        x = EDGE + (at + slot_s / 2 - since) / (until - since) * (WIDTH - 2 * EDGE)
        y = HEIGHT / 2 if span <= 0 else EDGE + (high - value) / span * (HEIGHT - 2 * EDGE)
        return f"{min(max(x, 0), WIDTH):.1f},{y:.1f}"

    runs: list[list[str]] = []
    last = None
    for at, value in curve:
        if last is None or at - last > GAP_SLOTS * slot_s:
            runs.append([])
        runs[-1].append(point(at, value))
        last = at
    drawn = Markup("").join(
        Markup('<polyline points="{}"/>').format(" ".join(run))
        if len(run) > 1
        else Markup('<circle cx="{}" cy="{}" r="1.2"/>').format(*run[0].split(","))
        for run in runs
    )
    return Markup(
        '<svg class="spark" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">'
        "<title>{}</title>{}</svg>"
    ).format(WIDTH, HEIGHT, WIDTH, HEIGHT, label, label, drawn)
