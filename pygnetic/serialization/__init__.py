"""Choosing how messages become bytes: MessagePack or JSON."""

from types import ModuleType
from typing import Any, TypeGuard

from pygnetic._core.registry import AdapterRegistry, Record, Selection
from pygnetic.limits import DEFAULT, Limits
from pygnetic.serialization.base import Packet

__all__ = ["get_adapter", "pack", "select_adapter", "selected_adapter", "unpack", "unpacker"]


def _is_adapter(candidate: object) -> TypeGuard[Any]:
    return hasattr(candidate, "wire_name") and all(
        callable(getattr(candidate, name, None)) for name in ("pack", "unpack", "unpacker")
    )


# No adapter is imported before it is used, and each by a statement of its own: a bundle holds what stands in one.
def _msgpack() -> ModuleType:
    import pygnetic.serialization.msgpack_adapter as adapter

    return adapter


def _msgspec() -> ModuleType:
    import pygnetic.serialization.msgspec_adapter as adapter

    return adapter


def _json() -> ModuleType:
    import pygnetic.serialization.json_adapter as adapter

    return adapter


_RECORDS = (
    Record("msgpack", "the default", "msgpack", ("msgpack",)),
    Record("msgspec", "the same bytes as msgpack, faster", "msgspec", ("msgspec",)),
    Record("json", "readable"),
)
_LOADERS = {"msgpack": _msgpack, "msgspec": _msgspec, "json": _json}
registry: AdapterRegistry[Any] = AdapterRegistry("serialization", _RECORDS, _LOADERS, _is_adapter)
_selection = Selection(registry, ("msgpack", "json"))


def get_adapter(names: Any) -> Any:
    """Return the first usable serialization adapter of a name or a list of names, without selecting it.

    :param names: ``'msgpack'``, ``'msgspec'``, ``'json'``, an adapter of your own (a module or object that has
        ``pack``, ``unpack``, ``unpacker`` and ``wire_name``), or a list of these.
    :raises ImportError: none is usable; the text has the pip line.

    >>> import pygnetic.serialization
    >>> pygnetic.serialization.get_adapter('json').wire_name
    'json'
    """
    return registry.get(names)


def select_adapter(names: Any) -> Any:
    """Make a serialization adapter the one that message factories use when they are not told another.

    :param names: as for :func:`get_adapter`.
    :return: the adapter, or None (and a log entry with the pip line) when none is usable.
    """
    return _selection.select(names)


def current_adapter() -> Any:
    """Return the selected serialization adapter, or the first usable of msgpack and json."""
    return _selection.current()


def pack(value: Any) -> bytes:
    """Turn a value into bytes with the selected adapter.

    :raises ValueError: the value cannot be sent; the text says why.
    """
    data: bytes = current_adapter().pack(value)
    return data


def unpack(data: Packet, limits: Limits = DEFAULT) -> Any:
    """Turn bytes, a bytearray or a memoryview into a value with the selected adapter.

    :raises DecodeError: the bytes are no such value, or break a limit.
    """
    return current_adapter().unpack(data, limits)


def unpacker() -> Any:
    """Return a stream decoder of the selected adapter: ``feed(bytes)`` it, iterate over complete values."""
    return current_adapter().unpacker()


def __getattr__(name: str) -> Any:
    if name == "selected_adapter":
        return _selection.adapter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
