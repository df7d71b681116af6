"""The same bytes are the same value, or none, on every codec that reads them; and JSON reads what a reference reads."""

from __future__ import annotations

import importlib
import json
import math
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import figures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pygnetic import serialization
from pygnetic.errors import DecodeError
from pygnetic.limits import DEFAULT, Limits
from pygnetic.message import MessageFactory
from pygnetic.serialization import json_adapter

QUICK = settings(max_examples=300, deadline=None, derandomize=True, database=None)
LONG = settings(max_examples=3000, deadline=None, derandomize=True, database=None)
# so that small packets can break them
TIGHT = [Limits(nesting=3, container=20), Limits(nesting=1, container=3)]
REFUSED = "refused"
PIECES: list[Callable[[bytes], Any]] = [bytes, bytearray, memoryview]


def load(name: str) -> Any:
    return importlib.import_module(f"pygnetic.serialization.{name}_adapter")


def outcome(unpack: Callable[..., Any], packet: Any, limits: Limits) -> str:
    """Return what a codec makes of a packet; repr tells 1 from True and from 1.0, and NaN is like NaN."""
    try:
        return repr(unpack(packet, limits))
    except DecodeError:
        return REFUSED


def streamed(codec: Any, packet: bytes) -> str:
    stream = codec.unpacker()
    stream.feed(packet)
    got = []
    try:
        for value in stream:
            got.append(value)
    except DecodeError:
        return f"{got!r} and then {REFUSED}"
    return repr(got)


# -- MessagePack, byte by byte


def wide(short: int, formats: tuple[tuple[int, str], ...], most: int) -> Callable[[int, int], bytes]:
    """Return a function that writes a length in a header of one of its widths, the shortest or not."""

    def header(length: int, width: int) -> bytes:
        if width == 0 and length < most:
            return bytes([short | length])
        code, form = formats[width % len(formats)]
        return bytes([code]) + struct.pack(form, length % (1 << 8 * struct.calcsize(form)))

    return header


array_header = wide(0x90, ((0xDC, ">H"), (0xDD, ">I")), 16)
map_header = wide(0x80, ((0xDE, ">H"), (0xDF, ">I")), 16)
str_header = wide(0xA0, ((0xD9, ">B"), (0xDA, ">H"), (0xDB, ">I")), 32)
bin_header = wide(0, ((0xC4, ">B"), (0xC5, ">H"), (0xC6, ">I")), 0)
ext_header = wide(0, ((0xC7, ">B"), (0xC8, ">H"), (0xC9, ">I")), 0)

widths = st.integers(0, 3)
# few, and equal in several ways, so that a key comes twice
small = st.sampled_from([b"\0", b"\1", b"\xcc\1", b"\xd0\1", b"\xd3" + b"\0" * 7 + b"\1", b"\xff", b"\x7f"])
numbers = small | st.sampled_from(
    [b"\xcf" + b"\xff" * 8, b"\xd3\x80" + b"\0" * 7, b"\xd3" + b"\xff" * 8, b"\xca\x3f\x80\0\0",
     b"\xcb\x3f\xf0" + b"\0" * 6, b"\xcb\x7f\xf8" + b"\0" * 6,
     b"\xcb\x7f\xf0" + b"\0" * 6, b"\xca\xff\x80\0\0", b"\xcb" + b"\0" * 8]
)  # fmt: skip
constants = st.sampled_from([b"\xc0", b"\xc2", b"\xc3"])
texts = st.builds(
    lambda text, width, header: header(len(text), width) + text,
    st.sampled_from([b"", b"a", b"b", "€".encode(), b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"x" * 40, b"\x81\x90\xd6"]),
    widths,
    st.sampled_from([str_header, str_header, bin_header]),
)
timestamps = st.sampled_from(
    [b"\xd6\xff\0\x14\0\1", b"\xd7\xff" + b"\0" * 8, b"\xd7\xff" + b"\xff" * 8, b"\xc7\x0c\xff" + b"\0" * 12,
     b"\xc7\x0c\xff" + b"\xff" * 12, b"\xc7\4\xff\0\0\0\1"]
)  # fmt: skip
extensions = timestamps | st.builds(
    lambda code, data, width: ext_header(len(data), width) + bytes([code]) + data,
    st.integers(0, 255),
    st.binary(max_size=3),
    widths,
)
fixed_extensions = st.integers(0, 4).map(lambda power: bytes([0xD4 + power, 5]) + b"a" * (1 << power))
odd = extensions | fixed_extensions | st.just(b"\xc1")
scalars = numbers | constants | texts


def array(items: list[bytes], width: int = 0) -> bytes:
    return array_header(len(items), width) + b"".join(items)


