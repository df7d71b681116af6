"""ENet: reliable and unreliable packets over UDP, by ``pyenet`` or its maintained build ``pyenet-vladfi``.

Both are the module ``enet``. What is peculiar here was learnt from experiments with them; ``doc/design.rst`` lists it.
"""

import errno
import math
import selectors
import socket
import time
from collections.abc import Callable
from itertools import chain, islice, starmap

import enet  # type: ignore[import-not-found, unused-ignore]

from pygnetic.limits import Limits
from pygnetic.network._enet_binding import Address, Happening, Host, Remote
from pygnetic.network._enet_host import CHANNELS, LEAST_BUFFERED, dialling, enlarge_buffers, listen
from pygnetic.network._enet_peer import LARGEST_UNRELIABLE, Peer
from pygnetic.network._enet_slots import Slots, slots_for
from pygnetic.network._records import ENET
from pygnetic.network.base import CLOSED, OPENED, PACKET, Event, Info, never_opened, resolve
from pygnetic.network.enet_filter import DatagramFilter

__all__ = ["Adapter", "Peer"]

# ENet's own timers (retransmission, pings) run only inside service(): never wait longer than this at once.
_SLICE = 0.05
# Packets that are taken between two looks at the clock.
_EVENTS = 100
# Needs no descriptor of its own, of which there may be none left when the first update() waits.
_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)
# Seconds between two looks of a client at how long its servers have been silent.
_LOOK = 0.25
# Datagrams that service() reads before it stops (protocol.c, enet_protocol_receive_incoming_commands).
_DATAGRAMS_A_CALL = 256

