"""The end that connects."""

from typing import Any

from pygnetic import message
from pygnetic._core.dialling import Dialling
from pygnetic._core.dispatch import Report
from pygnetic._core.endpoint import Endpoint
from pygnetic._help.checks import check_options, check_places, check_width, factory_of
from pygnetic.connection import Connection
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory

__all__ = ["Client"]


class Client(Endpoint):
    """Connects to servers.

    :param conn_limit: how many connections it can have at a time.
    :param message_factory: knows the messages, unless ``connect()`` is given another.
    :param n_adapter: the network adapter: a name, a list of names, or one of your own; by default the one that
        ``pygnetic.init()`` selects.
    :param limits: what a connection may send, hold and take; a :class:`~pygnetic.limits.Limits`.
    :param adapter_options: options of the network adapter.
    :raises ImportError: no adapter is usable; the text has the pip line.

    ::

        client = pygnetic.client.Client()
        connection = client.connect("localhost", 10000)
        while True:
            client.update()
    """

    #: The factory for new connections; a subclass can have its own.
    message_factory = message.message_factory

    _elsewhere = "a connection has it, and connect() returns one"
    _loop: Dialling

    def __init__(
        self,
        conn_limit: int = 1,
        *args: object,
        message_factory: MessageFactory | None = None,
        n_adapter: object = None,
        limits: Limits | None = None,
        **adapter_options: object,
    ) -> None:
        check_places("Client", "conn_limit", (conn_limit, *args))
        if isinstance(conn_limit, str) and not conn_limit.isdecimal():
            address = ", ".join(map(repr, (conn_limit, *(args or (10000,)))))
            raise TypeError(
                f"Client() takes no address; give host and port to connect(): net.Client().connect({address})"
            )
        if args:
            raise TypeError(f"Client() takes conn_limit; give {args!r} by name, as options of the network adapter")
        if message_factory is not None:
            self.message_factory = factory_of(message_factory, self)
        super().__init__(None, conn_limit, n_adapter, limits, adapter_options)

    def _make_loop(self, owner: Any, name: str, report: Report) -> Dialling:
        return Dialling(owner, name, self._adapter, self.limits, report)

    def connect(self, host: str, port: int, message_factory: MessageFactory | None = None, **kwargs: Any) -> Connection:
        """Start to connect; ``update()`` does the rest and calls ``on_connect()`` when the server has welcomed us.

        Load your pictures before, not after: a server drops who connects and then says nothing for 5 s
        (``Limits.connect_time``).

        :param host: a name or an address.
        :param port: 1 to 65535.
        :param message_factory: knows the messages of this connection; it is frozen now.
        :param kwargs: options of the network adapter.
        :return: the connection; add your handler to it.
        :raises OSError: the host does not resolve, or the port is not a number from 1 to 65535.
        :raises RuntimeError: there are ``conn_limit`` connections already.
        """
        loop, adapter = self._loop, self._adapter
        loop.refuse_other_thread("connect")
        if loop.closed:
            raise loop.closed_error()
        if loop.is_full():
            raise RuntimeError(
                f"this Client has all the connections it may have: {self.conn_limit} (conn_limit); disconnect() one "
                "first, or make the Client with a bigger conn_limit"
            )
        check_options(self.connect, adapter.connect, kwargs)
        factory = factory_of(message_factory, self)
        check_width(factory, self.limits)
        factory.set_frozen()
        return loop.connect(adapter.connect(host, port, **kwargs), factory)
