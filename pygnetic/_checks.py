"""What a user may have got wrong: arguments are checked, and names compared, in sentences that say what to do."""

import atexit
import logging
import sys
import weakref
from collections.abc import Callable
from typing import Any

from pygnetic._compiled import signature
from pygnetic.handler import Handler, accepted, misspelt
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory, suggestion

__all__: list[str] = []

_logger = logging.getLogger("pygnetic")

# A beginner who forgot update() is told when so many messages wait; a program that sends that many before it first
# calls update() is told as well, and can ignore it.
_MANY = 64
_ADVICE = "call it once a frame, or nothing is sent or received"
# A Server that is closed sooner served as something else: a look for a free port, or a test.
_LOOKED_AROUND = 1.0

_failed = False  # an error ends this program


@atexit.register
def _look_for_error() -> None:
    """Find out while that can be found out: Python forgets ``last_value`` before it collects a program's objects."""
    global _failed
    _failed = isinstance(getattr(sys, "last_value", None), Exception)


# Handler classes whose methods were compared with the messages, each with the factories of those.
_looked_at: weakref.WeakKeyDictionary[type[Handler], weakref.WeakSet[MessageFactory]] = weakref.WeakKeyDictionary()


def factory_of(given: Any, owner: Any) -> MessageFactory:
    """Return the message factory to use: the one given, or the owner's.

    :raises TypeError: it is no MessageFactory.
    """
    factory = owner.message_factory if given is None else given
    if not isinstance(factory, MessageFactory):
        hint = "; call it to make one" if isinstance(factory, type) else ""
        raise TypeError(f"message_factory must be a MessageFactory, not {factory!r}{hint}")
    return factory


def limits_of(given: Any, owner: Any) -> Limits:
    """Return the limits to use: those given, or the owner's.

    :raises TypeError: they are no Limits.
    """
    limits = owner.limits if given is None else given
    if not isinstance(limits, Limits):
        raise TypeError(f"limits is a pygnetic.limits.Limits, such as Limits(unsent=3), not {limits!r}")
    return limits


# Where to give what is no option of a Client.
_ELSEWHERE = {
    "handler": "; connect(...).add_handler(Player())",
    "host": "; give host and port to connect()",
    "port": "; give host and port to connect()",
}


def check_options(owner: Callable[..., Any], function: Callable[..., Any], options: dict[str, Any]) -> None:
    """Refuse keywords that a network adapter does not know, in terms of what the user has called.

    :raises TypeError: there is one; the text names it.
    """
    if not options:
        return
    import inspect

    taken = accepted(function, options, 2)  # two are the address, or host and port
    for name in options:
        if name not in taken:
            known = [*inspect.signature(owner).parameters, *list(inspect.signature(function).parameters)[2:]]
            hint = _ELSEWHERE.get(name) or suggestion(name, known)
            raise TypeError(f"{owner.__name__}() does not know {name!r}{hint}")


def check_width(factory: MessageFactory, limits: Limits) -> None:
    """Refuse a message with so many fields that every receiver would refuse it.

    :raises ValueError: there is one; the text names it.
    """
    for message_class in factory.classes:
        fields = len(message_class._fields)
        if fields + 1 > limits.container:  # beside its fields a message has its type
            raise ValueError(
                f"{signature(message_class)} has {fields} fields; a message can have {limits.container - 1} "
                "(Limits.container)"
            )


def check_unreliable_size(limits: Limits, adapter_class: Any) -> None:
    """Refuse unreliable messages that the network adapter would have to cut into pieces.

    :raises ValueError: the limits allow such messages; the text says what the adapter can carry.
    """
    largest = getattr(adapter_class, "largest_unreliable", None)
    if largest is not None and limits.unreliable_size > largest:
        raise ValueError(
            f"Limits(unreliable_size={limits.unreliable_size}): over {adapter_class.title} unreliable messages have to "
            f"fit in one datagram, which holds {largest} bytes; send less at once, or register the message as reliable"
        )


def warn_of_names(handler_class: type[Handler], factory: MessageFactory) -> None:
    """Name the methods of a handler that nothing calls; once, however many Clients and Servers it is given to."""
    if factory in _looked_at.get(handler_class, ()):
        return
    first = handler_class not in _looked_at
    _looked_at.setdefault(handler_class, weakref.WeakSet()).add(factory)
    known = ["net_" + message_class.__name__ for message_class in factory.classes]
    for name in dir(handler_class):
        if name.startswith("net_") and name not in known:
            text = "%s.%s() will not be called: no message has that name%s"
            _logger.warning(text, handler_class.__name__, name, suggestion(name, known))
    for name, near in misspelt(handler_class) if first else ():
        text = "%s.%s() will not be called by the library; did you mean %r?"
        _logger.warning(text, handler_class.__name__, name, near)


def warn_of_waiting(name: str, messages: int) -> None:
    """Warn who never called update() when that many messages wait."""
    if messages == _MANY:
        _logger.warning("%d messages wait: %s.update() was never called; %s", messages, name, _ADVICE)


def warn_of_no_update(name: str, waiting: int, connecting: bool, lived: float) -> None:
    """Warn who never called update(), at the end; whom an error has stopped before has that to read.

    :param name: what update() belongs to.
    :param waiting: messages that were not sent.
    :param connecting: it has connections, which nobody opened.
    :param lived: seconds that a server was there.
    """
    if _failed or isinstance(sys.exc_info()[1], Exception):
        return
    if waiting:
        what = "1 message was" if waiting == 1 else f"{waiting} messages were"
        _logger.warning("%s not sent: %s.update() was never called; %s", what, name, _ADVICE)
    elif connecting:  # most beginners send first in on_connect(), which nobody has called
        _logger.warning("%s.update() was never called: it has not connected; %s", name, _ADVICE)
    elif lived > _LOOKED_AROUND:
        _logger.warning("%s.update() was never called: nobody could connect; call it again and again", name)


def who_has(name: str, connection: Any, server: Any) -> str:
    """Say who has what a handler was asked for: its connection, or its server (None on a client)."""
    owners = {"connection": _class_attributes(type(connection))}
    if server is not None:
        owners["server"] = _class_attributes(type(server)) | vars(server)
    for owner, has in owners.items():
        if name in has and not name.startswith("_"):
            return f"its {owner} has it: self.{owner}.{name}" + "(...)" * callable(has[name])
    if name.startswith("net_"):
        near = suggestion(name[4:], connection._names())
        return near.removeprefix("; ").replace(" '", " 'self.connection.net_")
    return ""


def _class_attributes(of: type) -> dict[str, Any]:
    return {name: value for base_class in reversed(of.__mro__) for name, value in vars(base_class).items()}
