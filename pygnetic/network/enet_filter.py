"""What stands between the internet and ENet: it reads each datagram first and keeps the harmful ones out.

ENet trusts its peers: a few small datagrams make it reserve megabytes, and anyone may take its slots under a false
address. This filter works on bytes alone and is hung in with ``host.intercept = filter.intercept``:

* **The walk.** A datagram of a connection passes only if it consists of commands that ENet writes, to the byte.
* **The window.** ENet keeps what comes before its turn, nearly without bound: begun packets, reliable commands far
  ahead, unreliable ones that wait for a reliable one. The adapter tells what was delivered (``received``), so this
  filter knows whose turn it is, and how much an honest sender can be ahead.
* **The turn.** Of one peer's unreliable packets only so many get through between two updates, and of what comes out of
  order, or acknowledges what was never sent, only so much as ENet can look up in its lists, which it walks through for
  each, in about a millisecond.
* **The datagram.** A peer that wants datagrams too small for an unreliable packet gets no connection: ENet would split
  the packet and send the pieces as reliable ones.
* **The cookie.** An address that nobody has answered from yet gets no slot. A client asks for a cookie, the server
  answers with a keyed hash of the address the question came from and keeps nothing; the client shows that cookie in
  the ``data`` of ENet's CONNECT. The answer is as long as the question, so a server amplifies nothing.
* **The second question.** A client that has heard nothing for a second asks whether its connection is still open. A
  server that was restarted, or has given it up, says no; otherwise it says nothing. The answer brings back 8 random
  bytes, so nobody can forge it who does not see the traffic.

What is dropped is only counted: whoever sent it may have forged the address, so no connection is closed for it. Even
an honest command would only be late by one retransmission. User channels are pairs of ENet channels: reliable
packets go over the even ones, unreliable ones over the odd ones.
Facts about ENet are from its sources, version 1.3.17 (``protocol.h``, ``protocol.c``, ``peer.c``, ``enet.h``).
"""

import os
import struct
import sys
import time
from collections.abc import Callable
from hashlib import blake2s
from typing import Any

__all__ = ["DatagramFilter"]

# ENET_PROTOCOL_MAXIMUM_PACKET_COMMANDS: no more fit into the array ENet builds a datagram from.
_MOST_COMMANDS = 32
# The datagram that completes a connection has an acknowledgement, and HELLO or a PING. Without this bound, one who was
# closed and floods on would cost as much as before.
_FIRST_COMMANDS = 4
# The first byte of a command (number and flags), as ENet writes it. CONNECT has no place in a connection, and
# UNRELIABLE_FRAGMENT is never sent by us.
_ACKNOWLEDGE, _RELIABLE, _UNRELIABLE, _FRAGMENT, _UNSEQUENCED = 0x01, 0x86, 0x07, 0x88, 0x49
# VERIFY_CONNECT, DISCONNECT (to be answered; not), PING, BANDWIDTH_LIMIT, THROTTLE_CONFIGURE and their sizes
_OTHERS = {0x83: 44, 0x84: 8, 0x44: 8, 0x85: 4, 0x8A: 12, 0x8B: 16}
# Those of them that are not to be acknowledged. ENet writes the others only into a datagram with a time; in one
# without, it would take the first, never acknowledge it, and not read on: DISCONNECT left a slot stuck for 10 s.
_UNTIMED = {0x44: 8}
# channel, start sequence number, length, fragment count and number, total length, offset
_FRAGMENT_FIELDS = struct.Struct(">xB2xHHIIII")
_FRAGMENT_SIZE = 24
# What a datagram's header (4) and a fragment's leave of the MTU is for data; longer packets are split (enet_peer_send).
_OVERHEAD = 4 + _FRAGMENT_SIZE
# ENET_PROTOCOL_MINIMUM_MTU
_LEAST_MTU = 576
# Where VERIFY_CONNECT has the MTU and the number of channels, from its first byte. CONNECT has the same fields behind
# the four bytes of a datagram's header.
_VERIFY_CONNECT = 0x83
_CONNECTING_FIELDS = struct.Struct(">8xI4xI")
# What ENet may hold for a peer until its turn comes, in packets of the largest size; but room for so many bytes at
# least, since one call of service() reads 350 kB before the adapter hears of any. ENet has 64 KiB of a peer in flight
# (ENET_PROTOCOL_MAXIMUM_WINDOW_SIZE), 47 full fragments, so an honest receiver lacks at most 47 of them, of at most as
# many packets; and while one is sent again, 64 times as much can follow it.
_MOST_HELD = 64
_LEAST_ROOM = 1048576
# Begun packets of any size: 2.8 MB of those just too large for one datagram, and about 300 bytes here for each.
_MOST_BEGUN = 2048
# Reliable commands with more data than this are counted in bytes as well, with so many for ENet's own; of the smaller
# ones _MOST_AHEAD take no more.
_SMALL = 64
_COMMAND_COST = 200
# Reliable commands that may come so early on a channel, whatever waits on others: ENet makes about 200 bytes of each.
_NEAR = 256
# Reliable commands that may come before their turn, on all channels. 64 KiB in flight are 16384 packets of 4 bytes,
# and 8192 can be read (256 datagrams of 32) before the adapter hears of any.
_MOST_AHEAD = 16384

