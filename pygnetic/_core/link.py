"""One remote end as the update loop sees it: the adapter's peer, its session, and what waits in both directions."""

from math import inf
from operator import length_hint

from pygnetic._core.inbox import Inbox
from pygnetic._core.outbox import Outbox
from pygnetic._core.session import Outgoing, Session
from pygnetic.connection import Connection, Loop
from pygnetic.errors import DecodeError
from pygnetic.network.base import Peer

__all__: list[str] = []


class Link:
    """One remote end.

    :param peer: the network adapter's object for it.
    :param session: how far its connection is.
    :param loop: a weak proxy to the loop that has it.
    """

    __slots__ = ("_sending", "connection", "due", "gone", "inbox", "loop", "outbox", "peer", "session")

    inbox: Inbox
    outbox: Outbox

    def __init__(self, peer: Peer, session: Session, loop: Loop) -> None:
        self.peer = peer
        self.session = session
        self.loop = loop
        #: Its Connection, and with that inbox and outbox; None while a server has not let it in.
        self.connection: Connection | None = None
        #: The adapter has no line to it any more.
        self.gone = False
        #: When its timer expires.
        self.due = inf
        # what is being sent, and the peer's `taking` before
        self._sending: tuple[Outgoing, object] | None = None

    def attach(self, connection: Connection, inbox: Inbox, outbox: Outbox) -> None:
        """Have a connection, and what it holds."""
        self.inbox = inbox
        self.outbox = outbox
        self.connection = connection

    def send_control_packets(self) -> None:
        """Send what the session has to send, each packet once, whatever is done again after Ctrl-C."""
        peer, session = self.peer, self.session
        while session.outgoing:
            outgoing = session.outgoing[0]
            if self._sending is None or self._sending[0] is not outgoing:
                self._sending = outgoing, peer.taking
            if peer.taking is self._sending[1] or length_hint(peer.taking):  # else it was taken
                packet, reliable, overtaking = outgoing
                if overtaking:
                    peer.break_off(packet)
                else:
                    peer.send(packet, reliable=reliable, ordered=reliable, urgent=True)
            session.sent()
        self._sending = None

    def is_reliable(self, packet: bytes) -> bool:
        """Whether a packet of messages was sent reliably."""
        assert self.connection is not None
        factory = self.connection.message_factory
        try:
            first = factory.unpack_packet(packet, self.loop.limits)[0]
        except DecodeError:
            return True  # the dispatch will find out, and close
        return factory.get_delivery(type(first)).reliable