def mapping(pairs: list[tuple[bytes, bytes]], width: int = 0) -> bytes:
    return map_header(len(pairs), width) + b"".join(key + value for key, value in pairs)


def containers(inner: Any) -> Any:
    keys = small | small | texts | scalars | inner
    return (
        st.builds(array, st.lists(inner, max_size=4), widths)
        | st.builds(mapping, st.lists(st.tuples(keys, inner), max_size=4), widths)
        | st.builds(lambda item, count: array([item] * count), scalars, st.integers(15, 22))
        | st.builds(lambda key, item, count: mapping([(key, item)] * count), keys, scalars, st.integers(2, 22))
        | st.builds(lambda item, depth: b"\x91" * depth + item, inner, st.integers(2, 6))
    )


def hiding(hidden: Any) -> Any:
    """Maps where a key that comes again overwrites what stood there."""
    return st.builds(lambda key, value, again: mapping([(key, value), (key, again)]), small | texts, hidden, scalars)


fields = st.recursive(scalars | scalars | odd, lambda inner: containers(inner) | hiding(inner), max_leaves=10)
messages = st.lists(fields, max_size=4).map(lambda fields: array([b"\1", *fields]))
batches = st.lists(messages, min_size=1, max_size=5).map(array)
whole = messages | batches | st.lists(messages | fields).map(array) | fields


@st.composite
def changed(draw: Callable[[Any], Any], packets: Any) -> bytes:
    """Packets, most of them as they are, some cut off, prolonged, or with another byte somewhere."""
    packet = bytearray(draw(packets))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        at = draw(st.integers(0, len(packet)))
        accident = draw(st.sampled_from(["cut", "insert", "delete", "set"]))
        if accident == "cut":
            del packet[at:]
        elif accident == "insert":
            packet[at:at] = draw(st.binary(min_size=1, max_size=3))
        elif accident == "delete":
            del packet[at : at + 1]
        else:
            packet[at : at + 1] = bytes([draw(st.integers(0, 255))])
    return bytes(packet)


def compare(packet: bytes) -> str:
    """Ask both MessagePack codecs, in every way; return what they agree on."""
    codecs = [load("msgpack"), load("msgspec")]
    for limits in (DEFAULT, *TIGHT):
        results = [outcome(codec.unpack, give(packet), limits) for codec in codecs for give in PIECES]
        assert len(set(results)) == 1, (packet.hex(), limits, results)
    assert streamed(codecs[0], packet) == streamed(codecs[1], packet), packet.hex()
    result = outcome(codecs[0].unpack, packet, DEFAULT)
    if result != REFUSED:  # and each reads what either makes of it again
        value = codecs[0].unpack(packet)
        for writer in codecs:
            assert {outcome(reader.unpack, writer.pack(value), DEFAULT) for reader in codecs} == {result}, packet.hex()
    return result


@pytest.fixture
def both() -> None:
    for name in ("msgpack", "msgspec"):
        pytest.importorskip(name)


@pytest.mark.usefixtures("both")
def test_the_messagepack_codecs_agree() -> None:
    @QUICK
    @given(changed(whole))
    def check(packet: bytes) -> None:
        compare(packet)

    check()


@pytest.mark.fuzz
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("both")
def test_the_messagepack_codecs_agree_on_many_packets(figure: Callable[..., None]) -> None:
    values = []

    @LONG
    @given(changed(whole))
    def check(packet: bytes) -> None:
        values.append(compare(packet) != REFUSED)

    check()
    text = f"{len(values)} packets, {sum(values)} of them values"
    figure(figures.FUZZ, "msgpack and msgspec", "the same value, or none", text, "no difference")


