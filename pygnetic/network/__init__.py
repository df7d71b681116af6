"""Choosing how bytes travel: over ENet (UDP), over TCP, or within one process."""

from types import ModuleType
from typing import TypeAlias, TypeGuard, cast

from pygnetic._core.registry import AdapterRegistry, Selection
from pygnetic.network._records import ENET, MEMORY, SOCKET, NetworkRecord
from pygnetic.network.base import Adapter

__all__ = ["get_adapter", "select_adapter", "selected_adapter"]

#: What chooses an adapter: a module that has ``Adapter``, or that class itself.
Choice: TypeAlias = ModuleType | type[Adapter]


def _is_adapter(candidate: object) -> TypeGuard[Choice]:
    adapter = getattr(candidate, "Adapter", candidate)
    return all(callable(getattr(adapter, name, None)) for name in ("connect", "poll", "flush", "close"))


def adapter_class(adapter: Choice) -> type[Adapter]:
    """Return the class to instantiate: ``adapter.Adapter`` of a module, or the class itself."""
    return cast(type[Adapter], getattr(adapter, "Adapter", adapter))


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


#: What is known of each, by its name.
records: dict[str, NetworkRecord] = {record.name: record for record in (ENET, SOCKET, MEMORY)}
_LOADERS = {"enet": _enet, "socket": _socket, "memory": _memory}
registry: AdapterRegistry[Choice] = AdapterRegistry("network", records.values(), _LOADERS, _is_adapter)
_selection = Selection(registry, ("enet", "socket"))


def get_adapter(names: object) -> Choice:
    """Return the first usable network adapter of a name or a list of names, without selecting it.

    :param names: ``'enet'``, ``'socket'``, ``'memory'``, an adapter of your own (a module that has ``Adapter``, or
        a class), or a list of these.
    :raises ImportError: none is usable; the text has the pip line.

    >>> import pygnetic.network
    >>> pygnetic.network.get_adapter(['carrier_pigeon', 'memory']).__name__
    'pygnetic.network.memory_adapter'
    """
    return registry.get(names)


def select_adapter(names: object) -> Choice | None:
    """Make a network adapter the one that Client and Server use when they are not told another.

    :param names: as for :func:`get_adapter`.
    :return: the adapter, or None (and a log entry with the pip line) when none is usable.
    """
    return _selection.select(names)


def current_adapter() -> Choice:
    """Return the selected network adapter, or the first usable of enet and socket."""
    return _selection.current()


def __getattr__(name: str) -> Choice | None:
    if name == "selected_adapter":
        return _selection.adapter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
