"""When register() comes too late: making a server and connecting freeze a factory, and no other one."""

from __future__ import annotations

import pytest
from samples import make_factory
from world import HOST, World

import pygnetic as net
from pygnetic.message import MessageFactory


def test_register_after_the_freeze(factory: MessageFactory) -> None:
    with net.Client(message_factory=factory, n_adapter="memory") as client:
        factory.register("in_time")
        client.connect("localhost", 9)
        with pytest.raises(RuntimeError, match=r"register\('late'\) comes too late"):
            factory.register("late")
    other = make_factory()
    with net.Server(message_factory=other, n_adapter="memory"):
        with pytest.raises(RuntimeError, match=r"register\('late'\) comes too late"):
            other.register("late")


def test_the_factory_that_is_given_is_the_one_that_is_frozen(world: World) -> None:
    mine = world.factory()
    with net.Server(HOST, message_factory=mine, n_adapter=world.network):
        with pytest.raises(RuntimeError, match="register\\('late'\\) comes too late"):
            mine.register("late")
        net.register("still_possible")


def test_a_client_freezes_its_factory_when_it_connects(world: World) -> None:
    server = world.server()
    net.message.message_factory._given = net.serialization.get_adapter("json")
    mine, other = world.factory(), world.factory()
    client = world.client(message_factory=mine, conn_limit=2)
    mine.register("in_time")
    client.connect(*server.address, other)
    mine.register("in_time_too")
    with pytest.raises(RuntimeError, match="too late"):
        other.register("late")
    client.connect(*server.address)
    with pytest.raises(RuntimeError, match="too late"):
        mine.register("late")
    net.register("still_possible")


def test_a_server_that_could_not_be_made_freezes_nothing(world: World) -> None:
    factory = world.factory()
    with pytest.raises(OSError):
        net.Server(*world.server().address, message_factory=factory, n_adapter=world.network)
    factory.register("still_possible")