# module globals, since each look-up in another module costs 30 ns
_NOTHING, _CONNECT, _RECEIVE = enet.EVENT_TYPE_NONE, enet.EVENT_TYPE_CONNECT, enet.EVENT_TYPE_RECEIVE
_RELIABLE = enet.PACKET_FLAG_RELIABLE
_INFOS = tuple(Info(channel=number // 2) for number in range(CHANNELS))

# the event that was taken last, and of a packet: slot, channel, the number of its last command, and our event
_Noted = tuple[Happening | None, int, int, int | None, Event | None]
_UNNOTED: _Noted = (None, -1, 0, None, None)


class Adapter:
    """One ENet host."""

    title = ENET.title
    other = ENET.instead
    largest_unreliable = LARGEST_UNRELIABLE

    def __init__(self, address: tuple[str, int] | None = None, conn_limit: int = 4, *, limits: Limits) -> None:
        self.clock: Callable[[], float] = time.monotonic
        self.limits = limits
        self.address: tuple[str, int] | None = None
        self._host: Host | None = None
        self._events: list[Event] = []
        # What Ctrl-C may have interrupted, and the next poll goes on with:
        self._raw: list[Happening] = []  # ENet's events
        self._noted = _UNNOTED  # the packet that is being taken, and what becomes of it
        self._answers: list[tuple[bytes, int]] = []  # cookies to connect with
        self._made: list[Remote] = []  # what ENet made of the first of them
        slots = slots_for(conn_limit, None if address is None else limits.strangers)
        self._peers: list[Peer | None] = [None] * slots
        if address is None:
            self._host = dialling(slots)
        else:
            self._host = listen(address, slots, limits.resolve_time)
            bound = self._host.address  # a number: names are no addresses; ENet writes * for all
            self.address = (bound.host.replace("*", "0.0.0.0"), bound.port)
        self.loose = 0  # bytes of unreliable packets, with their costs, since the last flush or poll
        self._behind = False  # ENet has packets that the last poll had no time for
        self._received = 0  # datagrams, as the host counts them
        self._fileno = self._host.socket.fileno()
        enlarge_buffers(self._fileno, conn_limit if address is None else max(conn_limit, LEAST_BUFFERED))
        self._filter = DatagramFilter(
            self._host.socket.send,
            listening=address is not None,
            packet_limit=limits.packet_size,
            unreliable_limit=limits.unreliable_size,
            channels=CHANNELS,
            clock=self.clock,
        )
        self._door = self._filter.door
        self._slots = Slots(slots, self._door)
        self._host.intercept = self._filter.intercept
        self._asking: dict[bytes, tuple[Peer, Address]] = {}  # who waits for a cookie, and its enet.Address
        self._next_look = 0.0 if address is None else math.inf
        self._selector: selectors.BaseSelector | None = None

    def connect(self, host: str, port: int) -> Peer:
        """Start to connect.

        :raises OSError: the host does not resolve to an IPv4 address, or the port is not a number from 1 to 65535.
        """
        if self._host is None:
            raise OSError(errno.EBADF, "this adapter is closed")
        found = resolve(host, port, self.limits.resolve_time, kind=socket.SOCK_DGRAM, family=socket.AF_INET)
        address = found[0][1]
        target = enet.Address(address[0].encode(), port)
        token = self._door.request(target)
        peer = Peer(self, None, (address[0], port), token)
        self._asking[token] = peer, target
        return peer

    def drop(self, peer: Peer) -> None:
        """Forget a peer and report it, once."""
        # the note that it is gone comes last: until then all of it can be done again after Ctrl-C
        if peer.token:
            self._events.append((CLOSED, peer, b"", never_opened(False)))
            self._door.cancel(peer.token)
            self._asking.pop(peer.token, None)
            peer.answered()
        elif peer.remote is not None:
            self._events.append((CLOSED, peer, b"", never_opened(peer.opened)))
            if self._peers[peer.slot] is peer:  # and not the next one in that slot
                self._filter.closed(peer.slot)
                self._peers[peer.slot] = None
            peer.forget()

    def poll(self, timeout: float = 0) -> list[Event]:
        """Send what is queued, wait up to ``timeout`` ms for the first event, then take all there is."""
        if self._host is None:
            return []
        if timeout > 0 and not self._events and not self._behind:
            self._wait(timeout / 1000)
        else:
            self._drain()
        # no call stands between these two, and so no Ctrl-C
        events, self._events = self._events, []
        return events

    def _wait(self, seconds: float) -> None:
        # service(timeout) would keep the GIL, and Ctrl-C would wait with it
        if self._selector is None:
            self._selector = _Selector()
            self._selector.register(self._fileno, selectors.EVENT_READ)
        end = self.clock() + seconds
        self.flush()
        while True:
            self._selector.select(min(seconds, _SLICE))
            self._drain()
            seconds = end - self.clock()
            if self._events or seconds <= 0:
                return

    def _drain(self) -> None:
        """Send and receive until the socket is empty, for at most the time of a poll."""
        # No local variable of a frame holds the host or a method of it: an exception that somebody keeps would keep it
        # through its traceback, and with it the port, after close().
        assert self._host is not None
        raw = self._raw
        now = self.clock()
        end = now + self.limits.io_time / 1000
        self.loose = 0
        self._filter.turn()
        if raw:
            self._sort()
        if self._answers:  # ENet has perhaps begun to connect, and whose peer that is must be known when it has
            self._connect()
        if self._slots.are_few():
            self._slots.make_room(self._host.peers)
        if self._behind:  # service() would hand these over, and read nothing
            self._behind = not self._take_all(end)
            if self._behind:
                return
        if now >= self._next_look:
            self._look(now)
        while True:
            try:
                raw.extend(map(self._host.service, (0,)))  # taken from ENet and kept in one step
            except OSError:  # once for each bad datagram (too long, or from port 0): behind it are good ones
                if self.clock() > end:
                    return
                continue
            except SystemError as error:
                # a signal (Ctrl-C) came while pyenet's own Python code, inside ENet, was about to ask our filter
                # (and the frames of that code have the host)
                raise (error.__cause__ or error).with_traceback(None) from None
            kind = raw[-1].type
            self._sort()  # before connecting: the slot of who is gone is free already, and could be taken anew
            if self._asking:
                self._connect()
            if self._filter.error is not None:
                raised, self._filter.error = self._filter.error, None
                raise raised
            if kind and not self._take_all(end):
                self._behind = True
                return
            # a connection makes service() return before the socket is empty; nothing and data only when it is, or
            # after so many datagrams
            received = self._host.totalReceivedPackets
            emptied = (received - self._received) & 0xFFFFFFFF < _DATAGRAMS_A_CALL
            self._received = received
            if emptied and kind in (_NOTHING, _RECEIVE):
                return
            if self.clock() > end:
                return

    def _look(self, now: float) -> None:
        """Drop the connections that their servers do not know any more."""
        self._next_look = now + _LOOK
        for peer in self._peers:
            remote = None if peer is None or not peer.opened else peer.remote
            if peer is not None and remote is not None and self._door.is_closed(remote):
                self.drop(peer)
                remote.reset()

    def _take_all(self, end: float) -> bool:
        """Take the events that ENet has read; False if time is up before that.

        256 datagrams can have 8192 packets. ENet hands them over in turn by peer.
        """
        assert self._host is not None
        raw = self._raw
        while True:
            raw.extend(islice(iter(self._host.check_events, None), _EVENTS))
            count = len(raw)
            self._sort()
            if count < _EVENTS:
                return True
            if self.clock() > end:
                return False

    def _sort(self) -> None:
        raw, take = self._raw, self._take
        while raw:
            take(raw[0])
            del raw[0]

    def _connect(self) -> None:
        """Connect with the cookies that came."""
        answers, made = self._answers, self._made
        answers.extend(chain.from_iterable(starmap(self._door.cookies, ((),))))
        if not answers:
            return
        assert self._host is not None
        while answers:
            token, cookie = answers[0]
            asking = self._asking.get(token)
            if asking is not None:
                peer, target = asking
                try:
                    if not made:
                        made.extend(map(self._host.connect, (target,), (CHANNELS,), (cookie,)))
                except OSError:  # all slots are taken by peers that are still saying goodbye
                    self.drop(peer)
                else:
                    peer.begin(made[0])
                    self._peers[peer.slot] = peer
                    peer.answered()
                    self._asking.pop(token, None)
            made.clear()
            del answers[0]
        self._host.flush()  # once for all: ENet looks at each of its peers, 7 us for a thousand

    def _take(self, event: Happening) -> None:
        """Make an event of ENet's ours; if Ctrl-C comes, the same one is taken again."""
        kind = event.type
        if kind == _RECEIVE:
            if self._noted[0] is not event:
                slot = event.peer.incomingPeerID
                enet_packet = event.packet  # always touched: pyenet frees the packet with this object
                packet = enet_packet.data
                channel = event.channelID
                number = None
                # ENet sends every 65536th unreliable packet of a channel as a reliable one
                if not channel & 1 or enet_packet.flags & _RELIABLE:
                    number = self._filter.number(slot, channel, len(packet))
                peer = self._peers[slot]
                happened: Event | None = None
                if peer is not None and peer.sending:
                    happened = PACKET, peer, packet, _INFOS[channel]
                self._noted = event, slot, channel, number, happened
            _, slot, channel, number, happened = self._noted
            if number is not None:
                self._filter.received(slot, channel, number)
            if happened is not None and not (self._events and self._events[-1] is happened):
                self._events.append(happened)
        elif kind == _CONNECT:
            slot = event.peer.incomingPeerID
            # Measured, ENet would throw away unreliable packets for seconds whenever the round trip gets longer, as it
            # does when a game draws fewer frames. (Not before: both ends compare it when they connect.)
            event.peer.packetThrottleDeceleration = 0
            if self._noted[0] is not event:
                stale = self._peers[slot]
                if stale is not None and stale.opened:  # Ctrl-C came into its abort(), and ENet has forgotten it
                    self.drop(stale)
                self._noted = event, -1, 0, None, None
            peer = self._peers[slot]
            if peer is None:
                address = event.peer.address
                peer = Peer(self, event.peer, (address.host, address.port))
                self._peers[slot] = peer
            self._filter.opened(event.peer, peer.in_flight)
            peer.open()
            self._events.append((OPENED, peer, b"", None))
        elif kind and (peer := self._peers[event.peer.incomingPeerID]) is not None:
            self.drop(peer)

    def flush(self) -> None:
        """Send what is queued, as far as the network takes it now."""
        self.loose = 0
        if self._host is not None:
            self._host.flush()

    def close(self) -> None:
        """Send what is queued and free the port; harmless when repeated."""
        if self._host is None:
            return
        self._host.flush()
        for peer in self._peers:
            if peer is not None and peer.remote is not None:
                # ENet, told to disconnect, throws away what it received and has not handed over: not while the other
                # end may be reading our last packets
                # since disconnect(), it does read, and lacks what is lost by now: better it knows
                if not peer.unsent or peer.unsent < peer.farewell:
                    peer.remote.disconnect_now()
        self.abandon()

    def abandon(self) -> None:
        """Close the socket and send nothing."""
        for peer in self._peers:
            if peer is not None:
                peer.forget()
        for peer, _ in self._asking.values():
            peer.answered()
        self._asking = {}
        self._peers = []
        self._events = []
        self._raw.clear()  # they must not outlive the host, and a traceback may keep the list
        self._made.clear()
        self._noted = _UNNOTED
        if self._selector is not None:
            self._selector.close()
            self._selector = None
        self._host = None  # pyenet destroys the host, and with it the socket, when nothing refers to it
