"""The codecs, all through the same properties: what goes in comes out, and nothing else gets in."""

import collections
import importlib
import itertools
import math
import struct
import sys
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pygnetic.errors import DecodeError
from pygnetic.limits import DEFAULT, Limits
from pygnetic.message import MessageFactory
from pygnetic.serialization import _messagepack, json_adapter
from pygnetic.serialization.base import check_batch

CODECS = {"msgpack": "msgpack", "msgspec": "msgspec", "json": "json"}
SETTINGS = settings(max_examples=40, deadline=None, derandomize=True, database=None)


def load(name: str) -> Any:
    pytest.importorskip(CODECS[name])
    return importlib.import_module(f"pygnetic.serialization.{name}_adapter")


@pytest.fixture(params=CODECS, scope="module")
def codec(request: pytest.FixtureRequest) -> Any:
    return load(request.param)


@pytest.fixture(params=["msgpack", "msgspec"], scope="module")
def messagepack(request: pytest.FixtureRequest) -> Any:
    return load(request.param)


# -- what can travel

integers = st.integers(-(2**63), 2**64 - 1)
finite = st.floats(allow_nan=False, allow_infinity=False)


def containers(leaves: Any, keys: Any) -> Any:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5), max_leaves=12
    )


json_values = containers(st.none() | st.booleans() | integers | finite | st.text(), st.text())
all_values = containers(
    st.none() | st.booleans() | integers | st.floats() | st.text() | st.binary(), st.text() | st.binary() | integers
)


def values_of(codec: Any) -> Any:
    return json_values if codec.wire_name == "json" else all_values


@SETTINGS
@given(data=st.data())
def test_what_goes_in_comes_out(codec: Any, data: Any) -> None:
    value = data.draw(values_of(codec))
    packed = codec.pack((1, value))
    assert type(packed) is bytes
    assert repr(codec.unpack(packed)) == repr([1, value])  # repr tells 1 from True and 1.0


@pytest.mark.parametrize(
    "value",
    [0, -1, 127, 128, 255, 256, 2**31, 2**32, 2**63, 2**64 - 1, -(2**63), 1.5, -0.0, 1e300, 5e-324, "", "\x00",
     "\U0001f600", "\ud7ff\ue000", [], {}, [[]], {"": [{}]}, None, True],
)  # fmt: skip
def test_borders(codec: Any, value: Any) -> None:
    assert repr(codec.unpack(codec.pack([value]))) == repr([value])


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**30])
def test_integers_have_64_bits(codec: Any, number: int) -> None:
    with pytest.raises((OverflowError, ValueError)):
        codec.pack((1, number))
    assert codec.unpack(codec.pack((1, 2))) == [1, 2]  # and the codec is fit for the next value


@pytest.mark.parametrize("value", [object(), 1j, Exception, len])
def test_what_is_no_value(codec: Any, value: Any) -> None:
    for wrong in (value, [value], {"a": value}):
        with pytest.raises(TypeError):
            codec.pack((1, wrong))
    assert codec.unpack(codec.pack((1, 2))) == [1, 2]


def test_tuples_come_as_lists(codec: Any) -> None:
    assert codec.unpack(codec.pack((1, (2, (3,)), {"a": (4,)}))) == [1, [2, [3]], {"a": [4]}]


def test_half_a_surrogate_pair_is_no_text(codec: Any) -> None:
    for text in ("\ud800", "a\udfff", "\ude00\ud83d"):
        with pytest.raises(ValueError):
            codec.pack((1, text))
        with pytest.raises(ValueError):
            codec.pack((1, {text: 1}))


class Text(str):
    pass


class Number(int):
    pass


class Real(float):
    pass


class Bytes(bytes):
    pass


class Buffer(bytearray):
    pass


class Array(list):  # type: ignore[type-arg]
    pass


class Map(dict):  # type: ignore[type-arg]
    pass


SUBCLASSES = [Text("a"), Number(5), Real(1.5), Array([1]), Map(a=1), collections.OrderedDict(a=1), {Text("k"): 1},
              collections.namedtuple("Point", "x y")(1, 2)]  # fmt: skip
BYTES = [b"b", Bytes(b"b"), bytearray(b"b"), Buffer(b"b"), memoryview(b"b"), {b"k": 1}, {Bytes(b"k"): 1},
         {Number(1): 1}, {True: 1}]  # fmt: skip


