"""One connection to a remote end: its state, sending, dispatching, statistics."""

import logging
import weakref
from collections.abc import Callable
from typing import Any

from pygnetic._core import packets
from pygnetic._core.compiled import sender, signature
from pygnetic._core.inbox import Inbox
from pygnetic._core.outbox import Outbox
from pygnetic._help.checks import parent_has
from pygnetic._help.hints import advice, no_message, suggestion, unregistered
from pygnetic.errors import DecodeError, DisconnectReason, MessageTooLarge, Reason
from pygnetic.handler import Handler
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory
from pygnetic.network.base import Event
from pygnetic.stats import Meter, Stats

__all__ = ["Connection"]

_logger = logging.getLogger("pygnetic")

# LEAVING: the other end has said BYE. CLOSING: this end closes, or was refused, and drops what comes in.
CONNECTING, OPEN, LEAVING, CLOSING, CLOSED = range(5)
# BYE travels on it, so what comes there behind BYE was sent after it.
_BYE_CHANNEL = 0
_FAULTS = (DisconnectReason.PROTOCOL_ERROR, DisconnectReason.OVERLOADED)


class Connection:
    """A connection, on either side; you get yours from ``Client.connect()`` or from a handler's ``connection``.

    It lives as long as its Client or Server: keep that in a variable, too.

    :param parent: the Client or Server it belongs to.
    :param conn_obj: the network adapter's object for the remote end.
    :param message_factory: knows the messages; it must be frozen.

    Each registered message has a method that sends it. These are the same::

        connection.net_chat_msg('Tom', 'Test message')
        connection.send(chat_msg, 'Tom', 'Test message')
        connection.send('chat_msg', 'Tom', 'Test message')
    """

    __slots__ = (
        "__dict__", "__weakref__",
        "_due", "_ending", "_gone", "_inbox", "_limits", "_meter", "_opened_by", "_outbox", "_peer", "_proxy",
        "_state",
        "id", "parent", "reason",
    )  # fmt: skip

    # made for each factory by _class_for(): senders by message class and by name, codec.join, deliveries
    _senders: dict[Any, Callable[..., bool]] = {}
    _join: Callable[[list[bytes]], bytes] | None = None
    _factory: MessageFactory

    def __new__(cls, parent: Any, conn_obj: Any, message_factory: MessageFactory) -> "Connection":
        return object.__new__(_class_for(message_factory))

    def __init__(self, parent: Any, conn_obj: Any, message_factory: MessageFactory) -> None:
        #: Weak proxy to the Client or Server.
        self.parent = parent._proxy
        #: A number that no other connection of this Client or Server has; a key for your dicts.
        self.id: int = parent._next_id()
        #: Why the connection ended, a :class:`~pygnetic.errors.Reason`; None while nothing is known.
        self.reason: Reason | None = None
        self._limits: Limits = parent.limits
        self._peer = conn_obj
        self._proxy = weakref.proxy(self)
        self._state = CONNECTING
        wake = parent._outgoing.setdefault
        self._outbox = Outbox(conn_obj, self._limits, message_factory.deliveries, self._join, wake)
        self._inbox = Inbox(message_factory.unpack_packet, self._limits, parent._clock)
        self._meter = Meter(parent._clock())
        # the endpoint's: the adapter's CLOSED (which waits behind the inbox), when it must be looked at next
        self._gone: DisconnectReason | None = None
        self._due = 0.0
        self._opened_by: Event | None = None  # until its handlers are told: done again, it would be one too many
        self._ending: tuple[Reason, bool, str] | None = None  # what _close() was told, until it has come to its end

    def __repr__(self) -> str:
        state = ("connecting", "open", "leaving", "closing", "closed")[self._state]
        return f"<Connection {self.id} {state} {self.address}>"

    @property
    def address(self) -> tuple[str, int]:
        """The remote end's (host, port)."""
        address: tuple[str, int] = self._peer.address
        return address

    @property
    def connected(self) -> bool:
        """True while messages can be sent and received."""
        return self._state == OPEN

    @property
    def message_factory(self) -> MessageFactory:
        """What knows the messages of this connection."""
        return self._factory

    @property
    def handlers(self) -> list[Handler]:
        """The handlers that :meth:`add_handler` has added, in this order; none after the end."""
        return [handler for handler, _ in self._inbox.handlers]

    @property
    def rtt(self) -> float:
        """Round-trip time in ms, 0.0 until the first PING came back."""
        return self._meter.rtt

    @property
    def stats(self) -> Stats:
        """A snapshot of what can be known: times, losses, rates, totals, and traffic by message.

        >>> print(f"{connection.stats.loss:.0%} lost")  # doctest: +SKIP
        0% lost
        """
        meter = self._meter
        return Stats(
            meter.rtt,
            meter.jitter,
            meter.loss,
            *(meter.rates if self._state == OPEN else (0.0,) * 4),
            self.unsent,
            *self._totals(),
            self._outbox.dropped,
            sent=self._outbox.tally.by_name(),
            received=self._inbox.tally.by_name(),
        )

    def _totals(self) -> tuple[int, int, int, int]:
        inbox, outbox = self._inbox, self._outbox
        return outbox.data_sent, inbox.data_received, outbox.tally.messages(), inbox.tally.messages()

    @property
    def data_sent(self) -> int:
        """Bytes of the packets that carried messages to the remote end."""
        return self._outbox.data_sent

    @property
    def data_received(self) -> int:
        """Bytes of the packets that carried messages from the remote end."""
        return self._inbox.data_received

    @property
    def messages_sent(self) -> int:
        """Messages sent, those that wait for the next flush included."""
        return self._outbox.tally.messages() + self._outbox.messages

    @property
    def messages_received(self) -> int:
        """Messages received."""
        return self._inbox.tally.messages()

    @property
    def unsent(self) -> int:
        """Bytes accepted and not delivered yet; a game can wait for it to shrink while it sends a big file."""
        return int(self._peer.unsent) + self._outbox.waiting

    def add_handler(self, handler: Handler) -> None:
        """Deliver messages to a handler, after the handlers added before.

        Its ``on_connect()`` is called only if it was added before the connection was open: add it right after
        ``connect()``.

        :param handler: an instance of a :class:`~pygnetic.handler.Handler` subclass.
        :raises TypeError: it is not a handler, it is a class, or one of its methods cannot be called.
        """
        if not isinstance(handler, Handler):
            hint = "; call it to make one" if isinstance(handler, type) else ""
            raise TypeError(f"add_handler() takes an instance of a pygnetic.Handler subclass, not {handler!r}{hint}")
        self._need_parent("add_handler")
        receivers = self.parent._receivers(handler, self._factory)
        handler.connection = self._proxy
        handler._closed_connection = self if self._state == CLOSED else None
        if self._state != CLOSED:  # else nothing comes any more
            self._inbox.add_handler(handler, receivers)

    def disconnect(self, when: int = 0, reason: str = "") -> None:
        """End the connection.

        :param when: 0 (or 1) to deliver first what was sent before; -1 to drop it and close now.
        :param reason: a sentence for the remote end; with -1 it may not arrive, and over ENet mostly does not.
        :raises TypeError: they are something else.

        ``connected`` is False at once; ``on_disconnect()`` is called in a later ``update()``. Harmless when repeated.
        """
        if not isinstance(when, int):
            raise TypeError(f"disconnect() takes when, 0 or -1, before the reason: disconnect(reason={when!r})")
        if not isinstance(reason, str):
            raise TypeError(f"disconnect(): the reason is a text, not {reason!r}; str() makes one")
        if self._state >= CLOSING:
            return
        with self.parent._alone("disconnect"):
            if self._state == OPEN and when >= 0:
                self._flush()
            self._close(Reason(DisconnectReason.CLOSED, reason), now=when < 0 or self._state == CONNECTING)

    def send(self, message: Any, /, *args: Any, **kwargs: Any) -> bool:
        """Send a message.

        :param message: a message class, its name, or a message, which is sent as it is.
        :param args: the values of its fields.
        :param kwargs: the values of its fields by name.
        :return: True if it was accepted; False if the connection is closed or too much is unsent.
        :raises ValueError: no such message is registered, or a field cannot be sent.
        :raises TypeError: too few or too many fields.
        :raises MessageTooLarge: it is bigger than the limit.
        :raises RuntimeError: from another thread while one is in ``update()``, and the message does not just wait for
            the next flush.
        """
        if isinstance(message, tuple):
            if args or kwargs:
                raise TypeError(f"send() got {type(message).__name__} complete, and fields besides")
            args, message = message, type(message)
        try:
            send = self._senders[message]
        except (KeyError, TypeError):
            send = None
        if send is None:
            raise self._unknown(message)
        return send(self, *args, **kwargs)

    def _unknown(self, message: Any) -> ValueError:
        text = "no message {!r} is registered for this connection"
        if isinstance(message, str):
            return ValueError(text.format(message) + advice(message, self._names()))
        if message is tuple or not isinstance(message, type):
            return ValueError(no_message("send", message))
        return ValueError(unregistered(message, self._factory.classes, text))

    def _names(self) -> list[str]:
        return [message_class.__name__ for message_class in self._factory.classes]

    def flush(self) -> None:
        """Send now what waits for the next ``update()``.

        :raises ReferenceError: its Client or Server is gone.
        """
        self._need_parent("flush")
        with self.parent._alone("flush"):
            self._flush()
            self.parent._adapter.flush()

    def _need_parent(self, name: str) -> None:
        try:
            _ = self.parent._serving
        except ReferenceError:
            text = f"{name}(): the Client or Server of this connection is gone; keep it in a variable"
            raise ReferenceError(text) from None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("net_"):
            known = ["net_" + known for known in self._names()]
            text = f"{name}: no message {name[4:]!r} is registered" + advice(name, known)
        else:
            text = f"'Connection' has no attribute {name!r}" + self._meant(name)
        raise AttributeError(text, name=name, obj=None)  # given our object, Python would suggest a name once more

    def _meant(self, name: str) -> str:
        if name == "close":  # and not that of its Server
            return "; did you mean 'disconnect'?"
        # not self.parent: a connection that is only half made has none, and would be asked for it again and again
        if hint := parent_has(name, object.__getattribute__(self, "parent")):
            return f"; {hint}"
        public = [known for known in dir(type(self)) if not known.startswith("_")]
        return suggestion(name, public, 0.7)  # not "send" for "closed"

    # -- sending

    def _spill(self, index: int, message_class: Any, data: bytes) -> bool:
        """Take care of a message that does not just go into its box."""
        outbox = self._outbox
        if self._state >= LEAVING or self._gone is not None:
            return False
        most = outbox.most[index]
        reliable = self._factory.deliveries[index].reliable
        if len(data) > most:
            raise MessageTooLarge(f"{signature(message_class)} has {len(data)} bytes; {self._largest(most, reliable)}")
        if self._state == OPEN:
            with self.parent._alone("send"):
                self._flush()
            return outbox.flowing and outbox.put(self, index, message_class, data)
        if outbox.hold(index, message_class, data):
            if outbox.flowing:  # another thread is just opening it
                outbox.wake(self)
            self.parent._held(outbox.messages)
            return True
        if reliable:
            self._overload(len(data))
        return False

    def _largest(self, most: int, reliable: bool) -> str:
        """Say how many bytes a message can have, and what to do with a larger one."""
        if reliable or most == self._limits.packet_size:
            kind = "a message" if reliable else "an unreliable message"
            cure = "send it as several messages, or raise the limit on both sides"
            return f"{kind} can have {most} (Limits.packet_size): {cure}"
        cure = "send it as several messages, register() it with reliable=True, or raise the limit if the adapter allows"
        return f"an unreliable message can have {most} (Limits.unreliable_size): {cure}"

    def _flush(self) -> None:
        if self._outbox.flush():
            self._overload(self._outbox.refused)

    def _overload(self, refused: int) -> None:
        """More reliable data is unsent than the limit allows: nothing can be left out of it, so this is the end."""
        size = self.unsent + refused
        text = (
            f"{size} bytes were sent faster than the other end took them, and were dropped; the limit "
            f"is {self._limits.unsent} (Limits.unsent): watch connection.unsent, or raise the limit"
        )
        _logger.warning("%r: %s", self, text)
        told = f"the {'server' if self._is_server() else 'client'} sent {size:,} bytes faster than they could arrive"
        self._close(Reason(DisconnectReason.OVERLOADED, text), now=True, told=told)

    def _close(self, reason: Reason, now: bool = False, told: str = "") -> None:
        """Begin to end the connection from this side: say BYE, drop what comes in.

        :param now: do not wait for what was sent before.
        :param told: a text for the other end, if that is another: it goes before what was sent.
        """
        if self._state >= CLOSING:
            return
        opened = self._state == OPEN
        # until the state says CLOSING all of this can be done again, and update() will if Ctrl-C comes before
        self._ending = reason, now, told
        self.parent._deadlines.set(self, 0.0)
        # whoever says goodbye and then sends nonsense does not choose what is told of it
        if self.reason is None or (self._is_server() and reason.code in _FAULTS):
            self.reason = reason
        self._outbox.shut()
        self._inbox.drop()
        if opened:
            code = DisconnectReason.KICKED if self._is_server() and reason.code == 0 else reason.code
            bye = packets.bye(Reason(code, told or reason.text), now, self._limits.packet_size)
            if told:
                self._peer.break_off(bye)
            else:
                self._peer.send(bye)
        if now and not (opened and told):
            if opened:
                self.parent._adapter.flush()
            self._peer.abort()
        else:
            self._peer.disconnect()  # harmless when repeated
        self.parent._closing(self)
        self._state = CLOSING

    def _hand_over(self) -> None:
        """It is closed, and goes to its handlers: they keep it, and it does not keep them, or that were a cycle."""
        for handler, _ in self._inbox.handlers:
            if handler.connection is self._proxy:  # and not one that it was added to since
                handler._closed_connection = self
        self._inbox.handlers = []

    def _itself(self) -> "Connection":
        """What a proxy stands for: a proxy is no key, and not equal to it."""
        return self

    def _is_server(self) -> bool:
        return bool(self.parent._serving)

    def _left(self, reason: Reason) -> None:
        """The other end has said that it closes, and why; what it sent before may still be on its way."""
        self.reason = reason
        self._outbox.shut()
        if self._state == OPEN:
            self._inbox.open = False
            self._state = LEAVING
        else:  # it never let us in
            self._inbox.drop()
            self._state = CLOSING

    # -- receiving

    def _receive(self, event: Event) -> bool:
        """Take a packet that is not just put into the inbox: it comes too early, too late, or is one too many.

        :return: there is something to dispatch.
        """
        packet = event[2]
        if self._state >= CLOSING or (self._state == LEAVING and event[3]["channel"] == _BYE_CHANNEL):
            return False
        # to look into large ones, of which none is unreliable, would take up to 10 ms each
        if self._state == CONNECTING and len(packet) <= self._limits.unreliable_size and not self._is_reliable(packet):
            return False  # it overtook WELCOME, and is old by the time WELCOME comes
        if self._state == OPEN or not self._inbox.put(event):  # OPEN: it was put, and is one too many
            self._flooded("packets came faster than they could be handled (Limits.backlog)")
        return self._state == LEAVING

    def _flooded(self, text: str) -> None:
        # not at once: ENet's own goodbye would overtake ours, which tells the reason
        self._close(Reason(DisconnectReason.OVERLOADED, text))

    def _is_reliable(self, packet: bytes) -> bool:
        try:
            first = self._factory.unpack_packet(packet, self._limits)[0]
        except DecodeError:
            return True  # the dispatch will find out, and close
        return self._factory.get_delivery(type(first)).reliable


def _class_for(factory: MessageFactory) -> "type[Connection]":
    """Return the subclass of Connection that has a ``net_<message>`` method for each message of a factory."""
    if factory.connection_class is None:
        factory.set_frozen()
        factory.connection_class = _make_class(factory)
    found: type[Connection] = factory.connection_class
    return found


def _make_class(factory: MessageFactory) -> "type[Connection]":
    codec = factory.s_adapter
    senders: dict[Any, Callable[..., bool]] = {}
    namespace: dict[str, Any] = {
        "_factory": factory,
        "_senders": senders,
        "_join": staticmethod(codec.join) if hasattr(codec, "join") else None,
        "__slots__": (),
        "__doc__": Connection.__doc__,
    }
    for message_class in factory.classes:
        delivery = factory.get_delivery(message_class)
        index = factory.deliveries.index(delivery)
        send = sender(message_class, factory.get_type_id(message_class), codec.pack, index, delivery.reliable)
        senders[message_class] = senders[message_class.__name__] = namespace[send.__name__] = send
    return type("Connection", (Connection,), namespace)
