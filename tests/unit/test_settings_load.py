"""netmon.yml: every field can be set, what is wrong is told, and secrets stay secret."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from netmon.config import Config, Parameter
from netmon.errors import ConfigError
from netmon.inventory import Loaded, load
from netmon.secrets_load import harmless_server, harmless_url

EVERYTHING = """
inventory: ["i.yml"]
profiles: ["p.yml"]
state_dir: "var"
timezone: "UTC"
language: "en"
drain: 7s
own_uplink: ""
address_map: {"198.18.0.0/15": "127.18.0.0/15"}
probe: {kind: "stamp", port: 1862, interval: 2s, timeout: 500ms, burst_count: 4, burst_spacing: 0.1s, size_bytes: 200,
        degraded_loss_ratio: 0.1, degraded_rtt: 100ms, degraded_jitter: 9ms, window: 50}
snmp: {port: 1161, interval: 10s, slow_interval: 1m, timeout: 1s, retries: 1, budget: 5s, sockets: 2, in_flight: 32,
       max_repetitions: 10, compact: true, allow_targets: ["192.0.2.0/24", "router.example:1161"]}
traps: {listen: "[::]:10162", queue_size: 50, poll_gap: 1s}
mqtt: {host: "broker", port: 1883, tls: false, ca_file: "i.yml", cert_file: "i.yml", key_file: "i.yml", username: "u",
       password: {env: "MQTT"}, client_id: "me", topics: ["a/#"], commit_interval: 10ms, receive_maximum: 10,
       queue_size: 100, clock_skew: 1m}
history: {line_samples: 30d}
influx: {url: "http://127.0.0.1:8086", org: "o", bucket: "b", token: {file: "token"}, network: true, batch: 10,
         interval: 1s, spool_max_bytes: 200MB}
alerts: {evaluate: 1s, recovered: 2s, reopen: 3s, degraded: 4s, upstream_ratio: 0.5,
         tell_after: {commune: 5s, hamlet: 6s},
         storm_incidents: 9, storm_window: 1m, storm_digests: [5m], storm_then: 2h, flap_changes: 4, flap_window: 10m,
         quiet_hours: "23:00-05:00", quiet_levels: ["hamlet"], escalate_node: 5m, escalate: 20m,
         office_hours: "08:00-16:00", heartbeat: ["07:00", "19:00"], morning: "07:00", handover: true,
         thresholds: {DeviceCpuHigh: 0.5}}
pair: {url: "https://noc-1.example.invalid/netmon", token: {env: "TOKEN"}, ca_file: "i.yml", interval: 5s, missed: 4}
notify:
  enabled: false
  role: "standby"
  retry: [1s, 1s, 2s]
  noc_phone: "0271"
  channels:
    sms: {kind: "http", url: {env: "URL"}, form: "sms", detail: "full", fallback: "am", method: "PUT",
          per_minute: 6, burst: 2,
          headers: {Authorization: {env: "AUTH"}, Content-Type: "application/json"}, body: "{}", success: "ok|1"}
    am: {kind: "alertmanager", url: "http://am.example.invalid:9093"}
    oa: {kind: "zalo_oa"}
    zns: {kind: "zns", template: "301", parameters: {diem: {text: "{where}", most: 60}, so: {text: "{id}"}}}
    bot: {kind: "zalo_bot", token: {env: "TOKEN"}, url: "http://127.0.0.1:1", replies: true}
  mailbox: {host: "imap", port: 1, username: "u", password: {env: "TOKEN"}, folder: "x", ca_file: "i.yml", interval: 1s}
  zalo: {app_id: "1", secret_key: {env: "AUTH"}, refresh_token: {env: "TOKEN"}, token_url: "http://127.0.0.1:1/t"}
