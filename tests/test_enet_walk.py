"""The walk over the commands of a connection, and its window, byte for byte."""

import random
import struct
from types import SimpleNamespace
from typing import Any

import pytest
from datagrams import (
    CHANNELS,
    DISCONNECT,
    HEADER,
    LIMIT,
    MTU,
    PIECE,
    PING,
    SESSION,
    SLOT,
    UNRELIABLE,
    Bench,
    acknowledge,
    connect,
    fragment,
    reliable,
    unreliable,
    unsequenced,
    verify_connect,
)
from hypothesis import given
from hypothesis import strategies as st

from pygnetic.network import _enet_window
from pygnetic.network._enet_walk import Walk
from pygnetic.network._enet_window import Terms


@pytest.mark.parametrize(
    "commands",
    [
        acknowledge(),
        acknowledge() + reliable(),
        reliable(0),
        reliable(PIECE),
        reliable(10, 1) + reliable(10, 2) + unreliable() + unsequenced() + PING + acknowledge(),
        unreliable(1),
        unsequenced(1),
        PING,
        DISCONNECT,
        b"\x44" + DISCONNECT[1:],
        verify_connect(),
        b"\x8a" + bytes(11),
        b"\x8b" + bytes(15),
        PING * 32,
        fragment(),
        fragment(number=47),
        fragment(total=PIECE + 1),
        acknowledge() + fragment(total=PIECE + 1, number=1) + reliable(7),
    ],
)
def test_what_enet_writes_passes(commands: bytes) -> None:
    assert Bench().passes(HEADER + commands)
    if commands in (acknowledge(), unreliable(1), unsequenced(1)):
        # nothing to be acknowledged, no time in the header
        assert Bench().passes(struct.pack(">H", SESSION << 12 | SLOT) + commands)


@pytest.mark.parametrize(
    "commands",
    [
        b"",
        bytes(40),
        PING * 33,
        PING + b"\x00",
        PING[:-1],
        acknowledge()[:-1],
        reliable()[:-1],
        reliable()[:4],
        reliable() + b"\x01\x02\x03",
        unreliable()[:-1],
        unreliable()[:7],
        unsequenced()[:-1],
        DISCONNECT[:-1],
        b"\x0d" + bytes(30),
        b"\x0c" + bytes(30),
        b"\x06" + reliable()[1:],
        b"\x96" + reliable()[1:],
        connect()[4:],
        reliable(PIECE + 1),
        reliable(channel=CHANNELS),
        unreliable(channel=CHANNELS + 1),
        unreliable(channel=0),
        fragment()[:-1],
        fragment()[:20],
        fragment(kind=0x8C),
        fragment(kind=0x0C),
        fragment(kind=0x08),
        fragment(channel=1),
        fragment(channel=CHANNELS),
        fragment(total=LIMIT + 1),
        fragment(total=1 << 31, count=1 << 20),
        fragment(total=PIECE),
        fragment(total=0, count=0),
        fragment(count=47),
        fragment(count=49),
        fragment(number=48),
        fragment(number=48, count=49),
        fragment(number=1, offset=0),
        fragment(number=1, offset=PIECE - 1),
        fragment(offset=0xFFFFFFFF, size=1),
        fragment(size=PIECE - 1),
        fragment(size=0),
        fragment(number=47, size=LIMIT - 47 * PIECE + 1),
    ],
)
def test_anything_else_is_dropped(commands: bytes) -> None:
    assert not Bench().passes(HEADER + commands)


def bogus(count: int = 32) -> bytes:
    return HEADER + acknowledge(60_000) * count


def test_acknowledgements_of_nothing_are_bounded_by_turns() -> None:
    bench = Bench()
    bench.in_flight = 2000
    passed = sum(bench.passes(bogus()) for _ in range(256))
    assert passed * 32 * bench.in_flight < 4 * _enet_window._MAX_STEPS
    assert bench.passes(HEADER + acknowledge() + PING), "one at a time costs no more than a datagram"
    assert bench.passes_later(bogus())


def test_acknowledgements_of_what_is_in_flight_all_pass() -> None:
    bench = Bench()
    bench.in_flight = 2000
    while bench.in_flight > 0:
        assert bench.passes(HEADER + acknowledge() * 32)
        bench.in_flight -= 32


