"""What a server needs to know of the function that makes its handlers."""

from collections.abc import Callable
from types import MethodType
from typing import Any

from pygnetic._help.checks import check_class
from pygnetic.handler import Handler, signature_of
from pygnetic.message import MessageFactory

__all__: list[str] = []


def check_handler(handler: Any, factory: MessageFactory) -> None:
    """Raise the TypeError that would come when the first client is there, which may be much later."""
    wanted = "handler is a subclass of pygnetic.Handler, not"
    if isinstance(handler, Handler):
        name = type(handler).__name__
        raise TypeError(f"{wanted} an object of it; the server makes one for each client: handler={name}")
    if isinstance(handler, type) and not issubclass(handler, Handler):
        raise TypeError(f"{wanted} {handler!r}; write class {handler.__name__}(pygnetic.Handler)")
    if handler is None:
        return
    if not callable(handler):
        raise TypeError(f"{wanted} {handler!r}")
    if isinstance(handler, type):
        check_class(handler, factory)
    try:
        signature = signature_of(unbound(handler))
    except (ValueError, TypeError):  # it is written in C, and does not tell
        return
    try:
        signature.bind()
    except TypeError:
        name = handler_name(handler)
        text = f"handler={name}: the server calls {name}() without arguments, but it takes {signature}"
        raise TypeError(f"{text}; give them defaults, or write handler=lambda: {name}(...)") from None


def handler_name(handler: object) -> str:
    """Return what a user calls it."""
    return str(getattr(handler, "__name__", handler))


def unbound(handler: Callable[[], Handler]) -> Callable[[], Handler]:
    """Return a function that makes handlers as it was written: as an attribute of a class it became a method."""
    if isinstance(handler, MethodType):
        try:
            signature_of(handler)
        except ValueError:  # it has no parameter for a server
            function: Callable[[], Handler] = handler.__func__
            return function
    return handler
