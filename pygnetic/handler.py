"""Objects that messages are delivered to."""

import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["Handler"]


def _takes_what_it_likes(method: Callable[..., None]) -> Callable[..., None]:
    """Tell a type checker that a method which overrides this one may leave ``**kwargs`` out, as it may."""
    return method


class Handler:
    """Subclass it and write one method for each message you want to receive.

    A method is called ``net_`` and the name of its message. It gets the message; if it has ``**kwargs`` (or a
    parameter called ``channel``), it also gets what the network adapter tells about the packet. Methods may also be set
    on the object, ``handler.net_echo = function``, or found by a ``__getattr__`` of your own.

    >>> class EchoHandler(Handler):
    ...     def net_echo(self, message):
    ...         self.connection.net_echo(message.text)
    """

    #: Weak proxy to the :class:`~pygnetic.connection.Connection`; set by ``add_handler()``. It can be read as long as
    #: the handler lives, after the end of the connection, too.
    connection: Any = None
    # what it stands for, once that is closed and nobody else needs it: most programs keep no other reference
    _closed_connection: object = None
    #: Weak proxy to the :class:`~pygnetic.server.Server`; None on a client.
    server: Any = None

    def on_connect(self) -> None:
        """Called once when the connection is open."""

    def on_disconnect(self) -> None:
        """Called once when the connection has ended; ``self.connection.reason`` tells why."""

    @_takes_what_it_likes
    def on_recive(self, message: Any, **kwargs: Any) -> None:
        """Called for a message that has no ``net_`` method here; calls :meth:`on_receive`.

        The spelling is of 2012, and stays.

        :param message: the received message.
        :param kwargs: what the network adapter tells: ``channel``.
        """
        call(self.on_receive, message, kwargs)

    @_takes_what_it_likes
    def on_receive(self, message: Any, **kwargs: Any) -> None:
        """Called for a message that has no ``net_`` method here, unless you wrote ``on_recive``."""


def misspelt(handler_class: type[Handler]) -> list[tuple[str, str]]:
    """Return the ``on_`` methods that look like one of the library's, each with that one's name."""
    found = []
    for name in dir(handler_class):
        if name.startswith("on_") and not hasattr(Handler, name):
            import difflib  # takes 2 ms to import, and most programs never need it

            # 0.85 takes on_conect and on_connected, and leaves on_collect to the game
            near = difflib.get_close_matches(name, ("on_connect", "on_disconnect", "on_receive"), 1, 0.85)
            if near and getattr(handler_class, near[0]) is getattr(Handler, near[0]):
                found.append((name, near[0]))
    return found


def signature_of(function: Callable[..., object], follow_wrapped: bool = True) -> inspect.Signature:
    """Return the parameters of a user's function.

    :raises ValueError, TypeError: it is written in C, and does not tell.
    """
    options: dict[str, Any] = {}
    if sys.version_info >= (3, 14):  # it reads annotations only now, and some hold names that only type checkers know
        options["annotation_format"] = import_module("annotationlib").Format.FORWARDREF
    return inspect.signature(function, follow_wrapped=follow_wrapped, **options)


def accepted(function: Callable[..., object], keywords: dict[str, object], given: int) -> dict[str, Any]:
    """Return those keywords that a function can take beside so many arguments given by position."""
    taken = _accepted(function, keywords, given, wrapped=True)
    # the function inside a decorated one says what it wants, and the one outside what it takes
    return _accepted(function, taken, given, wrapped=False) if hasattr(function, "__wrapped__") else taken


def _accepted(
    function: Callable[..., object], keywords: dict[str, object], given: int, wrapped: bool
) -> dict[str, object]:
    try:
        parameters = signature_of(function, follow_wrapped=wrapped).parameters.values()
    except ValueError:  # some builtins do not tell, deque.append among them
        return {}
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:given]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return {key: value for key, value in keywords.items() if key not in positional}
    named = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return {key: value for key, value in keywords.items() if key in named and key not in positional}


def call(function: Callable[..., object], message: object, keywords: dict[str, object]) -> None:
    """Call a handler's method with a message and the keywords that it can take."""
    function(message, **accepted(function, keywords, 1))


def _in_class(handler_class: type[Handler], name: str) -> tuple[Callable[..., object], bool]:
    """Find out how a message reaches handlers of a class: a function, and whether it is given the adapter's keywords.

    :param name: the method's, ``net_`` and the message's name.
    """
    found = hasattr(handler_class, name)
    asks_object = handler_class.__getattribute__ is not object.__getattribute__
    if asks_object or (not found and hasattr(handler_class, "__getattr__")):
        return look_up(name), True
    if not found:
        name = "on_receive" if handler_class.on_recive is Handler.on_recive else "on_recive"
    if not inspect.isfunction(inspect.getattr_static(handler_class, name)):  # a classmethod, a partial, ...
        return look_up(name), True
    function = getattr(handler_class, name)
    # the first two are the handler and the message; "channel" is what every adapter tells
    takes = accepted(function, {"channel": 0}, 2)
    if not takes:
        return function, False
    if any(p.kind is p.VAR_KEYWORD for p in signature_of(function).parameters.values()):
        return function, True
    return lambda handler, message, **info: function(handler, message, **accepted(function, info, 2)), True


def look_up(name: str) -> Callable[..., None]:
    """Return a function that asks a handler for its method whenever a message comes."""
    return lambda handler, message, **info: call(getattr(handler, name, handler.on_recive), message, info)


#: A function that takes a handler and a message; whether it takes the adapter's keywords, too; the name of the
#: ``net_`` method; and whether the class has that. (A NamedTuple would take twice as long to unpack.)
Receiver = tuple[Callable[..., object], bool, str, bool]


class Receivers(dict[type, Receiver]):
    """How messages reach the handlers of one class; found out once for each message class.

    What an object has in its own ``__dict__`` goes first, and is not in here.
    """

    def __init__(self, handler_class: type[Handler]) -> None:
        self._handler_class = handler_class

    def __missing__(self, message_class: type) -> Receiver:
        name = "net_" + message_class.__name__
        function, keywords = _in_class(self._handler_class, name)
        found = self[message_class] = function, keywords, name, hasattr(self._handler_class, name)
        return found