def test_few_packets_in_flight_cost_nothing_worth_counting() -> None:
    bench = Bench()
    bench.in_flight = 60
    assert all(bench.passes(bogus()) for _ in range(256))


def test_the_pieces_of_large_packets_are_freed_together() -> None:
    bench = Bench()
    bench.in_flight = 200
    for _ in range(8):  # 64 KiB each, 47 pieces
        assert bench.passes(HEADER + acknowledge() * 24)
        assert bench.passes(HEADER + acknowledge() * 23)
        bench.in_flight -= 1


def test_who_is_somebody_else_cannot_use_up_what_a_peer_may_acknowledge() -> None:
    bench = Bench()
    bench.in_flight = 2000
    for _ in range(256):
        bench.passes(bogus(), bench.elsewhere)
    assert bench.passes(bogus())


@pytest.mark.parametrize("command", [reliable(), PING, DISCONNECT, b"\x83" + bytes(43), fragment()])
def test_what_is_to_be_acknowledged_has_a_time(command: bytes) -> None:
    untimed = struct.pack(">H", SESSION << 12 | SLOT)
    assert not Bench().passes(untimed + command), "ENet would take it and never acknowledge it"
    assert not Bench().passes(untimed + acknowledge() + command)
    assert Bench().passes(untimed + acknowledge() + unreliable() + b"\x44" + DISCONNECT[1:])


def test_compressed_datagrams_are_dropped() -> None:
    assert not Bench().passes(bytes([HEADER[0] | 0x40]) + HEADER[1:] + PING)


def test_a_packet_at_the_limit_passes_whole_and_once_more() -> None:
    bench = Bench()
    order = list(range(48))
    random.Random(1).shuffle(order)
    for _ in range(2):
        assert all(bench.passes(HEADER + fragment(number=number)) for number in order)
    bench.delivered(0, LIMIT)
    assert bench.passes(HEADER + fragment(number=3)), "a late duplicate is nothing bad"
    assert bench.passes(HEADER + fragment(start=49))


def test_fragments_follow_the_agreed_mtu() -> None:
    bench = Bench(mtu=576)
    assert bench.passes(HEADER + fragment(number=119, piece=548))
    assert not bench.passes(HEADER + fragment(start=200))


def test_only_so_many_packets_may_be_begun() -> None:
    bench = Bench()
    passed = sum(bench.passes_later(HEADER + fragment(start)) for start in range(2, 3002))
    assert passed == 64
    assert bench.passes(HEADER + fragment(2, 1)), "begun packets go on"
    assert bench.passes(HEADER + fragment(1)), "the next in turn may always begin"
    assert not bench.passes(HEADER + fragment(4000, channel=2)), "all channels count"
    for number in range(48):
        assert bench.passes(HEADER + fragment(2, number) + PING)
    assert not bench.passes(HEADER + fragment(4000)), "ENet holds finished ones, too, until their turn comes"
    assert not bench.passes(HEADER + reliable(65, 2, channel=2)), "and other early packets"
    assert bench.passes(HEADER + reliable(64, 2, channel=2)), "but the smallest, which are bounded otherwise"
    assert bench.passes(HEADER + reliable(PIECE, 1, channel=2)), "or whose turn it is"


def test_delivery_makes_room_for_early_packets() -> None:
    bench = Bench()
    assert sum(bench.passes(HEADER + reliable(800, number)) for number in range(2, 6000)) == 64 * LIMIT // 1000
    assert bench.passes(HEADER + reliable(800, 2)), "again"
    for size in (1, 800):
        assert not bench.passes(HEADER + reliable(800, 6000))
        bench.delivered(0, size)
    assert bench.passes(HEADER + reliable(800, 6000))
    assert not bench.passes(HEADER + reliable(800, 6001))


def test_delivery_makes_room() -> None:
    bench = Bench()
    for start in range(1, 65 * 48, 48):
        bench.passes(HEADER + fragment(start))
    assert not bench.passes(HEADER + fragment(4000))
    bench.delivered(0, LIMIT)
    assert bench.passes(HEADER + fragment(4000))
    bench.filter.closed(SLOT)
    bench.filter.closed(SLOT)
    bench.delivered(0, 5)