EXT, LIST = b"\xd6\xff\0\x14\0\1", b"\x90"
DEEP = b"\x91" * 20 + b"\1"
LONG_ARRAY = b"\xdc\x04\x01" + b"\1" * 1025


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize(
    "packet",
    [
        bytes.fromhex("9291c2d6ff00140001"),  # a timestamp where a message should be, in a batch
        array([array([b"\1"]), array([b"\1", EXT])]),
        array([array([b"\1", EXT]), b"\5"]),
        array([b"\1", mapping([(b"\1", EXT), (b"\1", b"\3")])]),
        array([b"\1", mapping([(b"\1", mapping([(LIST, b"\xc3")])), (b"\1", b"\6")])]),
        array([b"\1", mapping([(b"\1", mapping([(b"\x80", b"\xc3")])), (b"\1", b"\6")])]),
        array([b"\1", mapping([(b"\1", mapping([(EXT, b"\xc3")])), (b"\1", b"\6")])]),
        array([b"\1", mapping([(b"\1", DEEP), (b"\1", b"\6")])]),
        array([b"\1", mapping([(b"\1", b"\x91" * 1010 + b"\1"), (b"\1", b"\6")])]),
        array([b"\1", mapping([(b"\1", LONG_ARRAY), (b"\1", b"\6")])]),
        array([array([b"\1", LONG_ARRAY]), b"\5"]),
        array([LONG_ARRAY]),
        array([b"\1", b"\xde\x07\xd0" + b"\1\1" * 2000]),  # 2000 entries, of which one is left
        array([array([b"\1", b"\xde\x07\xd0" + b"\1\1" * 2000]), b"\5"]),
        array([array([b"\1"]), mapping([(b"\xcb\x3f\xf8" + b"\0" * 6, b"\1")])]),
        b"", b"\xc1", b"\x91\xc1", b"\x91\1\1",
    ],
    ids=lambda packet: packet[:16].hex() or "empty",
)  # fmt: skip
def test_both_messagepack_codecs_refuse(packet: bytes) -> None:
    assert compare(packet) == REFUSED


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize(
    ("packet", "value"),
    [
        (array([b"\1", mapping([(b"\1", b"\2"), (b"\1", b"\3")])]), [1, {1: 3}]),
        (array([b"\1", mapping([(b"\1", mapping([(b"\xa1a", LIST)])), (b"\xcc\1", b"\6")])]), [1, {1: 6}]),
        (array([b"\1", mapping([(b"\1", b"\x91" * 15 + b"\1"), (b"\1", b"\6")])]), [1, {1: 6}]),
        (array([b"\1", mapping([(b"\xa1a", b"\1"), (b"\xc4\1a", b"\2")])]), [1, {"a": 1, b"a": 2}]),
        (array([b"\1", b"\xca\x3f\x80\0\0", b"\xcb\x7f\xf8" + b"\0" * 6]), [1, 1.0, math.nan]),
        (array([array([b"\1", b"\xff"]), array([b"\1", b"\xd6"[:0] + b"\xd0\xd6"])]), [[1, -1], [1, -42]]),
        (array([array([b"\1"])] * 20, 1), [[1]] * 20),
    ],
)
def test_both_messagepack_codecs_accept(packet: bytes, value: Any) -> None:
    assert compare(packet) == repr(value)


# -- JSON

json_scalars = st.sampled_from(
    ["1", "-1", "0", "-0", "01", "1.5", "1e5", "1E+400", "-1e-400", "9" * 19, "18446744073709551615",
     "18446744073709551616", "-9223372036854775808", "-9223372036854775809", "9" * 400, "NaN", "Infinity", "-Infinity",
     "true", "false", "null", "None", '""', '"a"', '"€"', r'"\u20ac"', r'"\ud83d\ude00"', r'"\ud83d"', r'"\ude00x"',
     r'"\x"', '"\n"', r'"\\"', r'"\""', '"', "'a'", "/**/1"]
)  # fmt: skip
json_keys = st.sampled_from(['"a"', '"a"', '"b"', '""', r'"\u0061"', r'"\ud800"', "1", "null"])
spaces = st.sampled_from(["", "", "", " ", "\n", "\t", "\f", "\u00a0"])


def json_containers(inner: Any) -> Any:
    arrays = st.builds(lambda items, space: "[" + (space + ",").join(items) + space + "]", st.lists(inner), spaces)
    pairs = st.lists(st.tuples(json_keys, inner), max_size=4)
    objects = pairs.map(lambda pairs: "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}")
    deep = st.builds(lambda item, depth: "[" * depth + item + "]" * depth, inner, st.integers(2, 6))
    return arrays | objects | deep


json_texts = st.recursive(json_scalars, json_containers, max_leaves=10)


def reference(packet: bytes, limits: Limits) -> str:
    """Read JSON in the slowest and plainest way."""

    def refuse(text: str) -> Any:
        raise ValueError(text)

    def depth(value: Any) -> int:
        inside = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else None
        if inside is None:
            return 0
        if len(inside) > limits.container:
            refuse("too many")
        return 1 + max(map(depth, inside), default=0)

    def number(text: str) -> int:
        return int(text) if len(text) < 30 and -(2**63) <= int(text) < 2**64 else refuse(text)

    def finite(text: str) -> float:
        return float(text) if math.isfinite(float(text)) else refuse(text)

    try:
        text = packet.decode()
        value = json.loads(text, parse_constant=refuse, parse_int=number, parse_float=finite)
        json.dumps(value, ensure_ascii=False).encode()
        outer = value if isinstance(value, list) else None
        batch = outer and isinstance(outer[0], list)
        if outer is not None and len(outer) > limits.container:
            refuse("too many")
        for item in [value] if outer is None else outer:
            if batch and isinstance(item, list) and len(item) > limits.container:
                refuse("too many")
            for field in item if batch and isinstance(item, list) else [item]:
                if depth(field) > limits.nesting:
                    refuse("too deep")
    except ValueError:
        return REFUSED
    return repr(value)