web: {host: "0.0.0.0", port: 80, token: {env: "TOKEN"}, public_url: "https://x.invalid"}
"""
ZALO = "zalo: {app_id: '1', secret_key: {env: AUTH}, refresh_token: {env: AUTH}}"
ENVIRON = {"MQTT": "pw", "URL": "https://user:pw@sms", "AUTH": "Bearer x", "TOKEN": "tok"}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def put(text: str) -> Path:
        (tmp_path / "i.yml").write_text("")
        (tmp_path / "p.yml").write_text("")
        (tmp_path / "token").write_text("influx-token\n")
        (tmp_path / "token").chmod(0o640)
        (tmp_path / "netmon.yml").write_text(textwrap.dedent(text), encoding="utf-8")
        return tmp_path / "netmon.yml"

    return put


def messages(path: Path, environ: dict[str, str] | None = None) -> list[str]:
    try:
        load(path, ENVIRON if environ is None else environ)
    except ConfigError as error:
        return [str(p).replace(f"{path.parent}/", "") for p in error.problems]
    return []


def test_every_field_can_be_set(write: Callable[[str], Path]) -> None:
    config = load(write(EVERYTHING), ENVIRON).config
    plain = Config()
    for field in fields(Config):
        if field.name == "own_uplink":
            continue
        value, default = getattr(config, field.name), getattr(plain, field.name)
        assert value != default, field.name
        for inner in fields(default) if hasattr(default, "__dataclass_fields__") else ():
            assert getattr(value, inner.name) != getattr(default, inner.name), f"{field.name}.{inner.name}"
    assert config.probe.burst_spacing_s == 0.1
    assert config.alerts.tell_after_s == {
        "node": 0.0,
        "core": 0.0,
        "province": 30.0,
        "district": 60.0,
        "commune": 5.0,
        "hamlet": 6.0,
    }
    assert config.notify.retry_s == (1.0, 1.0, 2.0)
    assert config.influx.spool_max_bytes == 200_000_000
    sms = config.notify.channels["sms"]
    assert (sms.form, sms.detail, sms.fallback, sms.method, sms.success) == ("sms", "full", "am", "PUT", "ok|1")
    assert sms.headers["Content-Type"].reveal() == "application/json"
    zns = config.notify.channels["zns"]
    assert zns.parameters == (Parameter("diem", "{where}", 60), Parameter("so", "{id}", 30))
    assert zns.url.reveal() == "https://business.openapi.zalo.me/message/template"
    assert Path(config.state_dir).name == "var"


def test_secrets_come_by_name_and_never_print(write: Callable[[str], Path]) -> None:
    loaded: Loaded = load(write(EVERYTHING), ENVIRON)
    assert loaded.config.mqtt.password is not None
    assert loaded.config.mqtt.password.reveal() == "pw"
    assert loaded.config.influx.token is not None
    assert loaded.config.influx.token.reveal() == "influx-token"
    for secret in (*ENVIRON.values(), "influx-token"):
        assert f"'{secret}'" not in repr(loaded)


def test_an_empty_file_is_all_defaults(write: Callable[[str], Path]) -> None:
    path = write("")
    config = load(path, {}).config
    assert config == Config(path=str(path.absolute()), state_dir=str(Path("state").absolute()))


def test_the_units_state_directory_wins(write: Callable[[str], Path]) -> None:
    assert (
        load(write('state_dir: "x"\n'), {"STATE_DIRECTORY": "/var/lib/netmon:/b"}).config.state_dir == "/var/lib/netmon"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            'alerts: {heartbeat: ["7:00"]}',
            'netmon.yml:1: alerts: "heartbeat" cannot hold "7:00"; write each as "07:00"',
        ),
        ('notify: {role: "primary"}', 'netmon.yml:1: "pair.token" is missing: the primary needs it; allowed: the same'),
        (
            'notify: {role: "standby"}\npair: {url: "noc-1:9808", token: {env: "TOKEN"}}',
            'netmon.yml:2: pair: "pair.url" cannot be "noc-1:9808"; allowed: such as "https://noc-1.example.vn:9808"',
        ),
        (
            'notify: {role: "standby"}\nmqtt: {host: "b"}\npair: {url: "http://a", token: {env: "TOKEN"}}',
            'netmon.yml:2: mqtt: "client_id" of the standby is that of the primary; allowed: a name of its own',
        ),
        (
            'notify: {role: "primary"}\npair: {url: "http://a", token: {env: "TOKEN"}}',
            'netmon.yml:2: pair: "pair.url" is the standby\'s: the primary is asked and asks nobody',
        ),
        ('pair: {url: "http://a"}', 'netmon.yml:1: pair: "pair" needs "notify.role"; allowed: "primary", "standby"'),
        ("tymezone: x", 'netmon.yml:1: unknown key "tymezone"; did you mean "timezone"? allowed: address_map, '),
        ("probe: {interval_s: 3}", 'netmon.yml:1: probe: unknown key "interval_s"; did you mean "interval"? allowed: '),
        (
            'traps: {listen: "::1:162"}',
            'netmon.yml:1: traps: "listen": "::1:162" is no address with a port; allowed: such as "127.0.0.1:10162"',
        ),
        ("probe: {interval: 3}", "netmon.yml:1: probe: \"interval\" cannot be '3'; a duration is a number with a unit"),
        (
            "probe: {kind: ping}",
            'netmon.yml:1: probe: "kind" cannot be "ping"; allowed: icmp, none, snmp',
        ),
        ("probe: {interval: 1ms}", 'netmon.yml:1: probe: "interval" is 0.001 s; allowed: 0.1 to 3600 s'),
        ("probe: {degraded_loss_ratio: 3}", 'netmon.yml:1: probe: "degraded_loss_ratio" cannot be 3; allowed: 0 to 1'),
        ("probe: 5", 'netmon.yml:1: "probe" is not a mapping; expected key: value pairs'),
        ("snmp: {port: 0}", 'netmon.yml:1: snmp: "port" cannot be 0; allowed: 1 to 65535'),
        ("snmp: {retries: 1.5}", 'netmon.yml:1: snmp: "retries": 1.5 is not a whole number; expected a whole number'),
        (
            "snmp: {allow_targets: ['192.0.2.7', '192.0.2.8:x']}",
            'netmon.yml:1: snmp: "allow_targets": "192.0.2.8:x" is no address, and no address with a port; allowed:',
        ),
        (
            "snmp: {allow_targets: ['192.0.2.7/24']}",
            'netmon.yml:1: snmp: "allow_targets": "192.0.2.7/24" is not a prefix (192.0.2.7/24 has host bits set);',
        ),
        ("mqtt: {tls: yes}", 'netmon.yml:1: mqtt: "tls" cannot be yes; allowed: true or false, without quotes'),
        ("mqtt: {password: 123456}", 'netmon.yml:1: mqtt: "password" holds the value itself; write {env: "NAME"} or'),
        ("mqtt: {password: {env: GONE}}", 'netmon.yml:1: mqtt: "password": environment variable GONE is not set'),
        ("mqtt: {password: {env: 's3 cret'}}", 'netmon.yml:1: mqtt: "password": env is not the name of an'),
        ("mqtt: {password: {file: gone}}", 'netmon.yml:1: mqtt: "password": file gone cannot be read: No such file'),
        ("mqtt: {ca_file: gone}", 'netmon.yml:1: mqtt: "ca_file": there is no file gone'),
        (
            "influx: {spool_max_bytes: 2}",
            "netmon.yml:1: influx: \"spool_max_bytes\" cannot be '2'; a size is bytes with",
        ),
        ("timezone: Asia/Saigonn", 'netmon.yml:1: "timezone" cannot be "Asia/Saigonn"; did you mean "Asia/Saigon"?'),
        ("language: fr", 'netmon.yml:1: "language" cannot be "fr"; allowed: en, vi'),
        ("drain: 20", "netmon.yml:1: \"drain\" cannot be '20'; a duration"),
        ("inventory: sites.yml", 'netmon.yml:1: "inventory" is not a list; expected a list of texts, such as [\'sites'),
        ("inventory: [no.yml]", 'netmon.yml:1: "inventory": no file matches "no.yml"'),
        ("profiles: ['']", 'netmon.yml:1: "profiles": no file matches ""'),
        ("own_uplink: core", 'netmon.yml:1: "own_uplink": unknown node "core"; known: none'),
        (
            "address_map: {'198.18.0.1/15': '127.18.0.0/15'}",
            "has host bits set); allowed: two prefixes of equal length",
        ),
        ("address_map: {'198.18.0.0/15': '127.18.0.0/16'}", "differ in family or length"),
        ("notify: {retry: [5]}", 'netmon.yml:1: notify: "retry" item 1: 5 without quotes is a number in YAML'),
        ("notify: {retry: [5x]}", "netmon.yml:1: notify: \"retry\" cannot hold '5x'; a duration"),
        (
            "notify: {channels: {a: {kind: fax, url: 'http://127.0.0.1'}}}",
            'channel "a": "kind" cannot be "fax"; allowed:',
        ),
        ("notify: {channels: {a: {kind: apprise}}}", 'netmon.yml:1: channel "a": "url" is missing'),
        (
            "notify: {channels: {a: {kind: apprise, url: 'tgram://12:ab/1'}}}",
            'channel "a": "url" holds the value itself',
        ),
        (
            "notify: {channels: {a: {kind: apprise, url: 'json://127.0.0.1', fallback: b}}}",
            'channel "a": "fallback": unknown channel "b"; known: a',
        ),
        (
            "notify: {channels: {a: {kind: apprise, url: 'json://127.0.0.1', fallback: a}}}",
            'channel "a": falls back to itself: a -> a',
        ),
        (
            "notify: {channels: {a: {kind: apprise, url: 'json://127.0.0.1', body: x}}}",
            'channel "a": "body" is for channels of kind http only',
        ),
        (
            "notify: {channels: {a: {kind: zalo_oa}}}",
            'channel "a": "kind": zalo_oa needs notify.zalo; with app_id, secret_key and refresh_token',
        ),
        ("notify: {channels: {a: {kind: zalo_bot}}}", 'channel "a": "token" is missing; a channel of kind zalo_bot'),
        ("notify: {channels: {a: {kind: zalo_bot, token: x}}}", 'channel "a": "token" holds the value itself'),
        (
            "notify: {channels: {a: {kind: zns, parameters: {}}}, " + ZALO + "}",
            'channel "a": "template" is missing; a channel of kind zns needs it',
        ),
        (
            "notify: {channels: {a: {kind: zns, template: x, parameters: {p: {text: '{who}'}}}}, " + ZALO + "}",
            'channel "a" parameter p: "text" cannot have {who}; allowed: {id}, {title}',
        ),
        (
            "notify: {channels: {a: {kind: zns, template: x, parameters: {p: {text: '{time:d}'}}}}, " + ZALO + "}",
            'channel "a" parameter p: "text" cannot have {{time:d}}; allowed: {id}, {title}',
        ),
        (
            "notify: {channels: {a: {kind: apprise, url: 'json://127.0.0.1', replies: true}}}",
            'channel "a": "replies": e-mail needs notify.mailbox',
        ),
        (
            "notify: {channels: {a: {kind: apprise, form: short, url: 'json://127.0.0.1', replies: true}}}",
            'channel "a": "replies": nobody can answer by a channel of kind apprise, form short; allowed: zalo_bot',
        ),
        (
            "notify: {channels: {a: {kind: http, url: 'http://127.0.0.1', template: x}}}",
            'channel "a": "template" is for channels of kind zns only',
        ),
        (
            "notify: {channels: {a: {kind: http, url: 'http://127.0.0.1', success: '('}}}",
            'channel "a": "success" is not a regular expression: ',
        ),
        (
            "notify: {channels: {a: {kind: http, url: 'http://127.0.0.1', headers: {Authorization: x}}}}",
            '"Authorization" holds the value itself',
        ),
    ],
)
def test_one_mistake_is_one_line(write: Callable[[str], Path], text: str, told: str) -> None:
    found = messages(write(text + "\n"))
    assert len(found) == 1
    assert told in found[0]
    assert "123456" not in found[0]
    assert "s3 cret" not in found[0]


def test_a_secret_file_that_all_can_read_is_a_warning(write: Callable[[str], Path], tmp_path: Path) -> None:
    path = write("web: {token: {file: token}}\n")
    (tmp_path / "token").chmod(0o644)
    warnings = load(path, {}).warnings
    assert [w.message.replace(f"{tmp_path}/", "") for w in warnings] == ["file token can be read by everybody"]


def test_credentials_that_systemd_hands_over(write: Callable[[str], Path], tmp_path: Path) -> None:
    path = write("web: {token: {file: $CREDENTIALS_DIRECTORY/token}}\n")
    token = load(path, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).config.web.token
    assert token is not None
    assert token.reveal() == "influx-token"


@pytest.mark.parametrize("content", ["", "\n", "a\nb\n"])
def test_a_secret_file_holds_one_line(write: Callable[[str], Path], tmp_path: Path, content: str) -> None:
    path = write("web: {token: {file: token}}\n")
    (tmp_path / "token").write_text(content)
    assert messages(path) == ['netmon.yml:1: web: "token": file token must hold one line']


@pytest.mark.parametrize(
    ("url", "may_stand"),
    [
        ("mailto://127.0.0.1:25/?from=netmon@example.invalid", True),
        ("json://localhost:8080/hook", True),
        ("http://[::1]:80", True),
        ("mailtos://user:pw@127.0.0.1", False),
        ("mailto://127.0.0.1?user=a&pass=b", False),
        ("https://hooks.example.invalid/T0/B0/secret", False),
        ("tgram://12345:token/chat", False),
        ("127.0.0.1", False),
        ("http://[", False),
    ],
)
def test_which_urls_are_no_secret(url: str, may_stand: bool) -> None:
    assert harmless_url(url) is may_stand


def test_the_address_of_an_alertmanager_is_no_secret() -> None:
    assert harmless_server("http://am.example.invalid:9093")
    assert not harmless_server("http://u:p@am.example.invalid:9093")
    assert not harmless_server("http://am.example.invalid/?token=x")