def test_small_begun_packets_are_counted_too() -> None:
    bench = Bench(mtu=576)
    datagrams = [HEADER + fragment(start, total=549, piece=548) for start in range(2, 8000)]
    assert sum(map(bench.passes_later, datagrams)) == 2048


def test_a_stranger_cannot_use_up_what_a_peer_may() -> None:
    bench = Bench()
    for start in range(2, 3000):
        assert not bench.passes(HEADER + fragment(start), bench.elsewhere)
        assert not bench.passes(bytes([HEADER[0] ^ 0x10]) + HEADER[1:] + fragment(start))
    assert not bench.passes(HEADER + reliable(number=16000), bench.elsewhere)
    assert bench.passes(HEADER + fragment(2))


@pytest.mark.parametrize("channel", range(0, CHANNELS, 2))
def test_a_stranger_changes_no_figure_of_a_peer(channel: int) -> None:
    bench = Bench()
    honest = HEADER + reliable(number=2, channel=channel)
    assert bench.passes(honest)
    peer = bench.filter._windows[SLOT]

    def figures() -> Any:
        names = [
            name for name in type(peer).__slots__ if name not in ("host", "port", "_asked", "_answer")
        ]  # the last two are of one datagram
        return repr({name: getattr(peer, name) for name in names}), set(bench.filter._throttled)

    before = figures()
    for ahead in (2, 3, 4, 255, 256, 257, 16000, 40000, 65535):
        for commands in (reliable(number=ahead, channel=channel), reliable(100, ahead, channel), fragment(ahead)):
            bench.passes(HEADER + commands, bench.elsewhere)
            bench.passes(bytes([HEADER[0] ^ 0x10]) + HEADER[1:] + commands)
    for _ in range(300):
        bench.passes(HEADER + unreliable() * 6, bench.elsewhere)
    assert figures() == before
    assert bench.passes(HEADER + reliable(number=3, channel=channel))
    assert figures() != before


def test_the_two_sizes_of_a_begun_packet_must_agree() -> None:
    bench = Bench()
    assert bench.passes(HEADER + fragment(total=LIMIT))
    assert not bench.passes(HEADER + fragment(total=LIMIT - 1, number=1))


def test_before_the_connection_is_reported_fragments_are_bounded() -> None:
    bench = Bench()
    bench.filter.closed(SLOT)
    assert bench.passes(HEADER + acknowledge() + reliable())
    assert bench.passes(HEADER + fragment())
    assert not bench.passes(HEADER + fragment(total=LIMIT + 1))
    assert not bench.passes(HEADER + fragment(count=1 << 20))
    assert not bench.passes(HEADER + fragment(offset=LIMIT, size=1))


def test_reliable_commands_may_be_so_far_ahead() -> None:
    bench = Bench()
    assert bench.passes(HEADER + reliable(number=16384))
    assert not bench.passes(HEADER + reliable(number=16385))
    assert bench.passes(HEADER + reliable(number=16384)), "again"
    assert bench.passes(HEADER + reliable(number=300))
    assert bench.passes(HEADER + reliable(number=256, channel=2)), "near"
    assert not bench.passes(HEADER + reliable(number=257, channel=2)), "all channels count"
    assert bench.passes(HEADER + reliable(number=60000)), "a duplicate"
    for _ in range(16384):
        bench.delivered(0, 40)
    assert bench.passes(HEADER + reliable(number=16384, channel=2))


def steps_of_enet(queued: list[int], number: int) -> int:
    """Through how many commands ENet walks to find a place (enet_peer_queue_incoming_command); it is put there."""
    at = len(queued)
    while at and queued[at - 1] > number:
        at -= 1
    if not at or queued[at - 1] != number:
        queued.insert(at, number)
    return len(queued) - at


@pytest.mark.parametrize("attack", ["the lowest again", "falling", "falling fragments", "every second, then the rest"])
def test_what_is_out_of_order_is_bounded_by_turns(attack: str) -> None:
    bench = Bench()
    queued: list[int] = []
    numbers = {
        "the lowest again": [*range(2, 16000), *[2] * 20000],
        "falling": range(16000, 1, -1),
        "falling fragments": range(16000, 1, -1),
        "every second, then the rest": [*range(2, 16000, 2), *range(3, 16000, 2)],
    }[attack]
    worst = steps = 0
    for count, number in enumerate(numbers):
        if count % 8192 == 0:  # no more can come in one service()
            worst, steps = max(worst, steps), 0
            bench.filter.turn()
        piece = fragment(number, total=PIECE + 1) if "fragments" in attack else reliable(0, number)
        if bench.passes(HEADER + piece):
            steps += steps_of_enet(queued, number)
    assert 1000 < max(worst, steps) < 120_000


