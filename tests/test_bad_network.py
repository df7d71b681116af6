"""The relays of the lag lab, between a client and a server."""

from __future__ import annotations

import runpy
import socket
from typing import Any

import pytest
from programs import EXAMPLES, LOCAL
from relays import pump_until
from tables import Run, needs_examples

pytestmark = needs_examples


def test_the_relay_rests_when_those_it_stood_between_are_gone() -> None:
    relay_class = runpy.run_path(str(EXAMPLES / "bad_network.py"))["TcpRelay"]
    with socket.create_server((LOCAL, 0)) as listener, relay_class(listener.getsockname()) as relay:
        for _ in range(3):
            client = socket.create_connection(relay.address)
            pump_until(lambda: len(relay.sockets) == 3, lambda: relay.update(1))
            there, _ = listener.accept()
            with there, client:
                client.sendall(b"hello")
                client.shutdown(socket.SHUT_WR)
                pump_until(lambda: len(relay.pipes) == 1, lambda: relay.update(1))
                assert there.recv(9) == b"hello"
                there.sendall(b"you, too")
                there.shutdown(socket.SHUT_WR)
                pump_until(lambda: not relay.pipes, lambda: relay.update(1))
                assert client.recv(9) == b"you, too"
        assert relay.sockets == [relay.socket]


def test_the_udp_relay_can_reach_other_machines(run: Run) -> None:
    relay_class = runpy.run_path(str(EXAMPLES / "bad_network.py"))["UdpRelay"]
    with socket.socket(type=socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        server.bind((LOCAL, 0))
        with relay_class(("localhost", server.getsockname()[1])) as relay:
            client.sendto(b"hello", relay.address)
            pump_until(lambda: relay.flows and not relay.waiting, lambda: relay.update(1))
            [flow] = relay.flows.values()
            assert flow.getsockname()[0] == "0.0.0.0", "who is bound to 127.0.0.1 cannot send to another machine"
    stranger = run("bad_network.py", "no.such.host.invalid", 10000)
    assert stranger.end() == 1
    assert len(stranger.output.splitlines()) == 1, "a sentence"


def test_the_relays_reach_a_server_that_has_ipv6(run: Run) -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("this machine has no IPv6")
    lab = run("lag_lab.py", "--bot", "--host=::1", "--port=0", "--adapter=socket", "--seconds=60")
    lab.wait_for("60 a second.*interpolated")
    relay_class = runpy.run_path(str(EXAMPLES / "bad_network.py"))["UdpRelay"]
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        server.bind(("::1", 0))
        server.setblocking(False)
        client.setblocking(False)

        def received(one: socket.socket) -> Any:
            try:
                return one.recvfrom(9)
            except BlockingIOError:
                return None

        with relay_class(server.getsockname()[:2]) as relay:
            client.sendto(b"hello", relay.address)
            data, address = pump_until(lambda: received(server), lambda: relay.update(1))
            server.sendto(data, address)
            data, _ = pump_until(lambda: received(client), lambda: relay.update(1))
            assert data == b"hello"
