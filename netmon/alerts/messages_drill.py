"""Messages of a drill: the real ones, marked before and after as no real fault (MESSAGES.md). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netmon.alerts import parts
from netmon.alerts.messages_facts import Scene, lower_first
from netmon.alerts.messages_mail import CLOSED


def sms(scene: Scene, kind: str, args: Mapping[str, str]) -> str:
    """One SMS."""
    shown = {**_shown(scene, kind, args)}
    if shown["where"]:
        shown["where"] = scene.where(short=True)
    return parts.sms(scene.words.parts("drill.sms"), shown)


def chat(scene: Scene, kind: str, args: Mapping[str, str]) -> list[str]:
    """The lines of a chat message."""
    return parts.lines(scene.words.parts("drill.chat"), _shown(scene, kind, args))


def mail(scene: Scene, title: str, body: Sequence[str]) -> tuple[str, list[str]]:
    """(subject, lines) of an e-mail."""
    head = scene.words.text("drill.head")
    return scene.words.text("drill.subject", subject=title), [head, "", *body, "", scene.words.text("drill.mark")]


def _shown(scene: Scene, kind: str, args: Mapping[str, str]) -> Mapping[str, str]:
    """``what`` is said to be so; at the end of it nothing is to be done."""
    words, over = scene.words, kind in CLOSED
    what = lower_first(words.text(f"state.{kind}", **args))
    said = scene.incident.subject.kind in ("node", "netmon")  # by `what`
    where = "" if said else args["where"]
    cause = scene.incident.cause
    named = words.text("drill.cable_cut") if cause.kind == "line" else lower_first(words.text(f"cause.{cause.kind}"))
    sure = cause.confirmed or cause.kind == "unknown"
    return {
        **args,
        "what": what,
        "where": where,
        "no_where": "" if where else "1",
        "cause": named if sure else words.text("word.suspected", cause=named),
        "t": args["t_end"] if over else args["t"],
        "evidence": "" if over else args["evidence"],
        "do": "" if over else args["do"],
        "call": "" if over else words.text("sms.answer", id=scene.shown_id) if scene.answerable else args["call"],
        "answers": "" if over else args["answers"],
    }
