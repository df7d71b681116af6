"""The life of one connection as a state machine: packets and times go in, packets and events come out. No I/O.

The caller owns the network and the clock, as with h11 and with the sans-I/O core of websockets. After each call that
can change something, it sends ``packets_to_send()``, reads ``next_event()`` until that returns None, and looks at
``ending`` and ``deadline``. ``doc/protocol.rst`` describes the protocol itself.

Ctrl-C may interrupt the caller anywhere. A call that was interrupted can be repeated with the same packet object: each
method sets the state last, and a packet stays in ``packets_to_send()`` until the next one is asked for.
"""

from collections.abc import Iterator
from enum import Enum, IntEnum
from math import inf
from typing import NamedTuple

from pygnetic._core import packets
from pygnetic.errors import DecodeError, DisconnectReason, Reason
from pygnetic.limits import DEFAULT, Limits
from pygnetic.message import MessageFactory
from pygnetic.stats import Meter

__all__: list[str] = []

# Seconds between two PINGs: ten of them fit into the default idle time.
_PING_EVERY = 1.0
# Seconds that the last packets have to arrive after a BYE which says that the other program ends.
_FINAL_PACKETS = 0.25
# Control packets accepted of one end at one time: an honest end sends two a second, and the caller may have been
# stalled for a minute.
_CONTROLS = 256


class State(IntEnum):
    """How far a connection is."""

    CONNECTING = 0
    OPEN = 1
    #: The other end has said BYE, or is gone; what it sent before is still delivered.
    LEAVING = 2
    #: This end closes, or was refused; what comes in is dropped.
    CLOSING = 3
    #: Nothing happens any more.
    CLOSED = 4


# A look-up in an enum takes four times as long as a global name.
CONNECTING, OPEN, LEAVING, CLOSING, CLOSED = State


class Ending(Enum):
    """What the caller does to the line after it has sent ``packets_to_send()``."""

    AFTER_DATA = "close it when everything that was sent has arrived"
    BEFORE_DATA = "close it; the BYE goes before what was sent and has not left"
    NOW = "close it at once"


class Outgoing(NamedTuple):
    """A control packet to send."""

    packet: bytes
    #: False if it may be lost, and may overtake others.
    reliable: bool = True
    #: Whether it goes before what was sent and has not left; that may be dropped.
    overtaking: bool = False


class Asked(NamedTuple):
    """A client wants to be let in; answer by ``welcome()`` or ``refuse()``."""

    hello: packets.Hello
    #: Whether its messages are the server's.
    matches: bool


class Opened(NamedTuple):
    """Messages can be sent and received from now on."""

    def __bool__(self) -> bool:  # so that "while event := session.next_event()" does not stop here
        return True


class Data(NamedTuple):
    """A packet of messages came. On a channel of its own it may come before Opened: keep it till then."""

    packet: bytes


class Ended(NamedTuple):
    """No message can be sent any more; ``state`` tells whether some may still come."""

    reason: Reason


Event = Asked | Opened | Data | Ended
_OPENED = (Opened(),)


