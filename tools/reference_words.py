"""What the code does not say of itself, for tools/reference.py: one line per setting, headings, endings of commands."""

SETTINGS = {
    "inventory": "Files of the inventory, relative to this file; `*` matches.",
    "profiles": "SNMP profiles of your own, beside the built-in ones; `*` matches.",
    "state_dir": "Folder of all databases and of the socket of the API, relative to this file. `$STATE_DIRECTORY` of "
    "the systemd unit wins. Without either: `state` in the working directory.",
    "timezone": "Zone of all times that people see.",
    "language": "Language of pages and messages. A contact may have another, a page takes `?lang=`.",
    "drain": "Longest time that a clean stop waits for messages to be sent.",
    "own_uplink": "Node whose loss means that netmon itself is cut off: all else is then unknown, not down.",
    "address_map": "Prefixes that are reached under others of equal length (NAT, laboratory). Applied to every address "
    "of the inventory; the longest match wins.",
    "probe.kind": "How lines and nodes with an address are probed if they do not say it themselves.",
    "probe.port": "Port of `stamp` and `tcp` probes that name none.",
    "probe.interval": "Time between two probes of one target.",
    "probe.timeout": "How long an answer is waited for.",
    "probe.burst_count": "Probes that confirm a first loss; all must stay unanswered.",
    "probe.burst_spacing": "Time between these.",
    "probe.size_bytes": "Payload of a probe, in bytes.",
    "probe.degraded_loss_ratio": "More loss over the window makes a line degraded.",
    "probe.degraded_rtt": "A longer round trip makes a line degraded.",
    "probe.degraded_jitter": "More jitter makes a line degraded.",
    "probe.window": "Probes over which loss and jitter are computed.",
    "snmp.port": "Port of devices that name none, and of `snmp` probes.",
    "snmp.interval": "Time between two polls of one device, unless it has its own.",
    "snmp.slow_interval": "Names, descriptions and speeds are read again after this, or when the device changed.",
    "snmp.timeout": "How long a reply to one request is waited for.",
    "snmp.retries": "How often a request is sent again.",
    "snmp.budget": "One poll of one device never takes longer.",
    "snmp.sockets": "UDP sockets that all devices share.",
    "snmp.in_flight": "Requests under way per socket.",
    "snmp.max_repetitions": "Rows asked for per GETBULK; fewer are asked for where an agent fails with more.",
    "snmp.compact": (
        "Less memory per device for more CPU per poll: reply layouts are not kept, text is made when it is scraped. "
        "For tens of thousands of devices."
    ),
    "snmp.allow_targets": (
        "What `/snmp` may ask beside the devices of the inventory: addresses, names, `address:port`, prefixes. "
        "Without a port, `snmp.port` is meant."
    ),
    "traps.listen": 'Address and port for traps and informs, such as `"[::]:10162"` (IPv4 and IPv6). Ports below '
    "1024: see [install](../how-to/install.md). None: no traps, unless systemd hands a socket over.",
    "traps.queue_size": "Datagrams that wait to be decoded; beyond it they are dropped and counted.",
    "traps.poll_gap": "However many traps a device sends, they make it polled only once within this time.",
    "mqtt.host": "Name or address of the broker. None: no sensors are read.",
    "mqtt.port": "Port of the broker; 8883 is MQTT over TLS.",
    "mqtt.tls": "Whether the connection is encrypted and the broker's certificate checked.",
    "mqtt.ca_file": "Certificates that the broker's is checked against. None: those of the system.",
    "mqtt.cert_file": "netmon's own certificate, where the broker asks for one.",
    "mqtt.key_file": "Its key.",
    "mqtt.username": "User at the broker.",
    "mqtt.password": "Password at the broker.",
    "mqtt.client_id": "Identity at the broker: it keeps messages for this name while netmon is away.",
    "mqtt.topics": "Filters to subscribe; `netmon check` tells what they do not cover. None: exactly the topics of the "
    "inventory.",
    "mqtt.commit_interval": "Messages of this time are committed, and then acknowledged, together.",
    "mqtt.receive_maximum": "Messages that the broker may send before the first is acknowledged.",
    "mqtt.queue_size": "Messages held in memory at most; beyond it reading stops and the broker keeps them.",
    "mqtt.clock_skew": "If the sensor's own time is further off than this, the time of arrival counts.",
    "history.line_samples": "How long five-minute samples of the lines are kept (use, round trip, loss, jitter): about "
    "2.5 MB a day for 310 lines.",
    "influx.url": "History database with the InfluxDB v2 API (InfluxDB, VictoriaMetrics). None: no history is written.",
    "influx.org": "Organisation in it.",
    "influx.bucket": "Bucket in it.",
    "influx.token": "Token for it.",
    "influx.network": "Also write what the network does: five-minute samples of lines, conditions, figures of devices.",
    "influx.batch": "Readings per request.",
    "influx.interval": "Longest time that a reading waits for its batch.",
    "influx.spool_max_bytes": "Readings kept on disk while the database is away; beyond it the oldest are dropped and "
    "counted.",
    "alerts.evaluate": "Time between two evaluations of the alert rules.",
    "alerts.recovered": "Good for this long before an incident closes.",
    "alerts.reopen": "A return within this time is the same incident.",
    "alerts.upstream_ratio": "Part of a node's children lost within one round from which the node is the cause.",
    "alerts.degraded": "Poor quality must last this long to become an incident.",
    "alerts.tell_after": "An outage is told after this time; if it ended before, it is counted, not told. `node`: "
    "nodes; `core`: the core; other names are the levels that sites may have.",
    "alerts.storm_incidents": "More new incidents than this for one person …",
    "alerts.storm_window": "… within this time become one digest.",
    "alerts.storm_digests": "When further digests of a storm are due, from its first one on; only if there is news.",
    "alerts.storm_then": "After those, one in this time.",
    "alerts.flap_changes": "So many changes of one incident …",
    "alerts.flap_window": "… within this time are told once, as flapping, until it has been quiet as long.",
    "alerts.quiet_hours": 'Local hours in which news are held back for one list at their end; `""`: none.',
    "alerts.quiet_levels": "Levels of the sites whose news are held back. Nodes and other levels are told at once.",
    "alerts.escalate_node": "A node's incident that nobody has taken is told to the next one after this; `0s`: never.",
    "alerts.escalate": "The same for all others.",
    "alerts.office_hours": "Alerts with tell `hours` wait for these local hours.",
    "alerts.handover": "Send the sheet for the change of shift, by mail and chat, to who leaves and who begins when a "
    "roster's turn changes.",
    "alerts.heartbeat": 'Local times, such as `["07:00", "19:00"]`, at which a message tells the NOC and who operates '
    "netmon that it runs; who misses it knows that it does not. None: no such message.",
    "alerts.morning": "Local time of the brief by mail and chat to the NOC: the state in one sentence, what is down, "
    'and what is told once a day. `""`: none.',
    "alerts.thresholds": "Limits of alerts for the whole network, over the catalogue's; see [alerts](alerts.md).",
    "notify.enabled": "`false`: nothing is sent to anybody.",
    "notify.channels": "Ways to people, see below.",
    "notify.retry": "Times between the attempts to send one message.",
    "notify.role": "Of two daemons on the same sites one sends: the `primary`, and while that cannot, the `standby`. "
    "A new value needs a restart. See [pair](../how-to/pair.md).",
    "pair.url": "Where the standby finds the primary: its HTTP port. The primary has none.",
    "pair.token": "What the standby shows; the same for both.",
    "pair.ca_file": "Certificates that the primary's is checked against (`https`). None: those of the system.",
    "pair.interval": "Longest time between two beats; the same for both.",
    "pair.missed": "After so many intervals without a good answer the standby tells; the same for both.",
    "notify.noc_phone": "Number of the NOC, in messages that say whom to call.",
    "notify.mailbox.host": "Server with the letters that answer netmon's, IMAP over TLS. None: none are read.",
    "notify.mailbox.port": "Its port.",
    "notify.mailbox.username": "User of the mailbox.",
    "notify.mailbox.password": "Password of the mailbox.",
    "notify.mailbox.folder": "Folder that is read; letters in it are never changed or removed.",
    "notify.mailbox.ca_file": "Certificates that the server's is checked against. None: those of the system.",
    "notify.mailbox.interval": "Time between two looks.",
    "notify.zalo.app_id": "Number of the application at Zalo for Developers.",
    "notify.zalo.secret_key": "Its secret key.",
    "notify.zalo.refresh_token": "A refresh token for the Official Account. It works once: the pairs that follow are "
    "kept in the state folder (`zalo-tokens.json`), until another token stands here.",
    "notify.zalo.token_url": "Where tokens are refreshed.",
    "notify.channels.NAME.kind": "What is at the other end.",
    "notify.channels.NAME.url": "Where. As it may hold a token it comes by name; only a URL of this very machine "
    "without user or password, that of an Alertmanager or of Zalo may stand here itself. Zalo's kinds know theirs.",
    "notify.channels.NAME.form": "Which text: for e-mail, for chat, or 160 plain characters.",
    "notify.channels.NAME.detail": "`full` adds addresses and models: for channels that stay inside.",
    "notify.channels.NAME.fallback": "Channel to use when this one fails.",
    "notify.channels.NAME.per_minute": "Messages it is given in a minute, on the average; more of them wait.",
    "notify.channels.NAME.burst": "Messages it is given at once.",
    "notify.channels.NAME.method": "Method of the request (`http` only, as the following).",
    "notify.channels.NAME.headers": "Headers of the request.",
    "notify.channels.NAME.body": "Template of the request's body.",
    "notify.channels.NAME.template": "Id of the template at Zalo (`zns` only).",
    "notify.channels.NAME.parameters": "Parameters of the template: for each its `text` with blanks, and `most`, the "
    "characters that the template lets it have (30 where it is not said).",
    "notify.channels.NAME.token": "Token of the Bot (`zalo_bot` only).",
    "notify.channels.NAME.replies": "People can answer by it (`zalo_bot`, e-mail, a gateway that hands answers over): "
    "netmon listens, and texts say how to answer instead of whom to call.",
    "notify.channels.NAME.success": "Regular expression that must be found in the answer.",
    "web.host": "Address to listen on. Put a TLS proxy before any other than this machine's own.",
    "web.port": "Port to listen on.",
    "web.token": "Token for everything that changes state. None: it is refused, but on the unix socket.",
    "web.public_url": "Address under which people reach the page. None: messages carry no link.",
}

