"""What one connection has accepted and not handed to the network yet."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pygnetic.limits import Limits
from pygnetic.network.base import most_cost
from pygnetic.stats import Tally

__all__: list[str] = []

# At most so many messages in one packet.
BATCH = 256
# An array's header, whatever the codec: MessagePack's longest here is 3 bytes, JSON's brackets are 2.
_HEADER = 3
# What a message that waits for WELCOME takes beside its bytes: the object, and its places in two lists.
_HELD_COST = 64


class Outbox:
    """Packed messages by delivery, which leave as one packet each.

    It is an object of its own, and not a part of Connection, for the sake of speed: Connection has ``__getattr__``,
    which makes each look-up of an attribute 30 ns slower, and a sender has five of them.

    :param peer: the network adapter's object for the remote end.
    :param deliveries: how messages travel; a message's index in here is its box.
    :param join: from packed messages to one packed array; None if the codec cannot.
    :param wake: called with the connection when there is something to flush.
    """

    __slots__ = (
        "_batch", "_deliveries", "_held", "_join", "_limits", "_peer", "boxes", "data_sent", "dropped", "flowing",
        "kinds", "most", "room", "tally", "wake",
    )  # fmt: skip

    def __init__(
        self,
        peer: Any,
        limits: Limits,
        deliveries: list[Any],
        join: Callable[[list[bytes]], bytes] | None,
        wake: Callable[[Any], None],
    ) -> None:
        self._peer = peer
        self._limits = limits
        self._deliveries = deliveries
        self._join = join
        self._batch = min(BATCH, limits.container)  # a packet of messages is a container to who receives it
        self.wake = wake
        self._held = 0  # bytes that wait for WELCOME, with what each message takes
        self.boxes: list[list[bytes]] = [[] for _ in deliveries]
        self.kinds: list[list[type]] = [[] for _ in deliveries]  # the classes of the messages in the boxes
        self.tally = Tally()
        self.room = -1  # bytes that can be put in before a flush; negative while nothing can leave
        # how many bytes a message or packet of each box can have
        most = limits.packet_size
        self.most = [most if delivery.reliable else min(limits.unreliable_size, most) for delivery in deliveries]
        self.flowing = False  # the other end may be sent to
        self.dropped = 0
        self.data_sent = 0

    @property
    def waiting(self) -> int:
        """Bytes in the boxes."""
        return sum(sum(map(len, box)) for box in self.boxes)

    @property
    def messages(self) -> int:
        """Messages in the boxes."""
        return sum(map(len, self.boxes))

    def put(self, connection: Any, index: int, message_class: type, data: bytes) -> bool:
        """Put a packed message into a box; what each compiled sender does, for what is packed once and sent to many."""
        room = self.room - len(data)
        if room < 0 or len(data) > self.most[index]:
            return bool(connection._spill(index, message_class, data))
        self.room = room
        box = self.boxes[index]
        if not box:
            self.wake(connection)
        box.append(data)
        self.kinds[index].append(message_class)
        return True

    def hold(self, index: int, message_class: type, data: bytes) -> bool:
        """Before WELCOME nothing can leave: keep a message till then; False if that is too much."""
        self._held += len(data) + _HELD_COST
        if self._held > self._limits.unsent:
            return False
        self.boxes[index].append(data)
        self.kinds[index].append(message_class)
        return True

    def open(self) -> None:
        """From now on messages can leave."""
        self.flowing = True
        self.room = self._limits.packet_size

    def shut(self) -> None:
        """Take nothing more, and forget what is here."""
        self.flowing = False
        self.room = -1
        self.boxes = [[] for _ in self.boxes]
        self.kinds = [[] for _ in self.boxes]

    def flush(self) -> int:
        """Hand everything to the adapter; return how many bytes of reliable packets it refused."""
        if not self.flowing:
            return 0
        room = self._limits.packet_size
        used, self.room = room - self.room, room
        send = self._peer.send
        refused = 0
        for index, box in enumerate(self.boxes):
            if not box:
                continue
            channel, reliable, ordered = self._deliveries[index]
            kinds = self.kinds[index]
            if len(box) == len(kinds) == 1:  # so in most frames of most games: saves a fifth of the time
                packet, kind = box.pop(), kinds.pop()
                if send(packet, channel=channel, reliable=reliable, ordered=ordered):
                    traffic = self.tally[kind]
                    traffic[0] += 1
                    traffic[1] += len(packet)
                    self.data_sent += len(packet)
                else:
                    refused += self._refused(packet, reliable)
                continue
            self.boxes[index] = []
            self.kinds[index] = []
            counted = len(kinds) == len(box)  # not so if a Ctrl-C came in between
            start = 0
            for part in self._parts(box, self.most[index], used):
                packet = part[0] if self._join is None or len(part) == 1 else self._join(part)
                end = start + len(part)
                if not send(packet, channel=channel, reliable=reliable, ordered=ordered):
                    refused += self._refused(packet, reliable)
                else:
                    self.data_sent += len(packet)
                    if counted:
                        self.tally.sent(kinds[start:end], part)
                start = end
        self._held = 0
        return refused

    def _refused(self, packet: bytes, reliable: bool) -> int:
        """Find out why the adapter did not take a packet; return its bytes if nothing may be left out."""
        limit = self._limits.unsent
        if self._peer.unsent + len(packet) + most_cost(limit) > limit:
            if reliable:
                return len(packet)
            self.dropped += 1
        # else the peer is gone, and the adapter's next poll says so
        return 0

    def _parts(self, box: list[bytes], most: int, used: int) -> Iterable[list[bytes]]:
        """Split messages into those that travel in one packet."""
        if self._join is None:
            return ([data] for data in box)
        if len(box) <= self._batch and not self._held and used + len(box) + _HEADER <= most:
            return (box,)
        return _parts(box, most, self._batch)


def _parts(box: list[bytes], most: int, batch: int) -> Iterator[list[bytes]]:
    """Split messages into packets: none over ``most`` bytes or ``batch`` messages, unless one alone is."""
    part: list[bytes] = []
    size = _HEADER
    for data in box:
        size += len(data) + 1  # JSON's comma
        if part and (size > most or len(part) == batch):
            yield part
            part, size = [], _HEADER + len(data) + 1
        part.append(data)
    yield part