class Session:
    """What both ends of a connection do alike: keep in touch, time out, close.

    :param factory: the messages; frozen.
    :param limits: times, and sizes of packets.
    :param now: seconds, monotonic; so is every other ``now``.
    :param phase: 0.0 to 1.0, which part of a second to wait with the first PING, so that those of many do not all fall
        into one frame.
    """

    __slots__ = (
        "_controls", "_counted_at", "_current", "_factory", "_intent", "_limits", "_phase",
        "deadline", "ending", "events", "heard", "meter", "outgoing", "reason", "state",
    )  # fmt: skip

    def __init__(self, factory: MessageFactory, limits: Limits = DEFAULT, now: float = 0.0, phase: float = 0.0) -> None:
        self._factory = factory
        self._limits = limits
        self._phase = phase
        #: How far it is.
        self.state: State = CONNECTING
        #: Why it ended; None while it has not.
        self.reason: Reason | None = None
        #: What to do to the line; None while it is needed.
        self.ending: Ending | None = None
        #: When to call :meth:`expire` next.
        self.deadline = now + limits.connect_time
        #: When something of the other end came last.
        self.heard = now
        #: Round trips and losses.
        self.meter = Meter(now)
        #: What :meth:`next_event` and :meth:`packets_to_send` have left; to look at only.
        self.events: tuple[Event, ...] = ()
        self.outgoing: tuple[Outgoing, ...] = ()
        self._current: bytes | None = None  # the packet that came last
        self._controls = 0  # control packets that came at one time, and that time
        self._counted_at = now
        # what close() was told: expire() repeats it if Ctrl-C came before its end
        self._intent: tuple[Reason, str, Ending] | None = None

    # -- what the caller reads

    def next_event(self) -> Event | None:
        """Return what happened next; None if nothing is left."""
        if not self.events:
            return None
        event, self.events = self.events[0], self.events[1:]
        return event

    def forget_events(self) -> None:
        """Drop what :meth:`next_event` would return, for a caller to whom ``state`` tells it all."""
        self.events = ()

    def packets_to_send(self) -> Iterator[Outgoing]:
        """Return the control packets to send; each is forgotten when the next one is asked for."""
        while self.outgoing:
            yield self.outgoing[0]
            self.sent()

    def sent(self) -> None:
        """Forget the first of ``outgoing``, for a caller who looks at that."""
        self.outgoing = self.outgoing[1:]

    # -- what the caller tells

    def receive(self, packet: bytes, now: float) -> None:
        """Process a packet of the other end; whatever it holds, nothing is raised.

        :param packet: a whole one. The same object once more stands for a call that was interrupted.
        """
        again, self._current = packet is self._current, packet
        self.heard = now
        if packet[:1] != packets.MARKED:
            self._receive_data(packet, now)
        elif self.state < LEAVING:
            if now != self._counted_at:
                self._counted_at, self._controls = now, 0
            self._controls += 1
            kind = packet[1] if len(packet) > 1 else 0
            try:
                if self._controls > _CONTROLS:
                    self._flooded(now)
                elif not self._control(kind, packet, now) and not again:
                    raise DecodeError(f"control packet {kind} does not belong here")
            except DecodeError as error:
                self._fault(Reason(DisconnectReason.PROTOCOL_ERROR, packets.printable(str(error))), now)

    def hear(self, when: float) -> None:
        """Record that data came, which did not pass :meth:`receive`."""
        self.heard = max(self.heard, when)

    def excuse(self, seconds: float) -> None:
        """Give the other end more time: this process was stalled, and not the other one."""
        self.heard += seconds
        if self.state != OPEN:  # an open connection times out by when it was heard
            self.deadline += seconds

    def lost(self, code: DisconnectReason, now: float) -> None:
        """Process the end of the line, whoever closed it.

        :param code: LOST, UNREACHABLE if it never opened, or PROTOCOL_ERROR for bytes that are no packets.
        """
        if self.reason is None:
            self.reason = Reason(code, self._explain(code))
        self._end_up(CLOSING if self.state == CONNECTING else LEAVING, inf)

    def expire(self, now: float) -> None:
        """Do what is due: send a PING, or give up; nothing before the ``deadline``."""
        if self._intent is not None and self.state < CLOSING:
            reason, told, ending = self._intent
            self.close(reason, now, told=told, ending=ending)
        elif now < self.deadline:
            return
        elif self.state == OPEN:
            self._keep_alive(now)
        else:
            self._give_up(now)

    def close(
        self,
        reason: Reason,
        now: float,
        *,
        told: str = "",
        ending: Ending = Ending.AFTER_DATA,
        final: bool = False,
    ) -> None:
        """Close from this side: say BYE, and drop what comes in. Harmless when repeated.

        :param reason: what this side reads.
        :param told: what the other side reads, if that is something else.
        :param ending: what becomes of what was sent before.
        :param final: nobody goes on reading here, since the program ends.
        """
        if self.state >= CLOSING:
            return
        opened = self.state == OPEN
        self._intent = reason, told, ending
        if self.reason is None or self._prevails(reason):
            self.reason = reason
        if opened:
            said = Reason(self._code_told(reason.code), told or reason.text)
            bye = packets.bye(said, final or ending is not Ending.AFTER_DATA, self._limits.packet_size)
            self._send(bye, overtaking=ending is Ending.BEFORE_DATA)
        elif ending is Ending.BEFORE_DATA:  # there is no BYE
            ending = Ending.NOW
        self.ending = ending
        self._end_up(CLOSING, now + self._limits.close_time)

    def end(self, reason: Reason | None = None) -> None:
        """Be closed, without another word."""
        self.reason = self.reason or reason or Reason(DisconnectReason.CLOSED)
        self.deadline = inf
        self.state = CLOSED

    # -- what the two roles do in their own way

    def _receive_data(self, packet: bytes, now: float) -> None:
        if self.state < CLOSING:
            self.events += (Data(packet),)

    def _shake_hands(self, kind: int, packet: bytes, now: float) -> bool:
        """Process what only one role receives; False if it does not belong here."""
        raise NotImplementedError

    def _prevails(self, reason: Reason) -> bool:
        """Whether a reason replaces one that is there."""
        return False

    def _code_told(self, code: DisconnectReason) -> DisconnectReason:
        return code

    def _accepted(self, reason: Reason) -> Reason:
        """Return what to believe of the reason in a BYE."""
        return reason

    # -- what they share

    def _send(self, packet: bytes, reliable: bool = True, overtaking: bool = False) -> None:
        self.outgoing += (Outgoing(packet, reliable, overtaking),)

    def _open(self, now: float) -> None:
        self.events += _OPENED
        self.heard = now
        self.deadline = now + self._phase * _PING_EVERY
        self.state = OPEN

    def _end_up(self, state: State, deadline: float) -> None:
        """Leave CONNECTING or OPEN; the reason is there already."""
        self.deadline = deadline
        if self.state < LEAVING and self.reason is not None:
            self.events += (Ended(self.reason),)
        self.state = max(state, self.state)

    def _control(self, kind: int, packet: bytes, now: float) -> bool:
        """Process a control packet; False if it does not belong here.

        :raises DecodeError: it is not a valid one.
        """
        if kind == packets.PING:
            self._send(packets.pong(packet), reliable=False)
        elif kind == packets.PONG:
            rtt = packets.read_pong(packet, now)
            self.meter.answered(packets.stamp(packet), rtt * 1000)
        elif kind == packets.BYE:
            reason, final = packets.read_bye(packet)
            self.reason = self._accepted(reason)
            patience = _FINAL_PACKETS if final else self._limits.close_time
            self._end_up(LEAVING if self.state == OPEN else CLOSING, now + patience)
        else:
            return self._shake_hands(kind, packet, now)
        return True

    def _fault(self, reason: Reason, now: float) -> None:
        """The other end has broken the protocol."""
        self.close(reason, now)

    def _flooded(self, now: float) -> None:
        self.close(Reason(DisconnectReason.OVERLOADED, f"more than {_CONTROLS} control packets came at once"), now)

    def _keep_alive(self, now: float) -> None:
        end = self.heard + self._limits.idle_time
        if now >= end:
            text = f"nothing was heard for {self._limits.idle_time:g} s (Limits.idle_time)"
            self.close(Reason(DisconnectReason.TIMEOUT, text), now, ending=Ending.NOW)
            return
        ping = packets.ping(now)
        self._send(ping, reliable=False)  # in order, a PING that a message overtakes would count as lost
        self.meter.pinged(packets.stamp(ping))
        self.deadline = min(now + _PING_EVERY, end)

    def _give_up(self, now: float) -> None:
        self.ending = Ending.NOW
        self._end_up(CLOSING, inf)

    def _explain(self, code: DisconnectReason) -> str:
        if code == DisconnectReason.PROTOCOL_ERROR:
            size = self._limits.packet_size
            return f"a packet over {size} bytes (Limits.packet_size), or none of ours, came"
        return (
            "the connection broke: the other program ended or was restarted without a word, or one of the two stood "
            "still for more than 5 s"
        )
