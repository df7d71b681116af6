"""Control packets: bytes out, bytes in, and DecodeError for everything else."""

import contextlib
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pygnetic._core import packets
from pygnetic._core.packets import Farewell, Hello, Refusal
from pygnetic.errors import DecodeError, DisconnectReason, Reason

SETTINGS = settings(max_examples=100, deadline=None, derandomize=True, database=None)
READERS = [packets.read_hello, packets.read_refuse, packets.read_bye, packets.pong,
           lambda packet: packets.read_pong(packet, 10.0)]  # fmt: skip
KICKED = DisconnectReason.KICKED

# what cannot be printed does not come through, see the last test
texts = st.text(st.characters(categories=["L", "N"]), max_size=400)
reasons = st.builds(Reason, st.sampled_from(DisconnectReason), texts)


# -- worked examples: these are the bytes of protocol version 1, and never change

EXAMPLES: list[tuple[bytes, str]] = [
    (packets.hello(0xDEADBEEF, "msgpack"), "c1 01 01 deadbeef 07 6d73677061636b 0000"),
    (packets.hello(1, "json", b"key"), "c1 01 01 00000001 04 6a736f6e 0003 6b6579"),
    (packets.welcome(), "c1 02"),
    (packets.refuse(Reason(DisconnectReason.SERVER_FULL, "full")), "c1 03 05 0004 66756c6c 0000"),
    (packets.refuse(Reason(DisconnectReason.SCHEMA_MISMATCH, ""), "json"), "c1 03 06 0000 0004 6a736f6e"),
    (packets.ping(1.5), "c1 04 000000000016e360"),
    (packets.pong(packets.ping(1.5)), "c1 05 000000000016e360"),
    (packets.bye(Reason(DisconnectReason.CLOSED)), "c1 06 00 0000 00"),
    (packets.bye(Reason(KICKED, "be nice"), final=True), "c1 06 01 0007 6265206e696365 01"),
]


@pytest.mark.parametrize(("packet", "text"), EXAMPLES, ids=[text for _, text in EXAMPLES])
def test_worked_examples(packet: bytes, text: str) -> None:
    assert packet == bytes.fromhex(text)


def test_every_control_packet_begins_with_the_mark() -> None:
    assert {packet[0] for packet, _ in EXAMPLES} == {packets.MARK} == {0xC1}
    assert {packet[1] for packet, _ in EXAMPLES} == {1, 2, 3, 4, 5, 6}


# -- there and back


@SETTINGS
@given(st.integers(0, 2**32 - 1), st.text(max_size=60), st.binary(max_size=1024))
def test_hello(schema_hash: int, wire_name: str, application: bytes) -> None:
    packet = packets.hello(schema_hash, wire_name, application)
    assert packets.read_hello(packet) == Hello(1, schema_hash, wire_name, application)


@SETTINGS
@given(reasons, st.text(max_size=400))
def test_refuse(reason: Reason, description: str) -> None:
    assert packets.read_refuse(packets.refuse(reason, description)) == Refusal(reason, description)


@SETTINGS
@given(reasons, st.booleans())
def test_bye(reason: Reason, final: bool) -> None:
    assert packets.read_bye(packets.bye(reason, final)) == Farewell(reason, final)


@SETTINGS
@given(st.floats(0, 1e9), st.floats(0, 59))
def test_round_trip_time(now: float, rtt: float) -> None:
    packet = packets.pong(packets.ping(now))
    assert packets.read_pong(packet, now + rtt) == pytest.approx(rtt, abs=1e-5)


def test_a_round_trip_takes_no_negative_time() -> None:
    packet = packets.pong(packets.ping(5.0))
    assert packets.read_pong(packet, 4.9995) == 0.0


# -- what a stranger may send


@SETTINGS
@given(body=st.binary(max_size=60), kind=st.integers(1, 6))
def test_arbitrary_bytes(body: bytes, kind: int) -> None:
    for packet in (body, bytes((0xC1, kind)) + body):
        for read in READERS:
            with contextlib.suppress(DecodeError):
                read(packet)


