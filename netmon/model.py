"""The facts that all parts share: what the inventory holds, what collectors bring, what verdicts conclude.

Only frozen data and plain aliases; no behaviour beyond trivial look-ups, no I/O. Times named ``*_at`` or ``at`` are UTC
Unix seconds, ``*_s`` durations in seconds, ``*_bps`` bits per second, ``*_ratio`` 0..1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Labels = tuple[tuple[str, str], ...]  # sorted (name, value) pairs: the identity of a series
Severity = Literal["info", "warning", "critical"]
Condition = Literal["up", "degraded", "down", "unreachable", "unknown"]
CauseKind = Literal["power", "line", "device", "upstream", "monitor", "planned", "unknown"]
SensorState = Literal["ok", "warning", "alarm", "stale", "explained", "invalid", "unknown"]
GatewayState = Literal["ok", "stale", "explained", "unknown"]
Quality = Literal["good", "clock", "stuck", "old", "retained", "bad", "invalid", "none"]
Mark = Literal["", "old", "bad"]
ProbeKind = Literal["icmp", "stamp", "tcp", "snmp", "none"]
EventKind = Literal[
    "link_down", "link_up", "cold_start", "warm_start", "auth_failure", "ups_on_battery", "config_changed",
    "bgp_backward", "other",
]  # fmt: skip
SubjectKind = Literal["site", "line", "node", "device", "sensor", "gateway", "netmon"]

CONDITIONS: tuple[Condition, ...] = ("up", "degraded", "down", "unreachable", "unknown")
CAUSES: tuple[CauseKind, ...] = ("power", "line", "device", "upstream", "monitor", "planned", "unknown")
SENSOR_STATES: tuple[SensorState, ...] = ("ok", "warning", "alarm", "stale", "explained", "invalid", "unknown")
GATEWAY_STATES: tuple[GatewayState, ...] = ("ok", "stale", "explained", "unknown")


def labels(**pairs: str) -> Labels:
    """Sorted label pairs; empty values are left out, as Prometheus treats both the same."""
    return tuple(sorted((k, v) for k, v in pairs.items() if v))


# --- inventory -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that never prints itself; ``reveal()`` is called only where it goes on the wire."""

    _value: str = field(repr=False)

    def reveal(self) -> str:
        return self._value

    def __str__(self) -> str:
        return "********"


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the map. Only ``quality == "surveyed"`` may ever be sent to a person as a place to go."""

    lat: float
    lon: float
    quality: str  # surveyed | approx | synthetic-in-district


@dataclass(frozen=True, slots=True)
class Probe:
    """How reachability is measured. ``port`` is for stamp and tcp; ``kind == "none"`` means judged by others."""

    kind: ProbeKind
    address: str
    port: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """What sites hang from and is not a site. Without a probe it is judged by its children."""

    id: str
    name: str
    kind: str  # uplink | core | aggregation | service
    parent: str | None
    short_name: str = ""  # for SMS, no diacritics, at most 10 characters
    place: Place | None = None
    probe: Probe | None = None
    known_as: tuple[str, ...] = ()  # names and addresses that equipment of it has in LLDP and BGP, and is no device


@dataclass(frozen=True, slots=True)
class Site:
    """One of the 310 offices."""

    id: str
    name: str
    sms_name: str  # GSM-7 safe, at most 22 characters, unique within its area
    block: str  # party | government | other
    level: str  # province | district | commune
    area: str  # area id
    unit_code: str = ""
    commune: str = ""
    place: Place | None = None
    hours: str = ""  # e.g. "07:00-17:00"
    contacts: tuple[str, ...] = ()
    security_level: int = 2
    since: str = ""  # ISO date; a site not yet, or no longer, in service is in no count
    until: str = ""
    building: str = ""
    power: str = ""
    cable: str = ""
    thresholds: Mapping[str, float] = field(default_factory=dict)  # alertname -> limit, overriding the catalogue


@dataclass(frozen=True, slots=True)
class Area:
    """A named group of sites for people (a former district, the province level)."""

    id: str
    name: str
    sms_name: str  # at most 10 characters


@dataclass(frozen=True, slots=True)
class Contract:
    """Leased bandwidth per direction, in force from an ISO date."""

    down_bps: float
    up_bps: float
    since: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One leased line of a site: from ``parent`` (a node) to ``device``/``if_name`` at the site."""

    id: str
    site: str
    parent: str
    probe: Probe
    provider: str = ""
    circuit: str = ""
    contracts: tuple[Contract, ...] = ()
    sla_ratio: float = 0.0  # promised availability; 0 = none agreed
    role: str = "primary"  # primary | backup
    handoff: str = "ont"  # sfp | ont
    device: str = ""
    if_name: str = ""
    remote_device: str = ""
    remote_if_name: str = ""


