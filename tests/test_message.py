"""Messages: registering, looking up, packing."""

import collections
import enum
import subprocess
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import pygnetic as net
from pygnetic._help.differences import difference
from pygnetic.errors import DecodeError
from pygnetic.limits import DEFAULT
from pygnetic.message import MessageFactory
from pygnetic.serialization import json_adapter


@pytest.fixture
def factory() -> MessageFactory:
    return MessageFactory("json")


# -- registering


def test_a_message_class_is_a_namedtuple(factory: MessageFactory) -> None:
    chat_msg = factory.register("chat_msg", ("player", "msg"))
    message = chat_msg("Tom", msg="hi")
    assert issubclass(chat_msg, tuple) and chat_msg.__name__ == "chat_msg"
    assert message == ("Tom", "hi") and message._fields == ("player", "msg")
    assert repr(message) == "chat_msg(player='Tom', msg='hi')"


@pytest.mark.parametrize("fields", ["x y", "x, y", "x,y", ["x", "y"], ("x", "y"), iter(["x", "y"])])
def test_fields_are_given_as_for_namedtuple(factory: MessageFactory, fields: Any) -> None:
    assert factory.register("move", fields)._fields == ("x", "y")


def test_a_message_can_do_without_fields(factory: MessageFactory) -> None:
    ready = factory.register("ready")
    assert factory.pack(ready()) == b"[1]"
    assert factory.unpack(b"[1]") == ready() and type(factory.unpack(b"[1]")) is ready


def test_type_ids_count_from_1(factory: MessageFactory) -> None:
    classes = [factory.register(name) for name in ("a", "b", "c")]
    assert [factory.get_type_id(cls) for cls in classes] == [1, 2, 3]
    assert factory.classes == classes


def test_the_default_factory_has_one_of_its_own() -> None:
    factory = net.message.message_factory
    assert [cls.__name__ for cls in factory.classes] == ["update_remoteobject"]
    assert factory.classes[0]._fields == ("type_id", "obj_id", "variables")
    first = net.register("first", ("x",), channel=3)
    assert factory.get_type_id(first) == 2 and factory.get_params(first) == {"channel": 3}


@pytest.mark.parametrize(
    ("name", "fields"),
    [("class", ()), ("two words", ()), ("", ()), ("1st", ()), (5, ()), (None, ()), ("ok", ("def",)),
     ("ok", ("x", "x")), ("ok", ("_hidden",)), ("ok", ("a b",)), ("ok", None), ("ok", 5)],
)  # fmt: skip
def test_a_name_that_is_none(factory: MessageFactory, name: Any, fields: Any) -> None:
    with pytest.raises(ValueError, match=r"register\("):
        factory.register(name, fields)
    assert factory.classes == []


def test_a_name_that_python_spells_otherwise(factory: MessageFactory) -> None:
    # Python reads the ligature in connection.net_ﬁre as f and i, so nobody could call it
    with pytest.raises(ValueError, match=r"register\('\ufb01re', ...\): write 'fire'"):
        factory.register("\ufb01re", ("x",))
    assert factory.classes == []


def test_names_in_other_alphabets(factory: MessageFactory) -> None:
    ruch = factory.register("r\xf3ch", ("\u03b1",))
    assert factory.unpack(factory.pack(ruch(5))) == (5,)


def test_a_name_can_be_used_once(factory: MessageFactory) -> None:
    factory.register("chat", ("a",))
    with pytest.raises(ValueError, match="a message 'chat' is registered already; each name can be used once"):
        factory.register("chat", ("a", "b"))


def test_register_after_the_freeze(factory: MessageFactory) -> None:
    assert not factory.frozen
    factory.set_frozen()
    factory.set_frozen()
    assert factory.frozen
    with pytest.raises(RuntimeError, match=r"register\('late'\) comes too late.*register all of them before"):
        factory.register("late")


# Every name that the code made for a message could trip over, had it not an underscore in front.
BUILTINS = ("type", "len", "list", "int", "tuple", "str", "id", "Exception", "self", "message", "channel", "reliable",
            "flags", "exclude", "name", "data", "limits", "values", "error", "field")  # fmt: skip


