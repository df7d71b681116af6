"""Who may connect, and the question whether a connection is still open, byte for byte."""

import os
from types import SimpleNamespace
from typing import Any

import pytest
from datagrams import CHANNELS, HEADER, PING, SESSION, SLOT, UNRELIABLE, Bench, connect, verify_connect

from pygnetic.network._enet_cookie import Door
from pygnetic.network._enet_window import Terms


def ask(client: Bench, server: Bench) -> tuple[bytes, bytes]:
    """Return the token and the server's answer."""
    token = client.filter.request(server.here)
    _, question = client.sent.pop()
    assert server.filter.intercept(client.here, question)
    _, answer = server.sent.pop()
    assert len(answer) <= len(question)
    return token, answer


@pytest.mark.parametrize("mtu", [0, 576, 1200, UNRELIABLE + 27])
def test_who_wants_datagrams_too_small_for_an_unreliable_packet_gets_no_connection(mtu: int) -> None:
    client = Bench(listening=False)
    assert client.passes(HEADER + verify_connect())
    assert client.passes(HEADER + verify_connect(mtu=UNRELIABLE + 28))
    assert not client.passes(HEADER + verify_connect(mtu=mtu))
    server = Bench()
    _, cookie = ask(client, server)
    number = int.from_bytes(cookie[-4:], "big")
    assert server.passes_connect(connect(number, mtu=UNRELIABLE + 28))
    assert not server.passes_connect(connect(number, mtu=mtu))
    assert server.filter.door.refused == 1


@pytest.mark.parametrize("channels", [1, CHANNELS - 1, CHANNELS + 1])
def test_who_has_other_channels_gets_no_connection(channels: int) -> None:
    client, server = Bench(listening=False), Bench()
    assert not client.passes(HEADER + verify_connect(channels=channels))
    _, cookie = ask(client, server)
    assert not server.passes_connect(connect(int.from_bytes(cookie[-4:], "big"), channels))


def test_a_cookie_lets_a_connect_in() -> None:
    client, server = Bench(listening=False), Bench()
    token, answer = ask(client, server)
    assert client.filter.cookies() == []
    assert client.filter.intercept(server.here, answer)
    [(answered, cookie)] = client.filter.cookies()
    assert (answered, client.filter.dropped, server.filter.door.challenged) == (token, 0, 1)
    assert cookie != 0
    for connect_id in (1, 1, 2):
        assert not server.filter.intercept(client.here, connect(cookie, connect_id=connect_id))
    assert server.filter.door.refused == 0
    assert server.filter.intercept(server.elsewhere, connect(cookie)), "it is another address's"
    assert server.filter.intercept(client.here, connect(cookie ^ 1))
    assert server.filter.intercept(client.here, connect(0))
    assert server.filter.door.refused == 3
    assert Bench().filter.intercept(client.here, connect(cookie)), "it is another server's"
    assert server.sent == [], "a CONNECT is never answered"