def compare_json(packet: bytes) -> str:
    for limits in (DEFAULT, *TIGHT):
        expected = reference(packet, limits)
        for give in PIECES:
            assert outcome(json_adapter.unpack, give(packet), limits) == expected, (packet, limits)
    result = outcome(json_adapter.unpack, packet, DEFAULT)
    if result != REFUSED:
        value = json_adapter.unpack(packet)
        assert outcome(json_adapter.unpack, json_adapter.pack(value), DEFAULT) == result, packet
    return result


def test_a_container_is_as_long_on_every_codec(codec_name: str) -> None:
    codec, limits = load(codec_name), Limits(container=3)
    fitting: list[Any] = [[1, 2, 3], [1, [2, 3, 4]], [[1, 2, 3]] * 3, [1, {"a": 1, "b": 2, "c": 3}]]
    four = dict.fromkeys("abcd")
    longer = [[1, 2, 3, 4], [1, [2, 3, 4, 5]], [[1, 2, 3, 4]], [[1]] * 4, [1, four], four]
    assert [outcome(codec.unpack, codec.pack(value), limits) for value in fitting] == [repr(value) for value in fitting]
    assert {outcome(codec.unpack, codec.pack(value), limits) for value in longer} == {REFUSED}


@QUICK
@given(changed(json_texts.map(str.encode)))
def test_json_agrees_with_a_reference(packet: bytes) -> None:
    compare_json(packet)


@pytest.mark.fuzz
@pytest.mark.timeout(600)
def test_json_agrees_with_a_reference_on_many_packets(figure: Callable[..., None]) -> None:
    values = []

    @LONG
    @given(changed(json_texts.map(str.encode)))
    def check(packet: bytes) -> None:
        values.append(compare_json(packet) != REFUSED)

    check()
    text = f"{len(values)} texts, {sum(values)} of them values"
    figure(figures.FUZZ, "json", "what json.loads and the limits say", text, "no difference")


# -- what a packet may be given as


@pytest.fixture
def factory(codec_name: str) -> MessageFactory:
    made = MessageFactory(load(codec_name))
    made.register("chat", ("text", "more"))
    return made


@pytest.mark.parametrize("give", PIECES)
def test_bytes_of_every_kind_are_unpacked_alike(factory: MessageFactory, give: Callable[[bytes], Any]) -> None:
    for more in (None, [1, [2]], {"a": {"b": 1}}, "x" * 600, [[]] * 600):
        message = factory.get_by_name("chat")("hi", more)
        packet = give(factory.pack(message))
        assert factory.unpack(packet) == message
        assert list(factory.unpack_all(packet, SimpleNamespace())) == [message]
        assert repr(factory.s_adapter.unpack(packet)) == repr([1, "hi", more])


def test_a_memoryview_of_other_items_is_its_bytes(factory: MessageFactory) -> None:
    message = factory.get_by_name("chat")("hi", "")
    packet = factory.pack(message)
    while len(packet) % 4:
        message = message._replace(more=message.more + "x")
        packet = factory.pack(message)
    assert factory.unpack(memoryview(packet).cast("I")) == message
    every_second = bytes(byte for pair in zip(packet, packet, strict=True) for byte in pair)
    assert factory.unpack(memoryview(every_second)[::2]) == message


@pytest.mark.parametrize("given_value", ["[1,1]", "", None, 5, [1, 1], object()])
def test_anything_else_is_refused_with_what_to_give(factory: MessageFactory, given_value: Any) -> None:
    wanted = f"give bytes, a bytearray or a memoryview, not a {type(given_value).__name__}"
    if isinstance(given_value, str):
        wanted += r"; text.encode\(\) makes bytes of a str"
    with pytest.raises(DecodeError, match=wanted):
        factory.unpack(given_value)
    with pytest.raises(DecodeError, match=wanted):
        list(factory.unpack_all(given_value, SimpleNamespace()))
    with pytest.raises(DecodeError, match=wanted):
        factory.s_adapter.unpack(given_value)
    with pytest.raises(DecodeError, match=wanted):
        factory.s_adapter.unpacker().feed(given_value)
    serialization.select_adapter(factory.s_adapter)
    with pytest.raises(DecodeError, match=wanted):
        serialization.unpack(given_value)