def test_fields_can_be_called_like_builtins_and_arguments(factory: MessageFactory) -> None:
    spawn = factory.register("spawn", BUILTINS)
    message = spawn(*range(len(BUILTINS)))
    assert factory.unpack(factory.pack(message)) == message
    assert spawn(**message._asdict()) == message


@pytest.mark.parametrize("name", BUILTINS)
def test_messages_can_be_called_like_builtins(factory: MessageFactory, name: str) -> None:
    cls = factory.register(name, ("x",))
    assert factory.unpack(factory.pack(cls([1]))) == cls([1])


# -- delivery


@pytest.mark.parametrize(
    ("kwargs", "delivery"),
    [
        ({}, (0, True, True)),
        ({"channel": 31}, (31, True, True)),
        ({"reliable": False}, (0, False, True)),
        ({"reliable": False, "ordered": False, "channel": 1}, (1, False, False)),
        ({"ordered": False}, (0, True, True)),  # reliable implies ordered
        ({"flags": 1}, (0, True, True)),
        ({"flags": 0}, (0, False, True)),
        ({"flags": 2, "channel": 2}, (2, False, False)),
    ],
)
def test_delivery(factory: MessageFactory, kwargs: dict[str, Any], delivery: tuple[int, bool, bool]) -> None:
    cls = factory.register("move", ("x",), **kwargs)
    assert factory.get_delivery(cls) == delivery
    assert factory.get_params(cls) == kwargs
    assert factory.deliveries == [delivery]


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"relaible": False}, r"does not know 'relaible'.*; did you mean 'reliable'\?"),
        ({"priority": 1}, r"does not know 'priority'; it knows reliable, ordered, channel and flags$"),
        ({"channel": 32}, "channel is 32; it must be 0 to 31"),
        ({"channel": -1}, "channel is -1"),
        ({"channel": "0"}, "channel is '0'"),
        ({"channel": True}, "channel is True"),
        ({"reliable": "no"}, r"reliable is 'no'; it is True or False$"),
        ({"reliable": 0}, r"reliable is 0; it is True or False$"),
        ({"reliable": False, "ordered": None}, r"ordered is None; it is True or False$"),
        ({"flags": 3}, r"flags is 3; it can be 1 \(reliable\), 0 \(unreliable, in order\) or 2 \(unsequenced\)"),
        ({"flags": True}, "flags is True"),
        ({"flags": []}, r"flags is \[\]"),
        ({"flags": 1, "reliable": True}, "then there is no reliable= or ordered="),
        ({"flags": 1, "ordered": True}, "then there is no reliable= or ordered="),
    ],
)
def test_wrong_delivery(factory: MessageFactory, kwargs: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=r"register\('move'\).*" + text):
        factory.register("move", ("x",), **kwargs)
    assert factory.classes == []


def test_params_are_a_copy(factory: MessageFactory) -> None:
    cls = factory.register("move", channel=1)
    factory.get_params(cls)["channel"] = 9
    assert factory.get_params(cls) == {"channel": 1}


# -- looking up


def test_look_ups(factory: MessageFactory) -> None:
    chat = factory.register("chat", ("text",))
    assert factory.get_by_name("chat") is factory.get_by_type(1) is chat


@pytest.mark.parametrize(
    ("name", "text"),
    [("caht", r"no message is called 'caht'; did you mean 'chat'\?"),
     ("zzz", r"no message is called 'zzz'; register\(\) it on both sides, before Server\(\) or connect\(\)$"),
     ([], r"no message is called \[\]; reg"), (None, "no message is called None; reg")],
)  # fmt: skip
def test_unknown_name(factory: MessageFactory, name: Any, text: str) -> None:
    factory.register("chat", ("text",))
    with pytest.raises(ValueError, match=text):
        factory.get_by_name(name)


@pytest.mark.parametrize("type_id", [0, 2, -1, True, 1.0, "1", None, []])
def test_unknown_type_id(factory: MessageFactory, type_id: Any) -> None:
    factory.register("chat", ("text",))
    with pytest.raises(ValueError, match=r"no message has the type id .*; there are 1 to 1"):
        factory.get_by_type(type_id)


