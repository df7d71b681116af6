"""One connection to a remote end: its state, sending, dispatching, statistics."""

import weakref
from collections.abc import Callable
from typing import Any, Protocol

from pygnetic._core.compiled import sender
from pygnetic._core.inbox import Inbox
from pygnetic._core.outbox import Courier, Outbox
from pygnetic._core.resolve import resolve
from pygnetic._core.session import CLOSED, CLOSING, CONNECTING, OPEN, Ending, Session
from pygnetic._help.checks import parent_has
from pygnetic._help.hints import advice, suggestion
from pygnetic.errors import DisconnectReason, Reason
from pygnetic.handler import Handler, Receivers
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory
from pygnetic.network.base import Peer
from pygnetic.stats import Stats

__all__ = ["Connection"]


class Loop(Courier, Protocol):
    """What a connection asks of the loop of its Client or Server."""

    limits: Limits
    clock: Callable[[], float]

    def next_id(self) -> int:
        """Return a number that no other connection has."""

    def receivers(self, handler: Handler, factory: MessageFactory) -> Receivers:
        """Return how messages reach a handler; TypeError if it has a method that cannot be called."""

    def mark_unflushed(self, outbox: Outbox) -> None:
        """Flush it in the next update; harmless when repeated."""

    def flush(self) -> None:
        """Send what the network adapter holds."""

    def close_connection(self, peer: Peer, reason: Reason, ending: Ending) -> None:
        """Close the connection to a peer, if there still is one."""


class Link(Protocol):
    """What the loop keeps for a remote end."""

    peer: Peer
    session: Session
    loop: Loop

    def attach(self, connection: "Connection", inbox: Inbox, outbox: Outbox) -> None:
        """Have a connection, and what it holds."""


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
        "_inbox", "_limits", "_loop", "_outbox", "_peer", "_proxy", "_session",
        "id", "parent",
    )  # fmt: skip

    # made for each factory by _class_for(): senders by message class and by name, codec.join
    _senders: dict[object, Callable[..., bool]] = {}
    _join: Callable[[list[bytes]], bytes] | None = None
    _factory: MessageFactory

    def __new__(cls, parent: object, conn_obj: Link, message_factory: MessageFactory) -> "Connection":
        return object.__new__(_class_for(message_factory))

    def __init__(self, parent: object, conn_obj: Link, message_factory: MessageFactory) -> None:
        loop = conn_obj.loop
        #: Weak proxy to the Client or Server.
        self.parent = parent
        #: A number that no other connection of this Client or Server has; a key for your dicts.
        self.id: int = loop.next_id()
        self._loop = loop
        self._limits = limits = loop.limits
        self._peer = conn_obj.peer
        self._session = conn_obj.session
        self._proxy = weakref.proxy(self)
        self._outbox = Outbox(conn_obj.peer, limits, message_factory.deliveries, self._join, loop, loop.mark_unflushed)
        self._inbox = Inbox(message_factory.unpack_packet, limits, loop.clock)
        conn_obj.attach(self, self._inbox, self._outbox)

    def __repr__(self) -> str:
        return f"<Connection {self.id} {self._session.state.name.lower()} {self.address}>"

    @property
    def address(self) -> tuple[str, int]:
        """The remote end's (host, port)."""
        return self._peer.address

    @property
    def reason(self) -> Reason | None:
        """Why the connection ended, a :class:`~pygnetic.errors.Reason`; None while nothing is known."""
        return self._session.reason

    @property
    def connected(self) -> bool:
        """True while messages can be sent and received."""
        return self._session.state == OPEN

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
        return self._session.meter.rtt

    @property
    def stats(self) -> Stats:
        """A snapshot of what can be known: times, losses, rates, totals, and traffic by message.

        >>> print(f"{connection.stats.loss:.0%} lost")  # doctest: +SKIP
        0% lost
        """
        meter = self._session.meter
        return Stats(
            meter.rtt,
            meter.jitter,
            meter.loss,
            *(meter.rates if self._session.state == OPEN else (0.0,) * 4),
            self.unsent,
            self.data_sent,
            self.data_received,
            self._outbox.tally.messages(),
            self.messages_received,
            self._outbox.dropped,
            sent=self._outbox.tally.by_name(),
            received=self._inbox.tally.by_name(),
        )

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
        return self._outbox.unsent

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
        receivers = self._loop.receivers(handler, self._factory)
        handler.connection = self._proxy
        closed = self._session.state == CLOSED
        handler._closed_connection = self if closed else None
        if not closed:  # else nothing comes any more
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
        state = self._session.state
        if state >= CLOSING:
            return
        with self._loop.alone("disconnect"):
            if state == OPEN and when >= 0:
                self._loop.flush_outbox(self._outbox)
            ending = Ending.NOW if when < 0 or state == CONNECTING else Ending.AFTER_DATA
            self._loop.close_connection(self._peer, Reason(DisconnectReason.CLOSED, reason), ending)

    def send(self, message: object, /, *args: object, **kwargs: object) -> bool:
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
        send, args = resolve("send", self._senders, self._factory.classes, message, args, kwargs)
        return send(self, *args, **kwargs)

    def _names(self) -> list[str]:
        return [message_class.__name__ for message_class in self._factory.classes]

    def flush(self) -> None:
        """Send now what waits for the next ``update()``.

        :raises ReferenceError: its Client or Server is gone.
        """
        self._need_parent("flush")
        with self._loop.alone("flush"):
            self._loop.flush_outbox(self._outbox)
            self._loop.flush()

    def _need_parent(self, name: str) -> None:
        try:
            _ = self._loop.limits
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

    def _itself(self) -> "Connection":
        """What a proxy stands for: a proxy is no key, and not equal to it."""
        return self


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
