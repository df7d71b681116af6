"""What the user sees of a Client or Server: its checks, its texts, and its loop."""

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pygnetic import network
from pygnetic._core import goodbye
from pygnetic._core.closing import ClosingLoop
from pygnetic._core.dispatch import Report
from pygnetic._help import checks
from pygnetic.connection import Connection
from pygnetic.handler import Handler
from pygnetic.limits import DEFAULT, Limits
from pygnetic.network.base import Adapter

__all__: list[str] = []

_Self = TypeVar("_Self", bound="Endpoint")  # typing.Self came with Python 3.11


class Endpoint:
    """One end of connections: holds an adapter and does everything in :meth:`update`."""

    #: The network adapter; a subclass can have its own. None is the one that ``pygnetic.init()`` selects.
    n_adapter: object = None
    #: What a connection may send, hold and take; a subclass can have its own.
    limits: Limits = DEFAULT

    _elsewhere = ""  # who has what a beginner seeks here

    def __init__(
        self,
        address: tuple[str, int] | None,
        conn_limit: int,
        n_adapter: object,
        limits: Limits | None,
        options: dict[str, object],
    ) -> None:
        if type(conn_limit) is not int or conn_limit < 1:
            raise ValueError(f"conn_limit is {conn_limit!r}; it is the number of connections, 1 or more")
        n_adapter = self.n_adapter if n_adapter is None else n_adapter
        chosen = network.current_adapter() if n_adapter is None else network.get_adapter(n_adapter)
        adapter_class = network.adapter_class(chosen)
        checks.check_options(type(self), adapter_class, options)
        self.limits = checks.limits_of(limits, self)
        checks.check_unreliable_size(self.limits, adapter_class)
        #: How many connections there can be.
        self.conn_limit = conn_limit
        self._adapter: Adapter = adapter_class(address, conn_limit, limits=self.limits, **options)
        owner: Any = weakref.proxy(self)  # or the loop would keep it
        self._loop = self._make_loop(owner, type(self).__name__, partial(type(self)._report, owner))

    def _make_loop(self, owner: Any, name: str, report: Report) -> ClosingLoop:
        raise NotImplementedError

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close(goodbye.PATIENCE)

    if not TYPE_CHECKING:  # or type checkers would believe that there is everything

        def __getattr__(self, name: str) -> object:
            if hasattr(type(self), name):  # a property of yours, and in it something else is missing
                return object.__getattribute__(self, name)
            text = f"{type(self).__name__!r} object has no attribute {name!r}"
            ours = name.startswith("_") or name in ("address", "conn_limit")
            if ours and "_adapter" not in self.__dict__:
                text += "; an __init__() of your own must call super().__init__() first"
            elif name.startswith("net_") or hasattr(Connection, name):
                text += f"; {self._elsewhere}"
            raise AttributeError(text, name=name, obj=self)

    def handle_error(self, connection: Connection, error: Exception) -> None:
        """Called when a handler raised; raises the error out of ``update()`` unless you override it.

        :param connection: whose message or happening the handler got.
        :param error: what it raised. Whatever you do, nothing else is lost: the next ``update()`` goes on.
        """
        raise error

    def _report(self, connection: Connection, error: Exception) -> None:
        """Hand what a handler raised to ``handle_error()``, and say first who has what the handler was asked for."""
        # __getattr__ in Handler would do it too, and take 30 ns of each attribute
        asked: Any = getattr(error, "obj", None)
        # not isinstance(): that asks a proxy, which may be one of what is gone
        if isinstance(error, AttributeError) and issubclass(type(asked), Handler) and isinstance(error.name, str):
            server = self if self._loop.role == "server" else None
            hint = "" if asked.connection is None else checks.who_has(error.name, connection, server)
            if hint:
                error.args = (f"{error}; {hint}",)
                error.obj = None  # or Python would suggest a near name, and this would be said twice
        elif hint := checks.key_hint(error):
            error.args = (f"{error}; {hint}",)
        self.handle_error(connection, error)

    def update(self, timeout: float = 0) -> None:
        """Send, receive, and call handlers; call it once a frame.

        :param timeout: how long to wait for something to arrive, in ms; 0 returns at once.
        :raises RuntimeError: called from within a handler, while another thread is in it, or after ``close()``.

        Exceptions that your handlers raise come out of here (see :meth:`handle_error`).
        """
        self._loop.update(timeout)

    def close(self, timeout: float = 0) -> None:
        """Say goodbye, call every ``on_disconnect()``, free the port. Harmless when repeated.

        :param timeout: how long to wait at most, in ms, until everything that was sent has arrived and each other end
            has closed, too; 0 does not wait. What comes meanwhile is dropped.

        The end of ``with`` waits for up to a second, and so does Python's end for what is still open then.
        """
        self._loop.close(timeout)

    def __del__(self) -> None:
        # who forgot update() has often forgotten close(); a Client that could not be made has nothing to say
        try:
            loop = self.__dict__.get("_loop")
            if loop is None or loop.closed:
                return
            loop.check_updated()
            loop.kill(f"its {type(self).__name__} is gone, since nothing refers to it; keep it in a variable")
        except Exception:  # Python ends, and what this needs is gone already
            return
