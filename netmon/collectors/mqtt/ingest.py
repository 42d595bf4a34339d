"""MQTT ingest: one thread that reads, decodes, commits and only then acknowledges. See DESIGN.md, MQTT ingest.

The paho callback only queues. Nothing that is not on disk is acknowledged: a full disk or a full queue stops the
reading, and the broker keeps the messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from netmon.clock import Clock
from netmon.collectors.mqtt.commit import Committer
from netmon.collectors.mqtt.plan import compile_plan
from netmon.collectors.mqtt.session import BAD_CREDENTIALS, BAD_VERSION, V5, V311, Session
from netmon.config import MqttConfig
from netmon.errors import CollectError
from netmon.history.spool import Spool, SpoolError
from netmon.model import Inventory, Reading, Sensor, Word

log = logging.getLogger(__name__)

IDLE_S = 0.2  # how soon a stop or new routes are noticed while no message comes
CONNACK_S = 5.0
COMMANDS_AT_ONCE = 20  # sent in one round: their answers are births, which are large


class Ingest:
    """``deliver`` is called in ``loop`` with the readings of committed batches, in order, and words of gateways.

    ``stats`` counts messages by result (ok, retained, duplicate, undecodable, unknown_topic), ``events`` all else that
    happens (connected, failed_auth, subscribe_refused, commit_failed, paused, handover_dropped, ...).
    """

    def __init__(
        self, config: MqttConfig, routes: Mapping[str, Sequence[Sensor]], inventory: Inventory, spool: Spool,
        clock: Clock, deliver: Callable[[list[Reading | Word]], None], loop: asyncio.AbstractEventLoop,
        *, backoff_s: tuple[float, float] = (1.0, 30.0),
    ) -> None:  # fmt: skip
        self._config = config
        self._spool = spool
        self._clock = clock
        self._backoff_s = backoff_s
        self.connected = False
        self.events: Counter[str] = Counter()
        self._committer = Committer(config, spool, clock, deliver, loop, self.events)
        self.stats = self._committer.stats
        self._filters: tuple[str, ...] = ()
        self._routes_changed = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt-ingest", daemon=True)
        self._version = V5
        self._only_v311 = False
        self._trouble = ""  # what was last said about the connection
        self.set_routes(routes, inventory)

    @property
    def queue_depth(self) -> int:
        """Messages received and not yet on disk."""
        return self._committer.depth

    @property
    def skew_s(self) -> Mapping[str, float]:
        """A copy: sensor -> device clock minus ours, of its last message that gave a time."""
        return self._committer.skew_s.copy()

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Commit and acknowledge what was received, disconnect; the broker keeps the session. Idempotent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def set_routes(self, routes: Mapping[str, Sequence[Sensor]], inventory: Inventory) -> None:
        """Take new routes from any thread; the subscriptions follow at once."""
        plan, problems = compile_plan(routes, inventory, self._committer.plan)
        for problem in problems:
            self.events["bad_route"] += 1
            log.error("sensor left out of the MQTT intake %s", problem)
        self._committer.plan = plan
        self._filters = self._config.topics or plan.filters
        self._routes_changed.set()

    # Everything below runs in the ingest thread.

    def _run(self) -> None:
        shortest, longest = self._backoff_s
        delay = shortest
        while not self._stop.is_set():
            connects = self.events["connected"]
            trouble = CollectError("lost", "connection lost")
            try:
                self._converse()
            except CollectError as error:
                trouble = error
            except Exception as error:  # the watchdog: whatever happens, the thread goes on
                log.exception("mqtt ingest failed, goes on error=%s", error)
                trouble = CollectError("internal", repr(error))
            self.connected = False
            if not self._stop.is_set():
                self._say_trouble(trouble)
                delay = shortest if self.events["connected"] > connects else min(delay * 2, longest)
                self._stop.wait(delay if trouble.retryable else longest)

    def _say_trouble(self, error: CollectError) -> None:
        """Count every failure; say the first and every new reason, not the repetitions."""
        self.events[f"failed_{error.reason}"] += 1
        if (text := f"reason={error.reason} error={error}") != self._trouble:
            self._trouble = text
            where = f"host={self._config.host} port={self._config.port}"
            log.error("mqtt broker not available, retrying %s %s", where, text)

    def _converse(self) -> None:
        """One connection from CONNECT to its end. Raises CollectError when it did not come about."""
        committer = self._committer
        session = Session(self._config, self._version, lambda message: committer.receive(session, message))
        asked_mono = self._clock.mono()
        subscribing = False
        try:
            session.open()
            while not self._stop.is_set() and self._step(session):
                if session.connected and not self.connected:
                    self._begin(session)
                elif not self.connected and self._clock.mono() - asked_mono > CONNACK_S:
                    # amqtt waits for ever for the rest of an MQTT 5 CONNECT, which it reads as 3.1.1.
                    self._only_v311 = self._version == V5
                    self._version = V311 if self._only_v311 else V5
                    raise CollectError("connect", f"no CONNACK within {CONNACK_S:g} s")
                if self.connected and self._routes_changed.is_set():
                    self._subscribe(session)
                if subscribing and not session.subscribing:
                    log.info(
                        "mqtt subscribed filters=%d refused=%d", len(self._filters), len(session.subscribe_refused)
                    )
                subscribing = session.subscribing
                if session.subscribe_refused:
                    self._say_refused(session)
                committer.commit_if_due()
                self._send_commands(session)
            if not self._stop.is_set():
                self._check_end(session)
        finally:
            committer.commit_if_due(force=True)
            session.close()

    def _step(self, session: Session) -> bool:
        due_in_s = self._committer.due_in_s
        patience_s = IDLE_S if due_in_s is None else min(due_in_s, IDLE_S)
        if not self._committer.full:
            return session.step(patience_s)
        self.events["paused"] += 1  # reading nothing, so that the broker keeps what comes
        self._stop.wait(patience_s)
        return True

    def _begin(self, session: Session) -> None:
        self.connected, self._trouble = True, ""
        self.events["connected"] += 1
        self._committer.connected(session_present=session.present)
        self._routes_changed.set()
        log.info(
            "mqtt connected host=%s session_present=%s version=%d", self._config.host, session.present, session.version
        )

    def _check_end(self, session: Session) -> None:
        """Why it ended: raises what the broker said, if it said something."""
        if session.refused is not None:
            code = session.refused.value
            if code == BAD_VERSION and self._version == V5:
                self._version, self._only_v311 = V311, True
            auth = code in BAD_CREDENTIALS
            raise CollectError("auth" if auth else "refused", f"broker says: {session.refused}", retryable=not auth)
        if not self.connected:
            # Some old brokers hang up on MQTT 5 instead of refusing it: try the two in turn until one is accepted.
            self._version = V311 if self._version == V5 else V5
            asks = "; does it ask for a client certificate?" if self._config.tls and not self._config.cert_file else ""
            raise CollectError("connect", f"connection closed before CONNACK{asks}")
        if not self._only_v311:
            self._version = V5  # whoever hung up may only have been starting

    def _subscribe(self, session: Session) -> None:
        """On every connect and after new routes; filters of a former configuration are taken off the session."""
        self._routes_changed.clear()
        wanted = self._filters
        session.subscribe(wanted)
        self._committer.plan.ask_for_births(self._clock.now())
        with contextlib.suppress(SpoolError):  # a full disk: the note is brought up to date another time
            noted = json.loads(self._spool.get_note("mqtt_filters") or "[]")
            session.unsubscribe(sorted(set(noted) - set(wanted)))
            if set(noted) != set(wanted):
                self._spool.set_note("mqtt_filters", json.dumps(wanted))

    def _send_commands(self, session: Session) -> None:
        """What decoders wish to ask of devices (Sparkplug: tell all your names again)."""
        commands = self._committer.plan.commands
        for _ in range(min(len(commands), COMMANDS_AT_ONCE)):
            topic, payload = commands.popitem()
            session.publish(topic, payload)
            self.events["rebirth_asked"] += 1

    def _say_refused(self, session: Session) -> None:
        refused, session.subscribe_refused = session.subscribe_refused, []
        self.events["subscribe_refused"] += len(refused)
        log.error("mqtt broker refused subscriptions count=%d first=%s", len(refused), refused[0])