@pytest.mark.parametrize("packet", [packet for packet, _ in EXAMPLES if packet[1] in (1, 3, 6)])
def test_cut_or_lengthened(packet: bytes) -> None:
    read: Any = {1: packets.read_hello, 3: packets.read_refuse, 6: packets.read_bye}[packet[1]]
    read(packet)
    for wrong in [packet[:length] for length in range(len(packet))] + [packet + b"\0"]:
        with pytest.raises(DecodeError):
            read(wrong)


@pytest.mark.parametrize(
    ("read", "packet", "text"),
    [
        (packets.read_hello, b"\xc1\1\1", "invalid HELLO: too short"),
        (packets.read_hello, b"\xc1\1\1\0\0\0\0\1\xff\0\0", "invalid HELLO: the text is not valid UTF-8"),
        (packets.read_refuse, b"\xc1\3\5\0", "invalid REFUSE or BYE: too short"),
        (packets.read_refuse, b"\xc1\3\5\0\1\xff\0\0", "invalid REFUSE or BYE: the text is not valid UTF-8"),
        (packets.read_refuse, b"\xc1\3\5\0\0\0\1\xff", "invalid REFUSE: the text is not valid UTF-8"),
        (packets.read_bye, b"\xc1\6\x63\0\0\0", "invalid REFUSE or BYE: unknown reason 99"),
    ],
)
def test_what_is_wrong_is_said_to_people(read: Any, packet: bytes, text: str) -> None:
    with pytest.raises(DecodeError) as raised:
        read(packet)
    assert str(raised.value) == text


@pytest.mark.parametrize("wrong", [b"", b"\xc1\4", b"\xc1\4" + b"\0" * 7, b"\xc1\4" + b"\0" * 9])
def test_ping_and_pong_have_one_length(wrong: bytes) -> None:
    with pytest.raises(DecodeError, match="invalid PING: wrong length"):
        packets.pong(wrong)
    with pytest.raises(DecodeError, match="invalid PONG: wrong length"):
        packets.read_pong(wrong, 0.0)


def test_hello_of_another_version_is_read_no_further() -> None:
    assert packets.read_hello(b"\xc1\1\2\0\0\0\0\0") == Hello(2, 0, "")
    assert packets.read_hello(b"\xc1\1\xff" + b"\xff" * 20).version == 255


@pytest.mark.parametrize(
    "body",
    [
        struct.pack("!BIB", 1, 0, 3) + b"\xff\xfe\xfd" + b"\0\0",  # a wire name that is no UTF-8
        struct.pack("!BIB", 1, 0, 0) + struct.pack("!H", 1025) + b"a" * 1025,  # more application bytes than allowed
    ],
)
def test_hello_that_is_none(body: bytes) -> None:
    with pytest.raises(DecodeError, match="invalid HELLO"):
        packets.read_hello(b"\xc1\1" + body)


@pytest.mark.parametrize("read", [packets.read_refuse, packets.read_bye])
@pytest.mark.parametrize(
    "body",
    [
        b"\x0a\0\0\0\0",  # a reason that there is not
        b"\0\0\2\xff\xfe\0\0",  # a text that is no UTF-8
        b"\0\x04\x01" + b"a" * 1025 + b"\0\0",  # a text that is too long
    ],
)
def test_reason_that_is_none(read: Any, body: bytes) -> None:
    with pytest.raises(DecodeError, match="invalid REFUSE or BYE"):
        read(b"\xc1\3" + body)


@pytest.mark.parametrize("rest", [b"\0\1\xff", b"\x40\1" + b"a" * 16385, b"\0\2a", b"\0\0a"])
def test_refuse_with_a_wrong_description(rest: bytes) -> None:
    with pytest.raises(DecodeError, match="invalid REFUSE"):
        packets.read_refuse(b"\xc1\3\6\0\0" + rest)


@pytest.mark.parametrize("rest", [b"", b"\2", b"\0\0"])
def test_bye_with_a_wrong_end(rest: bytes) -> None:
    with pytest.raises(DecodeError, match="invalid BYE: wrong end"):
        packets.read_bye(b"\xc1\6\0\0\0" + rest)


