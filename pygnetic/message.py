"""Messages: what they are called, which fields they have, and how they become bytes."""

import sys
import unicodedata
import zlib
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, cast

from pygnetic import serialization
from pygnetic._core.compiled import Message, check_fields, explain, maker, signature
from pygnetic._core.delivery import Delivery, delivery_of
from pygnetic._help.hints import advice, unregistered
from pygnetic.errors import DecodeError
from pygnetic.limits import DEFAULT, Limits
from pygnetic.serialization.base import Packet

__all__ = ["MessageFactory", "message_factory"]


class _Entry(NamedTuple):
    """What a factory knows about one message class."""

    type_id: int
    params: dict[str, object]
    delivery: Delivery


class MessageFactory:
    """Knows the messages of a game: both ends register the same ones in the same order.

    :param s_adapter: the serialization adapter: a name, a list of names, or an adapter of your own. By default the
        one that ``pygnetic.init()`` selects, fixed when the factory freezes.

    The order of registration is the type of a message on the wire, one small int:

    >>> factory = MessageFactory('json')
    >>> chat_msg = factory.register('chat_msg', ('player', 'msg'))
    >>> data = factory.pack(chat_msg('Tom', 'Test message'))
    >>> data
    b'[1,"Tom","Test message"]'
    >>> factory.unpack(data).player
    'Tom'

    Make more than one when connections have different messages.
    """

    def __init__(self, s_adapter: object = None) -> None:
        self._given = None if s_adapter is None else serialization.get_adapter(s_adapter)
        self._codec: Any = None  # fixed by set_frozen(), and with it the next
        self._unpack: Callable[[Packet, Limits], object] | None = None
        self._hash: int | None = None
        self._entries: dict[type[Message], _Entry] = {}
        self._names: dict[str, object] = {}
        self._makers: dict[int, Callable[[object], object]] = {}
        self._types: list[type[Message]] = []
        #: The subclass of Connection that has a method for each message; made by the connection module.
        self.connection_class: Any = None
        #: The distinct ways in which messages of this factory travel.
        self.deliveries: list[Delivery] = []

    @property
    def s_adapter(self) -> Any:
        """The serialization adapter in use."""
        return self._codec or self._given or serialization.current_adapter()

    @property
    def frozen(self) -> bool:
        """True when no message can be added any more."""
        return self._codec is not None

    def register(self, name: str, field_names: str | Iterable[str] = (), **kwargs: Any) -> Any:
        """Add a message and return its class, a :func:`namedtuple <collections.namedtuple>`.

        :param name: what the message is called; ``connection.net_<name>()`` sends it.
        :param field_names: the names of its fields.
        :param kwargs: how it is delivered: ``reliable`` (True), ``ordered`` (True; False means something for
            unreliable messages only), ``channel`` (0 to 31), or ENet's ``flags`` as in 2012: 1 (reliable), 0, or 2
            (unsequenced).
        :raises ValueError: the name is taken or is no name, or a keyword is unknown.
        :raises RuntimeError: it is too late, since a Server was made or a Client has connected.

        Messages can be pickled (and sent through a ``multiprocessing.Queue``) if a variable of your module has the
        name of the message:

        >>> move = MessageFactory().register('move', ('x', 'y'), reliable=False, channel=1)
        >>> move(3, 4)
        move(x=3, y=4)
        """
        if not isinstance(self, MessageFactory):
            raise TypeError(
                "register() belongs to a MessageFactory object: factory = MessageFactory(), then "
                "factory.register('chat_msg', ('player', 'msg')); or pygnetic.register(), which has one"
            )
        if self.frozen:
            raise RuntimeError(
                f"register({name!r}) comes too late: messages are fixed when a Server is made or a Client connects; "
                "register all of them before that"
            )
        if not isinstance(name, str):
            raise ValueError(f"register({name!r}, ...): the name of a message is a string; its fields come second")
        if name in self._names:
            raise ValueError(f"a message {name!r} is registered already; each name can be used once")
        if not isinstance(field_names, Iterable):
            text = "fields are names, such as ('player', 'msg'), and left out if there are none"
            raise ValueError(f"register({name!r}, {field_names!r}): {text}")
        if isinstance(field_names, (set, frozenset)):
            names = tuple(sorted(map(str, field_names)))
            text = f"a set has another order in each program; give the fields as a tuple: {names!r}"
            raise ValueError(f"register({name!r}, ...): {text}")
        delivery = delivery_of(name, kwargs)
        try:
            made = namedtuple(name, field_names, module=_caller())  # type: ignore[misc]
        except (ValueError, TypeError) as error:
            raise ValueError(f"register({name!r}, ...): {error}") from None
        message_class = cast("type[Message]", made)
        for word in (name, *message_class._fields):
            if (read := unicodedata.normalize("NFKC", word)) != word:
                raise ValueError(f"register({name!r}, ...): write {read!r}; Python reads {word!r} as that")
        if len(message_class._fields) >= DEFAULT.container:  # the type id is an element, too
            raise ValueError(f"register({name!r}, ...): a message can have {DEFAULT.container - 1} fields")
        type_id = len(self._types) + 1
        self._entries[message_class] = _Entry(type_id, dict(kwargs), delivery)
        self._names[name] = message_class
        self._makers[type_id] = maker(message_class)
        self._types.append(message_class)
        if delivery not in self.deliveries:
            self.deliveries.append(delivery)
        return message_class

    def set_frozen(self) -> None:
        """Fix the messages and the serialization adapter; ``Server()`` and ``Client.connect()`` do it.

        :raises ImportError: no serialization adapter is usable.
        """
        if self._codec is None:
            self._codec = self.s_adapter
            self._unpack = self._codec.unpack

    def _entry(self, message_class: object) -> _Entry:
        try:
            return self._entries[cast("type[Message]", message_class)]
        except (KeyError, TypeError):
            text = "{} is no message class of this factory"
            raise ValueError(unregistered(message_class, self._types, text)) from None

    def get_by_name(self, name: str) -> Any:
        """Return the message class of a name.

        :raises ValueError: there is none.
        """
        try:
            return self._names[name]
        except (KeyError, TypeError):
            raise ValueError(f"no message is called {name!r}" + advice(str(name), self._names)) from None

    def get_by_type(self, type_id: int) -> Any:
        """Return the message class of a type id.

        :raises ValueError: there is none.
        """
        if type(type_id) is int and 1 <= type_id <= len(self._types):
            return self._types[type_id - 1]
        raise ValueError(f"no message has the type id {type_id!r}; there are 1 to {len(self._types)}")

    def get_type_id(self, message_class: object) -> int:
        """Return the type id of a message class: 1 for the first that was registered.

        :raises ValueError: the class was not registered here.
        """
        return self._entry(message_class).type_id

    def get_params(self, message_class: object) -> dict[str, object]:
        """Return the keywords that a message class was registered with.

        :raises ValueError: the class was not registered here.
        """
        return dict(self._entry(message_class).params)

    def get_delivery(self, message_class: object) -> Delivery:
        """Return how messages of a class travel.

        :raises ValueError: the class was not registered here.
        """
        return self._entry(message_class).delivery

    @property
    def classes(self) -> list[Any]:
        """The message classes in the order of their registration."""
        return list(self._types)

    def description(self) -> str:
        """Return the serializer's wire name and each message with its id, its fields and its delivery, a line each.

        The usual delivery is left out.
        """
        lines = [self.s_adapter.wire_name]
        for message_class, (type_id, _, delivery) in self._entries.items():
            line = f"{type_id} {signature(message_class)}"
            lines.append(line if delivery == Delivery() else f"{line} {delivery}")
        return "\n".join(lines)

    def get_hash(self) -> int:
        """Return a number that is the same wherever the same messages are registered in the same order.

        The CRC-32 of :meth:`description`; Python's own ``hash()`` differs in every process.
        """
        if not self.frozen:
            return zlib.crc32(self.description().encode())
        if self._hash is None:  # every client that joins asks for it
            self._hash = zlib.crc32(self.description().encode())
        return self._hash

    def pack(self, message: Any) -> bytes:
        """Turn a message into bytes.

        :param message: an instance of a registered message class.
        :raises ValueError, TypeError: its class is not registered, or a field cannot be sent; the text names the field.
        """
        if isinstance(message, type) and message in self._entries:
            raise TypeError(f"pack() takes a message, such as {signature(message)}, and not its class")
        entry = self._entry(type(message))
        check_fields(type(message), message, DEFAULT)
        pack = self.s_adapter.pack
        try:
            data: bytes = pack((entry.type_id, *message))
        except Exception as error:
            raise explain(type(message), message, pack, error) from None
        return data

    def _messages(self, value: Any) -> list[object]:
        try:
            makers = self._makers
            if type(value[0]) is list:
                return [makers[item[0]](item) for item in value]
            return [makers[value[0]](value)]
        except (LookupError, TypeError, ValueError):
            raise DecodeError(f"no message of this factory: {self._why_none(value)}") from None

    def _why_none(self, value: Any) -> str:
        """Say why a decoded value is no message; a player may read it as the reason of a disconnect."""
        several = type(value) is list and value and type(value[0]) is list
        for item in value if several else [value]:
            if type(item) is not list or not item or type(item[0]) is not int:
                break
            type_id, count = item[0], len(item) - 1
            if not 1 <= type_id <= len(self._types):
                return f"none has the type id {type_id}"
            if count != len(self._types[type_id - 1]._fields):
                return f"{signature(self._types[type_id - 1])} came with {count} field{'s' if count != 1 else ''}"
        return "a message is a list that begins with an int"

    def unpack_packet(self, data: Packet, limits: Limits) -> list[Any]:
        """Turn the bytes of a packet into messages: one, or an array of several.

        :raises DecodeError: the bytes are no messages of this factory.
        """
        return self._messages((self._unpack or self.s_adapter.unpack)(data, limits))

    def unpack(self, data: Packet) -> Any:
        """Turn bytes, a bytearray or a memoryview into a message.

        :raises DecodeError: the bytes are not one message of this factory.
        """
        messages = self.unpack_packet(data, DEFAULT)
        if len(messages) != 1:
            raise DecodeError(f"{len(messages)} messages where one was expected; unpack_all() takes several")
        return messages[0]

    def reset_context(self, context: Any) -> None:
        """Begin a new stream for :meth:`unpack_all`.

        :param context: any object of yours that can have attributes; it remembers what came incomplete.
        :raises TypeError: it cannot have attributes, as a dict and None cannot.
        """
        unpacker = self.s_adapter.unpacker()
        try:
            context._unpacker = unpacker
        except AttributeError:
            text = "the context is an object that can have attributes, such as types.SimpleNamespace()"
            raise TypeError(f"{text}, not {context!r}") from None

    def unpack_all(self, data: Packet, context: Any) -> Iterator[Any]:
        """Turn a stream of bytes, in whatever pieces it comes, into messages.

        :param context: what was given to :meth:`reset_context`.
        :raises DecodeError: the stream holds something else; reset the context to go on.
        """
        if not hasattr(context, "_unpacker"):
            self.reset_context(context)
        context._unpacker.feed(data)
        return (message for value in context._unpacker for message in self._messages(value))


def _caller() -> str | None:
    """Return the module that calls ``register()``: pickle looks there for the class, as for any namedtuple."""
    try:
        frame: Any = sys._getframe(2)
        if frame.f_globals.get("__name__") == "pygnetic":  # pygnetic.register() was called, and calls ours
            frame = frame.f_back
    except (AttributeError, ValueError):  # this Python has no frames
        return None
    module: str = frame.f_globals.get("__name__", "__main__")
    return module


#: The factory that is used where none is given.
message_factory = MessageFactory()
# Type id 1 of the default factory is the library's own, so that a game's first message is type 2 as in 2012.
message_factory.register("update_remoteobject", ("type_id", "obj_id", "variables"))