def test_duplicates_and_fragments_are_bounded_by_turns() -> None:
    bench = Bench()
    for number in range(5):
        assert bench.passes(HEADER + reliable(4, number + 1))
        bench.delivered(0, 4)
    for again in (reliable(4, 3), reliable(4, 5), fragment(6, total=PIECE + 1), fragment(6, 1, PIECE + 1), fragment(2)):
        bench.filter.turn()
        assert 300 < sum(bench.passes(HEADER + again) for _ in range(3000)) < 500
        assert bench.passes(HEADER + reliable(4, 6)), "what is in order does not count"
        assert bench.passes_later(HEADER + again)


def test_all_together_are_bounded_too_but_each_gets_its_share() -> None:
    bench = Bench()
    for slot in range(20, 60):
        address = SimpleNamespace(host="127.0.0.1", port=slot)
        peer = SimpleNamespace(incomingPeerID=slot, incomingSessionID=0, mtu=MTU, channelCount=2, address=address)
        bench.filter.opened(peer, lambda: 0)
        header = struct.pack(">HH", 0x8000 | slot, 1)
        passed = sum(bench.passes(header + reliable(4, 0), address) for _ in range(1000))
        assert passed > 300 if slot < 30 else 30 < passed < 40
    assert sum(bench.passes(HEADER + reliable(4, 0)) for _ in range(100)) > 30
    assert bench.passes_later(HEADER + reliable(4, 0))


def test_who_is_somebody_else_cannot_use_up_what_a_peer_may_repeat() -> None:
    bench = Bench()
    bench.delivered(0, 4)
    for number in (0, 1, 0x9000):
        assert not bench.passes(HEADER + reliable(4, number), bench.elsewhere)
    assert sum(bench.passes(HEADER + reliable(4, 1)) for _ in range(3000)) > 300


def test_unsequenced_packets_have_the_unreliable_channels() -> None:
    bench = Bench()
    assert bench.passes(HEADER + unsequenced(channel=3))
    assert not bench.passes(HEADER + unsequenced(channel=2))


