"""Functions that are compiled for one message class, the way namedtuple makes its classes.

They have the fields as their own parameters: Python itself then says which field is missing, editors see the signature,
and no ``*args`` are unpacked: 92 ns a call against 178.
"""

import weakref
from collections.abc import Callable
from typing import Any, ClassVar, cast

from pygnetic.errors import DecodeError
from pygnetic.limits import Limits
from pygnetic.serialization.base import KEYS, SCALARS, Foreign, check_value

__all__: list[str] = []


class Message(tuple[object, ...]):
    """A message as the library sees it: ``register()`` makes a named tuple of it."""

    _fields: ClassVar[tuple[str, ...]]


def signature(message_class: type[Message]) -> str:
    """Return ``name(field, field)``."""
    return f"{message_class.__name__}({', '.join(message_class._fields)})"


def _compiled(name: str, first: str, fields: tuple[str, ...], lines: list[str], names: dict[str, object]) -> Any:
    """Return a function of some lines.

    Fields may be called ``type`` or ``len`` but cannot begin with an underscore, so all other names here do.
    """
    body = "\n    ".join(lines)
    source = f"def {name}({', '.join((first, *fields))}):\n    {body}\n"
    exec(compile(source, f"<pygnetic message {name}>", "exec"), names)
    return names[name]


def _packing(
    message_class: type[Message], type_id: int, pack: Callable[[object], bytes], limits: str
) -> tuple[list[str], dict[str, object]]:
    """Return the lines that turn a message's fields into ``_data``, and the names that they use.

    :param limits: what the limits are called there.
    """
    fields = message_class._fields
    lines = []
    if fields:  # a set look-up takes 20 ns a field; looking into containers is for fields that hold some
        lines += [f"if {' or '.join(f'_type({field}) not in _scalars' for field in fields)}:"]
        lines += [f"    _check(_message, ({', '.join(fields)},), {limits})"]
    values = ", ".join((str(type_id), *fields)) + ","
    lines += ["try:", f"    _data = _pack(({values}))"]
    lines += ["except _Exception as _error:", f"    raise _explain(_message, ({values}), _error) from None"]
    names = {
        "_type": type,
        "_len": len,
        "_Exception": Exception,
        "_BaseException": BaseException,
        "_IndexError": IndexError,
        "_scalars": SCALARS,
        "_check": check_fields,
        "_message": message_class,
        "_pack": pack,
        "_explain": lambda message, values, error: explain(message, values[1:], pack, error),
    }
    return lines, names


_EXACT = SCALARS | {list, tuple, dict}
# The classes that any factory has made.
_message_classes: weakref.WeakSet[type] = weakref.WeakSet()


def check_fields(message_class: type[Message], values: tuple[object, ...], limits: Limits) -> None:
    """Refuse what the receiver would refuse.

    :raises TypeError, ValueError: a field cannot be sent; the text names it.
    """
    for field, value in zip(message_class._fields, values, strict=True):
        if type(value) not in _EXACT and type(value) in _message_classes:
            kind = cast("type[Message]", type(value))
            text = f"field {field!r} is a whole {signature(kind)} message; send(message) sends that as it is"
            its_field = f", and message.{kind._fields[0]} is its field" if kind._fields else ""
            raise TypeError(f"{signature(message_class)}: {text}{its_field}")
        try:
            check_value(value, limits)
        except Foreign as error:
            verb = "is" if error.value is value else "holds"
            text = f"{verb} a {error.kind}, which cannot be sent; {_cure(error.kind)}"
            raise TypeError(f"{signature(message_class)}: field {field!r} {text}") from None
        except DecodeError as error:
            raise ValueError(f"{signature(message_class)}: field {field!r} cannot be sent: {error}") from None
        except Exception as error:  # a container of the user's own raised
            raise TypeError(f"{signature(message_class)}: field {field!r} cannot be sent: {error}") from None


def _cure(kind: str) -> str:
    if kind == KEYS:
        return "send the keys that matter, such as [keys[pygame.K_LEFT], keys[pygame.K_RIGHT]]"
    if kind.startswith("numpy."):
        return "its tolist() can"
    return "send numbers, strings, bytes, None, and lists and dicts of these"


