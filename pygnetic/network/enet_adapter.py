"""ENet: reliable and unreliable packets over UDP, by ``pyenet`` or its maintained build ``pyenet-vladfi``.

Both are the module ``enet``. What is peculiar here was learnt from experiments with them; ``doc/design.rst`` lists it.
"""

import contextlib
import errno
import math
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice, repeat, starmap
from typing import Any

import enet  # type: ignore[import-not-found, unused-ignore]

from pygnetic.limits import Limits
from pygnetic.network import base
from pygnetic.network.base import CLOSED, OPENED, PACKET, Event, check_port, listen_error, never_opened, resolve
from pygnetic.network.enet_filter import DatagramFilter

__all__ = ["Adapter", "Peer"]

# A user's channel n is ENet's 2n for reliable and 2n + 1 for unreliable packets: unreliable ones that ENet drops on
# a channel with reliable ones leak its receive window until the peer stalls.
_CHANNELS = 64
# ENET_PROTOCOL_MAXIMUM_PEER_ID: ENet refuses to make a host with more.
_MOST_PEERS = 4095
# More slots than connections: on a server for its strangers (Limits.strangers), so that a surplus client can be told
# "full", and for those that are leaving; on a client so that one that is closing does not block the next. ENet looks at
# each slot three times an update.
_SPARE_PEERS = 32
_SPARE_PEERS_OF_CLIENT = 8
# One good cookie, and each CONNECT with another number takes a slot: for 5 to 30 s, if it is never completed. So the
# oldest of these are forgotten where fewer slots than this are free.
_FREE = 32
# Bytes of socket buffer for each connection: Linux counts 768 for a small datagram, and a frame's answer is two of them
# (an acknowledgement and the packet). With ENet's own buffer 500 clients that answer at once lost a third.
_BUFFER_EACH = 8192
_ENETS_BUFFER = 262144  # ENET_HOST_RECEIVE_BUFFER_SIZE
_MOST_BUFFER = 4194304
# A server has buffers for so many at least: 300 small datagrams fill ENet's own, and so one flooder would leave no room
# between two frames for what the others send.
_LEAST_BUFFERED = 128
# ENet's own timers (retransmission, pings) run only inside service(): never wait longer than this at once.
_SLICE = 0.05
# What pyenet and ENet keep for a packet besides its bytes (measured: 520 for one of 2 bytes), and how many packets of
# one peer they may hold at most: for an acknowledgement ENet walks through all of them.
_PACKET_COST = 520
_MOST_HELD = 2048
# So many packets that ENet has let go of may wait to be counted: counting takes as long for 20 of them as for one.
_MANY_FREED = 64
# The largest unreliable packet that ENet does not split: its datagrams have 1392 bytes (ENET_HOST_DEFAULT_MTU; 1400 up
# to ENet 1.3.17), of which 28 are for the headers of a fragment. The pieces would be sent as reliable packets.
_LARGEST_UNRELIABLE = 1364
# What tells why a connection is broken off is sent so often at once: where one in ten is lost, one in a thousand times
# none arrives.
_COPIES = 3
# Between two looks at the clock so many packets are taken.
_EVENTS = 100
# Needs no descriptor of its own, of which there may be none left when the first update() waits.
_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)
# Seconds between two looks of a client at how long its servers have been silent.
_LOOK = 0.25
# service() reads so many datagrams and then stops (protocol.c, enet_protocol_receive_incoming_commands).
_DATAGRAMS_A_CALL = 256

