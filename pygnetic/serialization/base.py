"""What every serialization adapter has in common: the contract, and the limits on values.

An adapter is a module (or any object) with

* ``wire_name``: what the two ends compare, such as ``'msgpack'``;
* ``pack(value) -> bytes``: ValueError, TypeError or OverflowError for what cannot be sent;
* ``unpack(data, limits=DEFAULT) -> value``: takes bytes, a bytearray or a memoryview; raises DecodeError and nothing
  else, whatever it is given;
* ``unpacker()``: an object with ``feed(data)`` that iterates over the values complete so far;
* ``join(packed) -> bytes``, optional: many packed values as one packed array. Without it each message travels in a
  packet of its own.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Any, TypeAlias

from pygnetic.errors import DecodeError
from pygnetic.limits import Limits

__all__ = ["SCALARS", "Packet", "as_bytes", "check_batch", "check_value"]

#: What can be decoded.
Packet: TypeAlias = bytes | bytearray | memoryview

# What a field may hold that is no container. Exact types: a subclass takes the slow path and is looked at there.
SCALARS = frozenset({int, float, str, bytes, bool, type(None)})

_CONTAINERS = {list, tuple, dict}
_LEAVES = (str, bytes, int, float, type(None), bytearray, memoryview)
_KEYS = (str, bytes, int)
# 60,000 empty lists fit into one packet: from so many values on they are looked at by functions written in C.
_MANY = 64
_ARRAY = {list}
_PLAIN = SCALARS | {list, dict}
_PLAIN_KEYS = {str, bytes, int}


class Foreign(DecodeError):
    """A value is of a kind that no message can hold."""

    def __init__(self, value: object) -> None:
        self.value, self.kind = value, name_of(type(value))
        super().__init__(f"a {self.kind} cannot travel")


#: All the keys of pygame, pressed or not: a tuple of 512 bools, of which a game needs a few.
KEYS = "pygame.key.ScancodeWrapper"


def name_of(kind: type) -> str:
    """Return what a class is called, with its module: a numpy.bool is not a bool."""
    module = kind.__module__
    return kind.__name__ if module in ("builtins", "__main__") else f"{module}.{kind.__name__}"


def as_bytes(data: object) -> bytes:
    """Return what was given to be decoded as bytes.

    :raises DecodeError: it is something else, such as a str.
    """
    if isinstance(data, Packet):
        return bytes(data)
    cure = "; text.encode() makes bytes of a str" if isinstance(data, str) else ""
    raise DecodeError(f"give bytes, a bytearray or a memoryview, not a {type(data).__name__}{cure}")


def check_value(value: Any, limits: Limits) -> bool:
    """Raise DecodeError if a value is nested deeper, is longer, or has other keys than the limits allow.

    :param value: one field of a message.
    :return: whether there is a dict in it.
    """
    level = [value]
    any_dict = False
    for depth in range(limits.nesting + 1):
        if len(level) < _MANY or depth == limits.nesting:
            below: list[Any] = []
            if _look_into(level, below, limits, depth):
                any_dict = True
            if not below:
                break
            level = below
            continue
        kinds = set(map(type, level))
        if kinds <= SCALARS:
            break
        if not kinds <= _PLAIN:
            below = []
            if _look_into(level, below, limits, depth):
                any_dict = True
            level = below
            continue
        any_dict = any_dict or dict in kinds
        level = list(filter(None, level))  # what is empty, zero or None needs no more looks
        arrays = level if kinds == _ARRAY else [item for item in level if type(item) is list]
        dicts = [item for item in level if type(item) is dict] if dict in kinds else []
        if max(map(len, arrays), default=0) > limits.container or max(map(len, dicts), default=0) > limits.container:
            _look_into(level, [], limits, depth)
        if not set(map(type, chain.from_iterable(dicts))) <= _PLAIN_KEYS:
            _look_into(level, [], limits, depth)
        level = [*chain.from_iterable(arrays), *chain.from_iterable(map(dict.values, dicts))]
    return any_dict


def _look_into(level: list[Any], below: list[object], limits: Limits, depth: int) -> bool:
    """Add what is in the containers of a level to ``below``; return whether one is a dict.

    It looks at each: for subclasses, and to name what is wrong.
    """
    any_dict = False
    for item in level:
        if type(item) in SCALARS:
            continue
        if type(item) not in _CONTAINERS:
            if not isinstance(item, (list, tuple, dict, *_LEAVES)) or name_of(type(item)) == KEYS:
                raise Foreign(item)
            if isinstance(item, _LEAVES):
                continue
        if depth == limits.nesting:
            raise DecodeError(f"it is nested deeper than {limits.nesting} containers (Limits.nesting)")
        count = len(item)
        if count > limits.container:
            much = f"a {type(item).__name__} has {count} elements"
            raise DecodeError(f"{much}; the limit is {limits.container} (Limits.container)")
        inside: Iterable[object] = item
        if isinstance(item, dict):
            any_dict = True
            for key in item:
                if not isinstance(key, _KEYS):
                    raise DecodeError(f"a dict has a key of type {type(key).__name__}; keys are str, bytes or int")
            inside = item.values()
        if count < _MANY:
            for value in inside:
                if type(value) not in SCALARS:
                    below.append(value)
        else:
            below.extend(inside)
    return any_dict


def _too_long(array: list[object], limits: Limits) -> DecodeError:
    return DecodeError(f"an array has {len(array)} elements; the limit is {limits.container} (Limits.container)")


def check_batch(value: object, limits: Limits) -> bool:
    """Check the fields of one message, or of a list of messages; neither list counts as nesting.

    :param value: what a codec decoded from one packet.
    :return: whether there is a dict in it.
    """
    if type(value) is not list:
        return check_value(value, limits)
    most = limits.container
    if len(value) > most:
        raise _too_long(value, limits)
    any_dict = False
    batch = value and type(value[0]) is list
    for item in value:
        if batch and type(item) is list:
            if len(item) > most:
                raise _too_long(item, limits)
            for field in item:
                if type(field) not in SCALARS and check_value(field, limits):
                    any_dict = True
        elif type(item) not in SCALARS and check_value(item, limits):
            any_dict = True
    return any_dict
