"""The update loop of a Client or Server: poll, feed the sessions, dispatch, flush, run timers."""

import logging
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, cycle
from operator import length_hint
from threading import get_ident
from typing import Protocol, cast

from pygnetic._core import packets
from pygnetic._core.dispatch import Dispatcher, Report
from pygnetic._core.link import Link
from pygnetic._core.outbox import Outbox
from pygnetic._core.session import CLOSED, CLOSING, CONNECTING, LEAVING, OPEN, Ending
from pygnetic._help import checks
from pygnetic.connection import Connection
from pygnetic.errors import DisconnectReason, Reason
from pygnetic.limits import Limits
from pygnetic.network import base
from pygnetic.network.base import PACKET, Adapter, Peer

__all__: list[str] = []

_logger = logging.getLogger("pygnetic")

# The first PINGs of this many connections that opened together are spread over a second.
_SPREAD = 64
# When an update comes more than this many seconds after the one before, this process was stalled, and not its peers:
# the rest of that time does not count as their silence.
_STALL = 1.0
# No poll waits longer, in ms: epoll, which counts them in 32 bits, would take no more than 24 days.
_LONGEST = 3600_000
# BYE travels on it, so what comes there behind BYE was sent after it.
_BYE_CHANNEL = 0

_SORTED: tuple[list[base.Event], Iterator[base.Event]] = ([], iter(()))


class Owner(Protocol):
    """What a loop asks of its Client or Server."""

    conn_limit: int

    def handle_error(self, connection: Connection, error: Exception) -> None:
        """Take what a handler raised."""


