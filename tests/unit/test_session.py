"""What a v3 session believes, without a network: the time window as a table, and reports that come too late."""

from __future__ import annotations

import pytest

from netmon.collectors.snmp import pdu, v3
from netmon.collectors.snmp.ber import BerError
from netmon.collectors.snmp.session import NOT_IN_TIME, Remote, Sent, Session
from netmon.sim.agent_v3 import UNKNOWN_USER, AgentV3, Asked
from tests.unit.scripted_v3 import CREDENTIAL, ENGINE, RING

MAX = v3.MAX_INT


@pytest.mark.parametrize(
    ("boots", "time_s", "after_s", "timely", "clock"),
    [  # after (3, 1000) at 0: what a message says, how much later it comes, whether it counts, our clock then
        (3, 1000, 0.0, True, (3, 1000)),
        (3, 1010, 10.0, True, (3, 1010)),
        (3, 850, 0.0, True, (3, 1000)),  # reordered: older than what was seen, within the window
        (3, 849, 0.0, False, (3, 1000)),
        (3, 1000, 150.9, True, (3, 1150)),
        (3, 1000, 151.0, False, (3, 1151)),
        (3, 9000, 1.0, True, (3, 9000)),  # its clock runs ahead: ours follows
        (3, 1001, 200.0, True, (3, 1001)),  # its clock runs behind, but forward: ours follows
        (4, 0, 5.0, True, (4, 0)),
        (2, 1000, 0.0, False, (3, 1000)),
        (MAX, 5, 0.0, False, (MAX, 5)),  # RFC 3414, 2.2.2: such an agent must be configured anew
    ],
)
def test_the_window(boots: int, time_s: int, after_s: float, timely: bool, clock: tuple[int, int]) -> None:
    remote = Remote()
    remote.learn(ENGINE, 1, 2, 0.0)
    assert remote.timely(3, 1000, 0.0)  # the first signed message is believed, whatever the introduction said
    assert remote.timely(boots, time_s, after_s) is timely
    assert remote.clock(after_s) == clock


def test_an_introduction_is_no_clock_to_judge_by() -> None:
    """A forged one with boots and time of the far future must not shut the agent out."""
    remote = Remote()
    remote.learn(ENGINE, MAX - 1, MAX, 0.0)
    assert remote.timely(3, 1000, 1.0)
    remote.learn(ENGINE, 9, 9, 2.0)  # nor is one that comes again
    assert remote.clock(1.0) == (3, 1000)


class Talk:
    """A session and its agent."""

    def __init__(self) -> None:
        self.agent = AgentV3(CREDENTIAL, ENGINE, RING, boots=3)
        self.session = Session(Remote(), CREDENTIAL, RING)
        self.body = pdu.encode_pdu(pdu.GET, 5, 0, 0, [])

    def ask(self, message_id: int) -> tuple[Asked | bytes, bool]:
        raw, discovery = self.session.encode(message_id, 5, self.body, 0.0)
        answer = self.agent.receive(raw, 1000.0)
        assert answer is not None
        return answer, discovery

    def judge(self, raw: bytes, discovery: bool = False, newest: bool = True) -> tuple[str, str]:
        return self.session.judge(raw, v3.decode_wrapper(raw), Sent(5, discovery, newest), 0.0)[:2]

    def introduce(self) -> Asked:
        report, discovery = self.ask(1)
        assert isinstance(report, bytes)
        assert discovery
        assert self.judge(report, discovery) == ("again", "discovery")
        asked, discovery = self.ask(2)
        assert isinstance(asked, Asked)
        assert not discovery
        return asked


def test_a_conversation() -> None:
    talk = Talk()
    asked = talk.introduce()
    assert talk.judge(talk.agent.reply(asked, 0, 0, [])) == ("reply", "")


def test_a_response_to_the_introduction_is_none() -> None:
    talk = Talk()
    asked = talk.introduce()
    assert talk.judge(talk.agent.reply(asked, 0, 0, []), discovery=True) == ("ignored", "wrong_pdu")


@pytest.mark.parametrize(("what", "level"), [(NOT_IN_TIME, v3.AUTH), (UNKNOWN_USER, 0)])
def test_a_report_about_a_request_sent_anew_since_changes_nothing(what: tuple[int, ...], level: int) -> None:
    talk = Talk()
    talk.introduce()
    assert talk.judge(talk.agent.report(2, what, level), newest=False) == ("ignored", "late")


def test_a_report_of_another_engine_is_no_refusal() -> None:
    talk = Talk()
    talk.introduce()
    stranger = AgentV3(CREDENTIAL, ENGINE + b"x", RING)
    assert talk.judge(stranger.report(2, UNKNOWN_USER)) == ("ignored", "wrong_engine")
    assert talk.judge(stranger.report(2, UNKNOWN_USER, v3.AUTH)) == ("ignored", "wrong_engine")


@pytest.mark.parametrize("size", [0, 33])
def test_an_introduction_without_a_proper_engine_id_is_none(size: int) -> None:
    talk = Talk()
    report = AgentV3(CREDENTIAL, b"x" * size, RING).report(1, NOT_IN_TIME)
    try:
        assert talk.judge(report, discovery=True) == ("ignored", "wrong_engine")
    except BerError:
        assert size > v3.MAX_ENGINE_ID
    assert talk.session.remote.engine_id == b""
