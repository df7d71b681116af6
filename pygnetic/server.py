"""The end that is connected to."""

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

from pygnetic import message
from pygnetic._core.dispatch import Report
from pygnetic._core.endpoint import Endpoint
from pygnetic._core.hosting import Hosting
from pygnetic._core.resolve import Encoders, resolve
from pygnetic._help.checks import check_places, check_width, factory_of, limits_of, listing
from pygnetic._help.handlers import check_handler
from pygnetic.connection import Connection
from pygnetic.handler import Handler
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory

__all__ = ["Server"]


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

    _elsewhere = "a connection has it, such as a handler's self.connection; broadcast() sends to all of them"
    _loop: Hosting

    def __init__(
        self,
        host: str = "",
        port: int = 0,
        conn_limit: int = 4,
        *args: object,
        handler: Callable[[], Handler] | None = None,
        message_factory: MessageFactory | None = None,
        n_adapter: object = None,
        limits: Limits | None = None,
        **adapter_options: object,
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
        check_handler(self.handler, factory)
        check_width(factory, limits_of(limits, self))
        _ = factory.s_adapter  # ImportError without a serialization adapter, so before a port is bound
        super().__init__((host, port), conn_limit, n_adapter, limits, adapter_options)
        factory.set_frozen()
        self._encoders = Encoders(factory)

    def _make_loop(self, owner: Any, name: str, report: Report) -> Hosting:
        return Hosting(owner, name, self._adapter, self.limits, report, self._factory)

    @property
    def address(self) -> tuple[str, int]:
        """The (host, port) it listens on, with the real port."""
        assert self._adapter.address is not None
        return self._adapter.address

    @listing
    def connections(self, exclude: Iterable[Any] | None = None) -> list[Connection]:
        """Return the clients that are connected.

        :param exclude: connections to leave out, or proxies of them such as a handler's ``connection``.
        """
        left_out = _identities(exclude)
        connections = self._loop.open_connections()
        return [connection for connection in connections if id(connection) not in left_out] if left_out else connections

    @listing
    def handlers(self, exclude: Iterable[Any] | None = None) -> list[Any]:  # your Handlers, with all they have
        """Return the handlers of the clients that are connected.

        :param exclude: connections whose handlers are left out, or proxies of them.
        """
        return [handler for connection in self.connections(exclude) for handler in connection.handlers]

    def broadcast(self, message: object, /, *args: object, exclude: Iterable[object] = (), **kwargs: object) -> int:
        """Send a message to every client; it is packed once.

        :param message: a message class, its name, or a message, which is sent as it is.
        :param args: the values of its fields.
        :param exclude: connections to leave out, or proxies of them.
        :param kwargs: the values of its fields by name.
        :return: how many connections accepted it.
        :raises ValueError, TypeError, MessageTooLarge: as for ``Connection.send()``.
        """
        found, args = resolve("broadcast", self._encoders, self._factory.classes, message, args, kwargs)
        message_class, queue, encode = found
        data = encode(self.limits, *args, **kwargs)
        left_out = _identities(exclude)
        accepted = 0
        for link in self._loop.links.values():  # an outbox takes nothing unless its connection is open
            if not (left_out and id(link.connection) in left_out):
                accepted += link.outbox.enqueue(queue, message_class, data)
        return accepted


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