@pytest.mark.parametrize("value", SUBCLASSES, ids=lambda value: type(value).__name__)
def test_subclasses_travel_as_what_they_are(codec: Any, value: Any) -> None:
    got = codec.unpack(codec.pack((1, value)))[1]
    assert got == (list(value) if isinstance(value, tuple) else value)
    assert type(got) in (str, int, float, list, dict)


@pytest.mark.parametrize("value", BYTES, ids=lambda value: type(value).__name__)
def test_bytes_of_every_kind(messagepack: Any, value: Any) -> None:
    got = messagepack.unpack(messagepack.pack((1, value)))[1]
    assert got == value
    assert type(got) in (bytes, dict)


@SETTINGS
@given(value=all_values)
def test_msgpack_and_msgspec_write_the_same_bytes(value: Any) -> None:
    msgpack, msgspec = load("msgpack"), load("msgspec")
    assert msgpack.pack((1, value)) == msgspec.pack((1, value))
    assert msgpack.wire_name == msgspec.wire_name == "msgpack"


@pytest.mark.parametrize("value", SUBCLASSES + BYTES, ids=lambda value: type(value).__name__)
def test_they_do_so_for_subclasses(value: Any) -> None:
    assert load("msgpack").pack(value) == load("msgspec").pack(value)


# -- what a stranger may send


def relay(codec: Any, packet: bytes) -> Any:
    """What is decoded can be sent on, and comes out the same; DecodeError for what is refused."""
    value = codec.unpack(packet)
    check_batch(value, DEFAULT)
    again = codec.unpack(codec.pack(value))
    assert repr(again) == repr(value)
    return value


def refused_or_relayed(codec: Any, packet: bytes) -> str:
    try:
        return repr(relay(codec, packet))
    except DecodeError:
        return "refused"


mutations = st.lists(
    st.tuples(st.sampled_from(["set", "insert", "delete", "cut"]), st.integers(0, 999), st.integers(0, 255))
)