# Unreliable commands of one peer between two turns: ENet hands each over in 3 us, and while it has some, it reads
# nothing of the others. The next are dropped, as a network would. Datagrams with few of them do not count, since
# there are at most 256 datagrams in a call of service().
_MOST_A_TURN = 1024
_FEW_UNRELIABLE = 4

# Work of one turn for what is out of order: repeated, late, or a fragment. A unit is one step through ENet's list of
# what waits for its turn, 6 ns; this filter's own part for such a command is 250 units. So one peer can use 0.6 ms (400
# fragments are half a megabyte), all of them 6 ms, and each a little even then: what is dropped is only sent again.
_COMMAND_STEPS = 250
_MOST_STEPS = 100_000
_ALL_STEPS = 1_000_000
_FAIR_STEPS = 8_000
# For each acknowledgement ENet walks through the packets in flight until it finds the one that is meant: the first,
# when an honest peer sends it. Datagrams with few acknowledgements do not count, nor does anything while few packets
# are in flight: 8192 acknowledgements of nothing then take ENet 3 ms.
_FEW_ACKNOWLEDGED = 2
_FEW_IN_FLIGHT = 64

# What ENet ignores when no filter stands before it: peer id "none", then command 0. Then who we are, "?" or "!", and
# the version of this exchange; then a nonce (8 bytes) and a cookie (4 bytes, 0 in a question).
_QUESTION = b"\x0f\xff\x00pygnetic-cookie?\x01"
_ANSWER = b"\x0f\xff\x00pygnetic-cookie!\x01"
_COOKIE_SIZE = len(_QUESTION) + 8 + 4
# The same for a connection: a nonce (8 bytes), the server's session and slot as in ENet's header (2), and 2 zeros.
_IS_OPEN = b"\x0f\xff\x00pygnetic-active?\x01"
_IS_CLOSED = b"\x0f\xff\x00pygnetic-closed!\x01"
# Seconds of silence before a client asks. ENet pings every half second, and each ping is acknowledged.
_SILENCE = 1.0
# Answers a second. More are asked for by as many clients as there can be, or by somebody with forged addresses.
_MOST_ANSWERS = 1000
# The one CONNECT that ENet writes: peer id "none" with a time, then nothing but the command, on channel 255 as first.
_CONNECT_SIZE = 52
_CONNECT_START = b"\x8f\xff"
_CONNECT_COMMAND = b"\x82\xff\x00\x01"
# When fewer slots are free, the adapter makes room before the next turn, so each CONNECT pushes out another. Then
# only so many of one host are admitted in 1/60 s: if 64 wait, each has a quarter of a second to be completed. And only
# one of one address and port in 2 s, or whoever has one cookie would keep out all others behind the same address. ENet
# repeats a CONNECT 0.5, 1.5 and 3.5 s after the first.
_LAST_SLOTS = 32
_CONNECTS_OF_A_HOST = 4
_HOST_PERIOD = 1 / 60
_SOURCE_PERIOD = 2.0
# A cookie is good in its period and the next, so 32 to 64 s: longer than ENet repeats one CONNECT (30 s).
_PERIOD = 32.0
# Seconds between two questions of one connect(): above most round trips, and 20 of them before it gives up.
_RETRY = 0.25