class Loop(Dispatcher):
    """What Client and Server do in ``update()``.

    :param owner: a weak proxy to the Client or Server.
    :param name: what it is called in error texts.
    :param report: called with a connection and what one of its handlers raised.
    """

    def __init__(self, owner: Owner, name: str, adapter: Adapter, limits: Limits, report: Report) -> None:
        super().__init__(name, report)
        self.owner = owner
        self.proxy = weakref.proxy(self)
        self.adapter = adapter
        self.clock = adapter.clock
        self.limits = limits
        self.updated = False  # update() was ever called
        self._unflushed: dict[Outbox, None] = {}
        self.mark_unflushed = self._unflushed.setdefault
        self._arrived: list[list[base.Event]] = []  # what each poll brought and is not sorted yet
        self._sorting = _SORTED  # and how far it is
        # Return a number that no other connection has; which part of a second a session waits with its first PING.
        self.next_id: Callable[[], int] = count(1).__next__
        self.next_phase: Callable[[], float] = cycle([number / _SPREAD for number in range(1, _SPREAD)]).__next__
        self._last_awake = self.clock()  # in update() or connect()
        self._replied = False  # control packets wait for a flush
        self.now = self._last_awake  # when the last poll returned

    # -- what a connection asks of it

    def warn_of_waiting(self, messages: int) -> None:
        """Warn a beginner who sends, and never calls update()."""
        if not self.updated:
            checks.warn_of_waiting(self.name, messages)

    def flush(self) -> None:
        """Send what the network adapter holds."""
        self.adapter.flush()

    def flush_outbox(self, outbox: Outbox) -> None:
        """Hand everything in an outbox to the network, and close the connection if that is too much."""
        if outbox.flush():
            self.overload(outbox, outbox.refused)

    def overload(self, outbox: Outbox, size: int) -> None:
        """Close a connection of which more reliable data is unsent than the limit allows; none may be left out."""
        link = self.links.get(outbox.peer)
        if link is None:
            return
        text = (
            f"{outbox.unsent + size} bytes were sent faster than the other end took them, and were dropped; the limit "
            f"is {self.limits.unsent} (Limits.unsent): watch connection.unsent, or raise the limit"
        )
        _logger.warning("%r: %s", link.connection, text)
        told = f"the {self.role} sent {outbox.unsent + size:,} bytes faster than they could arrive"
        self.close_link(link, Reason(DisconnectReason.OVERLOADED, text), Ending.BEFORE_DATA, told)

    def close_connection(self, peer: Peer, reason: Reason, ending: Ending) -> None:
        """Close the connection to a peer, if there still is one."""
        link = self.links.get(peer)
        if link is not None:
            self.close_link(link, reason, ending)

    def close_link(self, link: Link, reason: Reason, ending: Ending = Ending.AFTER_DATA, told: str = "") -> None:
        """Begin to close a connection from this side."""
        self.timers.set(link, 0.0)  # if Ctrl-C comes before the end of this, the timer repeats it
        link.session.close(reason, self.clock(), told=told, ending=ending)
        self.follow(link)

    # -- what a Client and a Server do in their own way

    role = "client"

    def is_full(self) -> bool:
        """Whether there are as many connections as there may be."""
        if len(self.links) < self.owner.conn_limit:
            return False  # without a look at each: 60 us for everyone of a thousand who join
        return sum(link.session.state < LEAVING for link in self.links.values()) >= self.owner.conn_limit

    def feed_pending(self, kind: int, peer: Peer, packet: bytes, info: object, now: float) -> None:
        """Process an event of a peer that has no connection; a client's is one that it has dropped."""

    # -- the update

    def update(self, timeout: float) -> None:
        """Do everything once; see ``Client.update()``."""
        if self._updating:
            self.refuse_update()
        if self.closed:
            raise self.closed_error()
        self._updating = self._last_thread = get_ident()
        self.updated = True
        try:
            if self._using:
                self.wait_for_others()
            if self._unflushed:
                self._flush_all()
            if self._arrived:
                self.take_arrived()
            timeout = self._bounded(timeout) if timeout else 0
            self._arrived.extend(map(self.adapter.poll, (timeout,)))  # returned and kept in one step
            now = self.clock()
            self.account_stall(now, timeout / 1000)
            if self._arrived[0]:
                self._feed(now)
            else:
                self._arrived.clear()
            if self.timers.next <= now:
                self._run_timers(now)
            if self.ready:
                self.dispatch()
        finally:
            if (self._unflushed or self._replied) and not self.closed:
                self._replied = False
                self._flush_all()
                self.adapter.flush()
            self._updating = 0

    def account_stall(self, now: float, waited: float = 0.0) -> None:
        """Record that this process is awake; if it was stalled, its peers get that time on top.

        :param waited: seconds that it waited for the network.
        """
        stalled = now - self._last_awake - waited - _STALL
        self._last_awake = now
        if stalled > 0:
            for link in self.links.values():
                link.session.hear(link.inbox.heard)
                link.session.excuse(stalled)
                self.timers.set(link, link.session.deadline)

    def _bounded(self, timeout: float) -> float:
        """Return how many ms a poll may wait: no timer is missed, and nothing that is there already waits."""
        if self.ready:
            return 0
        try:
            return max(0.0, min(timeout, _LONGEST, (self.timers.next - self.clock()) * 1000))
        except TypeError:
            raise TypeError(f"update() takes how long to wait, a number of ms, not {timeout!r}") from None

    def _flush_all(self) -> None:
        unflushed = self._unflushed
        for outbox in list(unflushed):
            if outbox.flush():
                self.overload(outbox, outbox.refused)
            unflushed.pop(outbox, None)
            if any(outbox.queues) and outbox.flowing:  # another thread has just added something
                unflushed.setdefault(outbox)

    def take_arrived(self) -> None:
        """Sort what Ctrl-C kept from being sorted, and what came while another end of this program waited."""
        while self._arrived:
            self._feed(self.clock())

    def _unsorted(self) -> list[base.Event]:
        """Return the events that Ctrl-C kept from being sorted; the first of them may be half done."""
        events, rest = self._sorting
        at = len(events) - length_hint(rest) - 1
        if at < 0:
            return events
        link = self.links.get(events[at][1])
        if link is not None:
            self.admitted(link)
            if link.inbox.has(events[at]):
                self.mark_ready(link)
                at += 1
        events = self._arrived[0] = events[at:]
        return events

    def admitted(self, link: Link) -> None:
        """A link is among the others now; harmless when repeated."""

    def _feed(self, now: float) -> None:
        """Sort what the adapter brought; no user code runs here."""
        self.now = now
        find = self.links.get
        ready = self.ready
        events = self._arrived[0]
        if events is self._sorting[0]:
            events = self._unsorted()
        turn = iter(events)
        self._sorting = events, turn
        for happened in turn:
            kind, peer, packet, info = happened
            link = find(peer)
            if link is None:
                self.feed_pending(kind, peer, packet, info, now)
            elif kind == PACKET:
                inbox = link.inbox
                inbox.heard = now
                if packet and packet[0] == packets.MARK:
                    if link.session.state < LEAVING:
                        link.session.receive(packet, now)
                        self.follow(link)
                elif inbox.open and inbox.enqueue(happened):
                    if not inbox.queued:
                        ready.append(link)
                        inbox.queued = True
                else:
                    self._feed_slow(link, happened)
            elif kind == base.CLOSED:
                link.session.lost(cast(DisconnectReason, info), now)
                link.gone = True
                self.follow(link)
                self.mark_ready(link)
            else:
                self.open_session(link, now)
                self.follow(link)
        del self._arrived[0]
        self._sorting = _SORTED

    def open_session(self, link: Link, now: float) -> None:
        """The adapter can send to a peer that this end has connected to."""

    def _feed_slow(self, link: Link, happened: base.Event) -> None:
        """Take a packet that is not just put into the inbox: it comes too early, too late, or is over the limit."""
        packet, state = happened[2], link.session.state
        if state >= CLOSING or (state == LEAVING and cast(base.Info, happened[3])["channel"] == _BYE_CHANNEL):
            return
        # to look into large ones, of which none is unreliable, would take up to 10 ms each
        if state == CONNECTING and len(packet) <= self.limits.unreliable_size and not link.is_reliable(packet):
            return  # it overtook WELCOME, and is old by the time WELCOME comes
        if state == OPEN or not link.inbox.enqueue(happened):  # OPEN: it was put, and is over the limit
            text = "packets came faster than they could be handled (Limits.backlog)"
            # not at once: ENet's own disconnect would overtake our BYE, which tells the reason
            self.close_link(link, Reason(DisconnectReason.OVERLOADED, text))
        elif state == LEAVING:
            self.mark_ready(link)

    def follow(self, link: Link) -> None:
        """Do what the session of a link wants done; harmless when repeated."""
        session = link.session
        if session.events:
            session.forget_events()
        if session.outgoing:
            link.send_control_packets()
            self._replied = True
        if session.state == OPEN:
            if not link.inbox.open:
                self._begin(link)
        elif LEAVING <= session.state < CLOSED:
            link.outbox.close()
            if session.state == LEAVING:
                link.inbox.open = False
            elif not link.inbox.dropped:  # only once: the user may still be told of the beginning
                link.inbox.drop()
            if not link.gone:
                self.end_line(link)
            self.departing(link)
        if session.deadline != link.due:
            self.timers.set(link, session.deadline)

    def departing(self, link: Link) -> None:
        """One of the two ends closes; called again and again till it has."""

    def end_line(self, link: Link) -> None:
        """Close the line as the session wants it; harmless when repeated."""
        if link.session.ending is Ending.NOW:
            self.adapter.flush()  # a BYE
            link.peer.abort()
        elif link.session.ending is not None:
            link.peer.disconnect()

    def _begin(self, link: Link) -> None:
        """A connection is open: from now on it is the user's."""
        link.outbox.open()
        link.inbox.agenda = iter(()), partial(self.announce, link)
        if any(link.outbox.queues):
            self.mark_unflushed(link.outbox)
        self.mark_ready(link)
        link.inbox.open = True  # last: if Ctrl-C comes before, all of it is done again

    def _run_timers(self, now: float) -> None:
        """Have sessions do what is due. After poll(), so that nobody pays for our stall."""
        for link in self.timers.pop_expired(now):
            session = link.session
            if link.connection is not None:
                session.hear(link.inbox.heard)
                if session.state == OPEN:
                    connection = link.connection
                    sent, received = link.outbox.tally.messages(), link.inbox.tally.messages()
                    session.meter.measure(now, (connection.data_sent, connection.data_received, sent, received))
            session.expire(now)
            self.follow(link)
