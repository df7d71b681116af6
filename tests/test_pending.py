"""Pending connections, on their own: which one goes when there are too many, and how much is logged."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from pygnetic._core.link import Link
from pygnetic._core.pending import Pending
from pygnetic._core.roles import ServerSession
from pygnetic.message import MessageFactory


class Peer:
    def __init__(self, *address: Any) -> None:
        self.address = address
        self.number = 0


def add(pending: Pending, peer: Any) -> None:
    pending[peer] = Link(peer, ServerSession(MessageFactory("json")), None)  # type: ignore[arg-type]


def test_the_most_crowded_network_goes_first() -> None:
    pending = Pending()
    hosts = ["10.0.0.1", "10.0.0.2", "10.0.0.2", "2001:db8::1", "2001:db8:0:0:8::9%eth0", "2001:db8:0:0:9::", "here"]
    for port, host in enumerate(hosts):
        add(pending, Peer(host, port))
    gone = []
    while pending:
        peer = pending.eviction_candidate().peer
        gone.append(peer.address[1])
        del pending[peer]
    assert gone == [3, 1, 4, 0, 2, 5, 6], "the oldest of the most crowded network"


def test_of_one_address_the_port_that_crowds_goes_first() -> None:
    pending = Pending()
    for number, port in enumerate([1, 2, 3, 2, 2, 4, 3]):
        peer = Peer("10.0.0.1", port)
        peer.number = number
        add(pending, peer)
    gone = []
    while pending:
        peer: Any = pending.eviction_candidate().peer
        gone.append(peer.number)
        del pending[peer]
    assert gone == [1, 2, 3, 0, 4, 5, 6]


def test_ten_lines_a_second_are_logged_and_the_others_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pygnetic")
    pending = Pending()
    for number in range(25):
        pending.log(100.0 + number / 100, "refused %d", number)
    assert caplog.messages == [f"refused {number}" for number in range(10)]
    caplog.clear()
    pending.log(101.0, "refused %d", 25)
    assert caplog.messages == ["and 15 others that were refused", "refused 25"]
    caplog.clear()
    pending.log(102.5, "refused %d", 26)
    assert caplog.messages == ["refused 26"]
