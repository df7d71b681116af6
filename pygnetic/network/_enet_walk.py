"""The walk over a datagram's commands: a datagram of a connection passes if ENet would have written it, to the byte.

Facts about ENet are from its sources, version 1.3.17 (``protocol.h``, ``protocol.c``, ``peer.c``, ``enet.h``).
"""

import struct
from collections.abc import Callable

from pygnetic.network._enet_binding import Address, Remote
from pygnetic.network._enet_window import FRAGMENT_FIELDS, FRAGMENT_SIZE, OVERHEAD, SMALL, Period, Terms, Window

__all__: list[str] = []

# ENET_PROTOCOL_MAXIMUM_PACKET_COMMANDS: no more fit into the array ENet builds a datagram from.
_MAX_COMMANDS = 32
# The datagram that completes a connection has an acknowledgement, and HELLO or a PING. Without this bound, a closed
# connection that floods on would cost as much as before.
_FIRST_COMMANDS = 4
# The first byte of a command (number and flags), as ENet writes it. CONNECT has no place in a connection, and
# UNRELIABLE_FRAGMENT is never sent by us.
_ACKNOWLEDGE, _RELIABLE, _UNRELIABLE, _FRAGMENT, _UNSEQUENCED = 0x01, 0x86, 0x07, 0x88, 0x49
_VERIFY_CONNECT = 0x83
# VERIFY_CONNECT, DISCONNECT (to be answered; not), PING, BANDWIDTH_LIMIT, THROTTLE_CONFIGURE and their sizes
_OTHERS = {_VERIFY_CONNECT: 44, 0x84: 8, 0x44: 8, 0x85: 4, 0x8A: 12, 0x8B: 16}
# Those of them that are not to be acknowledged. ENet writes the others only into a datagram with a time; in one
# without, it would take the first, never acknowledge it, and not read on: DISCONNECT left a slot stuck for 10 s.
_UNTIMED = {0x44: 8}
# ENET_PROTOCOL_MINIMUM_MTU
_MIN_MTU = 576
# Datagrams with this many unreliable commands or acknowledgements do not count: a call of service() reads at most 256
# datagrams.
_FEW_UNRELIABLE = 4
_FEW_ACKNOWLEDGED = 2