@dataclass(frozen=True, slots=True)
class Credential:
    """SNMP access by name. v1/v2c use ``community``; the v3 fields follow RFC 3414."""

    name: str
    version: str = "2c"  # 1 | 2c | 3
    community: Secret = field(default_factory=lambda: Secret("public"))
    username: str = ""
    security_level: str = "noAuthNoPriv"
    auth_protocol: str = ""
    auth_password: Secret | None = None
    priv_protocol: str = ""
    priv_password: Secret | None = None
    context_name: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """Something that answers SNMP: ``address`` and ``port`` are its identity."""

    id: str
    kind: str  # router | ups | switch
    address: str
    port: int
    credential: str
    site: str = ""  # exactly one of site and node is set
    node: str = ""
    profiles: tuple[str, ...] = ("auto",)
    interval_s: float = 0.0  # 0 = the default of the config
    sys_name: str = ""  # what it calls itself, if that is not its id


@dataclass(frozen=True, slots=True)
class SensorType:
    """What a kind of sensor measures and what is normal. Limits are None where there is none."""

    id: str
    quantity: str  # temperature, humidity, power, water_level, ...
    unit: str  # SenML / UCUM unit of the stored value
    valid_min: float | None = None
    valid_max: float | None = None
    warn_above: float | None = None
    alarm_above: float | None = None
    warn_below: float | None = None
    alarm_below: float | None = None
    hysteresis: float = 0.0
    hold_s: float = 0.0
    silence_s: float = 3600.0  # longest silence before it counts as stale
    report: str = "periodic"  # periodic | on-change
    rise: float | None = None  # gaining more than this within ``within_s`` is an alarm of its own
    fall: float | None = None  # ... and so is losing more than this
    within_s: float = 900.0  # 0 = its changes are of no interest
    stuck_s: float = 0.0  # the same value for longer than this is a fault of the sensor; 0 = it may stay for ever
    rest: tuple[float, ...] = ()  # values at which it may stay for ever (no rain, no traffic)
    watch: str = "always"  # always | closed-hours: limits count outside the site's hours only, if the sensor is armed
    comply_min: float | None = None  # what a regulation asks for: figures of reports, never alarms
    comply_max: float | None = None
    words: Mapping[str, str] = field(default_factory=dict)  # language -> name of the quantity in messages
    values: Mapping[str, Mapping[float, str]] = field(default_factory=dict)  # language -> value -> what it is called


@dataclass(frozen=True, slots=True)
class Sensor:
    """One measuring point. Its site comes from the inventory, never from a payload."""

    id: str
    type: str
    topic: str  # exact topic it publishes on (no wildcards)
    decoder: str  # a built-in one, or a name among the inventory's mappings
    name: str = ""
    site: str = ""
    node: str = ""
    place: Place | None = None
    via: str = "line"  # "line" (of its site), "line:<id>", "gateway:<id>", "cellular"
    field: str = ""  # which record of the payload: SenML name, or the mapping's output name
    device: str = ""  # whose records, where several devices of one place share the topic
    unit: str = ""  # of the value as sent, where the payload does not say it
    presence: str = ""  # topic of its device's last will; "" = where its format has it
    owner: str = ""
    supply: str = ""  # mains: it dies with the mains, so its word proves them | battery | "" not known
    armed: bool = False  # whether a sensor that is watched in closed hours alarms at all


@dataclass(frozen=True, slots=True)
class Gateway:
    """What several sensors are heard through. All of them silent at once is its fault, not theirs; and so is what it
    says of itself."""

    id: str
    name: str
    site: str = ""
    node: str = ""
    place: Place | None = None
    via: str = "line"  # "line" (of its site), "line:<id>", "cellular"
    silence_s: float = 0.0  # longest time without a word of it or of any of its sensors; 0 = each by its own type
    owner: str = ""
    presence: str = ""  # topic where it says online or offline (its last will); "" = where its sensors' format has it
    heartbeat: str = ""  # topic on which every message is a sign of its life (statistics)


@dataclass(frozen=True, slots=True)
class Contact:
    """A person or a desk that can be told something."""

    id: str
    name: str
    phone: str = ""
    email: str = ""
    audiences: tuple[str, ...] = ()  # technician | noc | ops | owner | leader
    areas: tuple[str, ...] = ()  # empty = all
    channels: tuple[str, ...] = ()  # names from the config's notify.channels
    language: str = ""
    backup: str = ""  # contact told when nobody has taken what this one was told of
    zalo: str = ""  # user id at the Official Account
    zalo_bot: str = ""  # id of the chat with the Bot


