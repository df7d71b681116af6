"""What one connection has received and not handed to its handlers yet."""

import weakref
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial, reduce
from itertools import repeat
from operator import length_hint
from typing import Any, cast

from pygnetic._core.packets import printable
from pygnetic.errors import DecodeError, DisconnectReason, Reason
from pygnetic.event import NET_RECEIVED
from pygnetic.handler import Handler, Receivers, look_up
from pygnetic.limits import Limits
from pygnetic.network.base import Event, Info
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
Calls = Iterator[Callable[[], Any]]

# A signal handler, and with it Ctrl-C, runs between two instructions of Python code. So whatever must happen together,
# such as taking a message off and beginning its handler, is one call of C code here: the next() of a map().
_call: Callable[[Callable[[], object]], object] = partial.__call__  # type: ignore[assignment]
_Batch = tuple[Event | None, list[object], Iterator[object], Calls]
_DONE: Iterator[Any] = iter(())
_NOTHING: _Batch = (None, [], _DONE, _DONE)


def _taker(handler: Handler, receivers: Receivers, kind: type, event: Event | None) -> Callable[[Handler, object], Any]:
    """Return the function that takes a message of a kind, which came with an event; what the object has goes first."""
    function, keywords, name, in_class = receivers[kind]
    own = handler.__dict__
    if name in own or (not in_class and ("on_receive" in own or "on_recive" in own)):
        function, keywords = look_up(name), True
    return partial(function, **cast(Info, event[3])) if keywords and event is not None else function


