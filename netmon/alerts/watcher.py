"""The rules by which a Prometheus on another host watches netmon itself: a daemon cannot tell that it is dead. Pure.

They read what netmon says of itself and no other series, so that the watcher scrapes /metrics/self alone.
"""

from __future__ import annotations

from typing import Any

JOB = "netmon"  # of the scrape, as in deploy/watcher.yml
# alert, expression ({job} filled in), for, severity, Vietnamese, English
_RULES = (
    ("NetmonDown", 'up{{job="{job}"}} == 0', "30s", "critical",
     "netmon trên {{ $labels.instance }} không trả lời",
     "netmon on {{ $labels.instance }} does not answer"),
    ("NetmonAbsent", 'absent(up{{job="{job}"}})', "2m", "critical",
     "Máy canh không có netmon nào để hỏi: xem lại cấu hình của nó",
     "The watcher has no netmon to ask: look at its scrape configuration"),
    ("NetmonStale", 'time() - netmon_heartbeat_timestamp_seconds{{job="{job}"}} > 60', "30s", "critical",
     "netmon trên {{ $labels.instance }} trả lời nhưng đã thôi đánh giá mạng",
     "netmon on {{ $labels.instance }} answers but has ceased to judge the network"),
    ("NetmonNobodyTells", 'absent(netmon_in_charge{{job="{job}"}} == 1)', "1m", "critical",
     "Không máy netmon nào đang gửi tin báo sự cố",
     "No netmon sends messages about incidents"),
    ("NetmonBothTell", 'sum(netmon_in_charge{{job="{job}"}}) > 1', "1m", "warning",
     "Cả hai máy netmon cùng gửi tin: đường giữa hai máy bị đứt",
     "Both of a pair send messages: the link between them is cut"),
    ("NetmonPairBroken", 'netmon_pair_peer_up{{job="{job}"}} == 0', "2m", "warning",
     "netmon trên {{ $labels.instance }} không nghe thấy máy cùng cặp",
     "netmon on {{ $labels.instance }} does not hear the other one of its pair"),
    ("NetmonBlind", 'netmon_own_uplink_up{{job="{job}"}} == 0', "30s", "critical",
     "netmon trên {{ $labels.instance }} mất đường lên của chính nó",
     "netmon on {{ $labels.instance }} lost its own uplink"),
    ("NetmonCannotSend", 'netmon_notifications_failing{{job="{job}"}} == 1', "5m", "critical",
     "netmon không gửi được tin qua kênh {{ $labels.channel }}",
     "netmon cannot send messages on channel {{ $labels.channel }}"),
    ("NetmonRestarting", 'changes(process_start_time_seconds{{job="{job}"}}[15m]) > 3', "", "warning",
     "netmon trên {{ $labels.instance }} khởi động lại nhiều lần",
     "netmon on {{ $labels.instance }} keeps starting anew"),
    # Always firing: who receives it raises the alarm when it stops (a dead man's switch): the watcher is watched, too.
    ("NetmonWatchdog", "vector(1)", "", "none",
     "Máy canh netmon vẫn hoạt động", "The watcher of netmon works"),
)  # fmt: skip


def watcher_rules(job: str = JOB) -> dict[str, Any]:
    """The content of a Prometheus rule file."""
    rules = []
    for alert, expression, held, severity, summary, summary_en in _RULES:
        entry: dict[str, Any] = {"alert": alert, "expr": expression.format(job=job)}
        if held:
            entry["for"] = held
        entry["labels"] = {"severity": severity, "audience": "ops"}
        entry["annotations"] = {
            "summary": summary,
            "summary_en": summary_en,
            "runbook_url": f"docs/how-to/watch-netmon.md#{alert.lower()}",
        }
        rules.append(entry)
    return {"groups": [{"name": "netmon-watcher", "interval": "15s", "rules": rules}]}
