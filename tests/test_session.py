"""The session, driven by hand: two of them with a made-up clock, no adapter and no loop."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pygnetic._core import packets
from pygnetic._core.roles import ClientSession, ServerSession
from pygnetic._core.session import Asked, Data, Ended, Ending, Opened, Session, State
from pygnetic.errors import DisconnectReason, Reason
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory

CLOSED, KICKED, LOST = DisconnectReason.CLOSED, DisconnectReason.KICKED, DisconnectReason.LOST
LIMITS = Limits(connect_time=5.0, idle_time=10.0, close_time=3.0)
# What may come: every kind of control packet, valid and not, and packets of messages.
PACKETS = [
    b"", b"\xc1", b"\xc1\x00", b"\xc1\x63", b"\xc1\x01\x01", b"[1]", packets.welcome(), packets.welcome() + b"x",
    packets.ping(1.0), packets.ping(1.0)[:-1], packets.pong(packets.ping(1.0)), packets.pong(packets.ping(1.0))[:-1],
    packets.hello(1, "json"), packets.refuse(Reason(KICKED, "no")), packets.bye(Reason(KICKED, "go")), b"\xc1\x06\xff",
]  # fmt: skip


def messages(*names: str) -> MessageFactory:
    factory = MessageFactory("json")
    for name in names or ("echo",):
        factory.register(name, ("text",))
    factory.set_frozen()
    return factory


def events(session: Session) -> list[Any]:
    """Take all events of a session."""
    return list(iter(session.next_event, None))


class Ends:
    """A client's session and a server's, and the packets between them."""

    def __init__(self, client: MessageFactory | None = None, server: MessageFactory | None = None) -> None:
        self.now = 100.0
        self.client = ClientSession(client or messages(), LIMITS, self.now, unreachable=lambda: "nobody is at home")
        self.server = ServerSession(server or messages(), LIMITS, self.now)

    def carry(self) -> None:
        """Carry packets until none is left."""
        while self.client.outgoing or self.server.outgoing:
            for source, target in ((self.client, self.server), (self.server, self.client)):
                for outgoing in source.packets_to_send():
                    target.receive(outgoing.packet, self.now)

    def open(self) -> None:
        """Say HELLO, and WELCOME."""
        self.client.opened(self.now)
        self.carry()
        self.server.welcome(self.now)
        self.carry()
        assert self.client.state == self.server.state == State.OPEN
        events(self.client), events(self.server)

    def wait(self, seconds: float) -> None:
        """Let time pass, and each session do what is due then."""
        end = self.now + seconds
        while (due := min(self.client.deadline, self.server.deadline)) <= end:
            self.now = max(due, self.now)
            self.client.expire(self.now)
            self.server.expire(self.now)
            self.carry()
        self.now = end


@pytest.fixture
def ends() -> Ends:
    made = Ends()
    made.open()
    return made


# -- the handshake


def test_hello_and_welcome() -> None:
    ends = Ends()
    assert ends.client.state == ends.server.state == State.CONNECTING
    assert not ends.client.outgoing and ends.client.deadline == ends.now + 5
    ends.client.opened(ends.now)
    assert [outgoing.packet[:2] for outgoing in ends.client.outgoing] == [b"\xc1\x01"]
    ends.carry()
    [asked] = events(ends.server)
    assert isinstance(asked, Asked) and asked.matches and asked.hello.wire_name == "json"
    assert ends.server.state == State.CONNECTING, "it waits for the caller's answer"
    ends.server.welcome(ends.now)
    assert events(ends.server) == [Opened()]
    ends.carry()
    assert events(ends.client) == [Opened()]
    assert ends.client.state == ends.server.state == State.OPEN


def test_every_packet_of_the_handshake_is_reliable() -> None:
    ends = Ends()
    ends.client.opened(ends.now)
    assert [(outgoing.reliable, outgoing.overtaking) for outgoing in ends.client.packets_to_send()] == [(True, False)]


def test_other_messages_are_told_by_their_first_difference() -> None:
    ends = Ends(client=messages("echo", "chat"), server=messages("echo", "chatter"))
    ends.client.opened(ends.now)
    ends.carry()
    [asked] = events(ends.server)
    assert not asked.matches
    other = Reason(DisconnectReason.SCHEMA_MISMATCH, "the server has other messages")
    ends.server.refuse(other, ends.now, messages("echo", "chatter").description())
    assert ends.server.ending is Ending.AFTER_DATA and events(ends.server) == [Ended(other)]
    ends.carry()
    [ended] = events(ends.client)
    assert ended.reason == ends.client.reason and ended.reason.code == DisconnectReason.SCHEMA_MISMATCH
    assert "chat(text)" in ended.reason.text and "chatter(text)" in ended.reason.text
    assert ends.client.state == State.CLOSING and ends.client.ending is None, "the server closes the line"


def test_a_full_server_says_so() -> None:
    ends = Ends()
    ends.client.opened(ends.now)
    ends.carry()
    ends.server.refuse(Reason(DisconnectReason.SERVER_FULL, "full"), ends.now)
    ends.carry()
    assert ends.client.reason == Reason(DisconnectReason.SERVER_FULL, "full")
    assert ends.client.deadline == ends.server.deadline == ends.now + 3


def test_another_version_is_refused_without_a_question() -> None:
    ends = Ends()
    ends.server.receive(b"\xc1\x01\x09" + bytes(20), ends.now)
    [ended] = events(ends.server)
    assert ended.reason.code == DisconnectReason.VERSION_MISMATCH and "protocol 9" in ended.reason.text


@pytest.mark.parametrize("packet", [b"", b"[1]", packets.welcome(), packets.bye(Reason(CLOSED)), b"\xc1", b"\xc1\x01"])
def test_a_server_wants_hello_first(packet: bytes) -> None:
    ends = Ends()
    ends.server.receive(packet, ends.now)
    [ended] = events(ends.server)
    assert ended.reason.code == DisconnectReason.PROTOCOL_ERROR and "HELLO" in ended.reason.text
    assert [outgoing.packet[:2] for outgoing in ends.server.packets_to_send()] == [b"\xc1\x03"]


def test_a_server_answers_pings_before_hello_but_not_all_of_them() -> None:
    ends = Ends()
    for number in range(257):
        ends.server.receive(packets.ping(number), ends.now)
    sent = list(ends.server.packets_to_send())
    assert [outgoing.packet[1] for outgoing in sent] == [packets.PONG] * 256 + [packets.REFUSE]
    assert ends.server.reason == Reason(DisconnectReason.PROTOCOL_ERROR, "too many PINGs before HELLO")


@pytest.mark.parametrize("packet", [packets.welcome(), packets.hello(1, "json"), packets.refuse(Reason(KICKED))])
@pytest.mark.parametrize("role", ["client", "server"])
def test_a_handshake_packet_does_not_belong_into_an_open_session(ends: Ends, role: str, packet: bytes) -> None:
    session: Session = getattr(ends, role)
    session.receive(packet, ends.now)
    assert session.reason is not None and session.reason.code == DisconnectReason.PROTOCOL_ERROR


def test_hello_is_said_once() -> None:
    ends = Ends()
    ends.client.opened(ends.now)
    assert len(list(ends.client.packets_to_send())) == 1
    ends.client.opened(ends.now)
    assert not ends.client.outgoing


def test_a_client_gives_up() -> None:
    ends = Ends()
    ends.client.expire(ends.now + 4.999)
    assert ends.client.state == State.CONNECTING
    ends.client.expire(ends.now + 5)
    assert ends.client.reason == Reason(DisconnectReason.UNREACHABLE, "nobody is at home")
    assert ends.client.state == State.CLOSING and ends.client.ending is Ending.NOW and ends.client.deadline == inf


def test_a_server_gives_up_without_a_word() -> None:
    ends = Ends()
    ends.server.expire(ends.now + 5)
    assert ends.server.ending is Ending.NOW and not ends.server.outgoing and events(ends.server) == []


@pytest.mark.parametrize(
    ("code", "text"), [(DisconnectReason.UNREACHABLE, "nobody is at home"), (LOST, "before it let us in")]
)
def test_a_line_that_never_opened(code: DisconnectReason, text: str) -> None:
    ends = Ends()
    ends.client.lost(code, ends.now)
    assert ends.client.reason is not None and ends.client.reason.code == code and text in ends.client.reason.text
    assert ends.client.state == State.CLOSING


# -- keep-alive and timeout


def test_pings_measure_the_round_trip(ends: Ends) -> None:
    ends.client.expire(ends.client.deadline)
    [ping] = ends.client.packets_to_send()
    assert not ping.reliable and ends.client.deadline == ends.now + 1
    ends.server.receive(ping.packet, ends.now + 0.01)
    [pong] = ends.server.packets_to_send()
    assert not pong.reliable
    ends.client.receive(pong.packet, ends.now + 0.025)
    assert ends.client.meter.rtt == pytest.approx(25.0)


def test_the_first_ping_waits_for_its_phase() -> None:
    session = ClientSession(messages(), LIMITS, 100.0, phase=0.25)
    session.receive(packets.welcome(), 101.0)
    assert session.deadline == 101.25


def test_two_ends_that_ping_each_other_stay_open(ends: Ends) -> None:
    ends.wait(120)
    assert ends.client.state == ends.server.state == State.OPEN
    assert ends.client.meter.loss == 0.0


def test_an_end_that_hears_nothing_times_out(ends: Ends) -> None:
    since = ends.now
    while ends.client.state == State.OPEN:
        ends.client.expire(ends.client.deadline)
        *_, last = ends.client.packets_to_send()
    assert ends.client.heard == since and ends.client.deadline == since + 10 + 3
    assert ends.client.reason == Reason(DisconnectReason.TIMEOUT, "nothing was heard for 10 s (Limits.idle_time)")
    assert ends.client.ending is Ending.NOW
    assert packets.read_bye(last.packet).reason.code == DisconnectReason.TIMEOUT


def test_data_that_passes_by_is_heard(ends: Ends) -> None:
    ends.client.hear(ends.now + 8)
    ends.client.hear(ends.now + 7)
    ends.client.expire(ends.now + 17.9)
    assert ends.client.state == State.OPEN
    ends.client.expire(ends.now + 18)
    assert ends.client.state == State.CLOSING


def test_a_stall_of_this_process_is_no_silence_of_the_other(ends: Ends) -> None:
    ends.client.excuse(60)
    ends.client.expire(ends.now + 69)
    assert ends.client.state == State.OPEN
    waiting = ClientSession(messages(), LIMITS, ends.now)
    waiting.excuse(60)
    waiting.expire(ends.now + 64)
    assert waiting.state == State.CONNECTING


def test_nothing_expires_early(ends: Ends) -> None:
    ends.client.expire(ends.client.deadline - 0.001)
    assert not ends.client.outgoing


# -- the end


def test_bye_from_a_client(ends: Ends) -> None:
    ends.client.close(Reason(CLOSED, "bedtime"), ends.now)
    assert ends.client.state == State.CLOSING and ends.client.ending is Ending.AFTER_DATA
    ends.carry()
    assert ends.server.state == State.LEAVING and ends.server.reason == Reason(CLOSED, "bedtime")
    assert ends.server.ending is None, "the client closes the line"
    assert events(ends.server) == [Ended(Reason(CLOSED, "bedtime"))]
    for session in ends.client, ends.server:
        session.lost(LOST, ends.now)
    assert ends.server.state == State.LEAVING and ends.client.state == State.CLOSING
    assert ends.client.reason == ends.server.reason == Reason(CLOSED, "bedtime")
    assert ends.client.deadline == ends.server.deadline == inf
    ends.server.end()
    assert ends.server.state == State.CLOSED and events(ends.server) == []


def test_a_server_that_closes_has_kicked(ends: Ends) -> None:
    ends.server.close(Reason(CLOSED, "be nice"), ends.now)
    ends.carry()
    assert ends.server.reason == Reason(CLOSED, "be nice")
    assert ends.client.reason == Reason(KICKED, "be nice")


def test_the_other_end_may_be_told_something_else(ends: Ends) -> None:
    mine = Reason(DisconnectReason.OVERLOADED, "Limits.unsent")
    ends.server.close(mine, ends.now, told="too fast", ending=Ending.BEFORE_DATA)
    [bye] = ends.server.packets_to_send()
    assert bye.overtaking and packets.read_bye(bye.packet) == (Reason(DisconnectReason.OVERLOADED, "too fast"), True)
    assert ends.server.reason == mine


@pytest.mark.parametrize("code", DisconnectReason)
def test_a_client_cannot_say_what_only_servers_say(ends: Ends, code: DisconnectReason) -> None:
    ends.server.receive(packets.bye(Reason(code, "text")), ends.now)
    ours = code in (CLOSED, DisconnectReason.TIMEOUT, DisconnectReason.PROTOCOL_ERROR, DisconnectReason.OVERLOADED)
    assert ends.server.reason == Reason(code if ours else CLOSED, "text")


def test_a_server_may_say_anything(ends: Ends) -> None:
    ends.client.receive(packets.bye(Reason(DisconnectReason.SERVER_FULL, "text")), ends.now)
    assert ends.client.reason == Reason(DisconnectReason.SERVER_FULL, "text")


@pytest.mark.parametrize(("final", "patience"), [(False, 3.0), (True, 0.25)])
def test_a_program_that_ends_gives_its_last_packets_less_time(ends: Ends, final: bool, patience: float) -> None:
    ends.client.close(Reason(CLOSED), ends.now, final=final)
    ends.carry()
    assert ends.server.deadline == ends.now + patience
    ends.server.expire(ends.server.deadline)
    assert ends.server.ending is Ending.NOW


def test_only_the_first_bye_counts(ends: Ends) -> None:
    for text in "first", "second":
        ends.server.receive(packets.bye(Reason(CLOSED, text)), ends.now)
    assert ends.server.reason == Reason(CLOSED, "first")


def test_close_is_harmless_when_repeated(ends: Ends) -> None:
    ends.client.close(Reason(CLOSED, "first"), ends.now)
    ends.client.close(Reason(CLOSED, "second"), ends.now + 1)
    assert ends.client.reason == Reason(CLOSED, "first") and len(ends.client.outgoing) == 1
    assert ends.client.deadline == ends.now + 3


def test_nonsense_after_bye_does_not_choose_what_the_server_tells(ends: Ends) -> None:
    ends.server.receive(packets.bye(Reason(CLOSED, "bye")), ends.now)
    ends.client.receive(packets.bye(Reason(CLOSED, "bye")), ends.now)
    fault = Reason(DisconnectReason.PROTOCOL_ERROR, "nonsense")
    ends.server.close(fault, ends.now)
    ends.client.close(fault, ends.now)
    assert ends.server.reason == fault and ends.client.reason == Reason(CLOSED, "bye")


def test_closing_before_it_was_open_says_nothing() -> None:
    ends = Ends()
    ends.client.close(Reason(CLOSED), ends.now, ending=Ending.BEFORE_DATA)
    assert not ends.client.outgoing and ends.client.ending is Ending.NOW


def test_a_broken_line(ends: Ends) -> None:
    ends.client.lost(LOST, ends.now)
    assert ends.client.state == State.LEAVING, "what came before is still delivered"
    assert ends.client.reason is not None and "the connection broke" in ends.client.reason.text
    ends.server.lost(DisconnectReason.PROTOCOL_ERROR, ends.now)
    assert ends.server.reason is not None and "Limits.packet_size" in ends.server.reason.text


def test_a_flood_of_control_packets(ends: Ends) -> None:
    for number in range(512):
        ends.server.receive(packets.ping(1.0), ends.now + 1 + number // 256)
    assert ends.server.state == State.OPEN, "they are counted at one time"
    ends.server.receive(packets.ping(1.0), ends.now + 2)
    assert ends.server.reason is not None and ends.server.reason.code == DisconnectReason.OVERLOADED


# -- packets of messages


def test_data_comes_as_it_is(ends: Ends) -> None:
    ends.client.receive(b"[1]", ends.now + 1)
    assert events(ends.client) == [Data(b"[1]")] and ends.client.heard == ends.now + 1
    ends.client.receive(packets.bye(Reason(CLOSED)), ends.now)
    ends.client.receive(b"[2]", ends.now)
    assert events(ends.client)[1:] == [Data(b"[2]")]
    ends.client.close(Reason(CLOSED), ends.now)
    ends.client.receive(b"[3]", ends.now)
    assert events(ends.client) == []


def test_data_on_its_way_past_welcome() -> None:
    ends = Ends()
    ends.client.receive(b"[1]", ends.now)
    ends.client.receive(packets.welcome(), ends.now)
    assert events(ends.client) == [Data(b"[1]"), Opened()]


# -- whatever comes, and whatever is interrupted


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.sampled_from(PACKETS) | st.binary(max_size=40) | st.binary(max_size=40).map(b"\xc1".__add__)),
    st.sampled_from(["client", "server", "welcomed"]),
)
def test_nothing_that_comes_raises(stream: list[bytes], role: str) -> None:
    session: Session = ClientSession(messages()) if role == "client" else ServerSession(messages())
    if isinstance(session, ServerSession) and role == "welcomed":
        session.welcome(0.0)
    before = State.CONNECTING
    for number, packet in enumerate(stream):
        session.receive(bytes(bytearray(packet)), number / 10)
        assert session.state >= before, "it never goes back"
        before = session.state
        assert (session.reason is None) == (session.state <= State.OPEN)
        for outgoing in session.packets_to_send():
            assert outgoing.packet[0] == packets.MARK
        events(session)


def interrupted(session: Session, call: Callable[[], None], attribute: str) -> None:
    """Make a call in which Ctrl-C comes when an attribute of the session is to be set."""
    kind = type(session)

    class Interrupts(kind):  # type: ignore[misc, valid-type]
        __slots__ = ()

        def __setattr__(self, name: str, value: Any) -> None:
            if name == attribute:
                raise KeyboardInterrupt
            super().__setattr__(name, value)

    session.__class__ = Interrupts
    with pytest.raises(KeyboardInterrupt):
        call()
    session.__class__ = kind


@pytest.mark.parametrize("attribute", ["reason", "outgoing", "ending", "deadline", "events", "state"])
def test_a_close_that_ctrl_c_interrupts_is_made_up_for(ends: Ends, attribute: str) -> None:
    reason = Reason(CLOSED, "bye")
    interrupted(ends.server, lambda: ends.server.close(reason, ends.now), attribute)
    ends.server.expire(ends.now)
    assert ends.server.state == State.CLOSING and ends.server.reason == reason
    ends.carry()
    assert ends.client.reason == Reason(KICKED, "bye")


@pytest.mark.parametrize("attribute", ["heard", "events", "deadline", "state"])
def test_a_packet_that_ctrl_c_interrupts_is_given_again(attribute: str) -> None:
    ends = Ends()
    welcome = packets.welcome()
    interrupted(ends.client, lambda: ends.client.receive(welcome, ends.now), attribute)
    ends.client.receive(welcome, ends.now)
    assert ends.client.state == State.OPEN
    ends.client.receive(welcome, ends.now)
    assert ends.client.state == State.OPEN, "the same object is the same packet"


def test_a_packet_stays_until_the_next_is_asked_for(ends: Ends) -> None:
    ends.client.close(Reason(CLOSED), ends.now)
    first = next(ends.client.packets_to_send())
    assert list(ends.client.packets_to_send()) == [first]
    assert list(ends.client.packets_to_send()) == []


def test_no_event_is_false() -> None:
    """A loop that reads events as long as there are some must not stop at one."""
    hello = packets.Hello(packets.VERSION, 0, "")
    for event in Asked(hello, False), Opened(), Data(b""), Ended(Reason(CLOSED)):
        assert event