def test_a_class_of_another_factory(factory: MessageFactory) -> None:
    factory.register("chat", ("text",))
    other = MessageFactory("json").register("chat", ("text",))
    for look_up in (factory.get_type_id, factory.get_params, factory.get_delivery):
        with pytest.raises(ValueError, match=r"^this chat was registered with another MessageFactory"):
            look_up(other)
        with pytest.raises(ValueError, match=r"^\[\] is not a message class"):
            look_up([])
    with pytest.raises(ValueError, match=r"^this chat was registered with another MessageFactory"):
        factory.pack(other("hi"))
    with pytest.raises(ValueError, match="str is not a message class"):
        factory.pack("chat")
    with pytest.raises(TypeError, match=r"^pack\(\) takes a message, such as chat\(text\), and not its class$"):
        factory.pack(factory.get_by_name("chat"))


# -- the hash


def test_the_hash_is_of_a_description(factory: MessageFactory) -> None:
    factory.register("move", ("x", "y"))
    factory.register("stop")
    assert factory.description() == "json\n1 move(x, y)\n2 stop()"
    assert factory.get_hash() == zlib.crc32(b"json\n1 move(x, y)\n2 stop()")


@pytest.mark.parametrize(
    ("delivery", "told"),
    [
        ({}, ""),
        ({"reliable": True, "ordered": False, "channel": 0}, ""),
        ({"flags": 1}, ""),
        ({"channel": 1}, " reliable, channel 1"),
        ({"reliable": False}, " unreliable"),
        ({"flags": 0}, " unreliable"),
        ({"reliable": False, "ordered": False}, " unreliable, unordered"),
        ({"flags": 2, "channel": 31}, " unreliable, unordered, channel 31"),
    ],
)
def test_delivery_is_described_where_it_is_not_the_usual(
    factory: MessageFactory, delivery: dict[str, Any], told: str
) -> None:
    factory.register("move", ("x", "y"), **delivery)
    assert factory.description() == f"json\n1 move(x, y){told}"
    assert factory.get_hash() == zlib.crc32(f"json\n1 move(x, y){told}".encode())


def test_the_hash_tells_every_difference() -> None:
    def hash_of(codec: Any, *messages: tuple[str, str]) -> int:
        factory = MessageFactory(codec)
        for name, fields in messages:
            factory.register(name, fields)
        return factory.get_hash()

    other = SimpleNamespace(
        wire_name="other", pack=json_adapter.pack, unpack=json_adapter.unpack, unpacker=json_adapter.unpacker
    )
    hashes = [
        hash_of("json"),
        hash_of(other),
        hash_of("json", ("a", "x")),
        hash_of("json", ("a", "y")),
        hash_of("json", ("a", "x y")),
        hash_of("json", ("b", "x")),
        hash_of("json", ("a", "x"), ("b", "")),
        hash_of("json", ("b", ""), ("a", "x")),
    ]
    assert len(set(hashes)) == len(hashes)
    assert hash_of("json", ("a", "x")) == hash_of("json", ("a", ["x"]))  # type: ignore[arg-type]


def test_the_hash_is_the_same_in_every_process(factory: MessageFactory) -> None:
    factory.register("move", ("x", "y"))
    program = """
from pygnetic.message import MessageFactory
factory = MessageFactory('json')
factory.register('move', 'x y')
print(factory.get_hash())
"""
    environment = {"PYTHONHASHSEED": "7"}
    root = Path(net.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root, env=environment)
    assert int(done.stdout) == factory.get_hash()


