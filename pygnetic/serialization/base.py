"""What every serialization adapter has in common: the contract, and the limits on values.

An adapter is a module (or any object) with

* ``wire_name``: what the two ends compare, such as ``'msgpack'``;
* ``pack(value) -> bytes``: ValueError, TypeError or OverflowError for what cannot be sent;
* ``unpack(data, limits=DEFAULT) -> value``: raises DecodeError and nothing else, whatever the bytes;
* ``unpacker()``: an object with ``feed(data)`` that iterates over the values complete so far;
* ``join(packed) -> bytes``, optional: many packed values as one packed array. Without it each message travels in a
  packet of its own.
"""

from itertools import chain
from typing import Any

from pygnetic.errors import DecodeError
from pygnetic.limits import Limits

__all__ = ["SCALARS", "check_batch", "check_value"]

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

    def __init__(self, value: Any) -> None:
        self.value, self.kind = value, name_of(type(value))
        super().__init__(f"a {self.kind} cannot travel")


#: All the keys of pygame, pressed or not: a tuple of 512 bools, of which a game needs a few.
KEYS = "pygame.key.ScancodeWrapper"


def name_of(kind: type) -> str:
    """Return what a class is called, with its module: a numpy.bool is not a bool."""
    module = kind.__module__
    return kind.__name__ if module in ("builtins", "__main__") else f"{module}.{kind.__name__}"


def check_value(value: Any, limits: Limits) -> None:
    """Raise DecodeError if a value is nested deeper, is longer, or has other keys than the limits allow.

    :param value: one field of a message.
    """
    level = [value]
    for depth in range(limits.nesting + 1):
        if len(level) < _MANY or depth == limits.nesting:
            level = _below(level, limits, depth)
            if not level:
                return
            continue
        kinds = set(map(type, level))
        if kinds <= SCALARS:
            return
        if not kinds <= _PLAIN:
            level = _below(level, limits, depth)
            continue
        level = list(filter(None, level))  # what is empty, zero or None needs no more looks
        arrays = level if kinds == _ARRAY else [item for item in level if type(item) is list]
        dicts = [item for item in level if type(item) is dict] if dict in kinds else []
        if max(map(len, arrays), default=0) > limits.container or max(map(len, dicts), default=0) > limits.container:
            _below(level, limits, depth)
        if not set(map(type, chain.from_iterable(dicts))) <= _PLAIN_KEYS:
            _below(level, limits, depth)
        level = [*chain.from_iterable(arrays), *chain.from_iterable(map(dict.values, dicts))]


def _below(level: list[Any], limits: Limits, depth: int) -> list[Any]:
    """Return what is in the containers of a level, looking at each: for subclasses, and to name what is wrong."""
    below: list[Any] = []
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
        if len(item) > limits.container:
            much = f"a {type(item).__name__} has {len(item)} elements"
            raise DecodeError(f"{much}; the limit is {limits.container} (Limits.container)")
        if isinstance(item, dict):
            for key in item:
                if not isinstance(key, _KEYS):
                    raise DecodeError(f"a dict has a key of type {type(key).__name__}; keys are str, bytes or int")
            below.extend(item.values())
        else:
            below.extend(item)
    return below


def check_batch(value: Any, limits: Limits) -> None:
    """Check the fields of one message, or of a list of messages; neither list counts as nesting.

    :param value: what a codec decoded from one packet.
    """
    if type(value) is not list:
        check_value(value, limits)
        return
    if len(value) > limits.container:
        raise DecodeError(f"an array has {len(value)} elements; the limit is {limits.container} (Limits.container)")
    batch = value and type(value[0]) is list
    for item in value:
        if batch and type(item) is list:
            for field in item:
                if type(field) not in SCALARS:
                    check_value(field, limits)
        elif type(item) not in SCALARS:
            check_value(item, limits)
