"""What one ENet connection may send ahead of its turn, again, in pieces, or without end.

ENet keeps what comes before its turn, nearly without bound, and walks through lists for what is out of order. A window
knows what was delivered, so it knows which command is next, and how far ahead an honest sender can be.
Facts about ENet are from its sources, version 1.3.17 (``protocol.h``, ``protocol.c``, ``peer.c``, ``enet.h``).
"""

import struct
from collections.abc import Callable

from pygnetic.network._enet_binding import Address, Remote

__all__: list[str] = []

# channel, start sequence number, length, fragment count and number, total length, offset
FRAGMENT_FIELDS = struct.Struct(">xB2xHHIIII")
FRAGMENT_SIZE = 24
# What a datagram's header (4) and a fragment's leave of the MTU is for data; longer packets are split (enet_peer_send).
OVERHEAD = 4 + FRAGMENT_SIZE
# MTU and number of channels, from the first byte of VERIFY_CONNECT. CONNECT has the same fields behind the four bytes
# of a datagram's header.
_CONNECTING_FIELDS = struct.Struct(">8xI4xI")
# What ENet may hold for a peer until its turn comes, in packets of the largest size; but this many bytes at least,
# since one call of service() reads 350 kB before the adapter hears of any. ENet has 64 KiB of a peer in flight
# (ENET_PROTOCOL_MAXIMUM_WINDOW_SIZE), 47 full fragments, so an honest receiver lacks at most 47 of them, of at most as
# many packets; and while one is sent again, 64 times as much can follow it.
_MAX_HELD = 64
_MIN_BUDGET = 1048576
# Begun packets of any size: 2.8 MB of those just too large for one datagram, and about 300 bytes here for each.
_MAX_PARTIAL = 2048
# Reliable commands with more data than SMALL bytes are also counted in bytes, with _COMMAND_COST for ENet's own.
# At most _MAX_AHEAD smaller ones can wait, and these take no more.
SMALL = 64
_COMMAND_COST = 200
# Reliable commands that may always come this early on a channel: ENet keeps about 200 bytes for each.
_NEAR = 256
# Reliable commands that may come before their turn, on all channels. 64 KiB in flight are 16384 packets of 4 bytes,
# and 8192 can be read (256 datagrams of 32) before the adapter hears of any.
_MAX_AHEAD = 16384

# Unreliable commands of one peer between two updates: ENet hands each over in 3 us, and while it has some, it reads
# nothing of the others. The next are dropped, as a network would.
_MAX_UNRELIABLE = 1024
# Work between two updates for what is out of order: repeated, late, or a fragment. A unit is one step through ENet's
# list of what waits, 6 ns; this filter's own part for such a command is 250 units. So one peer can use 0.6 ms (400
# fragments are half a megabyte), all of them 6 ms, and each a little even then: what is dropped is only sent again.
_COMMAND_STEPS = 250
_MAX_STEPS = 100_000
_MAX_STEPS_OF_ALL = 1_000_000
_FAIR_STEPS = 8_000
# For each acknowledgement ENet walks through the packets in flight until it finds the one that is meant: the first,
# when an honest peer sends it. Nothing is counted while few packets are in flight: 8192 acknowledgements of nothing
# then take ENet 3 ms.
_FEW_IN_FLIGHT = 64


class Terms:
    """What both ends of a connection must have: datagrams that are large enough, and the same channels.

    ENet would split an unreliable packet that is too large for a datagram, and send the pieces as reliable ones.
    """

    def __init__(self, unreliable_limit: int, channels: int) -> None:
        self._min_mtu = unreliable_limit + OVERHEAD
        self._channels = channels

    def accept(self, data: bytes, at: int) -> bool:
        """Return whether a CONNECT or VERIFY_CONNECT has them."""
        mtu, channels = _CONNECTING_FIELDS.unpack_from(data, at)
        return bool(mtu >= self._min_mtu and channels == self._channels)


