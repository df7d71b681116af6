"""The end that is connected to."""

import contextlib
import logging
from collections.abc import Callable, Iterable
from functools import partial
from itertools import starmap
from types import MethodType
from typing import Any

from pygnetic import event, message
from pygnetic._core import packets
from pygnetic._core.compiled import encoder
from pygnetic._core.endpoint import Endpoint
from pygnetic._core.pending import Stranger
from pygnetic._help.checks import check_class, check_places, check_width, factory_of, limits_of, listing
from pygnetic._help.hints import no_message
from pygnetic.connection import CLOSED, OPEN, Connection
from pygnetic.errors import DecodeError, DisconnectReason, Reason
from pygnetic.handler import Handler, signature_of
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory
from pygnetic.network import base

__all__ = ["Server"]

_logger = logging.getLogger("pygnetic")

# So many connections that close may there be beside conn_limit, whoever closes, before the oldest of them is given no
# more time: each has a handler, and a descriptor.
# (The enet adapter has as many slots for them.)
_LEAVING = 32
_CROWD = "too many others are just connecting to the server, most of them from your address; try again in a moment"
# Lines in the log for strangers in a second; a line for each who is sent away would fill a disk.
_LINES = 10


class Server(Endpoint):
    """Accepts clients, and makes a handler for each.

    :param host: the address to listen on; '' for all of this machine.
    :param port: the port to listen on; 0 picks a free one (see :attr:`address`).
    :param conn_limit: how many clients there can be at a time; the next is refused with SERVER_FULL.
    :param handler: the :class:`~pygnetic.handler.Handler` subclass that is made for each client.
    :param message_factory: knows the messages; it is frozen now.
    :param n_adapter: the network adapter: a name, a list of names, or one of your own; by default the one that
        ``pygnetic.init()`` selects.
    :param limits: what a connection may send, hold and take; a :class:`~pygnetic.limits.Limits`.
    :param adapter_options: options of the network adapter.
    :raises OSError: the address cannot be listened on; the text says why.
    :raises ValueError: a message has more fields than the limits allow.
    :raises TypeError: the handler is no such class.
    :raises ImportError: no adapter is usable; the text has the pip line.
    """

    #: The Handler subclass that is made for each client; read whenever one is accepted.
    handler: Callable[[], Handler] | None = None
    #: The factory for all connections, taken when the server is made; a subclass can have its own.
    message_factory = message.message_factory

    _serving = True
    _elsewhere = "a connection has it, such as a handler's self.connection; broadcast() sends to all of them"

    def __init__(
        self,
        host: str = "",
        port: int = 0,
        conn_limit: int = 4,
        *args: Any,
        handler: Callable[[], Handler] | None = None,
        message_factory: MessageFactory | None = None,
        n_adapter: Any = None,
        limits: Limits | None = None,
        **adapter_options: Any,
    ) -> None:
        check_places("Server", "host, port and conn_limit", (host, port, conn_limit, *args))
        if args:
            raise TypeError(f"Server() takes host, port and conn_limit; give {args!r} by name, as adapter options")
        if handler is not None:
            self.handler = handler
        if message_factory is not None:
            self.message_factory = message_factory
        # the server's from now on, whatever message_factory is made to be: it has frozen this one, and sends its hash
        self._factory = factory = factory_of(None, self)
        _check_handler(self.handler, factory)
        check_width(factory, limits_of(limits, self))
        self._hash = factory.get_hash()  # ImportError without a serialization adapter, so before a port is bound
        super().__init__((host, port), conn_limit, n_adapter, limits, adapter_options)
        factory.set_frozen()
        self._unmet: dict[Connection, float] = {}  # welcomed when; the user was not told yet
        self._leaving: dict[Connection, None] = {}  # closing or gone, and not CLOSED yet; the oldest first
        self._told_since = 0.0  # lines in the log since then, and those left out
        self._told = self._untold = 0
        self._encoders: dict[Any, Callable[..., bytes]] = {}

    @property
    def address(self) -> tuple[str, int]:
        """The (host, port) it listens on, with the real port."""
        address: tuple[str, int] = self._adapter.address
        return address

    @listing
    def connections(self, exclude: Iterable[Any] | None = None) -> list[Connection]:
        """Return the clients that are connected.

        :param exclude: connections to leave out, or proxies of them such as a handler's ``connection``.
        """
        left_out = _identities(exclude)
        return [c for c in self._connections.values() if c._state == OPEN and id(c) not in left_out]

    @listing
    def handlers(self, exclude: Iterable[Any] | None = None) -> list[Any]:  # your Handlers, with all they have
        """Return the handlers of the clients that are connected.

        :param exclude: connections whose handlers are left out, or proxies of them.
        """
        return [handler for c in self.connections(exclude) for handler, _ in c._inbox.handlers]

    def broadcast(self, message: Any, /, *args: Any, exclude: Iterable[Any] = (), **kwargs: Any) -> int:
        """Send a message to every client; it is packed once.

        :param message: a message class, its name, or a message, which is sent as it is.
        :param args: the values of its fields.
        :param exclude: connections to leave out, or proxies of them.
        :param kwargs: the values of its fields by name.
        :return: how many connections accepted it.
        :raises ValueError, TypeError, MessageTooLarge: as for ``Connection.send()``.
        """
        if isinstance(message, tuple):
            if args or kwargs:
                raise TypeError(f"broadcast() got {type(message).__name__} complete, and fields besides")
            args, message = message, type(message)
        factory = self._factory
        if isinstance(message, str):
            message = factory.get_by_name(message)
        encode = self._encoders.get(message) if isinstance(message, type) else None
        if encode is None:
            if message is tuple or not isinstance(message, type):
                raise ValueError(no_message("broadcast", message))
            encode = encoder(message, factory.get_type_id(message), factory.s_adapter.pack)
            self._encoders[message] = encode
        data = encode(self.limits, *args, **kwargs)
        index = factory.deliveries.index(factory.get_delivery(message))
        left_out = _identities(exclude)
        accepted = 0
        for connection in self._connections.values():  # not over connections(): that takes 100 ns for each
            if connection._state == OPEN and not (left_out and id(connection) in left_out):
                accepted += connection._outbox.put(connection, index, message, data)
        return accepted

    # -- strangers

    def _take_stranger(self, kind: int, peer: Any, packet: bytes, info: Any, now: float) -> None:
        if kind == base.OPENED:
            if peer in self._strangers:
                return  # told again after Ctrl-C
            if len(self._strangers) >= self.limits.strangers:
                self._push_out(self._strangers.most_crowded(), now)
            stranger = self._strangers[peer] = Stranger(peer)
            self._deadlines.set(stranger, now + self.limits.connect_time)
            return
        known = self._strangers.get(peer)
        if known is None:
            return
        if kind == base.CLOSED:
            del self._strangers[peer]
            known._due = 0.0
            return
        if known.refused:
            return
        self._replied = True
        try:
            self._greet(known, packet, now)
        except DecodeError as error:
            self._refuse(known, Reason(DisconnectReason.PROTOCOL_ERROR, packets.printable(str(error))), now)

    def _push_out(self, stranger: Stranger, now: float) -> None:
        """Close a stranger to make room for the next, and say why: it may be somebody who has only just come."""
        if not stranger.refused:
            self._refuse(stranger, Reason(DisconnectReason.SERVER_FULL, _CROWD), now)
        del self._strangers[stranger.peer]
        stranger._due = 0.0
        stranger.peer.abort()

    def _greet(self, stranger: Stranger, packet: bytes, now: float) -> None:
        kind = packet[1] if len(packet) > 1 and packet[0] == packets.MARK else 0
        if kind == packets.PING:
            if self._is_flood(stranger.peer):
                raise DecodeError("too many PINGs before HELLO")
            stranger.peer.send(packets.pong(packet), reliable=False, ordered=False)
            return
        if kind != packets.HELLO:
            raise DecodeError("the first packet was no HELLO")
        hello = packets.read_hello(packet)
        factory = self._factory
        if hello.version != packets.VERSION:
            text = f"server: protocol {packets.VERSION}; client: protocol {hello.version}; update the older one"
            self._refuse(stranger, Reason(DisconnectReason.VERSION_MISMATCH, text), now)
        elif hello.schema_hash != self._hash or hello.wire_name != factory.s_adapter.wire_name:
            text = "the server has other messages"
            if self._full():  # "python -m pygnetic ping" tells both
                text += f"; {self._full_text()}"
            reason = Reason(DisconnectReason.SCHEMA_MISMATCH, text)
            self._refuse(stranger, reason, now, factory.description(), asked=not hello.wire_name)
        elif self._full():
            self._refuse(stranger, Reason(DisconnectReason.SERVER_FULL, self._full_text()), now)
        else:
            self._welcome(stranger, now)

    def _full_text(self) -> str:
        number = self.conn_limit
        return f"the server is full: it takes {number} client{'s' if number > 1 else ''} (conn_limit)"

    def _refuse(
        self, stranger: Stranger, reason: Reason, now: float, description: str = "", asked: bool = False
    ) -> None:
        if asked:  # by a HELLO that is never welcomed
            self._tell(now, "told %s:%s which messages there are (ping)", *stranger.address)
        else:
            self._tell(now, "refused %s:%s: %s", *stranger.address, reason)
        stranger.refused = True
        most = min(self.limits.packet_size, self.limits.unsent)
        stranger.peer.send(packets.refuse(reason, description, most))
        stranger.peer.disconnect()
        self._deadlines.set(stranger, now + self.limits.close_time)

    def _tell(self, now: float, text: str, *args: object) -> None:
        if now >= self._told_since + 1:
            if self._untold:
                _logger.info("and %d others that were sent away", self._untold)
            self._told_since, self._told, self._untold = now, 0, 0
        if self._told < _LINES:
            self._told += 1
            _logger.info(text, *args)
        else:
            self._untold += 1

    def _welcome(self, stranger: Stranger, now: float) -> None:
        if self._leaving and len(self._connections) >= self.conn_limit + _LEAVING:
            self._evict(next(iter(self._leaving)))
        peer = stranger.peer
        if stranger.connection is None:
            stranger.connection = Connection(self, peer, self._factory)
        connection: Connection = stranger.connection
        self._say_once(peer, packets.welcome())
        self._unmet[connection] = now
        self._begin(connection, now)
        stranger._due = 0.0
        # if Ctrl-C comes before, the client is still a stranger, and greeted again
        self._connections[peer] = connection
        self._strangers.pop(peer, None)

    def _welcomed(self, connection: Connection) -> None:
        self._unmet.pop(connection, None)
        calls: list[Callable[[], Any]] = []
        made: list[Any] | None = None
        if event.post is not None:
            calls.append(partial(event.post, event.NET_ACCEPTED, connection))
        if self.handler is not None:
            made = []  # one step makes the handler and keeps it
            calls.append(partial(made.extend, starmap(_unbound(self.handler), ((),))))
        connection._inbox.agenda = iter(calls), partial(self._introduce, connection, made)

    def _introduce(self, connection: Connection, made: list[Any] | None) -> None:
        """Give a new connection its handler; if making one raised, the client is told."""
        problem = None
        if made:
            handler = made[0]
            try:
                if not isinstance(handler, Handler):
                    text = f"handler={_name(self.handler)} made {handler!r}"
                    raise TypeError(f"{text}; it must return an object of a pygnetic.Handler subclass")
                handler.server = self._proxy
                if not any(known is handler for known, _ in connection._inbox.handlers):
                    connection.add_handler(handler)
            except Exception as error:
                problem = error
        if problem is not None or (made is not None and not made):
            connection.disconnect(reason="the server has no handler for you: an error in its program")
        if connection._state != CLOSED:  # else making the handler closed us
            super()._welcomed(connection)
        if problem is not None:
            self._handle(connection, problem)

    def _closing(self, connection: Connection) -> None:
        super()._closing(connection)
        self._leaving[connection] = None

    def _departs(self, connection: Connection, now: float) -> None:
        self._leaving[connection] = None
        if self._unmet.get(connection) == now:  # in one poll with its HELLO: it did not wait to be welcomed
            self._evict(connection)

    def _evict(self, connection: Connection) -> None:
        """End a connection that is leaving at once, and have its handlers told in this update."""
        connection._peer.abort()
        self._end(connection)
        self._wake(connection)

    def _end(self, connection: Connection) -> None:
        super()._end(connection)
        self._leaving.pop(connection, None)
        self._unmet.pop(connection, None)

    def _last_calls(self, connection: Connection) -> list[Callable[[], Any]]:
        # kicked, or hostile, in the update that welcomed it: it was never here
        return [] if connection in self._unmet else super()._last_calls(connection)


