"""What a user may have got wrong: arguments are checked, and names compared, in sentences that say what to do."""

import atexit
import inspect
import logging
import sys
import weakref
from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any, TypeVar, cast

from pygnetic._core.compiled import signature
from pygnetic._help.hints import suggestion
from pygnetic.handler import Handler, accepted, misspelt, signature_of
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory

__all__: list[str] = []

_logger = logging.getLogger("pygnetic")
_Function = TypeVar("_Function", bound=Callable[..., object])

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


def factory_of(given: object, owner: Any) -> MessageFactory:
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


def check_options(owner: Callable[..., object], function: Callable[..., object], options: dict[str, object]) -> None:
    """Refuse keywords that a network adapter does not know, in terms of what the user has called.

    :raises TypeError: there is one; the text names it.
    """
    if not options:
        return
    taken = accepted(function, options, 2)  # two are the address, or host and port
    for name in options:
        if name not in taken:
            known = [*inspect.signature(owner).parameters, *list(inspect.signature(function).parameters)[2:]]
            hint = _ELSEWHERE.get(name) or suggestion(name, known)
            raise TypeError(f"{owner.__name__}() does not know {name!r}{hint}")


def check_places(owner: str, takes: str, given: tuple[object, ...]) -> None:
    """Refuse what was given by its place, and is taken by name.

    :param takes: what is taken by its place.
    :raises TypeError: there is some; the text has its name.
    """
    for value in given:
        kind = value if isinstance(value, type) else type(value)
        if issubclass(kind, Handler) and owner == "Client":
            raise TypeError(f"Client() takes no handler; connect(...).add_handler({kind.__name__}())")
        if issubclass(kind, Handler):
            name = f"handler={kind.__name__}"
        elif issubclass(kind, (MessageFactory, Limits)):
            name = "message_factory=..." if issubclass(kind, MessageFactory) else "limits=..."
        else:
            continue
        raise TypeError(f"{owner}() takes {takes}; give the rest by name: {name}")


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


def check_class(handler_class: type[Handler], factory: MessageFactory) -> None:
    """Refuse handlers with a method that cannot be called as the library calls it.

    :raises TypeError: there is one; the text has the right signature.
    """
    for name, (given, advice) in _called_methods(factory).items():
        if not hasattr(handler_class, name):
            continue
        method = inspect.getattr_static(handler_class, name)
        first, in_class = ["self"], inspect.isfunction(method)
        if isinstance(method, (staticmethod, classmethod)):
            first = ["cls"] if isinstance(method, classmethod) else []
            method = getattr(handler_class, name)
        elif hasattr(method, "__get__") and not in_class:
            continue  # only an object can tell what a property is
        right = f"def {name}({', '.join(first + given)}){advice}"
        _check_method(handler_class, name, method, first * in_class + given, right)


def check_object(handler: Handler, factory: MessageFactory) -> None:
    """Do the same with the methods that a handler has on the object itself."""
    own = vars(handler)
    if any(name.startswith(("net_", "on_")) for name in own):
        for name, (given, advice) in _called_methods(factory).items():
            if name in own:
                _check_method(type(handler), name, own[name], given, f"def {name}({', '.join(given)}){advice}")


def _called_methods(factory: MessageFactory) -> dict[str, tuple[list[str], str]]:
    """Return the methods of a handler that the library calls: what each is given beside self, and what else to say."""
    called: dict[str, tuple[list[str], str]] = {"on_connect": ([], "")}
    called |= {"on_disconnect": ([], ", and read self.connection.reason")}
    called |= {"on_recive": (["message"], ""), "on_receive": (["message"], "")}
    for message_class in factory.classes:
        fields = " and ".join(f"message.{field}" for field in message_class._fields)
        called["net_" + message_class.__name__] = ["message"], f", and read {fields}" * bool(fields)
    return called