def mutated(packet: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    result = bytearray(packet)
    for kind, place, byte in changes:
        at = place % (len(result) + 1)
        if kind == "insert":
            result.insert(at, byte)
        elif kind == "cut":
            del result[at:]
        elif at < len(result):
            if kind == "set":
                result[at] = byte
            else:
                del result[at]
    return bytes(result)


# arbitrary bytes hardly ever get past the first; these are made of the bytes that mean something
telling = (*range(0x80, 0x84), *range(0x90, 0x95), 0xA0, 0xA1, *range(0xC0, 0xE0))
messagepack_like = st.lists(
    st.sampled_from([bytes([byte]) for byte in telling])
    | st.sampled_from([b"\0", b"\1", b"\xff", b"a", b"\0\0\0\4", b"\x91\x92\1"]),
    max_size=12,
).map(b"".join)
json_like = st.lists(
    st.sampled_from(["[", "]", "{", "}", ",", ":", '"', "\\u", "d83d", "\\ude00", "1", "-", "e", "9" * 19, ".5", "null",
                     " ", "NaN", "Infinity", '"a":', "[1,", "1e999", "\n", "\ufeff"]),
    max_size=12,
).map(lambda parts: "".join(parts).encode())  # fmt: skip


@SETTINGS
@given(packet=st.binary(max_size=100) | messagepack_like | json_like)
def test_arbitrary_bytes(codec: Any, packet: bytes) -> None:
    refused_or_relayed(codec, packet)


@SETTINGS
@given(data=st.data())
def test_mutated_messages(codec: Any, data: Any) -> None:
    packet = codec.pack((1, data.draw(values_of(codec))))
    refused_or_relayed(codec, mutated(packet, data.draw(mutations)))


@SETTINGS
@given(packet=messagepack_like | st.builds(mutated, st.just(b"\x92\x93\1\x81\xa1a\x02\xc0\x92\1\xc4\1b"), mutations))
def test_msgpack_and_msgspec_refuse_the_same(packet: bytes) -> None:
    assert refused_or_relayed(load("msgpack"), packet) == refused_or_relayed(load("msgspec"), packet)


@SETTINGS
@given(data=st.data())
def test_a_factory_takes_messages_or_raises_decode_error(codec: Any, data: Any) -> None:
    factory = MessageFactory(codec)
    factory.register("one", ("x",))
    factory.register("none")
    packet = data.draw(st.binary(max_size=50) | (json_like if codec is json_adapter else messagepack_like))
    try:
        messages = factory.unpack_packet(packet, DEFAULT)
    except DecodeError:
        return
    assert messages and set(map(type, messages)) <= set(factory.classes)


@pytest.mark.parametrize(
    "extension",
    [b"\xd4\5a", b"\xd5\5ab", b"\xd6\xff\0\0\0\1", b"\xd7\xff" + b"\0" * 8, b"\xd8\5" + b"a" * 16, b"\xc7\0\5",
     b"\xc7\1\5a", b"\xc7\x0c\xff" + b"\0" * 12, b"\xc8\0\1\5a", b"\xc9\0\0\0\1\5a"],
)  # fmt: skip
@pytest.mark.parametrize("around", [b"", b"\x92\1", b"\x91\x92\1", b"\x92\1\x91", b"\x92\1\x81\xa1a"])
def test_no_extension_types(messagepack: Any, extension: bytes, around: bytes) -> None:
    with pytest.raises(DecodeError):
        messagepack.unpack(around + extension)
    stream = messagepack.unpacker()
    stream.feed(around + extension)
    with pytest.raises(DecodeError):
        list(stream)


@pytest.mark.parametrize("key", [b"\xc0", b"\xcb" + struct.pack(">d", 1.5), b"\x91\1", b"\x80", b"\x90"])
def test_keys_are_str_bytes_or_int(messagepack: Any, key: bytes) -> None:
    with pytest.raises(DecodeError):
        messagepack.unpack(b"\x92\1\x81" + key + b"\1")
    with pytest.raises(DecodeError):
        messagepack.unpack(b"\x91\x92\1\x81" + key + b"\1")


@pytest.mark.parametrize(
    "text",
    ["NaN", "[1,Infinity]", "[-Infinity]", "[1e999]", "[-1E+400]", "[18446744073709551616]", "[-9223372036854775809]",
     "[%s]" % ("9" * 5000), '["\\ud800"]', '["\\uDFFF"]', '{"\\ud800":1}', "[1] [2]", "\ufeff[1]", "[1,]", "{1:2}",
     "['a']", "[01]", "[" * 5000, '{"a":' * 5000],
)  # fmt: skip
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(DecodeError):
        json_adapter.unpack(text.encode())


def test_json_is_utf8() -> None:
    for data in (b'["\xff"]', '["é"]'.encode("latin-1"), '["é"]'.encode("utf-16")):
        with pytest.raises(DecodeError):
            json_adapter.unpack(data)
    text = b'["\\ud83d\\ude00", 1.5e-300, 12345678901234567890]'
    assert json_adapter.unpack(text) == ["\U0001f600", 1.5e-300, 12345678901234567890]


@pytest.mark.parametrize(
    "value",
    [b"b", bytearray(b"b"), math.nan, math.inf, {1: 1}, {b"k": 1}, {None: 1}, {True: 1}, {1.5: 1}, [{"a": [{1: 1}]}],
     {1}, 1j, 2**64, -(2**63) - 1],
)  # fmt: skip
def test_what_json_cannot_say_is_refused_by_the_sender(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        json_adapter.pack((1, value))


# -- the limits


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def nested_in_dicts(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


FITTING = [nested(16), nested_in_dicts(16), [0] * 1024, {str(n): n for n in range(1024)}, [[0] * 1024] * 2]
BREAKING = [nested(17), nested_in_dicts(17), [nested(16)], nested(40), [0] * 1025, [[0] * 1025]]
BREAKING += [{str(n): n for n in range(1025)}]


@pytest.mark.parametrize("value", FITTING, ids=range(len(FITTING)))
def test_within_the_limits(codec: Any, value: Any) -> None:
    factory = MessageFactory(codec)
    message = factory.register("m", ("a", "f"))(0, value)
    packed = factory.pack(message)
    assert factory.unpack(packed) == message
    assert factory.unpack_packet(codec.join([packed, packed]), DEFAULT) == [message, message]
    stream = codec.unpacker()
    stream.feed(codec.join([packed]))
    assert list(stream) == [[[1, 0, value]]]


@pytest.mark.parametrize("value", BREAKING, ids=range(len(BREAKING)))
def test_past_the_limits_both_ends_refuse(codec: Any, value: Any) -> None:
    factory = MessageFactory(codec)
    cls = factory.register("m", ("a", "f"))
    with pytest.raises(ValueError, match=r"m\(a, f\): field 'f' cannot be sent: .*(deeper than 16|limit is 1024)"):
        factory.pack(cls(0, value))
    packed = codec.pack((1, 0, value))
    for packet in (packed, codec.join([packed]), codec.join([packed] * 3)):
        with pytest.raises(DecodeError):
            factory.unpack_packet(packet, DEFAULT)
        stream = codec.unpacker()
        stream.feed(packet)
        with pytest.raises(DecodeError):
            list(stream)


def test_a_batch_is_a_container_too(codec: Any) -> None:
    one = codec.pack((1,))
    assert len(codec.unpack(codec.join([one] * 1024))) == 1024
    with pytest.raises(DecodeError):
        codec.unpack(codec.join([one] * 1025))


def test_limits_can_be_tightened(codec: Any) -> None:
    few = Limits(container=3, nesting=1)
    assert codec.unpack(codec.pack((1, [1, 2, 3])), few) == [1, [1, 2, 3]]
    for value in ([1, 2, 3, 4], [[1]]):
        with pytest.raises(DecodeError):
            codec.unpack(codec.pack((1, value)), few)
    with pytest.raises(DecodeError, match=r"it has 100\d bytes; the limit is 1000"):
        codec.unpack(codec.pack("a" * 1000), Limits(packet_size=1000))


def test_limits_can_be_loosened(codec: Any) -> None:
    wide = Limits(container=5000, nesting=50)
    for value in ([0] * 5000, nested(50), {str(n): n for n in range(3000)}):
        assert codec.unpack(codec.pack((1, value)), wide) == [1, value]


wild_leaves = st.sampled_from(["\ud800", 2**64, {1}, 1j, nested(15)])
wild_keys = st.text() | st.binary() | st.integers() | st.floats() | st.none() | st.tuples(st.integers())
wild = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | st.text() | wild_leaves,
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner) | st.dictionaries(wild_keys, inner, max_size=4),
    max_leaves=10,
)


def as_received(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [as_received(item) for item in value]
    if isinstance(value, dict):
        return {key: as_received(item) for key, item in value.items()}
    return value


@settings(SETTINGS, max_examples=100)
@given(value=wild)
def test_what_the_receiver_would_refuse_the_sender_refuses(codec: Any, value: Any) -> None:
    factory = MessageFactory(codec)
    cls = factory.register("m", ("a", "f"))
    error = None
    try:
        packed = factory.pack(cls("fine", value))
    except (TypeError, ValueError) as refusal:
        error = str(refusal)
    if error is None:
        assert repr(factory.unpack(packed)) == repr(cls("fine", as_received(value)))
    else:
        assert "m(a, f): field 'f'" in error


# -- streams


@SETTINGS
@given(data=st.data())
def test_a_stream_in_any_pieces(codec: Any, data: Any) -> None:
    values = data.draw(st.lists(st.lists(values_of(codec), max_size=3), max_size=4))
    stream = b"".join(codec.pack(value) for value in values)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    unpacker = codec.unpacker()
    got = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        unpacker.feed(stream[start:end])
        got += list(unpacker)
    assert repr(got) == repr(values)


@SETTINGS
@given(data=st.data())
def test_a_stream_byte_by_byte(codec: Any, data: Any) -> None:
    value = data.draw(st.lists(values_of(codec), max_size=4))
    packed = codec.pack(value)
    unpacker = codec.unpacker()
    for byte in packed[:-1]:
        unpacker.feed(bytes([byte]))
        assert list(unpacker) == []
    unpacker.feed(packed[-1:])
    assert repr(list(unpacker)) == repr([value])
    assert list(unpacker) == []


@SETTINGS
@given(pieces=st.lists(st.binary(max_size=20) | messagepack_like | json_like, max_size=5))
def test_a_stream_of_anything(codec: Any, pieces: list[bytes]) -> None:
    unpacker = codec.unpacker()
    try:
        for piece in pieces:
            unpacker.feed(piece)
            for value in unpacker:
                check_batch(value, DEFAULT)
    except DecodeError:
        pass


def test_a_stream_does_not_grow_without_bound(codec: Any) -> None:
    unpacker = codec.unpacker()
    unpacker.feed(b'["' if codec is json_adapter else b"\x92\xda\xff\xff" + b"a" * 65000)
    assert list(unpacker) == []
    unpacker.feed(b"a" * 66000 if codec is json_adapter else b"a" * 535 + b"\xda\xff\xff")
    # more than one packet can have, and still no end of it
    with pytest.raises(DecodeError, match="a value is longer than 65536 bytes"):
        list(unpacker)


def test_a_stream_refuses_a_long_string_at_its_header(messagepack: Any) -> None:
    unpacker = messagepack.unpacker()
    unpacker.feed(b"\xdb\0\1\0\1")
    with pytest.raises(DecodeError, match="a string has 65537 bytes; the limit is 65536"):
        list(unpacker)


@pytest.mark.parametrize("text", [b"1", b'"a"', b"null,", b"]", b"}", b",[", b"[}", b"[1]]"])
def test_a_json_stream_is_made_of_arrays_and_objects(text: bytes) -> None:
    unpacker = json_adapter.unpacker()
    unpacker.feed(text)
    with pytest.raises(DecodeError):
        list(unpacker)


def test_a_json_stream_may_have_space_between() -> None:
    unpacker = json_adapter.unpacker()
    unpacker.feed(b' [1]\n\n{"a": "}\\""}\r\n\t')
    assert list(unpacker) == [[1], {"a": '}"'}]


# -- joining


@SETTINGS
@given(data=st.data())
def test_joined_values_are_an_array(codec: Any, data: Any) -> None:
    values = data.draw(st.lists(values_of(codec), max_size=20))
    joined = codec.join([codec.pack(value) for value in values])
    assert joined == codec.pack(values)
    assert repr(codec.unpack(joined)) == repr(values)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 255, 256])
