"""What one connection has accepted and not handed to the network yet."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from operator import length_hint
from typing import Protocol

from pygnetic._core.compiled import signature
from pygnetic._core.delivery import Delivery
from pygnetic.errors import MessageTooLarge
from pygnetic.limits import Limits
from pygnetic.network.base import Peer, most_cost
from pygnetic.stats import Tally

__all__: list[str] = []

# Messages that one packet can hold.
BATCH = 256
# An array's header, whatever the codec: MessagePack's longest here is 3 bytes, JSON's brackets are 2.
_HEADER = 3
# What a message that waits for WELCOME takes beside its bytes: the object, and its places in two lists.
_BUFFERED_COST = 64


class Courier(Protocol):
    """What an outbox asks of the loop that flushes it."""

    def alone(self, name: str) -> AbstractContextManager[None]:
        """Keep other threads from the network; RuntimeError if one is in update()."""

    def flush_outbox(self, outbox: "Outbox") -> None:
        """Hand everything in it to the network, and close the connection if that is too much."""

    def overload(self, outbox: "Outbox", size: int) -> None:
        """Close a connection that has more unsent than the limit allows; ``size`` bytes of it were dropped."""

    def warn_of_waiting(self, messages: int) -> None:
        """Warn a beginner who sends, and never calls update()."""


class Outbox:
    """Packed messages by delivery, which leave as one packet each.

    It is an object of its own, and not a part of Connection, for the sake of speed: Connection has ``__getattr__``,
    which makes each look-up of an attribute 30 ns slower, and a sender has five of them.

    :param peer: the network adapter's object for the remote end.
    :param deliveries: how messages travel; a message's index in here is that of its queue.
    :param join: from packed messages to one packed array; None if the codec cannot.
    :param courier: the loop that flushes it.
    :param wake: has the loop flush it in the next update; harmless when repeated.

    Another thread may put messages in at any time, and Ctrl-C may come at any instruction. So a message is added in one
    step, ``append()``; then whoever finds its own message at the head of the queue, or is interrupted, asks for a
    flush; and a message stays in its queue until the network adapter has taken it.
    """

    __slots__ = (
        "_batch",
        "_buffered",
        "_courier",
        "_deliveries",
        "_in_doubt",
        "_join",
        "_limits",
        "budget",
        "closed",
        "data_sent",
        "dropped",
        "flowing",
        "max_sizes",
        "message_classes",
        "peer",
        "queues",
        "refused",
        "tally",
        "wake",
    )  # fmt: skip

    def __init__(
        self,
        peer: Peer,
        limits: Limits,
        deliveries: list[Delivery],
        join: Callable[[list[bytes]], bytes] | None,
        courier: Courier,
        wake: Callable[["Outbox"], object],
    ) -> None:
        self.peer = peer
        self._limits = limits
        self._deliveries = deliveries
        self._join = join
        self._courier = courier
        self._batch = min(BATCH, limits.container)  # a packet of messages is a container to its receiver
        self.wake = wake
        self._buffered = 0  # bytes that wait for WELCOME, with what each message takes
        # What is being handed over: queue, first message, how many, and the peer's `taking` before. Each packed message
        # is an object of its own, so the first one tells whether they are in the queue.
        self._in_doubt: tuple[list[bytes], bytes, int, Iterator[object]] | None = None
        self.queues: list[list[bytes]] = [[] for _ in deliveries]
        self.message_classes: list[list[type]] = [[] for _ in deliveries]  # the classes of the messages in the queues
        self.tally = Tally()
        self.budget = -1  # bytes that can be put in before a flush; negative while nothing can leave
        # how many bytes a message or packet of each queue can have
        size = limits.packet_size
        self.max_sizes = [size if delivery.reliable else min(limits.unreliable_size, size) for delivery in deliveries]
        self.flowing = False  # the other end may be sent to
        self.closed = False
        self.refused = 0  # bytes of reliable packets that the adapter did not take: nothing may be left out
        self.dropped = 0
        self.data_sent = 0

    @property
    def waiting(self) -> int:
        """Bytes in the boxes."""
        return sum(sum(map(len, queue)) for queue in self.queues)

    @property
    def messages(self) -> int:
        """Messages in the boxes."""
        return sum(map(len, self.queues))

    @property
    def unsent(self) -> int:
        """Bytes accepted and not delivered yet."""
        return self.peer.unsent + self.waiting

    def enqueue(self, index: int, message_class: type, data: bytes) -> bool:
        """Put a packed message into a queue; what each compiled sender does, for what is packed once and sent to many.

        :return: whether it was accepted.
        """
        budget = self.budget - len(data)
        if budget < 0 or len(data) > self.max_sizes[index]:
            return self.enqueue_slow(index, message_class, data)
        self.budget = budget
        queue = self.queues[index]
        try:
            self.message_classes[index].append(message_class)
            queue.append(data)
            if queue[0] is data:
                self.wake(self)
        except IndexError:  # another thread has flushed it
            pass
        except BaseException:
            self.wake(self)
            raise
        return True

    def enqueue_slow(self, index: int, message_class: type, data: bytes) -> bool:
        """Take care of a message that does not just go into its queue.

        :raises MessageTooLarge: no packet holds it.
        """
        if self.closed:
            return False
        if len(data) > self.max_sizes[index]:
            raise MessageTooLarge(f"{signature(message_class)} has {len(data)} bytes; {self._largest(index)}")
        if self.flowing:
            with self._courier.alone("send"):
                self._courier.flush_outbox(self)
            return self.flowing and self.enqueue(index, message_class, data)
        if self._buffer(index, message_class, data):
            if self.flowing:  # another thread is just opening it
                self.wake(self)
            self._courier.warn_of_waiting(self.messages)
            return True
        if self._deliveries[index].reliable:
            self._courier.overload(self, len(data))
        return False

    def _largest(self, index: int) -> str:
        """Say how many bytes a message can have, and what to do with a larger one."""
        max_size, reliable = self.max_sizes[index], self._deliveries[index].reliable
        if reliable or max_size == self._limits.packet_size:
            kind = "a message" if reliable else "an unreliable message"
            cure = "send it as several messages, or raise the limit on both sides"
            return f"{kind} can have {max_size} (Limits.packet_size): {cure}"
        cure = "send it as several messages, register() it with reliable=True, or raise the limit if the adapter allows"
        return f"an unreliable message can have {max_size} (Limits.unreliable_size): {cure}"

    def _buffer(self, index: int, message_class: type, data: bytes) -> bool:
        """Before WELCOME nothing can leave: keep a message till then; False if that is too much."""
        buffered = self._buffered + len(data) + _BUFFERED_COST
        if buffered > self._limits.unsent:
            return False
        self._buffered = buffered
        self.message_classes[index].append(message_class)
        self.queues[index].append(data)
        return True

    def open(self) -> None:
        """From now on messages can leave."""
        self.flowing = True
        self.budget = self._limits.packet_size

    def close(self) -> None:
        """Take nothing more, and forget what is here."""
        self.closed = True
        self.flowing = False
        self.budget = -1
        self._in_doubt = None
        self.queues = [[] for _ in self.queues]
        self.message_classes = [[] for _ in self.queues]

    def flush(self) -> int:
        """Hand everything to the adapter; return how many bytes of reliable packets it ever refused."""
        if not self.flowing:
            return 0
        if self._in_doubt is not None:
            self._resolve_doubt()
        self.budget = self._limits.packet_size
        peer = self.peer
        send = peer.send
        for index, queue in enumerate(self.queues):
            if not queue:
                continue
            channel, reliable, ordered = self._deliveries[index]
            classes = self.message_classes[index]
            if len(queue) == 1:  # so in most frames of most games: saves a fifth of the time
                packet = queue[0]
                self._in_doubt = queue, packet, 1, peer.taking
                taken = send(packet, channel=channel, reliable=reliable, ordered=ordered)
                if not taken:
                    self._refused(packet, reliable)
                else:
                    self.data_sent += len(packet)
                    if classes:
                        traffic = self.tally[classes[0]]
                        traffic[0] += 1
                        traffic[1] += len(packet)
                if classes:
                    del classes[0]
                del queue[0]
                continue
            for part in self._parts(queue[:], self.max_sizes[index]):
                count = len(part)
                packet = part[0] if self._join is None or count == 1 else self._join(part)
                self._in_doubt = queue, part[0], count, peer.taking
                if send(packet, channel=channel, reliable=reliable, ordered=ordered):
                    self.data_sent += len(packet)
                    if len(classes) >= count:
                        self.tally.sent(classes[:count], part)
                else:
                    self._refused(packet, reliable)
                del queue[:count]
                del classes[:count]
        self._in_doubt = None
        self._buffered = 0
        return self.refused

    def _resolve_doubt(self) -> None:
        """After Ctrl-C in a flush: find out whether the packet that it was at had been taken."""
        assert self._in_doubt is not None
        queue, first, count, before = self._in_doubt
        taking = self.peer.taking
        if taking is not before and not length_hint(taking) and queue and queue[0] is first:
            del queue[:count]
        for messages, classes in zip(self.queues, self.message_classes, strict=True):
            del classes[: max(0, len(classes) - len(messages))]
        self._in_doubt = None

    def _refused(self, packet: bytes, reliable: bool) -> None:
        """Find out why the adapter did not take a packet."""
        limit = self._limits.unsent
        if self.peer.unsent + len(packet) + most_cost(limit) > limit:
            if reliable:
                self.refused += len(packet)
            else:
                self.dropped += 1
        # else the peer is gone, and the adapter's next poll says so

    def _parts(self, queue: list[bytes], max_size: int) -> Iterable[list[bytes]]:
        """Split messages into those that travel in one packet."""
        if self._join is None:
            return ([data] for data in queue)
        # `budget` is not exact where other threads send
        if len(queue) <= self._batch and sum(map(len, queue)) + len(queue) + _HEADER <= max_size:
            return (queue,)
        return _parts(queue, max_size, self._batch)


def _parts(queue: list[bytes], max_size: int, batch: int) -> Iterator[list[bytes]]:
    """Split messages into packets: none over ``max_size`` bytes or ``batch`` messages, unless one alone is."""
    part: list[bytes] = []
    size = _HEADER
    for data in queue:
        size += len(data) + 1  # JSON's comma
        if part and (size > max_size or len(part) == batch):
            yield part
            part, size = [], _HEADER + len(data) + 1
        part.append(data)
    yield part