# -- texts


def test_long_texts_are_cut_between_characters() -> None:
    reason = packets.read_bye(packets.bye(Reason(KICKED, "a" + "\u20ac" * 1000))).reason
    assert reason.text == "a" + "\u20ac" * 341  # 3 bytes each, 1024 at most
    refusal = packets.read_refuse(packets.refuse(Reason(KICKED, "x" * 5000)))
    assert refusal.reason.text == "x" * 400  # what is shown is shorter yet


def test_a_long_description_is_cut_between_lines() -> None:
    lines = ["msgpack", *(f"{number} message(\u20ac)" for number in range(1, 2000))]
    refusal = packets.read_refuse(packets.refuse(Reason(KICKED), "\n".join(lines)))
    cut = refusal.description.split("\n")
    assert 500 < len(cut) < 1000
    assert cut[:-1] == lines[: len(cut) - 1]
    assert cut[-1] == f"{len(cut) - 1} ... (too long to tell)"
    assert packets.read_refuse(packets.refuse(Reason(KICKED), "a" * 20_000)).description == ""


@pytest.mark.parametrize("most", [0, 10, 40, 300, 2000, 65536])
def test_packets_are_no_longer_than_the_limit(most: int) -> None:
    reason, description = Reason(KICKED, "\u20ac" * 500), "msgpack\n" + "1 m(a)\n" * 3000
    assert len(packets.refuse(reason, description, most)) <= max(most, 7)
    assert len(packets.bye(reason, most=most)) <= max(most, 6)


def test_half_a_surrogate_pair_does_not_stop_a_goodbye() -> None:
    assert packets.read_bye(packets.bye(Reason(KICKED, "a\ud800b"))).reason.text == "a?b"


def test_a_stranger_s_text_cannot_command_a_terminal() -> None:
    packet = packets.bye(Reason(KICKED, "\x1b[2Jyou\nlost\u202e\x00"))
    assert packets.read_bye(packet).reason.text == " [2Jyou lost  "
    assert packets.printable("a\tb" * 200) == ("a b" * 200)[:400]
    assert packets.printable("abc", 2) == "ab"


# -- a stranger's text on a terminal


@pytest.mark.parametrize("mark", ["\u0301", "\u0489", "\u093e", "\ufe0f", "\U000e0100"], ids=ascii)
@pytest.mark.parametrize("base", ["", "a", "\u200d"], ids=ascii)
def test_marks_do_not_pile_up(base: str, mark: str) -> None:
    assert packets.printable(base + 300 * mark) == base.replace("\u200d", " ") + 6 * mark
    assert packets.printable((base + 300 * mark + "b") * 2, 1000).count(mark) == 12


def test_no_script_needs_more_marks() -> None:
    for text in (
        "Zażółć gęślą jaźń", "e\u0301\u0323 o\u0302\u0301",
        "नमस्ते दुनिया, क्षत्रिय", "ที่นี่ น้ำ", "مُحَمَّدٌ", "בְּרֵאשִׁ֖ית", "ကျွန်ုပ် လျှော့",
        "བསྒྲུབས", "ស្ត្រី", "각하", "\u2764\ufe0f", "1\ufe0f\u20e3",
    ):  # fmt: skip
        assert packets.printable(text) == text


def test_a_joiner_in_an_emoji_is_a_space() -> None:
    assert packets.printable("\U0001f469\u200d\U0001f680\ufe0f") == "\U0001f469 \U0001f680\ufe0f"


TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"


@pytest.mark.parametrize("character", TURNING + "\x1b\x9b\n\r\b\u2028", ids=ascii)
def test_nothing_turns_a_line_around_or_moves_the_cursor(character: str) -> None:
    assert packets.printable(f"a{character}b") == "a b"


def test_a_reason_of_marks_is_cut_for_the_player() -> None:
    packet = packets.bye(Reason(DisconnectReason.KICKED, "a" + 300 * "\u0301"))
    assert packets.read_bye(packet).reason.text == "a" + 6 * "\u0301"