@dataclass(frozen=True, slots=True)
class Swap:
    """Somebody stands in. Local times, "YYYY-MM-DD HH:MM", the end not included."""

    who: str
    begin: str
    end: str


@dataclass(frozen=True, slots=True)
class Roster:
    """People who take turns: only who is on duty is told, the others rest. Local dates and times."""

    id: str
    rotation: tuple[str, ...]  # contact ids, in the order of their turns
    since: str  # ISO date on which the first turn of the first one begins
    handover: str = "07:00"
    days: int = 7  # length of a turn
    swaps: tuple[Swap, ...] = ()


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything people wrote down about the network, checked. All maps are by id."""

    areas: Mapping[str, Area] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    sites: Mapping[str, Site] = field(default_factory=dict)
    lines: Mapping[str, Line] = field(default_factory=dict)
    devices: Mapping[str, Device] = field(default_factory=dict)
    sensor_types: Mapping[str, SensorType] = field(default_factory=dict)
    sensors: Mapping[str, Sensor] = field(default_factory=dict)
    gateways: Mapping[str, Gateway] = field(default_factory=dict)
    contacts: Mapping[str, Contact] = field(default_factory=dict)
    rosters: Mapping[str, Roster] = field(default_factory=dict)
    credentials: Mapping[str, Credential] = field(default_factory=dict)
    mappings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)  # decoder name -> its options


# --- what collectors bring -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Figure:
    """One normalised quantity of a device, e.g. ("netmon_device_cpu_ratio", labels, 0.42)."""

    name: str
    labels: Labels
    value: float


@dataclass(frozen=True, slots=True)
class PollResult:
    """The outcome of one poll of one device. Good tables are kept when another failed (``failed``: table -> reason)."""

    device: str
    started_at: float
    duration_s: float
    ok: bool  # the device answered at all
    reason: str = ""  # why not: timeout | auth | error | ...
    chunks: Mapping[str, bytes] = field(default_factory=dict)  # metric family -> exposition lines, text format 0.0.4
    families: Mapping[str, bytes] = field(default_factory=dict)  # metric family -> its # HELP and # TYPE lines
    figures: tuple[Figure, ...] = ()
    ports: Mapping[str, Port] = field(default_factory=dict)  # ifName -> what is known of the port
    sys_uptime_s: float | None = None
    sys_name: str = ""
    sys_object_id: str = ""
    varbinds: int = 0
    requests: int = 0
    timeouts: int = 0
    failed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Port:
    """One interface within one poll. Counters are None where the agent has none; ``at`` is when they were read."""

    if_name: str
    if_index: int
    at: float
    alias: str = ""
    admin_up: bool | None = None
    oper_up: bool | None = None
    speed_bps: float | None = None
    in_octets: int | None = None
    out_octets: int | None = None
    in_errors: int | None = None
    out_errors: int | None = None
    in_discards: int | None = None
    out_discards: int | None = None
    in_packets: int | None = None  # unicast; errors and discards are not among them
    out_packets: int | None = None
    octets_bits: int = 64  # 32 where only the old counters exist
    packets_bits: int = 64
    last_change_s: float | None = None  # ifLastChange in seconds of sysUpTime
    discontinuity_s: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one sensor. ``at`` is the device's own time if it gave one, ``received_at`` ours.

    ``skew_s`` is not 0 where the device's clock was off by more than is allowed: then ``at`` has been moved by it so
    that the arrival time holds, and ``at + skew_s`` is what the device said. ``gone``: no value at all (it is NaN), but
    word that the sensor is away now (its will, its gateway, a Sparkplug death); it stays so until its next value.
    ``mark``: ``old``, kept by the device while it was cut off, never takes the place of anything newer; ``bad``, its
    sender says that it is not to be believed.
    """

    sensor: str
    value: float
    received_at: float
    at: float | None = None
    retained: bool = False
    skew_s: float = 0.0
    gone: bool = False
    mark: Mark = ""

    @property
    def moment(self) -> float:
        """When it was measured, as well as we know; never after its arrival."""
        return self.received_at if self.at is None else min(self.at, self.received_at)


@dataclass(frozen=True, slots=True)
class Word:
    """What a gateway says of itself: that it is ``gone``, or by any other word that it is there."""

    gateway: str
    at: float  # arrival
    gone: bool
    retained: bool = False