# module globals, since each look-up in another module costs 30 ns
_UNUSED, _HALF_OPEN = enet.PEER_STATE_DISCONNECTED, enet.PEER_STATE_ACKNOWLEDGING_CONNECT
_NOTHING, _CONNECT, _RECEIVE = enet.EVENT_TYPE_NONE, enet.EVENT_TYPE_CONNECT, enet.EVENT_TYPE_RECEIVE
_RELIABLE, _UNSEQUENCED = enet.PACKET_FLAG_RELIABLE, enet.PACKET_FLAG_UNSEQUENCED
_Packet = enet.Packet
_INFOS = tuple({"channel": number // 2} for number in range(_CHANNELS))


class Peer:
    """One ENet peer. The enet object never leaves this file: used after its Host is gone it crashes Python."""

    __slots__ = (
        "_adapter", "_cost", "_enet", "_farewell", "_freed", "_held", "_limit", "_opened", "_sending", "_slot",
        "_token", "address", "taking",
    )  # fmt: skip

    def __init__(self, adapter: "Adapter", peer: Any, address: tuple[str, int], token: bytes = b"") -> None:
        self.address = address
        self._adapter = adapter
        self._enet = peer
        self._slot = -1 if peer is None else peer.incomingPeerID
        self._token = token  # of the question for a cookie, until it is answered
        self._opened = False
        self._sending = False
        self._limit = adapter.limits.unsent
        self._cost = max(_PACKET_COST, self._limit // _MOST_HELD)  # so the limit bounds how many packets there are, too
        self._farewell = 0  # bytes that ENet held at disconnect()
        self._held = 0  # bytes that ENet holds, with the costs, and what it has let go of since
        # The sizes of the packets that ENet has let go of. Their callbacks run inside ENet, where an exception (such as
        # Ctrl-C) would be lost: so they are this list's append(), which is no Python code, and cheaper.
        self._freed: list[int] = []
        self.taking: Iterator[Any] = iter(())

    @property
    def unsent(self) -> int:
        """Bytes accepted and not acknowledged yet, and what ENet keeps for each packet."""
        self._settle()
        return self._held

    def in_flight(self) -> int:
        """Return how many reliable packets ENet holds for this peer, at most."""
        return self.unsent // self._cost

    def _settle(self) -> None:
        # a Ctrl-C at the wrong moment makes it too small, and never too large; once all are counted it is right again
        freed = self._freed
        count = len(freed)
        self._held = max(self._held - sum(freed[:count]), 0)
        del freed[:count]

    def send(
        self, packet: bytes, *, channel: int = 0, reliable: bool = True, ordered: bool = True, urgent: bool = False
    ) -> bool:
        """Queue a packet; False before OPENED, after close and over the unsent limit."""
        if not self._sending:
            return False
        if reliable:
            size = len(packet) + self._cost
            if self._held + size > self._limit or len(self._freed) > _MANY_FREED:
                self._settle()
                if base.over_limit(self._held + size, self._limit, urgent):
                    return False
            data = _Packet(packet, _RELIABLE)
            data.set_free_callback(partial(self._freed.append, size))
            channel *= 2
        else:
            # leaves with the next flush or poll, whoever takes it: enough to count is only what waits for that
            adapter = self._adapter
            adapter.loose += len(packet) + _PACKET_COST
            if adapter.loose > adapter.limits.unsent:
                adapter.flush()
            data = _Packet(packet, 0 if ordered else _UNSEQUENCED)
            channel = 2 * channel + 1
            size = 0
        codes: list[int] = []
        taking = self.taking = iter((data,))
        codes.extend(map(self._enet.send, repeat(channel), taking))
        self._held += size  # in every case: the callback comes for a refused packet, too
        if codes[0] < 0:
            data.sent = False  # pyenet believes that ENet owns it, and would leak it
            return False
        return True

    def disconnect(self) -> None:
        """Close; what was sent before still arrives."""
        if self._sending:
            self._farewell = self.unsent
            self._enet.disconnect_later()
            self._sending = False
        elif not self._opened:
            self.abort()

    def break_off(self, packet: bytes) -> None:
        """Close, and have a packet arrive that tells why before what was sent."""
        if self._sending:
            # ENet gives nothing back, and sends reliable packets in turn: only what is unsequenced overtakes them
            for _ in range(_COPIES):
                self.send(packet, reliable=False, ordered=False)
                self._adapter.flush()  # a datagram for each
            self.send(packet, urgent=True)
        self.disconnect()

    def abort(self) -> None:
        """Close now."""
        if self._token:
            self._adapter.drop(self)
        elif self._enet is not None:
            if self._opened and not self._sending:
                self._adapter.flush()  # disconnect_now() after disconnect() throws the goodbye away: out with it first
            # also tells the other end, once; it makes no event here, so CLOSED is ours to report
            self._enet.disconnect_now()
            self._adapter.drop(self)


class Adapter:
    """One ENet host."""

    title = "UDP (enet)"
    other = "socket"  # the adapter that the server may be on, when nobody answers over this one
    largest_unreliable = _LARGEST_UNRELIABLE

    def __init__(self, address: tuple[str, int] | None = None, conn_limit: int = 4, *, limits: Limits) -> None:
        self.clock: Callable[[], float] = time.monotonic
        self.limits = limits
        self.address: tuple[str, int] | None = None
        self._host: Any = None
        self._events: list[Event] = []
        # What Ctrl-C may have interrupted, and the next poll goes on with:
        self._raw: list[Any] = []  # ENet's events
        self._noted: tuple[Any, ...] = (None,)  # the packet that is being taken, and what becomes of it
        self._answers: list[tuple[bytes, int]] = []  # cookies to connect with
        self._made: list[Any] = []  # what ENet made of the first of them
        spare = _SPARE_PEERS_OF_CLIENT if address is None else _SPARE_PEERS + limits.strangers
        slots = conn_limit + spare
        if slots > _MOST_PEERS:
            raise ValueError(f"conn_limit is {conn_limit}; ENet can have {_MOST_PEERS - spare} connections")
        self._peers: list[Peer | None] = [None] * slots
        if address is None:
            self._host = enet.Host(None, slots, _CHANNELS, 0, 0)
        else:
            self._host = _listen(address, slots, limits.resolve_time)
            bound = self._host.address  # a number: names are no addresses; ENet writes * for all
            self.address = (bound.host.replace("*", "0.0.0.0"), bound.port)
        self.loose = 0  # bytes of unreliable packets, with their costs, since the last flush or poll
        self._behind = False  # ENet has packets that the last poll had no time for
        self._received = 0  # datagrams, as the host counts them
        self._fileno = self._host.socket.fileno()
        _enlarge_buffers(self._fileno, conn_limit if address is None else max(conn_limit, _LEAST_BUFFERED))
        self._filter = DatagramFilter(
            self._host.socket.send,
            listening=address is not None,
            packet_limit=limits.packet_size,
            unreliable_limit=limits.unreliable_size,
            channels=_CHANNELS,
            clock=self.clock,
        )
        self._free = slots  # as they were counted last
        self._door = self._filter.door
        self._door.count_free(slots)
        self._host.intercept = self._filter.intercept
        self._half_open: dict[int, int] = {}  # the numbers of the CONNECTs that are not completed, by slot
        self._asking: dict[bytes, tuple[Peer, Any]] = {}  # who waits for a cookie, and its enet.Address
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
        if peer._token:
            self._events.append((CLOSED, peer, b"", never_opened(False)))
            self._door.cancel(peer._token)
            self._asking.pop(peer._token, None)
            peer._token = b""
        elif peer._enet is not None:
            self._events.append((CLOSED, peer, b"", never_opened(peer._opened)))
            peer._sending = False
            if self._peers[peer._slot] is peer:  # and not the next one in that slot
                self._filter.closed(peer._slot)
                self._peers[peer._slot] = None
            peer._enet = None

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
        raw = self._raw
        now = self.clock()
        end = now + self.limits.io_time / 1000
        self.loose = 0
        self._filter.turn()
        if raw:
            self._sort()
        if self._answers:  # ENet has perhaps begun to connect, and whose peer that is must be known when it has
            self._connect()
        if self._door.free < min(_FREE, self._free):  # some were taken since they were counted
            self._make_room()
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
            if peer is not None and peer._opened and self._door.is_closed(peer._enet):
                remote = peer._enet
                self.drop(peer)
                remote.reset()

    def _make_room(self) -> None:
        """Forget some that began to connect and have not completed it, if few slots are free.

        These are of the host that has most of them, so that nobody else is kept out.
        """
        peers = self._host.peers  # made anew for each who asks
        states = [peer.state for peer in peers]
        numbers = {slot: peers[slot].connectID for slot, state in enumerate(states) if state == _HALF_OPEN}
        # the oldest first: those that were seen before, then the new ones
        waiting = {slot: number for slot, number in self._half_open.items() if numbers.get(slot) == number}
        waiting.update(numbers)
        free = states.count(_UNUSED)
        if waiting and free < _FREE:
            remotes = {slot: peers[slot].address for slot in waiting}
            sources = {slot: (remote.host, remote.port) for slot, remote in remotes.items()}
            for slot in base.eviction_candidates(sources, _FREE - free):
                peers[slot].reset()
                del waiting[slot]
                free += 1
        self._half_open = waiting
        self._free = free
        self._door.count_free(free)

    def _take_all(self, end: float) -> bool:
        """Take the events that ENet has read; False if time is up before that.

        256 datagrams can have 8192 packets. ENet hands them over in turn by peer.
        """
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
        while answers:
            token, cookie = answers[0]
            peer, target = self._asking.get(token, (None, None))
            if peer is not None:
                try:
                    if not made:
                        made.extend(map(self._host.connect, (target,), (_CHANNELS,), (cookie,)))
                except OSError:  # all slots are taken by peers that are still saying goodbye
                    self.drop(peer)
                else:
                    peer._enet = made[0]
                    peer._slot = peer._enet.incomingPeerID
                    self._peers[peer._slot] = peer
                    peer._token = b""
                    self._asking.pop(token, None)
            made.clear()
            del answers[0]
        self._host.flush()  # once for all: ENet looks at each of its peers, 7 us for a thousand

    def _take(self, event: Any) -> None:
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
                happened = None
                if peer is not None and peer._sending:
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
                if stale is not None and stale._opened:  # Ctrl-C came into its abort(), and ENet has forgotten it
                    self.drop(stale)
                self._noted = (event,)
            peer = self._peers[slot]
            if peer is None:
                address = event.peer.address
                peer = Peer(self, event.peer, (address.host, address.port))
                self._peers[slot] = peer
            self._filter.opened(event.peer, peer.in_flight)
            peer._opened = peer._sending = True
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
            if peer is not None and peer._enet is not None:
                # ENet, told to disconnect, throws away what it received and has not handed over: not while the other
                # end may be reading our last packets
                # since disconnect(), it does read, and lacks what is lost by now: better it knows
                if not peer.unsent or peer.unsent < peer._farewell:
                    peer._enet.disconnect_now()
        self.abandon()

    def abandon(self) -> None:
        """Close the socket and send nothing."""
        for peer in self._peers:
            if peer is not None:
                peer._enet = None
                peer._sending = False
        for peer, _ in self._asking.values():
            peer._token = b""
        self._asking = {}
        self._peers = []
        self._events = []
        self._raw.clear()  # they must not outlive the host, and a traceback may keep the list
        self._made.clear()
        self._noted = (None,)
        if self._selector is not None:
            self._selector.close()
            self._selector = None
        self._host = None  # pyenet destroys the host, and with it the socket, when nothing refers to it


def _enlarge_buffers(fileno: int, conn_limit: int) -> None:
    """Ask the system for socket buffers that hold what all connections send in a frame."""
    size = min(conn_limit * _BUFFER_EACH, _MOST_BUFFER)
    if size <= _ENETS_BUFFER:
        return
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, fileno=fileno)
    with contextlib.suppress(OSError):  # it is only a wish; Linux grants net.core.rmem_max
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
    sock.detach()  # the descriptor stays ENet's


def _listen(address: tuple[str, int], slots: int, timeout: float) -> Any:
    host, port = address
    check_port(host, port, 0)
    name = "0.0.0.0"
    if host != "":
        name = resolve(host, port, timeout, kind=socket.SOCK_DGRAM, family=socket.AF_INET, lowest=0)[0][1][0]
    try:
        return enet.Host(enet.Address(name.encode() if host else None, port), slots, _CHANNELS, 0, 0)
    except MemoryError:
        problem = OSError(errno.EADDRNOTAVAIL, "ENet could not make the socket")
    # that is all ENet tells; a plain socket knows why
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((name, port))
        except OSError as error:
            problem = error
    raise listen_error(address, problem)
