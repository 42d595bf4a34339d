"""What netmon.yml may say. All defaults stand here, in one block; `load_config` is in `netmon.inventory`'s company.

Durations are written ``30s``, ``5m``, ``2h`` or ``1d`` in YAML and are seconds here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from netmon.model import ProbeKind, Secret


@dataclass(frozen=True, slots=True)
class ProbeConfig:
    """Reachability (DESIGN.md, section 3, Probes). Bursts: docs/explanation/detection.md."""

    kind: ProbeKind = "icmp"  # for lines and nodes that name none
    port: int = 862  # stamp: RFC 8762, section 4.1
    interval_s: float = 3.0
    timeout_s: float = 1.0
    burst_count: int = 18  # confirming probes after a first loss, more on lines of long gaps ...
    burst_spacing_s: float = 0.3  # ... over 5.1 s: what is shorter than 5 s is a blip
    size_bytes: int = 64
    degraded_loss_ratio: float = 0.03
    degraded_rtt_s: float = 0.3  # RTT of interactive video, DOMAIN.md section 1
    degraded_jitter_s: float = 0.03  # interactive video, DOMAIN.md section 1
    window: int = 100  # probes over which loss and jitter are computed


@dataclass(frozen=True, slots=True)
class SnmpConfig:
    """Polling. ``slow_interval_s``: names, aliases, speeds are read again after this, or when the device changed."""

    port: int = 161
    interval_s: float = 30.0
    slow_interval_s: float = 600.0
    timeout_s: float = 1.5
    retries: int = 2
    budget_s: float = 20.0  # one poll of one device never takes longer
    sockets: int = 4
    in_flight: int = 64  # packets per socket, LAB.md
    max_repetitions: int = 25
    compact: bool = False  # less memory, more CPU: no reply layouts, text made when it is scraped
    allow_targets: tuple[str, ...] = ()  # what /snmp may ask beside the inventory: addresses (with a port), prefixes


@dataclass(frozen=True, slots=True)
class TrapConfig:
    """Traps and informs. Empty ``listen`` = none, but for sockets that systemd hands over as ``netmon-traps``."""

    listen: str = ""  # "address:port", an IPv6 address in brackets
    queue_size: int = 20_000  # datagrams waiting to be decoded
    poll_gap_s: float = 2.0  # traps of one device make it polled once within this time


@dataclass(frozen=True, slots=True)
class MqttConfig:
    """The broker that sensors publish to. Empty host = no ingest."""

    host: str = ""
    port: int = 8883
    tls: bool = True
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    username: str = ""
    password: Secret | None = None
    client_id: str = "netmon"
    topics: tuple[str, ...] = ()  # filters; empty = exactly the sensors' topics
    commit_interval_s: float = 0.03
    receive_maximum: int = 1000
    queue_size: int = 20_000
    clock_skew_s: float = 300.0  # beyond this the arrival time wins


@dataclass(frozen=True, slots=True)
class InfluxConfig:
    """History database, InfluxDB v2 API. Empty url = none, and the spool is emptied at once."""

    url: str = ""
    org: str = "netmon"
    bucket: str = "netmon"
    token: Secret | None = None
    network: bool = False
    batch: int = 1000
    interval_s: float = 5.0
    spool_max_bytes: int = 2_000_000_000


@dataclass(frozen=True, slots=True)
class HistoryConfig:
    """How long netmon itself keeps what it has measured (DOMAIN.md section 2.2: 13 months of five-minute samples)."""

    line_samples_s: float = 400 * 86400.0


@dataclass(frozen=True, slots=True)
class AlertConfig:
    """When a finding becomes an incident and a message (MESSAGES.md, defaults of telling)."""

    evaluate_s: float = 5.0
    recovered_s: float = 60.0
    reopen_s: float = 600.0
    upstream_ratio: float = 0.6  # of a node's children lost within one round
    degraded_s: float = 120.0  # poor quality must last this long to become an incident
    tell_after_s: Mapping[str, float] = field(
        default_factory=lambda: {"node": 0.0, "core": 0.0, "province": 30.0, "district": 60.0, "commune": 60.0}
    )
    storm_incidents: int = 3
    storm_window_s: float = 300.0
    storm_digests_s: tuple[float, ...] = (600.0, 1800.0)  # after the first digest; then every storm_then_s
    storm_then_s: float = 3600.0
    flap_changes: int = 3  # so many ...
    flap_window_s: float = 1800.0  # ... within this are told once, as flapping, until it has been quiet for as long
    quiet_hours: str = "22:00-05:30"  # local; "" = none
    quiet_levels: tuple[str, ...] = ("commune",)  # sites of these levels wait for the end of the quiet hours
    escalate_node_s: float = 600.0  # nobody has taken it; 0 = never
    escalate_s: float = 1800.0
    office_hours: str = "07:00-17:00"  # alerts with tell `hours` wait for them
    heartbeat: tuple[str, ...] = ()  # when a message tells that netmon runs, such as "07:00" and "19:00"
    morning: str = "07:15"  # the brief, with what is told once a day; "" = none
    handover: bool = False  # the sheet for the change of shift goes to who leaves and who begins
    thresholds: Mapping[str, float] = field(default_factory=dict)  # alertname -> limit, over the catalogue


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a ZNS template: a text with {blanks} (netmon/alerts/zns.py), and how long it may be."""

    name: str
    text: str
    most: int


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to a person, or to an Alertmanager: netmon/alerts/channels. ``url`` may hold tokens, hence a Secret."""

    name: str
    kind: str
    url: Secret
    form: str = "long"  # long (e-mail) | short (chat) | sms
    detail: str = "plain"  # plain | full (addresses, models)
    fallback: str = ""
    per_minute: float = 30.0  # messages this channel is given in a minute, on the average ...
    burst: int = 10  # ... and at once
    method: str = "POST"  # http only, as the following
    headers: Mapping[str, Secret] = field(default_factory=dict)
    body: str = ""
    success: str = ""
    template: str = ""  # zns only, as the following: the template's id at Zalo
    parameters: tuple[Parameter, ...] = ()
    token: Secret | None = None  # zalo_bot only
    replies: bool = False  # people can answer by it, so its texts say how


@dataclass(frozen=True, slots=True)
class ZaloConfig:
    """The application at Zalo whose Official Account sends (channels of kind zalo_oa and zns)."""

    app_id: str = ""
    secret_key: Secret | None = None
    refresh_token: Secret | None = None  # the first one; those that follow are kept in the state folder
    token_url: str = "https://oauth.zaloapp.com/v4/oa/access_token"


@dataclass(frozen=True, slots=True)
class MailboxConfig:
    """Where answers to e-mails arrive: IMAP over TLS. Empty ``host`` = none are read."""

    host: str = ""
    port: int = 993
    username: str = ""
    password: Secret | None = None
    folder: str = "INBOX"
    ca_file: str = ""
    interval_s: float = 20.0


@dataclass(frozen=True, slots=True)
class NotifyConfig:
    """Channels and how sending is paced."""

    enabled: bool = True
    role: Literal["alone", "primary", "standby"] = "alone"  # of a pair on the same sites one sends
    channels: Mapping[str, Channel] = field(default_factory=dict)
    retry_s: tuple[float, ...] = (5.0, 15.0, 60.0, 300.0)
    noc_phone: str = ""
    zalo: ZaloConfig = field(default_factory=ZaloConfig)
    mailbox: MailboxConfig = field(default_factory=MailboxConfig)


@dataclass(frozen=True, slots=True)
class PairConfig:
    """The other daemon on the same sites (docs/explanation/pair.md). Both need the same values, but for ``url``."""

    url: str = ""  # of the primary; the standby's only
    token: Secret | None = None
    ca_file: str = ""
    interval_s: float = 10.0
    missed: int = 3  # so many beats without an answer, and the standby tells


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The one HTTP port. ``token`` guards everything that changes state."""

    host: str = "127.0.0.1"
    port: int = 9808
    token: Secret | None = None
    public_url: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """netmon.yml, checked. Paths are absolute."""

    path: str = ""
    inventory: tuple[str, ...] = ()  # files
    profiles: tuple[str, ...] = ()  # files beside the built-in ones
    state_dir: str = "state"
    timezone: str = "Asia/Ho_Chi_Minh"
    language: str = "vi"
    drain_s: float = 20.0
    own_uplink: str = ""  # node whose loss means that netmon itself is cut off
    address_map: Mapping[str, str] = field(default_factory=dict)  # prefix -> prefix of equal length (NAT, laboratory)
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    snmp: SnmpConfig = field(default_factory=SnmpConfig)
    traps: TrapConfig = field(default_factory=TrapConfig)
    mqtt: MqttConfig = field(default_factory=MqttConfig)
    influx: InfluxConfig = field(default_factory=InfluxConfig)
    history: HistoryConfig = field(default_factory=HistoryConfig)
    alerts: AlertConfig = field(default_factory=AlertConfig)
    notify: NotifyConfig = field(default_factory=NotifyConfig)
    pair: PairConfig = field(default_factory=PairConfig)
    web: WebConfig = field(default_factory=WebConfig)
