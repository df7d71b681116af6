"""What one connection has received and not handed to its handlers yet."""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from operator import length_hint
from typing import Any

from pygnetic._session import printable
from pygnetic.errors import DecodeError, DisconnectReason, Reason
from pygnetic.event import NET_RECEIVED
from pygnetic.handler import Handler, Receivers, look_up
from pygnetic.limits import Limits
from pygnetic.stats import Tally

__all__: list[str] = []

# What a packet here costs beside its bytes (a tuple, a bytes object, the list's slot), so that a flood of tiny
# packets counts as what it is.
_PACKET_COST = 100

# Decoding the worst 64 KiB takes 10 ms, and 256 such packets would take seconds: when the packets of one connection
# have taken so many seconds of an update, the rest wait for the next. Those of up to so many bytes are not timed.
_DECODING = 0.002
_SMALL = 256

HandleError = Callable[[Any, Exception], None]


class Inbox:
    """Packets, the messages of the one being dispatched, and the calls to make before the next message.

    Each thing is taken off before user code runs, so whatever that raises, the next dispatch goes on behind it.

    :param unpack: from a packet to its messages.
    :param clock: tells how long that takes.
    """

    __slots__ = (
        "_backlog", "_batch", "_clock", "_decoding", "_info", "_limits", "_packets", "_unpack",
        "calls", "data_received", "handlers", "heard", "open", "queued", "tally",
    )  # fmt: skip

    def __init__(
        self, unpack: Callable[[bytes, Limits], list[Any]], limits: Limits, clock: Callable[[], float]
    ) -> None:
        self._unpack = unpack
        self._limits = limits
        self._clock = clock
        self._decoding = 0.0  # seconds, in this update
        # lists, since an empty deque takes 760 bytes
        self._packets: list[tuple[bytes, dict[str, Any]]] = []
        self._backlog = 0
        self._batch: Iterator[Any] = iter(())
        self._info: dict[str, Any] = {}
        self.calls: list[Callable[[], Any]] = []
        self.handlers: list[tuple[Handler, Receivers]] = []
        self.tally = Tally()
        self.data_received = 0
        # the endpoint's: packets may be dispatched; it is among those to be; when its peer was heard last
        self.open = False
        self.queued = False
        self.heard = 0.0

    def add_handler(self, handler: Handler, receivers: Receivers) -> None:
        """Deliver to one more handler, from the next message on."""
        # a running dispatch() goes through the old iterator: it stops there, and goes on with the new handler
        self._batch = iter(list(self._batch))
        self.handlers.append((handler, receivers))

    def call_each(self, name: str) -> None:
        """Have a method of each handler called by the next dispatch."""
        self.calls.extend(getattr(handler, name) for handler, _ in self.handlers)

    def put(self, packet: bytes, info: dict[str, Any]) -> bool:
        """Add a packet; False if that is more than the limit allows."""
        self._backlog += len(packet) + _PACKET_COST
        self._packets.append((packet, info))
        return self._backlog <= self._limits.backlog

    def drop(self) -> None:
        """Forget everything."""
        self.open = False
        self._packets.clear()
        self._backlog = 0
        self.calls.clear()
        deque(self._batch, 0)  # exhausts the iterator that a running dispatch() goes through

    def dispatch(self, connection: Any, post: Callable[..., None] | None, handle_error: HandleError) -> bool:
        """Hand messages to events and handlers, as many as one update may; False if some are left."""
        if self.calls:
            self.run_calls(connection, handle_error)
        budget = self._limits.messages
        self._decoding = 0.0
        while budget > 0:
            waiting = length_hint(self._batch)
            if not waiting:
                if not self._packets:
                    return True
                waiting = self._next_packet(connection)
            info = self._info
            alone = len(self.handlers) == 1
            if alone:
                handler, receivers = self.handlers[0]
                own = handler.__dict__
            last = None
            for message in islice(self._batch, budget):
                if post is not None:
                    post(NET_RECEIVED, connection, message=message, msg_type=type(message))
                if alone:  # most connections have one handler: 76 ns a message where _deliver() takes 140
                    try:
                        if type(message) is not last:  # often many of a kind follow each other: 20 ns a message
                            last = type(message)
                            function, keywords, name, in_class = receivers[last]
                            if name in own or (not in_class and ("on_receive" in own or "on_recive" in own)):
                                function, keywords = look_up(name), True
                        if keywords:
                            function(handler, message, **info)
                        else:
                            function(handler, message)
                    except Exception as error:
                        handle_error(connection, error)
                else:
                    self._deliver(connection, message, handle_error)
            budget -= waiting
        return not self._packets and not length_hint(self._batch)

    def _deliver(self, connection: Any, message: Any, handle_error: HandleError) -> None:
        """Hand a message to each handler; if one raises, the others get it all the same."""
        for handler, receivers in self.handlers:
            function, keywords, name, in_class = receivers[type(message)]
            own = handler.__dict__
            if name in own or (not in_class and ("on_receive" in own or "on_recive" in own)):
                function, keywords = look_up(name), True
            self.calls.append(partial(function, handler, message, **(self._info if keywords else {})))
        self.run_calls(connection, handle_error)

    def run_calls(self, connection: Any, handle_error: HandleError) -> None:
        """Make the calls that wait; those behind one that raises are made by the next dispatch."""
        while self.calls:
            call = self.calls.pop(0)
            try:
                call()
            except Exception as error:
                handle_error(connection, error)

    def _next_packet(self, connection: Any) -> int:
        """Make the messages of the next packet the batch; return how many they are, or no less than one update may."""
        packet, self._info = self._packets.pop(0)
        self._backlog -= len(packet) + _PACKET_COST
        small = len(packet) <= _SMALL
        start = 0.0 if small else self._clock()
        try:
            messages = self._unpack(packet, self._limits)
        except DecodeError as error:
            connection._close(Reason(DisconnectReason.PROTOCOL_ERROR, printable(str(error))))
            return 0
        if not small:
            self._decoding += self._clock() - start
        self._batch = iter(messages)
        if messages:
            self.tally.received(messages, len(packet))
        self.data_received += len(packet)
        return len(messages) if self._decoding < _DECODING else max(len(messages), self._limits.messages)
