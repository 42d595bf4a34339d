"""The last message of a drill, which says that it is over and what came of it. Pure."""

from __future__ import annotations

from netmon.alerts import parts
from netmon.alerts.messages import Message
from netmon.alerts.messages_facts import Texts
from netmon.drill.report import Report, seconds


def end_message(report: Report, words: Texts, form: str) -> Message:
    """In one of the forms long, short and sms."""
    result = words.text(f"drill.result_{report.result}")
    args = {
        "id": report.label,
        "title": report.title.get(words.language, report.scenario),
        "place": report.place,
        "result": result,
        "detected": seconds(report.detected_s, words) if report.detected_s is not None else "",
        "sent": seconds(report.sent_s, words) if report.sent_s is not None else "",
        "acknowledged": seconds(report.acknowledged_s, words) if report.acknowledged_s is not None else "",
        "who": report.acknowledged_by,
    }
    if form == "sms":
        return Message("", parts.sms(words.parts("drill.end_sms"), args))
    subject = words.text("drill.end_subject", **args)
    return Message(subject, "\n".join(parts.lines(words.parts("drill.end_chat"), args)))
