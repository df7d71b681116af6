"""The loop of a Server: it lets clients in, and bounds those that are not in yet and those that leave."""

from collections.abc import Callable
from functools import partial
from itertools import starmap
from math import inf
from typing import Protocol

from pygnetic import event
from pygnetic._core.closing import ClosingLoop
from pygnetic._core.dispatch import Call, Report
from pygnetic._core.link import Link
from pygnetic._core.loop import Owner
from pygnetic._core.pending import Pending
from pygnetic._core.roles import ServerSession
from pygnetic._core.session import CONNECTING, LEAVING, OPEN, Asked, Ended
from pygnetic._help.handlers import handler_name, unbound
from pygnetic.connection import Connection
from pygnetic.errors import DisconnectReason, Reason
from pygnetic.handler import Handler
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory
from pygnetic.network import base
from pygnetic.network.base import Adapter, Peer

__all__: list[str] = []

# At most this many connections that close are there beside conn_limit, whichever end closes; then the oldest of them
# is given no more time: each has a handler, and a descriptor. (The enet adapter has as many slots for them.)
_LEAVING = 32
_CROWD = "too many others are just connecting to the server, most of them from your address; try again in a moment"


class Host(Owner, Protocol):
    """What the loop asks of its Server."""

    #: Makes the handler of each client.
    handler: Callable[[], Handler] | None