@pytest.mark.parametrize(
    ("server", "client", "text"),
    [
        ("json\n1 a(x)", "msgpack\n1 a(x)", "the serializers differ: server: json; client: msgpack; give the same"),
        ("json\n1 a()\n2 b(x, y)", "json\n1 a()\n2 b(x)", "message 2 differs: server: b(x, y); client: b(x); "),
        ("json\n1 a()\n2 b()", "json\n1 a()", "message 2 differs: server: b(); client: nothing; "),
        ("json", "json\n1 a()", "message 1 differs: server: nothing; client: a(); register the same in the same order"),
        ("json\n1 a()", "json\n1 a()", "the registered messages differ"),
        ("json\n1 a()\n2 b()", "json\n1 b()\n2 a()", "the order of registration differs from message 1 on: "),
        (
            "json\n1 a() unreliable",
            "json\n1 a()",
            "message 1 a is delivered differently: server: unreliable; client: "
            "reliable; register it with the same reliable=, ordered= and channel= on both sides",
        ),
        (
            "json\n1 a(x)",
            "json\n1 a(x) reliable, channel 1",
            "message 1 a is delivered differently: server: reliable; client: reliable, channel 1; ",
        ),
        ("json\n1 a(x) unreliable", "json\n1 a(y)", "message 1 differs: server: a(x) unreliable; client: a(y); "),
    ],
)
def test_difference(server: str, client: str, text: str) -> None:
    assert difference(server, client).startswith(text)


def test_where_the_order_of_thirty_messages_differs() -> None:
    lines = [f"{number} message_{number}(player, x, y, text)" for number in range(1, 31)]
    other = [line.partition(" ")[2] for line in lines]
    other[5], other[6] = other[6], other[5]
    server = "\n".join(["json", *(f"{number} {text}" for number, text in enumerate(other, 1))])
    assert difference(server, "\n".join(["json", *lines])) == (
        "the order of registration differs from message 6 on: server: message_7, message_6, message_8, ...; "
        "client: message_6, message_7, message_8, ...; register the same in the same order"
    )


def test_however_much_a_server_says_the_clients_are_shown() -> None:
    many, name = ", ".join(f"field_{number}" for number in range(900)), "n" * 300
    for server, client, ours in [
        (f"json\n1 a({many})", f"json\n1 b({many})", "client: b(field_0, "),
        (f"json\n1 {name}()\n2 m{name}()", f"json\n1 m{name}()\n2 {name}()", "client: mnn"),
        (f"json\n1 {name}(x) {name}", f"json\n1 {name}(x)", "client: reliable; register it with the same reliable="),
        ("j" * 16_000, "msgpack", "client: msgpack; give the same s_module to init() on both sides"),
    ]:
        text = difference(server, client)
        assert ours in text
        assert len(text) < 400


# -- packing


def test_the_adapter_is_fixed_at_the_freeze(monkeypatch: pytest.MonkeyPatch) -> None:
    given = MessageFactory(json_adapter)
    assert given.s_adapter is json_adapter
    factory = MessageFactory()
    net.serialization.select_adapter("json")
    assert factory.s_adapter is json_adapter
    other = SimpleNamespace(wire_name="other", pack=None, unpack=None, unpacker=None)
    monkeypatch.setattr(net.serialization._selection, "adapter", other)
    assert factory.s_adapter is other and given.s_adapter is json_adapter
    factory.set_frozen()
    net.serialization.select_adapter("json")
    assert factory.s_adapter is other


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ({1, 2}, TypeError, r"chat\(who, text\): field 'text' is a set, which cannot be sent; send numbers, strings"),
        (object(), TypeError, "field 'text' is a object"),
        (1j, TypeError, "field 'text' is a complex"),
        ([{1}], TypeError, r"chat\(who, text\): field 'text' holds a set, which cannot be sent; send numbers, strings"),
        ({"a": [1j]}, TypeError, "field 'text' holds a complex, which cannot be sent; send numbers, strings, bytes"),
        ([1] * 1025, ValueError, "field 'text' cannot be sent: a list has 1025 elements; the limit is 1024"),
        ({1.5: 1}, ValueError, "field 'text' cannot be sent: a dict has a key of type float"),
        ({1: 1}, TypeError, "field 'text' cannot be sent: a dict has the key 1; in JSON keys are strings"),
        (b"bytes", TypeError, "field 'text' cannot be sent: .*bytes"),
        (float("nan"), ValueError, "field 'text' cannot be sent: "),
        ("\ud800", ValueError, "field 'text' cannot be sent: .*surrogates not allowed"),
    ],
)
def test_a_field_that_cannot_be_sent_is_named(
    factory: MessageFactory, value: Any, error: type[Exception], text: str
) -> None:
    chat = factory.register("chat", ("who", "text"))
    with pytest.raises(error, match=text):
        factory.pack(chat("Tom", value))


