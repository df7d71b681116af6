"""Client and Server: what they are made with, and the corners of their loop."""

import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from memory_pair import Pair

import pygnetic as net
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory


@pytest.fixture
def factory() -> MessageFactory:
    factory = MessageFactory("json")
    factory.register("chat", ("text",))
    return factory


@pytest.fixture
def pair(factory: MessageFactory) -> Iterator[Pair]:
    with Pair(factory) as pair:
        yield pair.open()


# -- making one


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
        assert hasattr(connection, "net_chat") and factory.frozen
        assert not client.message_factory.frozen


def test_connect_passes_options_on() -> None:
    with net.Client(n_adapter="memory") as client:
        with pytest.raises(TypeError, match="bandwidth"):
            client.connect("localhost", 9, bandwidth=5)


def test_the_port_is_one() -> None:
    with net.Client(n_adapter="memory") as client:
        for port in (0, -1, 65536, "80", 80.5, None):
            with pytest.raises(OSError, match="is no port"):
                client.connect("localhost", port)  # type: ignore[arg-type]


# -- corners of the loop


def test_a_wait_is_never_longer_than_the_next_deadline(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    poll = pair.client._adapter.poll
    monkeypatch.setattr(pair.client._adapter, "poll", lambda timeout: waits.append(timeout) or poll(timeout))
    pair.client.update()
    pair.client.update(1e9)  # a PING is due once a second
    pair.client.update(5)
    assert waits[0] == 0 and 5 < waits[1] <= 1000 and waits[2] == 5


def test_nobody_waits_when_something_is_left_to_do(factory: MessageFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    with Pair(factory, limits=net.limits.Limits(messages=2)) as pair:
        pair.open()
        for _ in range(5):
            pair.connection.net_chat("hi")
        pair.update()
        waits: list[float] = []
        poll = pair.server._adapter.poll
        monkeypatch.setattr(pair.server._adapter, "poll", lambda timeout: waits.append(timeout) or poll(timeout))
        for _ in range(3):
            pair.server.update(500)
        assert waits[:2] == [0, 0] and waits[2] > 0
        assert pair.remote.messages_received == 5


def test_a_wait_without_any_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    with net.Client(n_adapter="memory") as client:
        waits: list[float] = []
        monkeypatch.setattr(client._adapter, "poll", lambda timeout: waits.append(timeout) or [])
        for timeout in (77, 0.5, 0, -1, float("nan"), 1e10, float("inf")):
            client.update(timeout)
        assert waits == [77, 0.5, 0, 0, 0, 3_600_000, 3_600_000]


def test_a_wait_is_a_number(pair: Pair) -> None:
    for wrong in ("20", [1]):
        with pytest.raises(TypeError, match=r"update\(\) takes how long to wait, a number of ms, not "):
            pair.client.update(wrong)  # type: ignore[arg-type]
    pair.update()


def test_control_packets_are_ignored_while_closing(pair: Pair) -> None:
    remote = pair.remote
    for nonsense in (b"\xc1", b"\xc1\x09", b"\xc1\x02", b"\xc1\x03", b"\xc1\x04" + b"\0" * 8, b"\xc1\x05", b"\xc1\x06"):
        pair.connection._peer.send(nonsense)
    remote.disconnect(0, "enough")
    pair.server.update()
    assert str(remote.reason) == "CLOSED: enough"


def test_on_disconnect_is_called_of_the_second_handler_though_the_first_raises(pair: Pair) -> None:
    calls: list[str] = []

    class Clumsy(net.Handler):
        def on_disconnect(self) -> None:
            calls.append("clumsy")
            raise KeyError("oops")

    class Careful(net.Handler):
        def on_disconnect(self) -> None:
            calls.append("careful")

    for handler in (Clumsy(), Careful()):
        pair.connection.add_handler(handler)
    pair.remote.disconnect()
    with pytest.raises(KeyError):
        pair.client.update()
    pair.client.update()
    pair.client.update()
    assert calls == ["clumsy", "careful"]


# -- broadcast


def test_a_ready_message_has_its_fields(pair: Pair, factory: MessageFactory) -> None:
    chat = factory.get_by_name("chat")
    assert pair.server.broadcast(chat("hi")) == 1
    with pytest.raises(TypeError, match=r"broadcast\(\) got chat complete, and fields besides"):
        pair.server.broadcast(chat("hi"), "more")


@pytest.mark.parametrize("name", ["type", "len", "list", "Exception", "_pack", "_scalars", "encode"])
def test_messages_called_like_builtins_and_ours(name: str) -> None:
    factory = MessageFactory("json")
    factory.register(name, ("x", "type", "len"))
    got: list[Any] = []

    class Keeper(net.Handler):
        def on_receive(self, message: Any) -> None:
            got.append(message)

    with Pair(factory, client_handler=Keeper()) as pair:
        pair.open()
        assert pair.server.broadcast(name, [1], 2, 3) == 1
        assert getattr(pair.remote, f"net_{name}")([1], 2, 3)
        pair.update(2)
    assert got == [([1], 2, 3)] * 2


def test_pings_of_those_who_join_together_are_spread(factory: MessageFactory) -> None:
    with Pair(factory) as pair:
        clients = [net.Client(message_factory=factory, n_adapter="memory", clock=pair.clock) for _ in range(3)]
        for client in clients:
            client.connect(*pair.server.address)
        for _ in range(3):
            pair.update()
            for client in clients:
                client.update()
        connections = pair.server.connections()
        due = [link.due - pair.clock.now for link in pair.server._loop.links.values()]
        assert len(set(due)) == len(connections) == 4 and min(due) > 0 and max(due) < 1
        for client in clients:
            client.close()


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


def test_whose_handler_cannot_be_made_is_sent_away(factory: MessageFactory) -> None:
    class Broken(net.Handler):
        def __init__(self) -> None:
            raise ZeroDivisionError

    with Pair(factory, Broken) as pair:
        with pytest.raises(ZeroDivisionError):
            pair.open()
        for _ in range(5):
            pair.update()
        assert pair.server.connections() == []
        assert str(pair.connection.reason) == "KICKED: the server has no handler for you: an error in its program"