def test_joined_header(codec: Any, count: int) -> None:
    assert codec.join([codec.pack(5)] * count) == codec.pack([5] * count)


# -- memory


def peak(codec: Any, packet: bytes, limits: Limits = DEFAULT) -> int:
    """Bytes that decoding a packet takes at most."""
    tracemalloc.start()
    try:
        codec.unpack(packet, limits)
    except DecodeError:
        pass
    finally:
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return used


HEADERS = [b"\xdc\4\0", b"\xdd\0\0\4\0", b"\xde\4\0", b"\xdf\0\0\4\0", b"\x9f", b"\x8f", b"\x91", b"\x92\xdc\4\0"]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("size", [500, 8192, 65536])
def test_nested_headers_take_little_memory(messagepack: Any, header: bytes, size: int) -> None:
    packet = header * (size // len(header))
    # From 3.14 on Python bounds a recursion in C by the stack it takes, and msgspec goes 20,000 deep, not 1000.
    deep = messagepack.__name__.endswith("msgspec_adapter") and sys.version_info >= (3, 14)
    assert peak(messagepack, packet) < (8_000_000 if deep else 2_000_000)
    stream = messagepack.unpacker()
    stream.feed(packet)
    with pytest.raises(DecodeError):
        list(stream)


def test_they_do_so_when_containers_may_be_large(messagepack: Any) -> None:
    packet = b"\xdd\0\x0f\x42\x40" * 100  # arrays of a million elements each
    assert peak(messagepack, packet, Limits(container=1_000_000)) < 2_000_000


def test_a_megabyte_of_json_is_not_even_read() -> None:
    assert peak(json_adapter, b"[" * 1_000_000) < 10_000


# -- the walk over MessagePack's structure


@SETTINGS
@given(values=st.lists(all_values, min_size=1, max_size=4))
def test_the_scanner_finds_where_values_end(values: list[Any]) -> None:
    codec = load("msgpack")
    data = b"".join(map(codec.pack, values))
    scanner = _messagepack.Scanner(Limits(nesting=50))
    ends = [0]
    while scanner.advance(data):
        ends.append(scanner.position)
    pieces = [codec.unpack(data[start:end]) for start, end in itertools.pairwise(ends)]
    assert repr(pieces) == repr(values)
    assert ends[-1] == len(data)
