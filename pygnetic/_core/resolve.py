"""From what a user gives to ``send()`` or ``broadcast()`` to the function for that message."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

from pygnetic._core.compiled import encoder
from pygnetic._help.hints import advice, no_message, unregistered
from pygnetic.message import MessageFactory

__all__: list[str] = []

_Function = TypeVar("_Function")


def resolve(
    call: str,
    functions: Mapping[object, _Function],
    classes: Iterable[type],
    message: object,
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> tuple[_Function, tuple[object, ...]]:
    """Return the function for a message, and the values of its fields that are given by position.

    :param call: the method that the user has called, for error texts.
    :param functions: one for each message class, and for its name.
    :param classes: these message classes.
    :param message: a message class, its name, or a whole message.
    :raises ValueError: there is no such message.
    :raises TypeError: a whole message came with more fields.
    """
    if isinstance(message, tuple):
        if args or kwargs:
            raise TypeError(f"{call}() got {type(message).__name__} complete, and fields besides")
        args, message = message, type(message)
    try:
        return functions[message], args
    except (KeyError, TypeError):
        pass
    whose = "connection" if call == "send" else "server"
    text = f"no message {{!r}} is registered for this {whose}"
    if isinstance(message, str):
        raise ValueError(text.format(message) + advice(message, [known.__name__ for known in classes]))
    if message is tuple or not isinstance(message, type):
        raise ValueError(no_message(call, message))
    raise ValueError(unregistered(message, classes, text))


class Encoder(NamedTuple):
    """What a broadcast needs for one message."""

    message_class: type
    queue: int  # of an outbox
    encode: Callable[..., bytes]


class Encoders(dict[object, Encoder]):
    """An Encoder for each message class and for its name, compiled when it is first asked for."""

    def __init__(self, factory: MessageFactory) -> None:
        super().__init__()
        self._factory = factory

    def __missing__(self, message: object) -> Encoder:
        factory = self._factory
        found = [known for known in factory.classes if message in (known, known.__name__)]
        if not found:
            raise KeyError(message)
        message_class = found[0]
        queue = factory.deliveries.index(factory.get_delivery(message_class))
        encode = encoder(message_class, factory.get_type_id(message_class), factory.s_adapter.pack)
        made = self[message_class] = self[message_class.__name__] = Encoder(message_class, queue, encode)
        return made