class Hosting(ClosingLoop):
    """The loop of a Server.

    :param factory: the messages; frozen.
    """

    owner: Host
    role = "server"
    last_text = "the server was closed"

    def __init__(
        self,
        owner: Host,
        name: str,
        adapter: Adapter,
        limits: Limits,
        report: Report,
        factory: MessageFactory,
    ) -> None:
        super().__init__(owner, name, adapter, limits, report)
        self._factory = factory
        self.pending = Pending()
        self.unannounced: dict[Link, float] = {}  # let in when; the user was not told yet
        self.leaving: dict[Link, None] = {}  # closing or gone, and not CLOSED yet; the oldest first

    def open_connections(self) -> list[Connection]:
        """Return those that can be sent to."""
        links = self.links.values()
        return [link.connection for link in links if link.session.state == OPEN and link.connection is not None]

    # -- pending connections

    def feed_pending(self, kind: int, peer: Peer, packet: bytes, info: object, now: float) -> None:
        """Process an event of a peer that is not let in yet."""
        link = self.pending.get(peer)
        if kind == base.OPENED:
            if link is None:
                if len(self.pending) >= self.limits.strangers:
                    self._push_out(self.pending.eviction_candidate())
                session = ServerSession(self._factory, self.limits, now, self.next_phase())
                link = self.pending[peer] = Link(peer, session, self.proxy)
            self.timers.set(link, link.session.deadline)
        elif link is not None and kind == base.CLOSED:
            del self.pending[peer]
            link.session.end()
            self.timers.set(link, inf)
        elif link is not None:
            link.session.receive(packet, now)
            self.follow(link)

    def _push_out(self, link: Link) -> None:
        """Close a pending connection to make room for the next, and say why: it may be an honest client."""
        session = link.session
        assert isinstance(session, ServerSession)
        if session.state == CONNECTING:
            session.refuse(Reason(DisconnectReason.SERVER_FULL, _CROWD), self.now)
            self.follow(link)
        link.peer.abort()
        session.end()
        self.timers.set(link, inf)
        self.pending.pop(link.peer, None)

    def follow(self, link: Link) -> None:
        """Do what the session of a link wants done; harmless when repeated."""
        if link.peer in self.links:
            super().follow(link)
            return
        session = link.session
        assert isinstance(session, ServerSession)
        asked = True  # by a client, and not by "python -m pygnetic ping", which has no messages
        while session.events:
            happening = session.next_event()
            if isinstance(happening, Asked):
                asked = bool(happening.hello.wire_name)
                self._answer(session, happening)
            elif isinstance(happening, Ended) and asked:
                self.pending.log(self.now, "refused %s:%s: %s", *link.peer.address, happening.reason)
            elif isinstance(happening, Ended):
                self.pending.log(self.now, "told %s:%s which messages there are (ping)", *link.peer.address)
        if session.outgoing:
            link.send_control_packets()
            self._replied = True
        if session.state == OPEN:
            self._admit(link)
        else:
            self.end_line(link)
            if session.deadline != link.due:
                self.timers.set(link, session.deadline)

    def _answer(self, session: ServerSession, asked: Asked) -> None:
        full = self.is_full()
        number = self.owner.conn_limit
        full_text = f"the server is full: it takes {number} client{'s' if number > 1 else ''} (conn_limit)"
        if not asked.matches:
            text = "the server has other messages" + f"; {full_text}" * full  # "python -m pygnetic ping" tells both
            reason = Reason(DisconnectReason.SCHEMA_MISMATCH, text)
            session.refuse(reason, self.now, self._factory.description())
        elif full:
            session.refuse(Reason(DisconnectReason.SERVER_FULL, full_text), self.now)
        else:
            session.welcome(self.now)

    def _admit(self, link: Link) -> None:
        if self.leaving and len(self.links) >= self.owner.conn_limit + _LEAVING:
            self._evict(next(iter(self.leaving)))
        if link.connection is None:
            Connection(self.owner, link, self._factory)
        self.unannounced[link] = self.now
        if not link.inbox.open:  # else Ctrl-C came between this and the next line
            self._begin(link)
        self.timers.set(link, link.session.deadline)
        self.links[link.peer] = link
        self.admitted(link)

    def admitted(self, link: Link) -> None:
        """It is not pending any more."""
        self.pending.pop(link.peer, None)

    # -- the beginning, for the user

    def announce(self, link: Link) -> None:
        """Have the handler made, and tell the user of a new connection."""
        self.unannounced.pop(link, None)
        calls: list[Call] = []
        made: list[Handler] | None = None
        if event.post is not None:
            calls.append(partial(event.post, event.NET_ACCEPTED, link.connection))
        if self.owner.handler is not None:
            made = []  # one step makes the handler and keeps it
            calls.append(partial(made.extend, starmap(unbound(self.owner.handler), ((),))))
        link.inbox.agenda = iter(calls), partial(self._introduce, link, made)

    def _introduce(self, link: Link, made: list[Handler] | None) -> None:
        """Give a new connection its handler; if making one raised, the client is told."""
        connection = link.connection
        assert connection is not None
        problem = None
        if made:
            handler = made[0]
            try:
                if not isinstance(handler, Handler):
                    text = f"handler={handler_name(self.owner.handler)} made {handler!r}"
                    raise TypeError(f"{text}; it must return an object of a pygnetic.Handler subclass")
                handler.server = self.owner
                if not any(known is handler for known in connection.handlers):
                    connection.add_handler(handler)
            except Exception as error:
                problem = error
        if problem is not None or (made is not None and not made):
            connection.disconnect(reason="the server has no handler for you: an error in its program")
        if not link.gone:  # else making the handler closed us
            super().announce(link)
        if problem is not None:
            self._report(connection, problem)

    def last_calls(self, link: Link) -> list[Call]:
        """Return the calls that tell of the end of a connection."""
        # kicked, or hostile, in the update that let it in: it was never here
        return [] if link in self.unannounced else super().last_calls(link)

    # -- those that leave

    def departing(self, link: Link) -> None:
        """Bound the connections that close."""
        self.leaving.setdefault(link)
        # in one poll with its HELLO: it did not wait to be let in
        if self.unannounced.get(link) == self.now and (link.gone or link.session.state == LEAVING):
            self._evict(link)

    def _evict(self, link: Link) -> None:
        """End a connection that is leaving at once, and have its handlers told in this update."""
        link.peer.abort()
        self.end_link(link)
        self.mark_ready(link)

    def end_link(self, link: Link) -> None:
        """Close a connection, and have its handlers told; harmless when repeated."""
        super().end_link(link)
        self.leaving.pop(link, None)
        self.unannounced.pop(link, None)

    # -- the end

    def forget(self) -> None:
        """Let go of everything."""
        super().forget()
        self.pending.clear()

    def lifetime(self) -> float:
        """Return how many seconds this server was there."""
        return self.clock() - self._last_awake
