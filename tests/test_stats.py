"""connection.stats: what is measured of a connection, and of each kind of message."""

import pytest
from world import World

from pygnetic._core import packets
from pygnetic.limits import Limits
from pygnetic.network import memory_adapter
from pygnetic.stats import Meter, Traffic


@pytest.fixture
def world():
    pytest.importorskip("msgpack")
    with World("memory", "msgpack", frozen_time=True) as made:
        yield made


def serve(world, **messages):
    return world.server(message_factory=world.factory(**messages))


def frames(world, count, seconds):
    for _ in range(count):
        world.clock.now += seconds
        world.pump()


def test_nothing_is_known_at_first(world):
    stats = world.join(serve(world, chat=("who", "text"))).stats
    assert (stats.rtt, stats.jitter, stats.loss) == (0.0, 0.0, 0.0)
    assert stats.sent == stats.received == {}


def test_traffic_by_message_is_counted_to_the_byte(world):
    server = serve(world, chat=("who", "text"), move=("x", "y"))
    alice = world.join(server)
    for number in range(3):
        alice.net_chat("Alice", "hi")
        alice.net_move(number, 2)
    world.until(lambda: alice.there.messages_received == 6)
    chat, move = len(b"\x93\x01\xa5Alice\xa2hi"), len(b"\x93\x02\x01\x02")
    assert alice.stats.sent == {"chat": Traffic(3, 3 * chat), "move": Traffic(3, 3 * move)}
    received = alice.there.stats.received
    assert {name: traffic.count for name, traffic in received.items()} == {"chat": 3, "move": 3}
    # an equal share of a packet for each message in it
    assert sum(traffic.bytes for traffic in received.values()) == alice.stats.bytes_sent
    assert alice.stats.bytes_sent == alice.there.stats.bytes_received == alice.data_sent


def test_one_kind_in_a_packet_gets_all_of_its_bytes(world):
    alice = world.join(serve(world, chat=("who", "text")))
    for _ in range(20):
        alice.net_chat("Alice", "hi")
    world.until(lambda: alice.there.messages_received == 20)
    assert alice.stats.sent == {"chat": Traffic(20, 20 * 11)}
    assert alice.there.stats.received == {"chat": Traffic(20, alice.data_sent)}
    assert alice.stats.messages_sent == alice.there.stats.messages_received == 20


def test_rates_are_of_the_last_second(world):
    alice = world.join(serve(world, chat=("who", "text")))
    frames(world, 3, 0.5)
    for _ in range(8):  # four seconds, a message each half
        alice.net_chat("Alice", "hi")
        frames(world, 1, 0.5)
    assert alice.stats.messages_sent_rate == pytest.approx(2.0)
    assert alice.there.stats.messages_received_rate == pytest.approx(2.0)
    assert alice.stats.bytes_sent_rate == pytest.approx(2 * 11)
    assert alice.there.stats.bytes_received_rate == pytest.approx(2 * 11)
    frames(world, 4, 0.5)
    assert alice.stats.messages_sent_rate == alice.stats.bytes_sent_rate == 0.0


def test_what_has_ended_has_no_rates(world):
    alice = world.join(serve(world, chat=("who", "text")))
    for _ in range(8):
        alice.net_chat("Alice", "hi")
        frames(world, 1, 0.5)
    alice.disconnect()
    frames(world, 2, 0.1)
    stats = alice.stats
    assert stats.bytes_sent_rate == stats.messages_sent_rate == 0.0
    assert (stats.messages_sent, stats.bytes_sent) == (8, 8 * 11), "the totals stay"


@pytest.mark.parametrize("together", [1, 7])
def test_what_was_dropped_was_not_sent(together):
    pytest.importorskip("msgpack")
    with World("memory", "msgpack", frozen_time=True) as world:
        factory = world.factory(chat=("who", "text"))
        factory.register("state", ("data",), reliable=False)
        server = world.server(message_factory=factory)
        alice = world.join(server, limits=Limits(unsent=3000))
        for _ in range(together):  # one packet each, since 1200 bytes are the most: two of them fit
            alice.net_state(b"x" * 1100)
        alice.flush()
        sent = min(together, 2)
        stats = alice.stats
        assert (stats.messages_sent, stats.dropped) == (sent, together - sent)
        assert stats.sent["state"].count == sent
        assert stats.bytes_sent == stats.sent["state"].bytes == sent * 1105
        world.until(lambda: alice.there.messages_received == sent)


def test_a_ping_may_come_late(world, monkeypatch):
    options = []
    really = memory_adapter.Peer.send

    def send(self, packet, **given):
        if packet[:2] in (bytes((packets.MARK, packets.PING)), bytes((packets.MARK, packets.PONG))):
            options.append(given)
        return really(self, packet, **given)

    monkeypatch.setattr(memory_adapter.Peer, "send", send)
    world.join(serve(world))
    frames(world, 3, 0.5)
    assert len(options) >= 4
    # in order, ENet would throw away one that a message overtakes, on a line that loses nothing
    assert all(given == {"reliable": False, "ordered": False, "urgent": True} for given in options)


def meter(*round_trips):
    """A meter whose PINGs, a second apart, took so many ms; None for never answered."""
    made = Meter(0.0)
    for second, rtt in enumerate(round_trips):
        made.pinged(second * 1_000_000)
        if rtt is not None:
            made.answered(second * 1_000_000, rtt)
    return made


def test_the_newest_ping_does_not_count_as_lost_yet():
    assert meter(None).loss == 0.0
    assert meter(10.0, None).loss == 0.0
    assert meter(None, None).loss == 1.0
    assert meter(10.0, None, 10.0, None, 10.0).loss == 0.5


def test_loss_forgets_what_is_more_than_fifty_pings_ago():
    assert meter(*[None] * 100, *[5.0] * 50).loss == 0.0
    assert meter(*[5.0] * 100, *[None] * 50).loss == 1.0


def test_jitter_is_that_of_rtp():
    assert meter(20.0).jitter == 0.0
    assert meter(20.0, 36.0).jitter == pytest.approx(1.0)
    assert meter(20.0, 36.0, 20.0).jitter == pytest.approx(1.0 + 15 / 16)
    assert meter(*[20.0] * 5).jitter == 0.0


def test_an_answer_counts_once_and_only_to_a_question():
    made = meter(20.0, None, None)
    for stamp in (0, 5, 2**63):
        made.answered(stamp, 99.0)
    assert (made.rtt, made.loss) == (20.0, 0.5)


def test_a_round_trip_of_nothing_is_one():
    assert meter(0.0, 16.0).jitter == pytest.approx(1.0)