class Walk:
    """Decide about each datagram before ENet reads it.

    :param windows: the open connections by their ``incomingPeerID``; the walk adds and removes them.
    :param terms: what a peer that connects must have.
    :param packet_limit: bytes of the largest packet that is received.
    :param unknown: decides about datagrams that name no peer: returns False for one that ENet may read, True for one
        that is dealt with, and None for one that is to be dropped and counted.
    """

    def __init__(
        self,
        windows: dict[int, Window],
        terms: Terms,
        packet_limit: int,
        unknown: Callable[[Address, bytes], bool | None],
    ) -> None:
        self.dropped = 0  #: datagrams that ENet would not have written
        #: What was raised inside ``intercept``, which is Ctrl-C or nothing. ENet cannot pass it on, so raise it after
        #: ``service()``.
        self.error: BaseException | None = None
        self._windows = windows
        self._terms = terms
        self._packet_limit = packet_limit
        self._unknown = unknown
        self._period = Period()
        self._throttled = self._period.throttled

    # connections, as ENet reports them

    def opened(self, peer: Remote, in_flight: Callable[[], int]) -> None:
        """Record a peer that ENet just reported as connected; before it reads the next datagram.

        :param in_flight: returns how many reliable packets ENet holds for the peer, at most.
        """
        self._windows[peer.incomingPeerID] = Window(peer, in_flight, self._packet_limit, self._period)

    def number(self, slot: int, channel: int, size: int) -> int:
        """Return what the number of the last command is when a reliable packet has been delivered."""
        window = self._windows.get(slot)
        if window is None:
            return 0
        fragment_size = window.fragment_size
        return window.last_delivered[channel] + (-(-size // fragment_size) if size > fragment_size else 1) & 0xFFFF

    def received(self, slot: int, channel: int, number: int) -> None:
        """Record a reliable packet that ENet delivered, on whatever channel; harmless when repeated.

        :param number: of its last command; see :meth:`number`.
        """
        window = self._windows.get(slot)
        if window is None or window.last_delivered[channel] == number:
            return
        if window.queued or window.held or window.partial or window.out_of_order:
            window.settle(channel, number)
        window.last_delivered[channel] = number

    def closed(self, slot: int) -> None:
        """Forget the peer with that ``incomingPeerID``; harmless when it is unknown."""
        self._windows.pop(slot, None)
        self._throttled.discard(slot)

    def turn(self) -> None:
        """Begin anew to count what each peer sends; once an update."""
        self._period.start()

    # every datagram

    def intercept(self, address: Address, data: bytes) -> bool:
        """Return True for a datagram that ENet must not see. It never raises."""
        try:
            first = data[0]
            if data[1] == 0xFF and first & 0x0F == 0x0F:
                verdict = self._unknown(address, data)
                if verdict is None:
                    self.dropped += 1
                    return True
                return verdict
            # a lone acknowledgement is half of all datagrams, and can do no harm
            if len(data) == 10 and data[2] == _ACKNOWLEDGE and not first & 0xC0:
                return False
            # None: nobody, whom ENet ignores, or the one datagram that also completes the connection
            slot = (first & 0x0F) << 8 | data[1]
            window = self._windows.get(slot)
            throttled = slot in self._throttled
            unreliable = 0
            size = len(data)
            if first & 0x80:
                at, reliable, others = 4, _RELIABLE, _OTHERS
            else:
                at, reliable, others = 2, None, _UNTIMED
            carriers = acknowledged = 0
            for _ in range(_FIRST_COMMANDS if window is None else _MAX_COMMANDS):
                kind = data[at]
                if kind == _ACKNOWLEDGE:
                    acknowledged += 1
                    at += 8
                elif kind == reliable:
                    length = data[at + 4] << 8 | data[at + 5]
                    if window is not None:
                        channel = data[at + 1]
                        ahead = (data[at + 2] << 8 | data[at + 3]) - window.last_delivered[channel] & 0xFFFF
                        if length > window.fragment_size:
                            break
                        if ahead != 1 or window.queued:
                            if not window.in_order(address, data, channel, ahead):
                                break
                            if length > SMALL and not window.has_room(address, data, channel, ahead, length):
                                break
                        if channel & 1 and ahead == 1:
                            carriers |= 1 << channel
                    at += 6 + length
                elif kind == _UNRELIABLE:
                    if throttled:
                        break
                    unreliable += 1
                    channel = data[at + 1]
                    ahead = data[at + 2] << 8 | data[at + 3]
                    if window is not None:
                        ahead -= window.last_delivered[channel]
                    if (ahead or not channel & 1) and not _follows(channel, ahead, carriers):
                        break
                    at += 8 + (data[at + 6] << 8 | data[at + 7])
                elif kind == _FRAGMENT:
                    if throttled:  # it would be counted as received, and go with the rest of the datagram
                        break
                    length = self._first_fragment(data, at) if window is None else window.fragment(address, data, at)
                    if not length:
                        break
                    at += length
                elif kind == _UNSEQUENCED:
                    # on an even channel it would be taken for the reliable packet whose turn it is
                    if throttled or not data[at + 1] & 1:
                        break
                    unreliable += 1
                    at += 8 + (data[at + 6] << 8 | data[at + 7])
                else:
                    if kind == _VERIFY_CONNECT and not self._terms.accept(data, at):
                        break
                    at += others[kind]
                if at >= size:
                    # to the byte, and not compressed, which we never ask for
                    if at == size and not first & 0x40:
                        if acknowledged > _FEW_ACKNOWLEDGED and window is not None:
                            if not window.acknowledge(address, data, acknowledged):
                                break
                        if unreliable > _FEW_UNRELIABLE and window is not None:
                            window.count(address, data, unreliable)
                        return False
                    break
        except (LookupError, struct.error):
            pass  # an invalid command or channel, or a command cut off
        except BaseException as error:
            self.error = error
            return True
        self.dropped += 1
        return True

    def _first_fragment(self, data: bytes, at: int) -> int:
        """Return the length of a fragment that may complete a connection, else 0; its MTU is not known yet."""
        channel, _, length, count, number, total, offset = FRAGMENT_FIELDS.unpack_from(data, at)
        if total > self._packet_limit or number >= count or channel & 1 or not data[0] & 0x80:
            return 0
        if count > total // (_MIN_MTU - OVERHEAD) + 1 or offset + length > total:
            return 0
        return FRAGMENT_SIZE + int(length)


def _follows(channel: int, ahead: int, carriers: int) -> bool:
    """Return whether an unreliable command is one that ENet passes on or forgets at once.

    It carries the number of the last reliable command on its channel, and ENet keeps it until that has come. There
    is none but one in 65536: when ENet runs out of numbers it sends an unreliable packet as a reliable one.
    """
    if not channel & 1:
        return False
    ahead &= 0xFFFF
    return ahead == 0 or ahead >= 0x8000 or (ahead == 1 and carriers >> channel & 1 == 1)