class _Open:
    """What is known of one open connection."""

    __slots__ = (
        "acknowledged", "before", "begun", "distance", "early", "held", "host", "in_flight", "piece", "port", "queued",
        "reached", "session", "steps", "unreliable",
    )  # fmt: skip

    def __init__(self, peer: Any, in_flight: Callable[[], int]) -> None:
        self.in_flight = in_flight
        self.acknowledged = 0  # acknowledgements in the last datagram that had more than a few
        self.before = 0  # packets in flight before it
        self.host: Any = peer.address.host
        self.port: int = peer.address.port
        self.session: int = peer.incomingSessionID
        self.piece: int = peer.mtu - _OVERHEAD  # bytes in each fragment but the last
        self.reached = [0] * peer.channelCount  # number of the last reliable command delivered
        self.queued: dict[int, int] = {}  # by channel, the highest number that came before its turn
        self.distance = 0  # sum of how far these are before their turn
        self.begun: dict[tuple[int, int], int] = {}  # size of packets of which a fragment came, by channel and start
        self.early: dict[tuple[int, int], int] = {}  # size of what came before its turn, by channel and number
        self.unreliable = 0  # commands in this turn
        self.steps = 0  # and work for what is out of order
        self.held = 0  # bytes that ENet has reserved for what is begun or early


class _Request:
    """A question for a cookie that is not answered yet."""

    __slots__ = ("address", "due", "host", "port")

    def __init__(self, address: Any, due: float) -> None:
        self.address = address
        self.host = address.host
        self.port = address.port
        self.due = due


class _Watch:
    """How long a client has heard nothing in one connection, and what its server said to that."""

    __slots__ = ("address", "closed", "heard", "nonce", "question", "since")

    def __init__(self, peer: Any) -> None:
        self.address = peer.address
        self.nonce = os.urandom(8)
        number = peer.outgoingSessionID << 12 | peer.outgoingPeerID
        self.question = _IS_OPEN + self.nonce + number.to_bytes(2, "big") + bytes(2)
        self.heard = 0  # ENet's time of the last acknowledgement
        self.since = 0.0  # and our own time, at which that was seen
        self.closed = False