# First series of a group -> heading.
METRIC_GROUPS = {
    "netmon_site_up": "Reachability and conditions",
    "netmon_line_port_up": "Lines",
    "netmon_snmp_up": "Devices",
    "netmon_sensor_value": "Sensors",
    "netmon_threshold": "Alerts and incidents",
    "netmon_poll_duration_seconds": "netmon itself",
}

TELL = {
    "verdict": "incident of its fault",
    "now": "incident of its own",
    "hours": "shown; duty mail",
    "daily": "shown; morning mail",
    "page": "shown",
}

# What a command ends with.
ENDING = {
    "run": "Ends on SIGTERM or SIGINT with 0; with 1 if it cannot start or a part of it died. SIGHUP reloads.",
    "check": "0: no mistake. 1: every mistake, or with `--live` every difference, was printed, one line each. Warnings "
    "do not count.",
    "drill": "0: the drill passed, or (`--report`) passed or runs. 1: it failed, was stopped or interrupted, could not "
    "be run, or there is no daemon.",
    "demo": "0 at its end or after Ctrl-C; 1 if it cannot start (such as a port in use) or a part of it died.",
    "sim": "0 after SIGTERM or Ctrl-C; 1 on a mistake in the inventory or the faults.",
    "poll": "0: every device answered. 1: one did not, or there is none of that name.",
    "walk": "0: something was found. 1: nothing, or no answer.",
    "profiles": "0: good. 1: a MIB or a profile has mistakes, or (check) the walk lacks an OID; all that was good is "
    "written all the same. 2: wrong use.",
    "status": "0: the daemon answered. 1: there is none.",
    "notify": "0: every channel took the message. 1: one did not, or there is no such person.",
    "sensors": "list: 0. try: 0 if all was understood; 1 if something was not, or nothing came.",
    "incidents": "list: 0: none is open, 1: at least one is. Else 0: done, 1: it cannot be done. 1: no daemon.",
    "ack": "0: taken. 1: no such open incident, or no daemon.",
    "explain": "0: said. 1: no such incident or site; or no daemon runs and netmon.db holds nothing of it.",
    "report": "0: printed. 1: no daemon.",
    "works": "0: done. 1: a mistake in the CSV (then nothing was entered), no such works, or no daemon.",
    "silence": "0: done. 1: no such silence, an unknown scope, or no daemon.",
    "rules": "0: written or listed. 1: the file cannot be written.",
    "inventory": "0: done; suggest: nothing to propose. 1: the CSV or the inventory has mistakes, or a file to be "
    "written is there already; then nothing was written; or the access list is out of date; or there are proposals.",
}