def test_one_host_cannot_take_the_last_slots() -> None:
    bench = Bench()

    def admitted(host: str, port: int) -> bool:
        address = SimpleNamespace(host=host, port=port)
        cookie = bench.filter.door.cookie(address, int(bench.clock() // 32))
        refused = bench.filter.door.refused
        passes = not bench.filter.intercept(address, connect(cookie))
        assert bench.filter.door.refused == refused + (not passes)
        return passes

    bench.filter.door.free = 100
    assert all(admitted("10.0.0.1", port) for port in range(60)), "there is room"
    assert sum(admitted("10.0.0.1", port) for port in range(100)) == 9 + 4
    assert sum(admitted("10.0.0.2", port) for port in range(100)) == 4, "others are not kept out"
    assert bench.filter.door.free == 23
    bench.clock.now += 1 / 60
    assert sum(admitted("10.0.0.1", port) for port in range(200, 300)) == 4


def test_one_port_does_not_keep_out_the_others_of_its_address() -> None:
    bench = Bench()
    bench.filter.door.free = 31
    addresses = [SimpleNamespace(host="10.0.0.1", port=port) for port in (1, 2)]
    crowd, honest = [(address, bench.filter.door.cookie(address, int(bench.clock() // 32))) for address in addresses]

    def admitted(address: Any, cookie: int) -> bool:
        return not bench.filter.intercept(address, connect(cookie))

    assert admitted(*crowd)
    for _ in range(20):
        assert not any(admitted(*crowd) for _ in range(50))
        bench.clock.now += 1 / 60
    assert admitted(*honest)
    assert not admitted(*honest)
    bench.clock.now += 2
    assert admitted(*honest), "ENet repeats its CONNECT"


def test_a_cookie_outlives_enets_connect_and_not_much_more() -> None:
    client, server = Bench(listening=False), Bench()
    for start in range(1000, 1064, 3):
        server.clock.now = start
        _, answer = ask(client, server)
        cookie = int.from_bytes(answer[28:], "big")
        server.clock.now = start + 30.5
        assert not server.filter.intercept(client.here, connect(cookie))
        server.clock.now = start + 64
        assert server.filter.intercept(client.here, connect(cookie))


def test_only_an_awaited_answer_counts_and_only_once() -> None:
    client, server = Bench(listening=False), Bench()
    token, answer = ask(client, server)
    assert client.filter.intercept(server.elsewhere, answer)
    assert client.filter.intercept(server.here, answer[:20] + bytes(8) + answer[28:])
    assert client.filter.cookies() == []
    for _ in range(3):
        assert client.filter.intercept(server.here, answer)
    assert len(client.filter.cookies()) == 1
    assert client.filter.intercept(server.here, answer)
    assert client.filter.cookies() == []
    assert client.sent == []

    token, answer = ask(client, server)
    client.filter.cancel(token)
    client.filter.intercept(server.here, answer)
    assert client.filter.cookies() == []
    token, answer = ask(client, server)
    client.filter.intercept(server.here, answer)
    client.filter.cancel(token)
    client.filter.cancel(token)
    assert client.filter.cookies() == []


def test_a_question_is_repeated_until_it_is_answered() -> None:
    client, server = Bench(listening=False), Bench()
    _, answer = ask(client, server)
    for _ in range(20):
        client.clock.now += 0.25
        client.filter.cookies()
        client.filter.cookies()
    assert len(client.sent) == 20
    client.filter.intercept(server.here, answer)
    client.clock.now += 9
    client.filter.cookies()
    assert len(client.sent) == 20


def test_a_client_takes_no_strangers_and_answers_none() -> None:
    client, server = Bench(listening=False), Bench()
    client.filter.request(server.here)
    _, question = client.sent.pop()
    assert not client.passes(connect())
    assert not client.passes(question)
    assert client.sent == []


def test_a_server_is_no_mirror() -> None:
    server, other = Bench(), Bench()
    for text in (b"cookie?", b"active?"):
        question = b"\x0f\xff\x00pygnetic-" + text + b"\x01" + bytes(12)
        server.filter.intercept(server.here, question)
        _, answer = server.sent.pop()
        assert len(answer) == len(question)
        other.filter.intercept(server.here, answer)
        assert (other.sent, other.filter.dropped) == ([], 0)
    for bad in (question[:-1], question + b"\x00", b"\x8f" + question[1:], question.replace(b"?", b".")):
        other.filter.intercept(server.here, bad)
    assert (other.sent, other.filter.door.challenged, other.filter.door.told) == ([], 0, 0)


def test_a_malformed_connect_is_dropped_whatever_its_cookie() -> None:
    client, server = Bench(listening=False), Bench()
    _, answer = ask(client, server)
    good = connect(int.from_bytes(answer[28:], "big"))
    assert server.passes(good, client.here)
    bad = [good + PING, good + connect()[4:], good[:-1], b"\x0f" + good[1:], b"\xcf" + good[1:], b"\x9f" + good[1:]]
    bad += [good[:4] + b"\x02" + good[5:], good[:5] + b"\x00" + good[6:], good[:6] + b"\x00\x02" + good[8:]]
    for data in bad:
        assert not server.passes(data, client.here)


# whether a connection is still open, as bytes


def remote_peer() -> Any:
    """What the filter reads of a client's ENet peer."""
    address = SimpleNamespace(host="127.0.0.1", port=10000)
    return SimpleNamespace(
        incomingPeerID=0, outgoingPeerID=SLOT, outgoingSessionID=SESSION, address=address, lastReceiveTime=77
    )


def silence(client: Bench, remote: Any) -> bytes:
    """Let a client hear nothing for a second; return what it asks."""
    assert not client.filter.is_closed(remote)
    client.clock.now += 0.9
    assert not client.filter.is_closed(remote) and client.sent == []
    client.clock.now += 0.1
    assert not client.filter.is_closed(remote)
    ((address, question),) = client.sent
    assert address is remote.address
    client.sent.clear()
    return question


@pytest.fixture
def client() -> Bench:
    return Bench(listening=False)


def test_a_server_that_was_restarted_says_that_a_connection_is_closed(client: Bench) -> None:
    server = Bench()
    server.filter.closed(SLOT)
    remote = remote_peer()
    question = silence(client, remote)
    assert server.filter.intercept(client.here, question)
    ((address, answer),) = server.sent
    assert address is client.here and len(answer) == len(question)
    assert client.filter.intercept(remote.address, answer)
    assert client.filter.is_closed(remote)
    assert client.sent == []
    client.filter.closed(0)
    assert not client.filter.is_closed(remote), "the slot has another connection"
    assert (client.filter.dropped, server.filter.dropped, server.filter.door.told) == (0, 0, 1)


def test_a_server_that_knows_a_connection_says_nothing(client: Bench) -> None:
    server = Bench()
    question = silence(client, remote_peer())
    assert server.filter.intercept(server.here, question)
    assert server.sent == []
    for address, changed in (
        (server.elsewhere, question),  # another address, session and slot
        (server.here, question[:28] + bytes([question[28] ^ 0x10]) + question[29:]),
        (server.here, question[:29] + bytes([SLOT + 1]) + question[30:]),
    ):
        assert server.filter.intercept(address, changed)
        assert server.sent.pop()[0] is address
    assert server.filter.dropped == 0


def test_a_client_asks_again_until_it_hears_something(client: Bench) -> None:
    remote = remote_peer()
    question = silence(client, remote)
    for _ in range(3):
        client.clock.now += 0.25
        assert not client.filter.is_closed(remote)
    assert client.sent == [(remote.address, question)] * 3
    remote.lastReceiveTime += 1000
    client.filter.intercept(remote.address, question.replace(b"active?", b"closed!"))
    assert not client.filter.is_closed(remote), "who is heard is there"
    assert len(client.sent) == 3


def test_a_connection_that_is_just_made_is_not_asked_for(client: Bench) -> None:
    remote = remote_peer()
    remote.lastReceiveTime = 0  # the server has not acknowledged anything, so it may still wait for our first datagram
    for _ in range(10):
        assert not client.filter.is_closed(remote)
        client.clock.now += 1
    assert client.sent == []


def test_nobody_else_can_say_that_a_connection_is_closed(client: Bench) -> None:
    remote = remote_peer()
    answer = silence(client, remote).replace(b"active?", b"closed!")
    elsewhere = SimpleNamespace(host=remote.address.host, port=10001)
    forged = [(elsewhere, answer), (remote.address, answer[:-1])]
    forged += [(remote.address, answer[:20] + os.urandom(8) + answer[28:]) for _ in range(100)]
    for address, data in forged:
        assert client.filter.intercept(address, data)
        assert not client.filter.is_closed(remote)
    assert client.filter.intercept(remote.address, answer)
    assert client.filter.is_closed(remote)


def test_answers_are_bounded(client: Bench) -> None:
    server, question = Bench(), silence(client, remote_peer())
    for _ in range(3):
        for _ in range(3000):
            assert server.filter.intercept(server.elsewhere, question)
        assert len(server.sent) == 1000
        server.sent.clear()
        server.clock.now += 1
    client.sent.clear()
    assert not client.passes(question), "a client answers nobody"
    assert client.sent == []


def test_the_door_stands_alone() -> None:
    sent: list[Any] = []
    terms = Terms(UNRELIABLE, CHANNELS)
    door = Door(lambda *args: sent.append(args), listening=True, terms=terms, windows={}, clock=lambda: 77.0)
    address = SimpleNamespace(host="127.0.0.1", port=5000)
    assert door.take(address, connect(door.cookie(address, 2))) is False
    assert door.take(address, connect(5)) is True
    assert door.take(address, connect()[:-1]) is None
    assert (door.refused, sent) == (1, [])
