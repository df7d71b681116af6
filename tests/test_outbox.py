"""What becomes one packet, and what happens when too much is unsent."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_pair import Pair
from samples import Keeper, got, make_factory

from pygnetic.errors import DisconnectReason, MessageTooLarge
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory
from pygnetic.serialization import json_adapter

# -- what leaves as one packet


def test_messages_of_a_frame_leave_as_one_packet_per_delivery(pair: Pair) -> None:
    for n in range(3):
        pair.connection.net_chat_msg(n, "a")
        pair.connection.net_move(n, 0)
        pair.connection.net_far(n)
    assert pair.packets == []
    pair.update()
    assert sorted(pair.packets) == [
        (b'[[1,0,"a"],[1,1,"a"],[1,2,"a"]]', 0),
        (b"[[2,0,0],[2,1,0],[2,2,0]]", 0),
        (b"[[4,0],[4,1],[4,2]]", 5),
    ]
    assert len(got(pair)) == 9


def test_a_single_message_is_packed_as_pack_shows(pair: Pair, factory: MessageFactory) -> None:
    pair.connection.net_chat_msg("Tom", "hi")
    pair.update()
    assert pair.packets == [(factory.pack(factory.get_by_name("chat_msg")("Tom", "hi")), 0)]


def test_a_packet_holds_256_messages(pair: Pair) -> None:
    for _ in range(600):
        pair.connection.net_ready()
    pair.update()
    assert [len(packet) for packet, _ in pair.packets] == [2 + 256 * 4 - 1] * 2 + [2 + 88 * 4 - 1]
    pair.update(3)
    assert len(got(pair)) == 600


def test_a_container_limit_below_256_splits_earlier(factory: MessageFactory) -> None:
    with Pair(factory, Keeper, limits=Limits(container=20)) as pair:
        pair.open()
        for _ in range(50):
            pair.connection.net_ready()
        assert len(got(pair)) == 50
        assert len(pair.packets) == 3 and pair.connection.connected


@pytest.mark.parametrize("codec", ["json", "msgpack", "msgspec"])
def test_packets_stay_below_64_kib(codec: str) -> None:
    if codec != "json":
        pytest.importorskip(codec)
    with Pair(make_factory(codec), Keeper) as pair:
        pair.open()
        texts = [str(n) * 3000 for n in range(10)] * 6
        for text in texts:
            assert pair.connection.net_chat_msg("", text)
        pair.update(3)
        assert [message.msg for message in got(pair)] == texts
        sizes = [len(packet) for packet, _ in pair.packets]
        assert max(sizes) <= 65536 and len(sizes) == 3
        assert pair.connection.data_sent == sum(sizes) == pair.remote.data_received


def test_unreliable_packets_stay_below_1200_bytes(pair: Pair) -> None:
    for n in range(300):
        assert pair.connection.net_move(n, "x" * 10)
    pair.update(2)
    assert [message.x for message in got(pair)] == list(range(300))
    sizes = [len(packet) for packet, _ in pair.packets]
    assert max(sizes) <= 1200 and len(sizes) == -(-sum(sizes) // 1200)


def test_reliable_and_unreliable_have_boxes_of_their_own(pair: Pair) -> None:
    pair.connection.net_chat_msg("Tom", "x" * 2000)
    pair.connection.net_move(1, 2)
    pair.connection.net_move(3, 4)
    pair.update()
    assert sorted(len(packet) for packet, _ in pair.packets) == [len("[[2,1,2],[2,3,4]]"), len('[1,"Tom",""]') + 2000]


def test_a_codec_without_join_sends_each_alone() -> None:
    codec = SimpleNamespace(
        wire_name="mine", pack=json_adapter.pack, unpack=json_adapter.unpack, unpacker=json_adapter.unpacker
    )
    with Pair(make_factory(codec), Keeper) as pair:
        pair.open()
        for n in range(3):
            pair.connection.net_far(n)
        assert got(pair) == [(0,), (1,), (2,)]
        assert len(pair.packets) == 3


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(sizes=st.lists(st.tuples(st.booleans(), st.integers(0, 1100) | st.integers(0, 30000)), max_size=30))
def test_whatever_the_sizes_all_arrive_in_order(sizes: list[tuple[bool, int]]) -> None:
    limits = Limits(packet_size=33000)
    with Pair(make_factory(), Keeper, limits=limits) as pair:
        pair.open()
        sent: dict[str, list[Any]] = {"chat_msg": [], "move": []}
        for number, (reliable, size) in enumerate(sizes):
            name = "chat_msg" if reliable or size > 1100 else "move"
            assert pair.connection.send(name, number, "x" * size)
            sent[name].append((number, "x" * size))
        pair.update(3)
        for name, messages in sent.items():
            assert [message for message in got(pair) if type(message).__name__ == name] == messages
        assert all(len(packet) <= 33000 for packet, _ in pair.packets)


def test_flush_sends_now(pair: Pair) -> None:
    pair.connection.net_ready()
    pair.connection.flush()
    assert pair.connection.data_sent > 0
    pair.server.update()
    assert pair.server.handlers()[0].got == [()]  # type: ignore[attr-defined]
    pair.connection.disconnect()
    pair.connection.flush()


# -- too much


def test_message_too_large(pair: Pair) -> None:
    fits = 65536 - len(b'[1,"",""]')
    assert pair.connection.net_chat_msg("", "x" * fits)
    text = r"^chat_msg\(player, msg\) has 65537 bytes; a message can have 65536 \(Limits.packet_size\): "
    text += "send it as several messages, or raise the limit on both sides$"
    for send in (pair.connection.net_chat_msg, lambda *args: pair.server.broadcast("chat_msg", *args)):
        with pytest.raises(MessageTooLarge, match=text):
            send("", "x" * (fits + 1))
    pair.update(2)
    assert [len(message.msg) for message in got(pair)] == [fits]
    assert pair.connection.connected


def test_unreliable_message_too_large(pair: Pair) -> None:
    fits = 1200 - len(b'[2,1,""]')
    assert pair.connection.net_move(1, "x" * fits)
    text = r"^move\(x, y\) has 1201 bytes; an unreliable message can have 1200 \(Limits.unreliable_size\): "
    text += r"send it as several messages, register\(\) it with reliable=True, or raise the limit if the adapter "
    text += "allows$"
    for send in (pair.connection.net_move, lambda *args: pair.server.broadcast("move", *args)):
        with pytest.raises(MessageTooLarge, match=text):
            send(1, "x" * (fits + 1))
    assert [len(message.y) for message in got(pair)] == [fits]


def test_a_small_packet_size_is_for_unreliable_messages_too(factory: MessageFactory) -> None:
    with Pair(factory, Keeper, limits=Limits(packet_size=500)) as pair:
        with pytest.raises(MessageTooLarge, match=r"an unreliable message can have 500 \(Limits.packet_size\)"):
            pair.connection.net_move(1, "x" * 600)  # not only once connected
        with pytest.raises(MessageTooLarge, match="an unreliable message can have 500"):
            pair.open().connection.net_move(1, "x" * 600)


OVERLOADED = r"(\d+) bytes were sent faster than the other end took them, and were dropped; the limit is (\d+)"


def test_too_much_unsent_ends_the_connection(factory: MessageFactory) -> None:
    keeper = Keeper()
    with Pair(factory, Keeper, client_handler=keeper, limits=Limits(unsent=300_000)) as pair:
        connection = pair.open().connection
        accepted = 0
        while connection.net_chat_msg("", "x" * 10_000):
            accepted += 1
            assert accepted < 50
        assert not connection.connected
        assert connection.reason is not None and connection.reason.code is DisconnectReason.OVERLOADED
        assert "(Limits.unsent)" in connection.reason.text and "connection.unsent" in connection.reason.text
        found = re.match(OVERLOADED, connection.reason.text)
        assert found and int(found[2]) == 300_000 < int(found[1]) <= 300_000 + 65536 + 10_020
        assert connection.net_chat_msg("", "") is False
        for _ in range(3):
            pair.update()
        assert connection.reason.code is DisconnectReason.OVERLOADED


def test_too_much_unsent_at_a_flush_ends_it_too(factory: MessageFactory) -> None:
    with Pair(factory, Keeper, limits=Limits(unsent=50_000)) as pair:
        connection = pair.open().connection
        for _ in range(6):
            assert connection.net_chat_msg("", "x" * 10_000)
        pair.client.update()
        assert connection.reason is not None and connection.reason.code is DisconnectReason.OVERLOADED


def test_too_much_unreliable_is_dropped(factory: MessageFactory) -> None:
    with Pair(factory, Keeper, limits=Limits(unsent=10_000)) as pair:
        connection = pair.open().connection
        for n in range(30):
            assert connection.net_move(n, "x" * 1000)
        pair.client.update()
        assert connection.connected
        pair.update()
        assert [message.x for message in got(pair)] == list(range(8))
        assert connection.net_move(99, "") and got(pair)[-1].x == 99


def test_too_much_before_welcome(factory: MessageFactory) -> None:
    limits = Limits(unsent=150_000)
    with Pair(factory, Keeper, limits=limits) as pair:
        moves = sum(pair.connection.net_move(n, "x" * 1000) for n in range(200))
        assert 65 <= moves <= 150
        assert pair.connection.reason is None
        for _ in range(100):
            if not pair.connection.net_chat_msg("", "x" * 1100):
                break
        assert pair.connection.reason is not None and pair.connection.reason.code is DisconnectReason.OVERLOADED
        pair.update(3)
        assert pair.server.connections() == []


def test_much_before_welcome_arrives_in_order(factory: MessageFactory) -> None:
    with Pair(factory, Keeper) as pair:
        for n in range(100):
            assert pair.connection.net_chat_msg(n, "x" * 5000)
        assert pair.connection.unsent > 500_000
        pair.open().update(2)
        assert [message.player for message in got(pair)] == list(range(100))
        assert max(len(packet) for packet, _ in pair.packets) <= 65536
        assert pair.connection.unsent == 0


def test_unsent_lets_a_game_pace_itself(factory: MessageFactory) -> None:
    with Pair(factory, Keeper, limits=Limits(unsent=100_000)) as pair:
        connection = pair.open().connection
        assert connection.unsent == 0
        sent = 0
        while sent < 500:
            while connection.unsent < 50_000 and sent < 500:
                assert connection.net_chat_msg(sent, "x" * 1000)
                sent += 1
            pair.update()
        assert len(got(pair)) == 500 and connection.unsent == 0