class Inbox:
    """Packets, the messages of the one being dispatched, and the calls to make before the next message.

    Each call of user code is taken off in the very step that begins it: whatever it raises, and wherever Ctrl-C comes,
    the next dispatch goes on behind it, and nothing is called twice. All else is done again when it was interrupted.

    :param unpack: from a packet to its messages.
    :param clock: tells how long that takes.
    """

    __slots__ = (
        "_backlog", "_batch", "_clock", "_decoding", "_limits", "_packets", "_turns", "_unpack",
        "agenda", "data_received", "dropped", "farewell", "fault", "handlers", "heard", "open", "queued", "tally",
    )  # fmt: skip

    def __init__(
        self, unpack: Callable[[bytes, Limits], list[object]], limits: Limits, clock: Callable[[], float]
    ) -> None:
        self._unpack = unpack
        self._limits = limits
        self._clock = clock
        self._decoding = 0.0  # seconds, in this update
        # lists, since an empty deque takes 760 bytes
        self._packets: list[Event] = []
        self._backlog = 0
        # The packet that was unpacked last, its messages, those of them that are left, and the calls that are left of
        # the message before these, if there are several for each. Always replaced as a whole.
        self._batch = _NOTHING
        self._turns: Iterator[Any] = _DONE  # one for each message that is handed over now; emptied to stop
        #: Calls to make before all messages, and what then makes a new agenda.
        self.agenda: tuple[Calls, Callable[[], None] | None] | None = None
        self.farewell: Calls = _DONE  # calls to make when the connection is closed
        self.handlers: list[tuple[Handler, Receivers]] = []
        self.tally = Tally()
        self.data_received = 0
        self.fault: Reason | None = None  # a packet came that is no message: the connection is to be closed for it
        # the loop's: packets may be dispatched; all was dropped; it is to be dispatched; when its peer was heard last
        self.open = False
        self.dropped = False
        self.queued = False
        self.heard = 0.0

    def add_handler(self, handler: Handler, receivers: Receivers) -> None:
        """Deliver to one more handler, from the next message on."""
        self.handlers.append((handler, receivers))
        deque(self._turns, 0)  # a running dispatch() stops there, and goes on with the new handler

    def each(self, name: str) -> list[Callable[[], Any]]:
        """Return calls of a method of each handler, for the agenda."""
        return [partial(getattr(handler, name)) for handler, _ in self.handlers]

    def enqueue(self, event: Event) -> bool:
        """Add the event of a packet; False if that is more than the limit allows."""
        self._backlog += len(event[2]) + _PACKET_COST
        self._packets.append(event)
        return self._backlog <= self._limits.backlog

    def has(self, event: Event) -> bool:
        """Whether this event was the last to be put, and is here."""
        return bool(self._packets) and self._packets[-1] is event

    def drop(self) -> None:
        """Forget everything."""
        self.open = False
        self._packets.clear()
        self._backlog = 0
        # exhausts the iterators that a running dispatch() goes through
        if self.agenda is not None:
            deque(self.agenda[0], 0)
            self.agenda = None
        deque(self._batch[2], 0)
        deque(self._batch[3], 0)
        self._turns = _DONE
        self._batch = _NOTHING
        self.dropped = True

    def end(self, calls: Calls) -> None:
        """Forget everything but the calls that tell of the end."""
        self.drop()
        self.farewell = calls

    def release(self, connection: object) -> None:
        """Have the handlers keep their closed connection; it keeps them no longer, or that were a cycle."""
        for handler, _ in self.handlers:
            if handler.connection is weakref.proxy(connection):  # and not one that it was added to since
                handler._closed_connection = connection
        self.handlers = []

    def dispatch(self, connection: object, post: Callable[..., None] | None, handle_error: HandleError) -> bool:
        """Hand messages to events and handlers, as many as one update may; False if some are left."""
        if self.agenda is not None:
            self.run_agenda(connection, handle_error)
        budget = self._limits.messages
        self._decoding = 0.0
        while budget > 0:
            batch = self._batch
            waiting = 0
            if batch is not _NOTHING:
                if batch[3] is not _DONE and length_hint(batch[3]):
                    self.run(batch[3], connection, handle_error)
                    continue
                waiting = length_hint(batch[2])
            if not waiting:
                if not self._packets:
                    self._batch = _NOTHING
                    return True
                waiting = self._next_packet()
                batch = self._batch
                if not waiting or not batch[1]:
                    budget -= waiting
                    continue
            messages, left = batch[1], batch[2]
            if post is not None or len(self.handlers) != 1:
                self._take_message(connection, post)
                budget -= 1 if waiting <= len(messages) else waiting
            elif len(messages) == 1:  # so in most frames of most games
                handler, receivers = self.handlers[0]
                function = _taker(handler, receivers, type(messages[0]), batch[0])
                try:
                    reduce(function, left, handler)  # which calls it once, with the handler and the message
                except Exception as error:
                    handle_error(connection, error)
                budget -= waiting
            else:
                self._hand_all(messages, left, budget, connection, handle_error)
                budget -= waiting
        return not self._packets and not length_hint(self._batch[2]) and not length_hint(self._batch[3])

    def _hand_all(
        self, messages: list[object], left: Iterator[object], most: int, connection: object, handle_error: HandleError
    ) -> None:
        """Hand messages to the only handler, a run of one kind at a time: it may get other methods in between."""
        handler, receivers = self.handlers[0]
        end = min(len(messages), len(messages) - length_hint(left) + most)
        alike = len(set(map(type, messages))) == 1
        while self._batch[2] is left and len(self.handlers) == 1:
            start = len(messages) - length_hint(left)
            if start >= end:
                return
            kind, after = type(messages[start]), end if alike else start + 1
            while after < end and type(messages[after]) is kind:
                after += 1
            self._turns = repeat(handler, after - start)
            calls = map(_taker(handler, receivers, kind, self._batch[0]), self._turns, left)
            self._make_all(calls, messages, left, connection, handle_error)

    def _make_all(
        self,
        calls: Calls,
        messages: list[object],
        left: Iterator[object],
        connection: object,
        handle_error: HandleError,
    ) -> None:
        """Make calls that take messages; those behind one that raises are made all the same."""
        start = len(messages) - length_hint(left)
        more = True
        while more:
            results: list[object] = []
            try:
                results.extend(calls)
                more = False
            except Exception as error:
                start += 1
                handle_error(connection, error)
            # extend() believes that a StopIteration of a handler is the iterator's
            start += len(results)
            if not more and start < len(messages) - length_hint(left) and self._batch[2] is left:
                start += 1
                more = True
                handle_error(connection, RuntimeError("a handler raised StopIteration"))
        self._turns = _DONE

    def _take_message(self, connection: object, post: Callable[..., None] | None) -> None:
        """Turn the next message into its calls: one that posts it, and one of each handler."""
        event, messages, left, _ = self._batch
        at = len(messages) - length_hint(left)
        message = messages[at]
        calls: list[Callable[[], object]] = []
        if post is not None:
            calls.append(partial(post, NET_RECEIVED, connection, message=message, msg_type=type(message)))
        for handler, receivers in self.handlers:
            function = _taker(handler, receivers, type(message), event)
            calls.append(partial(function, handler, message))
        self._batch = event, messages, iter(messages[at + 1 :]), iter(calls)

    def run(self, calls: Calls, connection: object, handle_error: HandleError) -> None:
        """Make calls; if one raises, the others are made all the same."""
        while length_hint(calls):
            try:
                next(map(_call, calls))
            except Exception as error:
                handle_error(connection, error)
        next(calls, None)  # at its end it lets go of what was called

    def run_agenda(self, connection: object, handle_error: HandleError) -> None:
        """Make the calls of the agenda, and of those that follow from it."""
        while self.agenda is not None:
            agenda = self.agenda
            calls, then = agenda
            try:
                self.run(calls, connection, handle_error)
            finally:
                if not length_hint(calls):  # if the last one raised, go on all the same
                    if then is not None:
                        then()
                    elif self.agenda is agenda:  # and no handler has closed the connection
                        self.agenda = None

    def _next_packet(self) -> int:
        """Make the messages of the next packet the batch; return how many they are, or no less than one update may."""
        event = self._packets[0]
        if event is self._batch[0]:  # it was unpacked, and then came Ctrl-C
            del self._packets[0]
            return 0
        packet = event[2]
        small = len(packet) <= _SMALL
        start = 0.0 if small else self._clock()
        try:
            messages = self._unpack(packet, self._limits)
        except DecodeError as error:
            self.fault = Reason(DisconnectReason.PROTOCOL_ERROR, printable(str(error)))
            self.drop()
            return 0
        if not small:
            self._decoding += self._clock() - start
        if messages:
            self.tally.received(messages, len(packet))
        self.data_received += len(packet)
        self._batch = event, messages, iter(messages), _DONE
        del self._packets[0]
        self._backlog = self._backlog - len(packet) - _PACKET_COST if self._packets else 0
        return len(messages) if self._decoding < _DECODING else max(len(messages), self._limits.messages)