def test_the_window_wraps() -> None:
    bench = Bench()
    rng = random.Random(3)
    number = 0
    for _ in range(40000):
        size = rng.choice((1, 30, PIECE, PIECE + 1, 5000))
        if size <= PIECE:
            assert bench.passes_later(HEADER + reliable(size, number + 1 & 0xFFFF))
            number += 1
        else:
            pieces = -(-size // PIECE)
            for piece in range(pieces):
                assert bench.passes_later(HEADER + fragment(number + 1, piece, size))
            number += pieces
        bench.delivered(0, size)
        if size == 1:
            assert bench.passes(HEADER + reliable(1, number + 5000 & 0xFFFF)), "far, and forgotten when reached"
    assert number > 65536


def test_unreliable_packets_do_not_wait_for_reliable_ones() -> None:
    bench = Bench()
    assert bench.passes(HEADER + unreliable())
    assert not bench.passes(HEADER + unreliable(number=1))
    assert not bench.passes(HEADER + unreliable(number=300))
    assert not bench.passes(HEADER + reliable(number=2, channel=1))
    # ENet sends every 65536th as a reliable one
    assert bench.passes(HEADER + reliable(number=1, channel=1) + unreliable(number=1) + unreliable(number=1))
    assert not bench.passes(HEADER + unreliable(number=1)), "it is not delivered yet"
    assert not bench.passes(HEADER + reliable(number=1, channel=1) + unreliable(number=1, channel=3))
    bench.delivered(1, 40)
    assert bench.passes(HEADER + unreliable(number=1))
    assert bench.passes(HEADER + unreliable(number=0)), "a late one, which ENet forgets"
    assert bench.passes(HEADER + reliable(number=1, channel=1)), "a duplicate"
    assert bench.passes(HEADER + reliable(number=2, channel=1) + unreliable(number=2))


def test_unreliable_packets_are_bounded_by_turns() -> None:
    bench = Bench()
    other = SimpleNamespace(
        incomingPeerID=4, incomingSessionID=0, mtu=MTU, channelCount=CHANNELS, address=bench.elsewhere
    )
    bench.filter.opened(other, lambda: 0)
    for many in (unreliable(4) * 32, unsequenced(4) * 32):
        assert sum(bench.passes(HEADER + many) for _ in range(100)) == 33
        assert bench.passes(HEADER + reliable()), "these would come again"
        assert bench.passes(HEADER + acknowledge() * 2)
        assert not bench.passes(HEADER + fragment()), "or be counted as received"
        assert bench.passes(b"\x80\x04\x00\x01" + many, bench.elsewhere), "the others' pass"
        bench.filter.turn()
    assert all(bench.passes(HEADER + unreliable() * 4) for _ in range(300)), "few in a datagram are few"
    assert not any(bench.passes(HEADER + unreliable(4) * 32, bench.elsewhere) is None for _ in range(100))
    assert bench.passes(HEADER + unreliable(4) * 32), "what comes from elsewhere does not count"
    bench.filter.closed(SLOT)
    bench.filter.turn()
    bench.filter.turn()


def test_what_is_no_connection_is_not_walked_through() -> None:
    bench = Bench()
    bench.filter.closed(SLOT)
    assert bench.passes(HEADER + acknowledge() + reliable() + PING)
    assert not bench.passes(HEADER + reliable(4) * 5)


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_make_it_raise(data: bytes, listening: bool) -> None:
    bench = Bench(listening)
    for start in (b"", HEADER, b"\x8f\xff\x00\x01", b"\x0f\xff\x00pygnetic-cookie?\x01"):
        assert bench.filter.intercept(bench.here, start + data) in (True, False)
        assert bench.filter.error is None


COMMANDS = st.lists(
    st.one_of(
        st.builds(
            fragment,
            st.integers(0, 65535),
            st.integers(0, 50),
            st.integers(0, LIMIT + 9),
            channel=st.integers(0, 3),
            size=st.none() | st.integers(0, 40),
        ),
        st.builds(reliable, st.integers(0, 60), st.integers(0, 65535), st.integers(0, CHANNELS)),
        st.builds(unreliable, st.integers(0, 60), st.integers(0, 65535), st.integers(0, CHANNELS)),
        st.sampled_from([PING, acknowledge(), connect()[4:], b"\x00" * 4, b"\x83" * 44]),
        st.binary(max_size=50),
    ),
    max_size=40,
)


@given(st.lists(st.tuples(COMMANDS, st.integers(0, 9)), max_size=12))
def test_no_commands_make_it_raise(datagrams: list[tuple[list[bytes], int]]) -> None:
    bench = Bench()
    for commands, delivered in datagrams:
        bench.filter.intercept(bench.here, HEADER + b"".join(commands))
        assert bench.filter.error is None
        for _ in range(delivered):
            bench.delivered(0, 30)
    assert 0 <= bench.filter._windows[SLOT].held <= 65 * LIMIT


def test_ctrl_c_inside_is_kept_for_the_adapter() -> None:
    bench = Bench()

    class Interrupting:
        host = "127.0.0.1"

        @property
        def port(self) -> int:
            raise KeyboardInterrupt

    assert bench.filter.intercept(Interrupting(), HEADER + fragment())
    assert type(bench.filter.error) is KeyboardInterrupt


@pytest.mark.parametrize(("verdict", "swallowed", "dropped"), [(False, False, 0), (True, True, 0), (None, True, 1)])
def test_somebody_else_decides_about_datagrams_that_name_no_peer(verdict: Any, swallowed: bool, dropped: int) -> None:
    asked: list[Any] = []
    walk = Walk({}, Terms(UNRELIABLE, CHANNELS), LIMIT, lambda *args: asked.append(args) or verdict)
    address, data = SimpleNamespace(host="127.0.0.1", port=5000), connect()
    assert walk.intercept(address, data) is swallowed
    assert (asked, walk.dropped) == ([(address, data)], dropped)