def _has_huge_int(value: object) -> bool:
    """Tell whether a value holds an integer that no codec can pack; what it is nested in has been checked."""
    if isinstance(value, int):
        return not -(2**63) <= value < 2**64
    if isinstance(value, dict):
        return any(map(_has_huge_int, (*value, *value.values())))
    return isinstance(value, (list, tuple)) and any(map(_has_huge_int, value))


def explain(
    message_class: type[Message], values: tuple[object, ...], pack: Callable[[object], bytes], error: Exception
) -> Exception:
    """Return an error that names the field which a codec could not pack."""
    kind = TypeError if isinstance(error, TypeError) else ValueError
    for field, value in zip(message_class._fields, values, strict=True):
        try:
            pack(value)
        except Exception as reason:
            if _has_huge_int(value):  # each codec says it in its own way, and none which integers it takes
                text = f"{signature(message_class)}: field {field!r} cannot be sent: the number is too large; "
                return ValueError(text + "integers go from -2**63 to 2**64-1")
            return kind(f"{signature(message_class)}: field {field!r} cannot be sent: {reason}")
    return kind(f"{signature(message_class)} cannot be sent: {error}")


def maker(message_class: type[Message]) -> Callable[[Any], object]:
    """Return a function from a decoded list to a message; ValueError or TypeError if it is none.

    ``tuple.__new__`` takes 120 ns where ``_make`` takes 320.
    """
    _message_classes.add(message_class)
    fields = message_class._fields
    names = "".join(f"{field}, " for field in fields)
    lines = [
        f"_id, {names} = _list" if fields else "_id, = _list",  # ValueError for any other number of fields
        "if _type(_id) is not _int or _type(_list) is not _array:",  # True and 1.0 find the same entry in a dict
        "    raise _DecodeError('a message is a list that begins with an int')",
        f"return _new(_message, ({names}))",
    ]
    names_used = {"_new": tuple.__new__, "_message": message_class, "_DecodeError": DecodeError}
    names_used |= {"_type": type, "_int": int, "_array": list}
    function: Callable[[object], object] = _compiled(f"make_{message_class.__name__}", "_list", (), lines, names_used)
    return function


def sender(
    message_class: type[Message], type_id: int, pack: Callable[[object], bytes], index: int, reliable: bool
) -> Callable[..., bool]:
    """Return the method of a Connection that sends a message: puts it into the queue with that index."""
    lines, names = _packing(message_class, type_id, pack, "_self._limits")
    too_large = "" if reliable else f" or _len(_data) > _outbox.max_sizes[{index}]"
    lines += [
        "_outbox = _self._outbox",
        "_budget = _outbox.budget - _len(_data)",
        f"if _budget < 0{too_large}:",
        f"    return _outbox.enqueue_slow({index}, _message, _data)",
        "_outbox.budget = _budget",
        f"_queue = _outbox.queues[{index}]",
        "try:",
        f"    _outbox.message_classes[{index}].append(_message)",
        "    _queue.append(_data)",
        "    if _queue[0] is _data:",
        "        _outbox.wake(_outbox)",
        "except _IndexError:",  # another thread has flushed it
        "    pass",
        "except _BaseException:",  # Ctrl-C: whatever is in the box must not wait for somebody else to wake
        "    _outbox.wake(_outbox)",
        "    raise",
        "return True",
    ]
    name = f"net_{message_class.__name__}"
    function: Callable[..., bool] = _compiled(name, "_self", message_class._fields, lines, names)
    function.__qualname__ = f"Connection.{name}"
    function.__doc__ = f"Send ``{signature(message_class)}`` to the remote end; True if it was accepted."
    return function


def encoder(message_class: type[Message], type_id: int, pack: Callable[[object], bytes]) -> Callable[..., bytes]:
    """Return a function from limits and the fields of a message to its bytes, for what is sent to many."""
    lines, names = _packing(message_class, type_id, pack, "_limits")
    name = message_class.__name__
    fields = message_class._fields
    function: Callable[..., bytes] = _compiled(f"encode_{name}", "_limits", fields, [*lines, "return _data"], names)
    function.__qualname__ = name  # so Python's own TypeErrors begin with the message
    return function