@pytest.mark.parametrize("s_adapter", ["json", "msgpack", "msgspec"])
@pytest.mark.parametrize("number", [2**64, 2**70, -(2**63) - 1])
@pytest.mark.parametrize("wrap", [lambda number: number, lambda number: ["a", {"b": number}]])
def test_too_large_a_number_is_told_alike_by_every_codec(s_adapter: str, number: int, wrap: Any) -> None:
    if s_adapter != "json":
        pytest.importorskip(s_adapter)
    factory = MessageFactory(s_adapter)
    chat = factory.register("chat", ("who", "text"))
    with pytest.raises(ValueError, match="too large") as caught:
        factory.pack(chat("Tom", wrap(number)))
    told = "the number is too large; integers go from -2**63 to 2**64-1"
    assert str(caught.value) == f"chat(who, text): field 'text' cannot be sent: {told}"
    for edge in (-(2**63), 2**64 - 1):
        assert factory.unpack(factory.pack(chat("Tom", wrap(edge)))) == ("Tom", wrap(edge))


def test_a_codec_that_fails_for_no_field() -> None:
    def pack(value: Any) -> bytes:
        if isinstance(value, tuple):
            raise KeyError("odd")
        return b""

    codec = SimpleNamespace(wire_name="odd", pack=pack, unpack=json_adapter.unpack, unpacker=json_adapter.unpacker)
    factory = MessageFactory(codec)
    chat = factory.register("chat", ("text",))
    with pytest.raises(ValueError, match=r"chat\(text\) cannot be sent: 'odd'"):
        factory.pack(chat("hi"))


class Colour(enum.IntEnum):
    RED = 1


Point = collections.namedtuple("Point", "x y")


def test_subclasses_travel_as_what_they_are(factory: MessageFactory) -> None:
    cls = factory.register("thing", ("a", "b", "c"))
    assert factory.unpack(factory.pack(cls(Colour.RED, Point(1, 2), True))) == (1, [1, 2], True)


# -- unpacking


@pytest.mark.parametrize(
    "data",
    [b"", b"5", b"null", b'"chat"', b"[]", b"{}", b"[[]]", b"[[1, 2], 5]", b'{"0": [1]}', b"[9, 1]", b"[0, 1]",
     b"[-1, 1]", b"[1]", b"[1, 2, 3]", b"[true, 1]", b"[1.0, 1]", b'["1", 1]', b"[null, 1]", b"[{}, 1]", b"[[[1, 2]]]",
     b"[[1, 2], [9]]", b'[[1, 2], {"0": 1}]'],
)  # fmt: skip
def test_bytes_that_are_no_message(factory: MessageFactory, data: bytes) -> None:
    factory.register("chat", ("text",))
    with pytest.raises(DecodeError):
        factory.unpack(data)


def test_a_wrong_number_of_fields_is_named(factory: MessageFactory) -> None:
    factory.register("chat", ("who", "text"))
    with pytest.raises(DecodeError, match=r"^no message of this factory: chat\(who, text\) came with 3 fields$"):
        factory.unpack(b"[1,2,3,4]")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"[99,1]", "none has the type id 99"),
        (b'[[1,"a"],[0]]', "none has the type id 0"),
        (b"[1]", "chat(text) came with 0 fields"),
        (b"[1,2,3]", "chat(text) came with 2 fields"),
        (b"[2,3]", "stop() came with 1 field"),
        (b"5", "a message is a list that begins with an int"),
        (b"[]", "a message is a list that begins with an int"),
        (b"[true,1]", "a message is a list that begins with an int"),
        (b"[{},1]", "a message is a list that begins with an int"),
        (b'{"0":[1]}', "a message is a list that begins with an int"),
        (b"[[1,2],5]", "a message is a list that begins with an int"),
    ],
)
def test_why_bytes_are_no_message_is_said_to_people(factory: MessageFactory, data: bytes, text: str) -> None:
    factory.register("chat", ("text",))
    factory.register("stop")
    with pytest.raises(DecodeError) as raised:
        factory.unpack_packet(data, DEFAULT)
    assert str(raised.value) == "no message of this factory: " + text


