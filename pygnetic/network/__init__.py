"""Choosing how bytes travel: over ENet (UDP), over TCP, or within one process."""

from types import ModuleType
from typing import Any

from pygnetic._core.registry import Record, Selection, Shelf

__all__ = ["get_adapter", "select_adapter", "selected_adapter"]


def _is_adapter(candidate: Any) -> bool:
    adapter = adapter_class(candidate)
    return all(callable(getattr(adapter, name, None)) for name in ("connect", "poll", "flush", "close"))


def adapter_class(adapter: Any) -> Any:
    """Return the class to instantiate: ``adapter.Adapter`` of a module, or the class itself."""
    return getattr(adapter, "Adapter", adapter)


# No adapter is imported before it is used, and each by a statement of its own: a bundle holds what stands in one.
def _enet() -> ModuleType:
    import pygnetic.network.enet_adapter as adapter

    return adapter


def _socket() -> ModuleType:
    import pygnetic.network.socket_adapter as adapter

    return adapter


def _memory() -> ModuleType:
    import pygnetic.network.memory_adapter as adapter

    return adapter


_RECORDS = {
    "enet": Record(_enet, "UDP, the default", "enet", ("pyenet-vladfi", "pyenet")),
    "socket": Record(_socket, "TCP"),
    "memory": Record(_memory, "one process"),
}
_shelf = Shelf("network", _RECORDS, _is_adapter)
_selection = Selection(_shelf, ("enet", "socket"))


def get_adapter(names: Any) -> Any:
    """Return the first usable network adapter of a name or a list of names, without selecting it.

    :param names: ``'enet'``, ``'socket'``, ``'memory'``, an adapter of your own (a module that has ``Adapter``, or
        a class), or a list of these.
    :raises ImportError: none is usable; the text has the pip line.

    >>> import pygnetic.network
    >>> pygnetic.network.get_adapter(['carrier_pigeon', 'memory']).__name__
    'pygnetic.network.memory_adapter'
    """
    return _shelf.get(names)


def select_adapter(names: Any) -> Any:
    """Make a network adapter the one that Client and Server use when they are not told another.

    :param names: as for :func:`get_adapter`.
    :return: the adapter, or None (and a log entry with the pip line) when none is usable.
    """
    return _selection.select(names)


def current_adapter() -> Any:
    """Return the selected network adapter, or the first usable of enet and socket."""
    return _selection.current()


def __getattr__(name: str) -> Any:
    if name == "selected_adapter":
        return _selection.adapter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