class Period:
    """What all connections together have used since the last update."""

    def __init__(self) -> None:
        self.throttled: set[int] = set()  # the slots that have sent too many unreliable commands
        self._busy: list[Window] = []  # have something that counts
        self._steps = 0

    def start(self) -> None:
        """Begin a new one."""
        if self._busy:
            for window in self._busy:
                window.start_period()
            self._steps = 0
            self.throttled.clear()
            self._busy.clear()

    def note(self, window: "Window") -> None:
        """Record that a window has something that counts."""
        self._busy.append(window)

    def work(self, steps: int) -> None:
        """Count what somebody has used."""
        self._steps += steps

    def exhausted(self, steps: int) -> bool:
        """Return whether a connection has used too much."""
        return steps > _MAX_STEPS or (self._steps > _MAX_STEPS_OF_ALL and steps > _FAIR_STEPS)


class Window:
    """What is known of one open connection.

    :param in_flight: returns how many reliable packets ENet holds for the peer, at most.
    :param packet_limit: bytes of the largest packet that is received.
    """

    __slots__ = (
        "_acknowledged", "_answer", "_asked", "_before", "_budget", "_distance", "_in_flight", "_packet_limit",
        "_period", "_steps", "_unreliable", "fragment_size", "held", "host", "last_delivered", "out_of_order",
        "partial", "port", "queued", "session", "slot",
    )  # fmt: skip

    def __init__(self, peer: Remote, in_flight: Callable[[], int], packet_limit: int, period: Period) -> None:
        self.slot = peer.incomingPeerID
        self.session = peer.incomingSessionID
        self.host = peer.address.host
        self.port = peer.address.port
        self.fragment_size = peer.mtu - OVERHEAD  # bytes in each fragment but the last
        self.last_delivered = [0] * peer.channelCount  # number of the last reliable command, by channel
        self.queued: dict[int, int] = {}  # by channel, the highest number that came before its turn
        self.partial: dict[tuple[int, int], int] = {}  # size of packets of which a fragment came, by channel and start
        self.out_of_order: dict[tuple[int, int], int] = {}  # size of what came too early, by channel and number
        self.held = 0  # bytes that ENet has reserved for these two
        self._distance = 0  # sum of how far what is queued is before its turn
        self._budget = max(_MAX_HELD * packet_limit, _MIN_BUDGET)
        self._packet_limit = packet_limit
        self._period = period
        self._in_flight = in_flight
        self._acknowledged = 0  # acknowledgements in the last datagram that had more than a few
        self._before = 0  # packets in flight before it
        self._unreliable = 0  # commands in this period
        self._steps = 0  # and work for what is out of order
        self._asked: tuple[bytes, Address] | None = None  # the datagram that is_from() looked at last
        self._answer = False

    def start_period(self) -> None:
        """Forget what counts between two updates."""
        self._unreliable = self._steps = self._acknowledged = 0
        self._asked = None

    def is_at(self, address: Address, session: int) -> bool:
        """Return whether this is the connection with an address."""
        return session == self.session and address.port == self.port and address.host == self.host

    def settle(self, channel: int, number: int) -> None:
        """Make room for what was delivered: a packet whose last command has this number."""
        last = self.last_delivered[channel]
        if self.partial:
            self.held -= self.partial.pop((channel, last + 1 & 0xFFFF), 0)
        if self.out_of_order:
            self.held -= self.out_of_order.pop((channel, last + 1 & 0xFFFF), 0)
        if not self.partial and not self.out_of_order:
            self.held = 0  # whatever a Ctrl-C kept from being counted
        if channel in self.queued:
            numbers = number - last & 0xFFFF
            before = self.queued[channel] - last & 0xFFFF
            if before <= numbers:
                del self.queued[channel]
            self._distance -= min(before, numbers)
            if not self.queued:
                self._distance = 0

    def is_from(self, address: Address, data: bytes) -> bool:
        """Return whether the peer sent a datagram, as ENet decides it: others cannot use up what a peer may send."""
        asked = self._asked
        if asked is None or data is not asked[0] or address is not asked[1]:  # once a datagram: 0.3 us
            self._asked = data, address
            self._answer = data[0] >> 4 & 3 == self.session and address.port == self.port and address.host == self.host
        return self._answer

    def count(self, address: Address, data: bytes, unreliable: int) -> None:
        """Count unreliable commands."""
        if self.is_from(address, data):
            self._note()
            self._unreliable += unreliable
            if self._unreliable > _MAX_UNRELIABLE:
                self._period.throttled.add(self.slot)

    def _note(self) -> None:
        if not self._unreliable and not self._steps and not self._acknowledged:
            self._period.note(self)

    def acknowledge(self, address: Address, data: bytes, acknowledged: int) -> bool:
        """Return whether this many acknowledgements may pass.

        For each of the last datagram that freed nothing, ENet has walked through all that is in flight. (Pieces of a
        packet are freed together, and some are acknowledged twice: an honest peer is far below the bound.)
        """
        if not self.is_from(address, data):
            return True  # ENet ignores it
        in_flight = self._in_flight()
        if in_flight <= _FEW_IN_FLIGHT and not self._acknowledged:
            return True
        self._note()
        wasted = max(self._acknowledged - max(self._before - in_flight, 0), 0) * in_flight
        self._steps += wasted
        self._period.work(wasted)
        self._before = in_flight
        self._acknowledged = 0 if self._period.exhausted(self._steps) else acknowledged
        return self._acknowledged > 0

    def in_order(self, address: Address, data: bytes, channel: int, ahead: int) -> bool:
        """Return whether a reliable command may pass that is not just the next one, or is while others wait."""
        queued = self.queued
        before = queued[channel] - self.last_delivered[channel] & 0xFFFF if channel in queued else 0
        if not before < ahead < 0x8000:
            # ENet walks from the end of what waits to where it belongs; it forgets at once what it has delivered
            return self._charge(address, data, before - ahead if 0 < ahead < 0x8000 else 0)
        if ahead == 1:
            return True
        if channel & 1:
            return False
        if ahead > _NEAR and self._distance - before + ahead > _MAX_AHEAD:
            return False
        if not self.is_from(address, data):
            return False
        queued[channel] = self.last_delivered[channel] + ahead & 0xFFFF
        self._distance += ahead - before
        return True

    def _charge(self, address: Address, data: bytes, steps: int) -> bool:
        """Count what it takes to sort in a command; False if that is too much for this period."""
        if self._period.exhausted(self._steps) or not self.is_from(address, data):
            return False
        self._note()
        steps += _COMMAND_STEPS
        self._steps += steps
        self._period.work(steps)
        return True

    def has_room(self, address: Address, data: bytes, channel: int, ahead: int, length: int) -> bool:
        """Return whether there is room for a reliable command that may come before its turn."""
        if not 1 < ahead < 0x8000:
            return True  # its turn, or a duplicate
        key = channel, self.last_delivered[channel] + ahead & 0xFFFF
        if key not in self.out_of_order:
            size = length + _COMMAND_COST
            if self.held + size > self._budget or not self.is_from(address, data):
                return False
            self.out_of_order[key] = size
            self.held += size
        return True

    def fragment(self, address: Address, data: bytes, at: int) -> int:
        """Return the length of a harmless fragment command with its data, else 0.

        ENet reserves the whole packet when the first of its fragments comes, and does not clear it. So fragments must
        tile it exactly, and what is reserved is bounded.
        """
        channel, start, length, count, number, total, offset = FRAGMENT_FIELDS.unpack_from(data, at)
        fragment_size = self.fragment_size
        size = FRAGMENT_SIZE + int(length)
        if (
            not fragment_size < total <= self._packet_limit
            or channel & 1
            or not data[0] & 0x80
            or number >= count
            or count != -(-total // fragment_size)
            or offset != number * fragment_size
            or length != min(fragment_size, total - offset)
            or at + size > len(data)
        ):
            return 0
        last = self.last_delivered[channel]
        ahead = start - last & 0xFFFF
        before = self.queued[channel] - last & 0xFFFF if channel in self.queued else 0
        if not self._charge(address, data, before - ahead if 0 < ahead < before else 0):
            return 0
        if ahead == 0 or ahead >= 0x8000:
            return size  # of a packet that was delivered: ENet forgets it
        packet = self.partial.get((channel, start))
        if packet is None:
            # the one whose turn it is always may, or the others would wait for ever
            full = self.held + total > self._budget or len(self.partial) >= _MAX_PARTIAL
            if full and ahead > 1:
                return 0
            self.partial[channel, start] = total
            self.held += total
            if ahead > max(before, 1):
                self.queued[channel] = start
                self._distance += ahead - before
        elif packet != total:
            return 0
        return size