def test_a_packet_holds_one_message_or_several(factory: MessageFactory) -> None:
    chat = factory.register("chat", ("text",))
    assert factory.unpack_packet(b'[1,"a"]', DEFAULT) == [chat("a")]
    assert factory.unpack_packet(b'[[1,"a"],[1,"b"]]', DEFAULT) == [chat("a"), chat("b")]
    assert factory.unpack(b'[[1,"a"]]') == chat("a")
    with pytest.raises(DecodeError, match="2 messages where one was expected"):
        factory.unpack(b'[[1,"a"],[1,"b"]]')


def test_a_stream_in_pieces(factory: MessageFactory) -> None:
    chat = factory.register("chat", ("text",))
    context = SimpleNamespace()
    stream = factory.pack(chat("a[")) + b'[[1,"b"],[1,"c\\""]]' + factory.pack(chat("d"))
    got = [message for byte in stream for message in factory.unpack_all(bytes([byte]), context)]
    assert got == [chat("a["), chat("b"), chat('c"'), chat("d")]
    assert all(type(message) is chat for message in got)


def test_two_streams_do_not_meet(factory: MessageFactory) -> None:
    chat = factory.register("chat", ("text",))
    one, two = SimpleNamespace(), SimpleNamespace()
    assert list(factory.unpack_all(b'[1,"a', one)) == list(factory.unpack_all(b'[1,"x', two)) == []
    assert list(factory.unpack_all(b'b"]', one)) == [chat("ab")]
    assert list(factory.unpack_all(b'y"]', two)) == [chat("xy")]


def test_a_stream_can_begin_anew(factory: MessageFactory) -> None:
    chat = factory.register("chat", ("text",))
    context = SimpleNamespace()
    with pytest.raises(DecodeError):
        list(factory.unpack_all(b"[7]", context))
    assert list(factory.unpack_all(b'[1,"half', context)) == []
    factory.reset_context(context)
    assert list(factory.unpack_all(b'[1,"whole"]', context)) == [chat("whole")]


@pytest.mark.parametrize("context", [None, {}, "context"])
def test_a_context_that_cannot_have_attributes(factory: MessageFactory, context: Any) -> None:
    for use in (factory.reset_context, lambda context: factory.unpack_all(b"", context)):
        with pytest.raises(TypeError, match=r"the context is an object that can have attributes, such as types"):
            use(context)


@pytest.mark.parametrize("fields", [None, 5])
def test_fields_that_are_no_names(factory: MessageFactory, fields: Any) -> None:
    text = rf"register\('stop', {fields}\): fields are names, such as \('player', 'msg'\), and left out if "
    with pytest.raises(ValueError, match=text):
        factory.register("stop", fields)


def test_a_message_has_as_many_fields_as_the_receiver_takes() -> None:
    factory = MessageFactory("json")
    message = factory.register("most", [f"f{i}" for i in range(1023)])
    assert factory.unpack(factory.pack(message(*range(1023)))) == tuple(range(1023))
    with pytest.raises(ValueError, match="a message can have 1023 fields"):
        factory.register("more", [f"f{i}" for i in range(1024)])


def test_a_stream_is_fed_whether_or_not_its_messages_are_looked_at() -> None:
    factory = MessageFactory("json")
    factory.register("chat", ("text",))
    context = SimpleNamespace()
    factory.unpack_all(b'[1,"a"', context)
    assert list(factory.unpack_all(b"]", context)) == [("a",)]


@pytest.mark.parametrize("name", [["x", "y"], ("x", "y"), None, 5, b"move"])
def test_a_name_is_a_string(name: Any) -> None:
    with pytest.raises(ValueError, match="the name of a message is a string; its fields come second"):
        MessageFactory("json").register(name)
