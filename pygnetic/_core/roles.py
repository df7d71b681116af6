"""The two roles in a session: the end that asks to be let in, and the end that answers."""

from collections.abc import Callable

from pygnetic._core import packets
from pygnetic._core.session import CLOSING, CONNECTING, Asked, Ending, Outgoing, Session
from pygnetic._help.differences import difference
from pygnetic.errors import DecodeError, DisconnectReason, Reason
from pygnetic.limits import DEFAULT, Limits
from pygnetic.message import MessageFactory

__all__: list[str] = []

# The codes that a client may write into its BYE: no server is to read there that it was full.
_OF_CLIENTS = {
    DisconnectReason.CLOSED,
    DisconnectReason.TIMEOUT,
    DisconnectReason.PROTOCOL_ERROR,
    DisconnectReason.OVERLOADED,
}
# A client that says BYE and then sends nonsense does not choose the reason that its server tells.
_FAULTS = (DisconnectReason.PROTOCOL_ERROR, DisconnectReason.OVERLOADED)


class ClientSession(Session):
    """The end that asks to be let in.

    :param unreachable: returns the text for a server that did not answer.
    """

    __slots__ = ("_greeted", "_unreachable")

    def __init__(
        self,
        factory: MessageFactory,
        limits: Limits = DEFAULT,
        now: float = 0.0,
        phase: float = 0.0,
        unreachable: Callable[[], str] = lambda: "nobody answered",
    ) -> None:
        super().__init__(factory, limits, now, phase)
        self._unreachable = unreachable
        self._greeted = False

    def opened(self, now: float) -> None:
        """Packets can be sent: say HELLO."""
        if not self._greeted:
            hello = packets.hello(self._factory.get_hash(), self._factory.s_adapter.wire_name)
            self.outgoing = (Outgoing(hello),)
            self._greeted = True

    def _shake_hands(self, kind: int, packet: bytes, now: float) -> bool:
        if self.state != CONNECTING:
            return False
        if kind == packets.REFUSE:
            reason, description = packets.read_refuse(packet)
            if description:
                text = difference(description, self._factory.description())
                reason = Reason(reason.code, packets.printable(text))
            self.reason = reason
            self._end_up(CLOSING, now + self._limits.close_time)
            return True
        if kind == packets.WELCOME and len(packet) == 2:
            self._open(now)
            return True
        return False

    def _give_up(self, now: float) -> None:
        if self.state == CONNECTING:  # else it closes already
            self.reason = Reason(DisconnectReason.UNREACHABLE, self._unreachable())
        super()._give_up(now)

    def _explain(self, code: DisconnectReason) -> str:
        if code == DisconnectReason.UNREACHABLE:
            return self._unreachable()
        if code == DisconnectReason.LOST and self.state == CONNECTING:
            return (
                "the other end closed the connection before it let us in; is it a pygnetic server, and was update() "
                "called within 5 s of connect()?"
            )
        return super()._explain(code)


class ServerSession(Session):
    """The end that lets in."""

    __slots__ = ()

    def welcome(self, now: float) -> None:
        """Let the client in."""
        self.outgoing = (Outgoing(packets.welcome()),)
        self._open(now)

    def refuse(self, reason: Reason, now: float, description: str = "") -> None:
        """Do not let the client in.

        :param description: the messages here, if those of the client differ; it is told the first difference.
        """
        self.reason = reason
        self._send(packets.refuse(reason, description, min(self._limits.packet_size, self._limits.unsent)))
        self.ending = Ending.AFTER_DATA
        self._end_up(CLOSING, now + self._limits.close_time)

    def _receive_data(self, packet: bytes, now: float) -> None:
        if self.state == CONNECTING:
            self._fault(Reason(DisconnectReason.PROTOCOL_ERROR, "the first packet was not a HELLO"), now)
        else:
            super()._receive_data(packet, now)

    def _control(self, kind: int, packet: bytes, now: float) -> bool:
        if self.state == CONNECTING and kind not in (packets.PING, packets.HELLO):
            raise DecodeError("the first packet was not a HELLO")
        return super()._control(kind, packet, now)

    def _shake_hands(self, kind: int, packet: bytes, now: float) -> bool:
        if self.state != CONNECTING:
            return False
        hello = packets.read_hello(packet)
        if hello.version != packets.VERSION:
            text = f"server: protocol {packets.VERSION}; client: protocol {hello.version}; update the older one"
            self.refuse(Reason(DisconnectReason.VERSION_MISMATCH, text), now)
        else:
            ours = self._factory.get_hash(), self._factory.s_adapter.wire_name
            self.events = (Asked(hello, ours == (hello.schema_hash, hello.wire_name)),)
        return True

    def _fault(self, reason: Reason, now: float) -> None:
        if self.state == CONNECTING:
            self.refuse(reason, now)
        else:
            super()._fault(reason, now)

    def _flooded(self, now: float) -> None:
        if self.state == CONNECTING:
            raise DecodeError("too many PINGs before HELLO")
        super()._flooded(now)

    def _prevails(self, reason: Reason) -> bool:
        return reason.code in _FAULTS

    def _code_told(self, code: DisconnectReason) -> DisconnectReason:
        return DisconnectReason.KICKED if code == DisconnectReason.CLOSED else code

    def _accepted(self, reason: Reason) -> Reason:
        return reason if reason.code in _OF_CLIENTS else Reason(DisconnectReason.CLOSED, reason.text)
