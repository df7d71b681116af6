"""What a connection counts: messages, and the bytes of their packets."""

from __future__ import annotations

from memory_pair import Pair
from world import World


def test_counters_count_messages_and_the_bytes_of_their_packets(network_name: str, codec_name: str) -> None:
    with World(network_name, codec_name) as world:
        server = world.server()
        alice = world.join(server)
        there = alice.there
        assert alice.data_sent == alice.data_received == there.data_sent == there.data_received == 0
        size = 0
        for number in range(5):
            echo = server.message_factory.get_by_name("echo")
            size += len(server.message_factory.pack(echo("x" * number)))
            alice.net_echo("x" * number)
            world.until(lambda: there.messages_received == number + 1)  # noqa: B023 (called now)
        assert (alice.messages_sent, there.messages_received) == (5, 5)
        assert (there.messages_sent, alice.messages_received) == (0, 0)
        assert alice.data_sent == there.data_received == size
        assert alice.data_received == there.data_sent == 0


def test_counters(pair: Pair) -> None:
    connection, remote = pair.connection, pair.remote
    assert (connection.messages_sent, connection.data_sent) == (0, 0)
    assert (remote.messages_received, remote.data_received) == (0, 0)
    connection.net_chat_msg("Tom", "hi")
    connection.net_ready()
    connection.net_move(1, 2)
    assert (connection.messages_sent, connection.data_sent) == (3, 0)
    pair.update()
    size = sum(len(packet) for packet, _ in pair.packets)
    assert (connection.messages_sent, connection.data_sent) == (3, size)
    assert (remote.messages_received, remote.data_received) == (3, size)
    assert (connection.messages_received, remote.messages_sent) == (0, 0)
