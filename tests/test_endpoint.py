"""Client and Server: what they are made with, and what they refuse."""

import traceback
from typing import Any

import pytest

import pygnetic as net
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory


def test_further_arguments_have_names() -> None:
    with pytest.raises(TypeError, match=r"Client\(\) takes conn_limit; give \(5,\) by name, as options of the network"):
        net.Client(1, 5)
    with pytest.raises(TypeError, match=r"Server\(\) takes host, port and conn_limit; give \(5, 6\) by name"):
        net.Server("", 0, 4, 5, 6)
    with pytest.raises(TypeError, match="bandwidth"):
        net.Client(n_adapter="memory", bandwidth=5)


@pytest.mark.parametrize("make", [net.Client, net.Server])
@pytest.mark.parametrize("conn_limit", [0, -1, None, "4", 1.0, True])
def test_conn_limit_is_a_number(make: Any, conn_limit: Any) -> None:
    with pytest.raises(ValueError, match="conn_limit is .*; it is the number of connections, 1 or more"):  # noqa: RUF043
        make(conn_limit=conn_limit, n_adapter="memory")


@pytest.mark.parametrize(
    ("given", "shown"), [(("localhost", 4000), "'localhost', 4000"), (("10.0.0.1",), "'10.0.0.1', 10000")]
)
def test_a_client_takes_no_address(given: Any, shown: str) -> None:
    with pytest.raises(TypeError) as caught:
        net.Client(*given)
    told = f"Client() takes no address; give host and port to connect(): net.Client().connect({shown})"
    assert str(caught.value) == told


@pytest.mark.parametrize("name", ["host", "port"])
def test_nor_does_it_take_one_by_name(name: str) -> None:
    with pytest.raises(TypeError, match=rf"^Client\(\) does not know '{name}'; give host and port to connect\(\)$"):
        net.Client(n_adapter="memory", **{name: "localhost"})  # type: ignore[arg-type]


def test_a_client_takes_no_handler(factory: MessageFactory) -> None:
    hint = r"; connect\(\.\.\.\)\.add_handler\(Player\(\)\)$"
    with pytest.raises(TypeError, match=r"^Client\(\) does not know 'handler'" + hint):
        net.Client(handler=net.Handler, n_adapter="memory")
    with net.Client(n_adapter="memory") as client:
        with pytest.raises(TypeError, match=r"^connect\(\) does not know 'handler'" + hint):
            client.connect("localhost", 9, factory, handler=net.Handler())


@pytest.mark.parametrize("make", [net.Client, net.Server])
@pytest.mark.parametrize("wrong", [{"unsent": 3}, {}, 5, Limits])
def test_limits_are_limits(make: Any, wrong: Any) -> None:
    with pytest.raises(TypeError) as caught:
        make(limits=wrong, n_adapter="memory")
    assert str(caught.value) == f"limits is a pygnetic.limits.Limits, such as Limits(unsent=3), not {wrong!r}"


@pytest.mark.parametrize("make", [net.Client, net.Server])
def test_what_is_raised_after_close_has_a_public_name(make: Any, factory: MessageFactory) -> None:
    with make(message_factory=factory, n_adapter="memory") as end:
        pass
    uses = [end.update] + ([lambda: end.connect("localhost", 9)] if make is net.Client else [])
    for use in uses:
        with pytest.raises(RuntimeError) as caught:
            use()
        told = f"RuntimeError: this {make.__name__} is closed; make a new one"
        assert traceback.format_exception_only(caught.value) == [told + "\n"]


@pytest.mark.parametrize("make", [net.Client, net.Server])
@pytest.mark.parametrize(("wrong", "hint"), [(MessageFactory, "; call it to make one"), (5, "not 5"), ("a", "not 'a'")])
def test_message_factory_is_one(make: Any, wrong: Any, hint: str) -> None:
    with pytest.raises(TypeError, match=f"message_factory must be a MessageFactory, .*{hint}$"):
        make(message_factory=wrong, n_adapter="memory")


def test_connect_wants_one_too(factory: MessageFactory) -> None:
    with net.Client(n_adapter="memory") as client:
        with pytest.raises(TypeError, match="; call it to make one"):
            client.connect("localhost", 9, MessageFactory)  # type: ignore[arg-type]
        connection = client.connect("localhost", 9, factory)
        assert hasattr(connection, "net_chat_msg") and factory.frozen
        assert not client.message_factory.frozen


def test_connect_passes_options_on() -> None:
    with net.Client(n_adapter="memory") as client:
        with pytest.raises(TypeError, match="bandwidth"):
            client.connect("localhost", 9, bandwidth=5)


def test_the_port_is_one() -> None:
    with net.Client(n_adapter="memory") as client:
        for port in (0, -1, 65536, "80", 80.5, None):
            with pytest.raises(OSError, match="is not a port"):
                client.connect("localhost", port)  # type: ignore[arg-type]


def test_options_that_nobody_knows(factory: MessageFactory) -> None:
    with pytest.raises(TypeError, match=r"^Server\(\) does not know 'con_limit'; did you mean 'conn_limit'\?$"):
        net.Server(con_limit=8, message_factory=factory, n_adapter="memory")
    with pytest.raises(TypeError, match=r"^Client\(\) does not know 'clok'; did you mean 'clock'\?$"):
        net.Client(clok=8, n_adapter="memory")
    with pytest.raises(TypeError, match=r"^Client\(\) does not know 'address'$"):
        net.Client(address=("", 5), n_adapter="memory")
    with net.Client(n_adapter="memory") as client:
        with pytest.raises(TypeError, match=r"^connect\(\) does not know 'channels'$"):
            client.connect("localhost", 9, factory, channels=3)
        assert not factory.frozen