@dataclass(frozen=True, slots=True)
class LineSample:
    """Means of one line over the five minutes from ``at`` (a full multiple of 300). None: nothing was measured."""

    line: str
    at: int
    in_ratio: float | None = None  # of the contract bandwidth; `in` is what the site downloads
    out_ratio: float | None = None
    rtt_s: float | None = None
    loss_ratio: float | None = None  # 1 while the line is lost
    jitter_s: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """What a device told of itself without being asked (a trap): it makes netmon look, and what netmon sees counts."""

    kind: EventKind
    device: str
    at: float
    if_index: int = 0  # of the port it is about; 0 = none
    if_name: str = ""
    text: str = ""  # ifDescr, BGP peer, or the OID of a trap of kind "other"


# --- what netmon concludes -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subject:
    """What an incident or an alert is about."""

    kind: SubjectKind
    id: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The condition of one line, site or node, since when, and why (``by``: the node above, or a reason, in a word)."""

    subject: Subject
    condition: Condition
    since: float
    by: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact a person can check. ``key`` names a text in words.yml, ``args`` fill it."""

    key: str
    at: float
    args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why, how sure, on what evidence, and what evidence is missing (keys in words.yml).

    ``rule`` decided (a key of `rule` in words.yml); ``rejected`` are those thought of before it, each with
    what spoke against it (a key of `rule_not`): "device_port_up|parent_port_down".
    """

    kind: CauseKind = "unknown"
    confirmed: bool = False
    evidence: tuple[Evidence, ...] = ()
    missing: tuple[str, ...] = ()
    rule: str = ""
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertState:
    """One alert instance: a rule and a label set, pending or firing."""

    alertname: str
    labels: Labels
    severity: Severity
    value: float
    threshold: float
    since: float  # began to hold
    firing_at: float | None  # None while pending
    subject: Subject
    audience: str
    tell: str  # now | hours | daily | page


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened to an incident: who (netmon or a person), what, in which words."""

    at: float
    kind: str  # opened | raised | evidence | cause | child | flap | closed | reopened | told, and alerts/handling.py
    who: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Ticket:
    """The provider's own number for a fault, and when each step happened; 0 = not yet."""

    number: str = ""
    reported_at: float = 0.0
    accepted_at: float = 0.0
    closed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that tells a person something. Immutable: every step makes a new one."""

    id: int
    subject: Subject
    kind: str  # outage | degraded | redundancy | alert | report (opened by a person)
    severity: Severity
    began_at: float  # the true beginning (first lost probe, first bad sample)
    opened_at: float
    cause: Cause = field(default_factory=Cause)
    first_cause: CauseKind = "unknown"  # what the opening message said, for corrections
    alerts: tuple[tuple[str, Labels], ...] = ()
    children: tuple[str, ...] = ()  # site ids explained by it
    already_down: tuple[str, ...] = ()  # children that were lost before it, for another reason
    good_since: float | None = None
    closed_at: float | None = None
    flaps: int = 0
    acked_by: str = ""
    acked_until: float | None = None  # then nobody is on it any more, and it escalates again
    assigned_to: str = ""  # contact id
    ticket: Ticket | None = None
    told_as: int = 0  # the number that people know it by, where the other daemon of a pair told them; 0 = its id
    tell_at: float = 0.0  # not told before this time; closed before it: a blip, counted and never told
    timeline: tuple[TimelineEntry, ...] = ()

    @property
    def open(self) -> bool:
        return self.closed_at is None

    @property
    def number(self) -> int:
        """What people call it."""
        return self.told_as or self.id

    @property
    def ended_at(self) -> float | None:
        """When it was good again, once it is closed: it closes later, after a time of good."""
        return self.closed_at if self.closed_at is None or self.good_since is None else self.good_since


ChangeKind = Literal["opened", "raised", "closed", "reopened", "updated"]


@dataclass(frozen=True, slots=True)
class Change:
    """One step of one incident. Only opened, raised and closed are told to people; the rest is kept and shown."""

    kind: ChangeKind
    incident: Incident
    at: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What somebody wrote back. ``id`` stays the same when it is fetched again; ``address`` is the channel's."""

    id: str
    channel: str
    address: str
    subject: str
    text: str
    at: float  # when netmon had it


@dataclass(frozen=True, slots=True)
class Intent:
    """A message that is to be sent: committed before the attempt, its result after. ``id`` keys its Message-ID."""

    id: str
    incident: int  # 0 for digests
    change: str
    contact: str
    channel: str
    subject: str
    body: str
    created_at: float
    reason: str = ""  # why it is sent, or why not (``muted:...``, ``dedup:...``)
    state: str = "pending"  # pending | sent | failed | suppressed | standby (a fallback that is not needed yet)
    attempts: int = 0
    address: str = ""  # where to, if the channel itself does not say: an e-mail address or a phone number
    stage: str = ""  # kind and severity of the incident as told, e.g. "outage critical": what raises are measured by