def _check_method(handler_class: type[Handler], name: str, method: Any, given: list[str], right: str) -> None:
    owner = f"{handler_class.__name__}.{name}"
    if not callable(method):
        raise TypeError(f"{owner} is {method!r}, which cannot be called; write {right}")
    if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
        raise TypeError(f"{owner}() is an async def, and nothing awaits it; write {right}")
    if inspect.isgeneratorfunction(method):
        raise TypeError(f"{owner}() has a yield in it, so that a call runs nothing of it; write {right}")
    try:
        # a decorator may change what the function inside is given, so the one outside counts
        parameters = signature_of(method, follow_wrapped=False)
    except (ValueError, TypeError):  # some builtins do not tell
        return
    keywords = accepted(method, {"channel": 0}, len(given)) if "message" in given else {}
    try:
        parameters.bind(*given, **keywords)
    except TypeError:
        what = "with a message" if "message" in given else "without arguments"
        raise TypeError(f"{owner}{parameters} cannot be called {what}; write {right}") from None


def warn_of_names(handler: Handler, factory: MessageFactory) -> None:
    """Name the methods of a handler that nothing calls; once, to however many Clients and Servers it is given."""
    handler_class = type(handler)
    if factory in _looked_at.get(handler_class, ()):
        return
    first = handler_class not in _looked_at
    _looked_at.setdefault(handler_class, weakref.WeakSet()).add(factory)
    known = ["net_" + message_class.__name__ for message_class in factory.classes]
    for name in sorted({*dir(handler_class), *vars(handler)}):
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


def who_has(name: str, connection: Any, server: object) -> str:
    """Say who has what a handler was asked for: its connection, or its server (None on a client)."""
    hint = _owner("connection", "self.connection", _class_attributes(type(connection)), name)
    if not hint and server is not None:
        hint = _owner("server", "self.server", _class_attributes(server.__class__) | vars(server), name)
    if not hint and name.startswith("net_"):
        near = suggestion(name[4:], connection._names())
        return near.removeprefix("; ").replace(" '", " 'self.connection.net_")
    return hint


def parent_has(name: str, parent: Any) -> str:
    """Say that its Client or Server has what a connection was asked for.

    :param parent: a proxy.
    """
    try:
        has, role = _class_attributes(parent.__class__) | vars(parent), parent._loop.role
    except ReferenceError:
        return ""
    return _owner(role, "self.server" if role == "server" else role, has, name)


def _owner(what: str, path: str, has: dict[str, Any], name: str) -> str:
    if name not in has or name.startswith("_"):
        return ""
    return f"its {what} has it: {path}.{name}" + "(...)" * callable(has[name])


def key_hint(error: Exception) -> str:
    """Say what to take as a key, if an error is that a proxy is none."""
    is_proxy = isinstance(error, TypeError) and "unhashable type: 'weakref.ProxyType'" in str(error)
    return "if that is self.connection, take self.connection.id as the key" if is_proxy else ""


def _class_attributes(of: type) -> dict[str, Any]:
    return {name: value for base_class in reversed(of.__mro__) for name, value in vars(base_class).items()}


class _Uncalled(partial[object]):
    """A method that was looked up; whoever takes it for the list that it returns has forgotten the brackets."""

    def _refuse(self, *_: object) -> object:
        name = self.func.__name__
        raise TypeError(f"{name} is a method of a Server: write {name}()")

    __bool__ = __contains__ = __getitem__ = __iter__ = __len__ = _refuse


class _Listing:
    def __init__(self, function: Callable[..., object]) -> None:
        update_wrapper(self, function)
        self._function = function

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self._function(*args, **kwargs)

    def __get__(self, owner: object, kind: type | None = None) -> object:
        return self._function if owner is None else _Uncalled(self._function, owner)


def listing(function: _Function) -> _Function:
    """Make a method that returns a list say so where its brackets are forgotten: ``for h in server.handlers:``."""
    return cast(_Function, _Listing(function))