def _check_handler(handler: Any, factory: MessageFactory) -> None:
    """Raise the TypeError that would come when the first client is there, which may be much later."""
    wanted = "handler is a subclass of pygnetic.Handler, not"
    if isinstance(handler, Handler):
        name = type(handler).__name__
        raise TypeError(f"{wanted} an object of it; the server makes one for each client: handler={name}")
    if isinstance(handler, type) and not issubclass(handler, Handler):
        raise TypeError(f"{wanted} {handler!r}; write class {handler.__name__}(pygnetic.Handler)")
    if handler is None:
        return
    if not callable(handler):
        raise TypeError(f"{wanted} {handler!r}")
    if isinstance(handler, type):
        check_class(handler, factory)
    try:
        signature = signature_of(_unbound(handler))
    except (ValueError, TypeError):  # it is written in C, and does not tell
        return
    try:
        signature.bind()
    except TypeError:
        name = _name(handler)
        text = f"handler={name}: the server calls {name}() without arguments, but it takes {signature}"
        raise TypeError(f"{text}; give them defaults, or write handler=lambda: {name}(...)") from None


def _name(handler: Any) -> str:
    return str(getattr(handler, "__name__", handler))


def _unbound(handler: Callable[[], Handler]) -> Callable[[], Handler]:
    """Return a function that makes handlers as it was written: as an attribute of a class it became a method."""
    if isinstance(handler, MethodType):
        try:
            signature_of(handler)
        except ValueError:  # it has no parameter for a server
            function: Callable[[], Handler] = handler.__func__
            return function
    return handler


def _identities(exclude: Iterable[Any] | None) -> set[int]:
    """Return the id() of each connection; a proxy is no key and not equal to what it stands for."""
    found = set()
    try:
        for connection in exclude or ():
            with contextlib.suppress(ReferenceError):  # it is gone, and so in no list
                found.add(id(connection._itself()))
    except (TypeError, AttributeError) as error:
        text = f"exclude takes a list of connections, such as [self.connection], not {exclude!r}"
        raise TypeError(text) from error
    return found
