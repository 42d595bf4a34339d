"""How times, durations and numbers read on pages (MESSAGES.md: 10:31, or 23/11 22:41 when not today; decimal comma)."""

from __future__ import annotations

from datetime import datetime, tzinfo


def time_text(at: float, now: float, zone: tzinfo) -> str:
    """10:31 when today, 23/11 22:41 when not, 23/11/2025 22:41 when in another year."""
    then, today = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone)
    if then.date() == today.date():
        return f"{then:%H:%M}"
    return f"{then:%d/%m %H:%M}" if then.year == today.year else f"{then:%d/%m/%Y %H:%M}"


def exact_text(at: float, zone: tzinfo) -> str:
    """23/11/2026 10:31:05, for tooltips and timelines."""
    return f"{datetime.fromtimestamp(at, zone):%d/%m/%Y %H:%M:%S}"


def split_duration(seconds: float) -> list[tuple[int, str]]:
    """The two largest units of a duration, as (count, "d" | "h" | "min" | "s"); below an hour only one."""
    whole = max(0, int(seconds))
    if whole < 60:
        return [(whole, "s")]
    if whole < 3600:
        return [(whole // 60, "min")]
    if whole < 86400:
        parts = [(whole // 3600, "h"), (whole % 3600 // 60, "min")]
    else:
        parts = [(whole // 86400, "d"), (whole % 86400 // 3600, "h")]
    return [part for part in parts if part[0]]


def number_text(value: float, language: str, digits: int = 4) -> str:
    """At most ``digits`` significant digits, never in exponent form where avoidable; decimal comma in Vietnamese."""
    text = f"{value:.{digits}g}"
    if "e" in text:
        text = f"{value:.0f}" if abs(value) < 1e15 else text
    return text.replace(".", ",") if language == "vi" else text