class DatagramFilter:
    """Decide about each datagram before ENet reads it; one per ENet host, for servers and clients.

    :param send: ``send(address, data)`` sends a datagram at once: ``host.socket.send``. It holds the bare descriptor,
        so the filter must not outlive the host.
    :param listening: whether strangers may connect to this host.
    :param packet_limit: bytes of the largest packet that is received.
    :param unreliable_limit: bytes of the largest unreliable packet that is sent; a datagram must hold it.
    :param channels: how many channels of ENet both ends must have.
    :param clock: seconds, monotonic.

    Addresses are what ENet's binding hands out: ``host`` and ``port`` are all that is used of them.
    """

    def __init__(
        self,
        send: Callable[[Any, bytes], object],
        *,
        listening: bool,
        packet_limit: int,
        unreliable_limit: int,
        channels: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.dropped = 0  #: datagrams that ENet would not have written
        self.challenged = 0  #: questions for a cookie that were answered
        #: CONNECTs without a good cookie, with too small datagrams, with other channels, or too many of one host when
        #: slots are short
        self.refused = 0
        self.told = 0  #: questions for a connection that were answered: it is closed
        #: ENet's free slots as the adapter counted them last, less the CONNECTs admitted since; plenty if it never did.
        self.free = sys.maxsize
        #: What was raised inside ``intercept``, which is Ctrl-C or nothing. ENet cannot pass it on, so raise it after
        #: ``service()``.
        self.error: BaseException | None = None
        self._send = send
        self._listening = listening
        self._packet_limit = packet_limit
        self._room = max(_MOST_HELD * packet_limit, _LEAST_ROOM)
        self._least_mtu = unreliable_limit + _OVERHEAD
        self._channels = channels
        self._clock = clock
        self._secret = os.urandom(32)
        self._open: dict[int, _Open] = {}
        self._busy: list[_Open] = []  # have something that counts in this turn
        self._steps = 0  # work of all of them
        self._hosts: list[Any] = []  # of the CONNECTs admitted in the last period, where slots are short
        self._hosts_since = 0.0
        self._sources: set[tuple[Any, int]] = set()
        self._sources_since = 0.0
        self._asked: tuple[Any, Any] = None, None  # of which datagram it was asked last whether it is from its peer
        self._answer = False
        self._greedy: set[int] = set()  # and those that have too many
        self._requests: dict[bytes, _Request] = {}
        self._cookies: list[tuple[bytes, int]] = []
        self._watches: dict[int, _Watch] = {}
        self._answers, self._answers_since = 0, 0.0

    # a client's part

    def request(self, address: Any) -> bytes:
        """Ask a server for a cookie; the token that comes back names this request."""
        token = os.urandom(8)
        self._requests[token] = _Request(address, self._clock() + _RETRY)
        self._send(address, _QUESTION + token + bytes(4))
        return token

    def cancel(self, token: bytes) -> None:
        """Stop asking; harmless when the request is answered or unknown."""
        self._requests.pop(token, None)
        self._cookies = [item for item in self._cookies if item[0] != token]

    def cookies(self) -> list[tuple[bytes, int]]:
        """Ask again where it is time to, and return (token, cookie) of the requests answered since the last call."""
        if self._requests:
            now = self._clock()
            for token, request in self._requests.items():
                if now >= request.due:
                    request.due = now + _RETRY
                    self._send(request.address, _QUESTION + token + bytes(4))
        # no call stands between these two, and so no Ctrl-C
        cookies, self._cookies = self._cookies, []
        return cookies

    def is_closed(self, peer: Any) -> bool:
        """Tell whether the server has said that it does not know this open connection; ask it after some silence.

        Each call asks once, so call it a few times a second.
        """
        slot = peer.incomingPeerID
        watch = self._watches.get(slot)
        if watch is None:
            watch = self._watches[slot] = _Watch(peer)
        now = self._clock()
        heard = peer.lastReceiveTime
        if heard != watch.heard:
            watch.heard, watch.since = heard, now
        elif heard and now - watch.since >= _SILENCE:  # before the first one, the server may not know it yet
            if watch.closed:
                return True
            self._send(watch.address, watch.question)
        return False

    # connections, as ENet reports them

    def opened(self, peer: Any, in_flight: Callable[[], int]) -> None:
        """Record a peer that ENet just reported as connected; before it reads the next datagram.

        :param in_flight: returns how many reliable packets ENet holds for the peer, at most.
        """
        self._open[peer.incomingPeerID] = _Open(peer, in_flight)

    def number(self, slot: int, channel: int, size: int) -> int:
        """Return what the number of the last command is when a reliable packet has been delivered."""
        peer = self._open.get(slot)
        if peer is None:
            return 0
        return peer.reached[channel] + (-(-size // peer.piece) if size > peer.piece else 1) & 0xFFFF

    def received(self, slot: int, channel: int, number: int) -> None:
        """Take note of a reliable packet that ENet delivered, on whatever channel; harmless when repeated.

        :param number: of its last command; see :meth:`number`.
        """
        peer = self._open.get(slot)
        if peer is None:
            return
        reached = peer.reached[channel]
        if reached == number:
            return
        if peer.begun:
            peer.held -= peer.begun.pop((channel, reached + 1 & 0xFFFF), 0)
        if peer.early:
            peer.held -= peer.early.pop((channel, reached + 1 & 0xFFFF), 0)
        if not peer.begun and not peer.early:
            peer.held = 0  # whatever a Ctrl-C kept from being counted
        if channel in peer.queued:
            numbers = number - reached & 0xFFFF
            before = peer.queued[channel] - reached & 0xFFFF
            if before <= numbers:
                del peer.queued[channel]
            peer.distance -= min(before, numbers)
            if not peer.queued:
                peer.distance = 0
        peer.reached[channel] = number

    def closed(self, slot: int) -> None:
        """Forget the peer with that ``incomingPeerID``; harmless when it is unknown."""
        self._open.pop(slot, None)
        self._watches.pop(slot, None)
        self._greedy.discard(slot)

    def turn(self) -> None:
        """Begin anew to count what each peer sends; once an update."""
        if self._busy:
            for peer in self._busy:
                peer.unreliable = peer.steps = peer.acknowledged = 0
            self._steps = 0
            self._greedy.clear()
            self._busy.clear()

    # every datagram

    def intercept(self, address: Any, data: bytes) -> bool:
        """Return True for a datagram that ENet must not see. It never raises."""
        try:
            first = data[0]
            if data[1] == 0xFF and first & 0x0F == 0x0F:
                return self._stranger(address, data)
            # a lone acknowledgement is half of all datagrams, and can do no harm
            if len(data) == 10 and data[2] == _ACKNOWLEDGE and not first & 0xC0:
                return False
            # None: nobody, whom ENet ignores, or the one datagram that also completes the connection
            slot = (first & 0x0F) << 8 | data[1]
            peer = self._open.get(slot)
            greedy = slot in self._greedy
            unreliable = 0
            size = len(data)
            if first & 0x80:
                at, reliable, others = 4, _RELIABLE, _OTHERS
            else:
                at, reliable, others = 2, None, _UNTIMED
            carriers = acknowledged = 0
            for _ in range(_FIRST_COMMANDS if peer is None else _MOST_COMMANDS):
                kind = data[at]
                if kind == _ACKNOWLEDGE:
                    acknowledged += 1
                    at += 8
                elif kind == reliable:
                    length = data[at + 4] << 8 | data[at + 5]
                    if peer is not None:
                        channel = data[at + 1]
                        ahead = (data[at + 2] << 8 | data[at + 3]) - peer.reached[channel] & 0xFFFF
                        if length > peer.piece:
                            break
                        if ahead != 1 or peer.queued:
                            if not self._in_order(peer, address, data, channel, ahead):
                                break
                            if length > _SMALL and not self._early(peer, address, data, channel, ahead, length):
                                break
                        if channel & 1 and ahead == 1:
                            carriers |= 1 << channel
                    at += 6 + length
                elif kind == _UNRELIABLE:
                    if greedy:
                        break
                    unreliable += 1
                    channel = data[at + 1]
                    ahead = (data[at + 2] << 8 | data[at + 3]) - (peer.reached[channel] if peer is not None else 0)
                    if (ahead or not channel & 1) and not self._follows(channel, ahead, carriers):
                        break
                    at += 8 + (data[at + 6] << 8 | data[at + 7])
                elif kind == _FRAGMENT:
                    if greedy:  # it would be counted as received, and go with the rest of the datagram
                        break
                    length = self._fragment(peer, address, data, at)
                    if not length:
                        break
                    at += length
                elif kind == _UNSEQUENCED:
                    # on an even channel it would be taken for the reliable packet whose turn it is
                    if greedy or not data[at + 1] & 1:
                        break
                    unreliable += 1
                    at += 8 + (data[at + 6] << 8 | data[at + 7])
                else:
                    if kind == _VERIFY_CONNECT and not self._suits(data, at):
                        break
                    at += others[kind]
                if at >= size:
                    # to the byte, and not compressed, which we never ask for
                    if at == size and not first & 0x40:
                        if acknowledged > _FEW_ACKNOWLEDGED and peer is not None:
                            if not self._acknowledge(peer, address, data, acknowledged):
                                break
                        if unreliable > _FEW_UNRELIABLE and peer is not None:
                            self._count(peer, slot, address, data, unreliable)
                        return False
                    break
        except (LookupError, struct.error):
            pass  # a command or a channel that is none, or a command cut off
        except BaseException as error:
            self.error = error
            return True
        self.dropped += 1
        return True

    def _count(self, peer: _Open, slot: int, address: Any, data: bytes, unreliable: int) -> None:
        if self._is_from(peer, address, data):
            self._note(peer)
            peer.unreliable += unreliable
            if peer.unreliable > _MOST_A_TURN:
                self._greedy.add(slot)

    def _note(self, peer: _Open) -> None:
        if not peer.unreliable and not peer.steps and not peer.acknowledged:
            self._busy.append(peer)

    def _suits(self, data: bytes, at: int) -> bool:
        """Tell whether a peer that connects takes datagrams that are large enough, and has our channels."""
        mtu, channels = _CONNECTING_FIELDS.unpack_from(data, at)
        return bool(mtu >= self._least_mtu and channels == self._channels)

    def _acknowledge(self, peer: _Open, address: Any, data: bytes, acknowledged: int) -> bool:
        """Tell whether so many acknowledgements may pass.

        What those of the last datagram did not free has cost ENet a walk through all that is in flight. (Pieces of a
        packet are freed together, and some are acknowledged twice: an honest peer is far below the bound.)
        """
        if not self._is_from(peer, address, data):
            return True  # ENet ignores it
        in_flight = peer.in_flight()
        if in_flight <= _FEW_IN_FLIGHT and not peer.acknowledged:
            return True
        self._note(peer)
        wasted = max(peer.acknowledged - max(peer.before - in_flight, 0), 0) * in_flight
        peer.steps += wasted
        self._steps += wasted
        peer.before = in_flight
        peer.acknowledged = 0 if self._exhausted(peer) else acknowledged
        return peer.acknowledged > 0

    def _exhausted(self, peer: _Open) -> bool:
        return peer.steps > _MOST_STEPS or (self._steps > _ALL_STEPS and peer.steps > _FAIR_STEPS)

    def _is_from(self, peer: _Open, address: Any, data: bytes) -> bool:
        # what ENet asks, too; others must not be able to use up what the peer is allowed
        if data is not self._asked[0] or address is not self._asked[1]:  # once a datagram: 0.3 us
            self._asked = data, address
            self._answer = data[0] >> 4 & 3 == peer.session and address.port == peer.port and address.host == peer.host
        return self._answer

    def _in_order(self, peer: _Open, address: Any, data: bytes, channel: int, ahead: int) -> bool:
        """Tell whether a reliable command may pass that is not just the next one, or is while others wait."""
        queued = peer.queued
        before = queued[channel] - peer.reached[channel] & 0xFFFF if channel in queued else 0
        if not before < ahead < 0x8000:
            # ENet walks from the end of what waits to where it belongs; it forgets at once what it has delivered
            return self._charge(peer, address, data, before - ahead if 0 < ahead < 0x8000 else 0)
        if ahead == 1:
            return True
        if channel & 1:
            return False
        if ahead > _NEAR and peer.distance - before + ahead > _MOST_AHEAD:
            return False
        if not self._is_from(peer, address, data):
            return False
        queued[channel] = peer.reached[channel] + ahead & 0xFFFF
        peer.distance += ahead - before
        return True

    def _charge(self, peer: _Open, address: Any, data: bytes, steps: int) -> bool:
        """Count what it takes to sort in a command; False if that is too much for this turn."""
        if self._exhausted(peer) or not self._is_from(peer, address, data):
            return False
        self._note(peer)
        steps += _COMMAND_STEPS
        peer.steps += steps
        self._steps += steps
        return True

    def _early(self, peer: _Open, address: Any, data: bytes, channel: int, ahead: int, length: int) -> bool:
        """Tell whether there is room for a reliable command that comes before its turn."""
        if not 1 < ahead < 0x8000:
            return True  # its turn, or a duplicate
        key = channel, peer.reached[channel] + ahead & 0xFFFF
        if key not in peer.early:
            size = length + _COMMAND_COST
            if peer.held + size > self._room or not self._is_from(peer, address, data):
                return False
            peer.early[key] = size
            peer.held += size
        return True

    @staticmethod
    def _follows(channel: int, ahead: int, carriers: int) -> bool:
        """Tell whether an unreliable command is one that ENet passes on or forgets at once.

        It carries the number of the last reliable command on its channel, and ENet keeps it until that has come. There
        is none but one in 65536: when ENet runs out of numbers it sends an unreliable packet as a reliable one.
        """
        if not channel & 1:
            return False
        ahead &= 0xFFFF
        return ahead == 0 or ahead >= 0x8000 or (ahead == 1 and carriers >> channel & 1 == 1)

    def _fragment(self, peer: _Open | None, address: Any, data: bytes, at: int) -> int:
        """Return the length of a harmless fragment command with its data, else 0.

        ENet reserves the whole packet when the first of its fragments comes, and does not clear it: so fragments must
        tile it exactly, and only so much may be reserved.
        """
        channel, start, length, count, number, total, offset = _FRAGMENT_FIELDS.unpack_from(data, at)
        if total > self._packet_limit or number >= count or channel & 1 or not data[0] & 0x80:
            return 0
        size = _FRAGMENT_SIZE + int(length)
        if peer is None:
            return size if count <= total // (_LEAST_MTU - _OVERHEAD) + 1 and offset + length <= total else 0
        piece = peer.piece
        if (
            total <= piece
            or count != -(-total // piece)
            or offset != number * piece
            or length != min(piece, total - offset)
            or at + size > len(data)
        ):
            return 0
        ahead = start - peer.reached[channel] & 0xFFFF
        before = peer.queued[channel] - peer.reached[channel] & 0xFFFF if channel in peer.queued else 0
        if not self._charge(peer, address, data, before - ahead if 0 < ahead < before else 0):
            return 0
        if ahead == 0 or ahead >= 0x8000:
            return size  # of a packet that was delivered: ENet forgets it
        packet = peer.begun.get((channel, start))
        if packet is None:
            # the one whose turn it is always may, or the others would wait for ever
            full = peer.held + total > self._room or len(peer.begun) >= _MOST_BEGUN
            if full and ahead > 1:
                return 0
            peer.begun[channel, start] = total
            peer.held += total
            if ahead > max(before, 1):
                peer.queued[channel] = start
                peer.distance += ahead - before
        elif packet != total:
            return 0
        return size

    # datagrams that name no peer

    def _stranger(self, address: Any, data: bytes) -> bool:
        if len(data) < _COOKIE_SIZE:
            return True  # nothing that ENet would act on; who gives up connecting says good-bye like this
        if len(data) == _CONNECT_SIZE and data[:2] == _CONNECT_START and data[4:8] == _CONNECT_COMMAND:
            if self._listening:
                cookie = int.from_bytes(data[48:], "big")
                period = int(self._clock() // _PERIOD)
                good = cookie in (self._cookie(address, period), self._cookie(address, period - 1))
                if good and self._suits(data, 4) and self._admit(address):
                    return False
                self.refused += 1
                return True
        elif len(data) == _COOKIE_SIZE:
            token = data[20:28]
            if data.startswith(_QUESTION):
                if self._listening:
                    cookie = self._cookie(address, int(self._clock() // _PERIOD))
                    self._send(address, _ANSWER + token + cookie.to_bytes(4, "big"))
                    self.challenged += 1
                    return True
            elif data.startswith(_ANSWER):
                request = self._requests.get(token)
                if request is not None and address.port == request.port and address.host == request.host:
                    self._cookies.append((token, int.from_bytes(data[28:], "big")))
                    del self._requests[token]
                return True  # a second answer is nothing bad
            elif data.startswith(_IS_OPEN):
                if self._listening:
                    self._tell(address, data)
                    return True
            elif data.startswith(_IS_CLOSED):
                for watch in self._watches.values():
                    known = watch.address
                    if data[20:] == watch.question[20:] and address.port == known.port and address.host == known.host:
                        watch.closed = True
                return True
        self.dropped += 1
        return True

    def _tell(self, address: Any, question: bytes) -> None:
        """Answer if a connection is closed; silence means that it is open, and that others must not learn of it."""
        number = question[28] << 8 | question[29]
        peer = self._open.get(number & 0xFFF)
        if peer and peer.session == number >> 12 and address.port == peer.port and address.host == peer.host:
            return
        now = self._clock()
        if now >= self._answers_since + 1:
            self._answers, self._answers_since = 0, now
        if self._answers < _MOST_ANSWERS:
            self._answers += 1
            self.told += 1
            self._send(address, _IS_CLOSED + question[20:])

    def _admit(self, address: Any) -> bool:
        if self.free < _LAST_SLOTS:  # and not at as many: the one that is admitted then has them counted anew
            now = self._clock()
            if now >= self._hosts_since + _HOST_PERIOD:
                self._hosts.clear()
                self._hosts_since = now
            if now >= self._sources_since + _SOURCE_PERIOD:
                self._sources.clear()
                self._sources_since = now
            host = address.host
            source = host, address.port
            if source in self._sources or self._hosts.count(host) >= _CONNECTS_OF_A_HOST:
                return False  # who is honest comes again in half a second
            self._hosts.append(host)
            self._sources.add(source)
        self.free -= 1
        return True

    def _cookie(self, address: Any, period: int) -> int:
        text = f"{address.host} {address.port} {period}".encode()
        # 0 is what a CONNECT without a cookie carries
        return int.from_bytes(blake2s(text, digest_size=4, key=self._secret).digest(), "big") or 1
