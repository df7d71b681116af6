"""Sending in every way, and in every wrong way."""

import inspect
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_pair import Pair
from samples import ODD, Keeper, got, make_factory

import pygnetic as net
from pygnetic.connection import Connection
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory

# -- sending


def test_every_way_to_send(pair: Pair, factory: MessageFactory) -> None:
    chat_msg = factory.get_by_name("chat_msg")
    connection = pair.connection
    assert connection.net_chat_msg("Tom", "hi") is True
    assert connection.net_chat_msg(msg="hi", player="Tom") is True
    assert connection.send(chat_msg, "Tom", "hi") is True
    assert connection.send("chat_msg", "Tom", msg="hi") is True
    assert connection.send(chat_msg("Tom", "hi")) is True
    assert connection.net_ready() is connection.send("ready") is True
    assert got(pair) == [("Tom", "hi")] * 5 + [()] * 2
    assert [type(message).__name__ for message in got(pair)] == ["chat_msg"] * 5 + ["ready"] * 2


def test_a_received_message_can_be_relayed(factory: MessageFactory) -> None:
    class Echo(net.Handler):
        def on_receive(self, message: Any) -> None:
            self.connection.send(message)

    with Pair(factory, Echo, client_handler=(keeper := Keeper())) as pair:
        pair.open().connection.net_chat_msg("Tom", "hi")
        pair.update(2)
        assert keeper.got == [("Tom", "hi")]


def test_every_keyword_of_a_call_is_a_field(pair: Pair, factory: MessageFactory) -> None:
    fields = {name: number for number, name in enumerate(ODD)}
    pair.connection.net_odd(**fields)
    pair.connection.send("odd", **fields)
    pair.connection.send(factory.get_by_name("odd"), *range(10))
    pair.server.broadcast("odd", *range(10))
    assert got(pair) == [tuple(range(10))] * 3
    assert got(pair)[0]._asdict() == fields


def test_a_sender_looks_like_a_method_that_was_written(pair: Pair) -> None:
    method = pair.connection.net_chat_msg
    assert str(inspect.signature(method)) == "(player, msg)"
    assert method.__name__ == "net_chat_msg"
    assert method.__doc__ == "Send ``chat_msg(player, msg)`` to the remote end; True if it was accepted."
    assert isinstance(pair.connection, Connection)
    assert "net_chat_msg" in dir(pair.connection) and not hasattr(Connection, "net_chat_msg")


def test_before_welcome_messages_wait(factory: MessageFactory) -> None:
    with Pair(factory, Keeper) as pair:
        assert pair.connection.net_chat_msg("Tom", "early") is True
        assert not pair.connection.connected and pair.connection.unsent > 0
        pair.open()
        assert got(pair) == [("Tom", "early")]


def test_after_the_end_send_is_false(pair: Pair) -> None:
    pair.connection.disconnect()
    for _ in range(2):
        assert pair.connection.net_chat_msg("Tom", "late") is False
        assert pair.connection.send("ready") is False
        assert pair.connection.net_chat_msg("Tom", "x" * 70000) is False
        pair.update(2)
    assert pair.connection.messages_sent == 0


# -- sending wrongly: each raises here, with one sentence that says what to do


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        (("Tom",), {}, r"net_chat_msg\(\) missing 1 required positional argument: 'msg'"),
        ((), {}, r"net_chat_msg\(\) missing 2 required positional arguments: 'player' and 'msg'"),
        (("Tom", "hi", "more"), {}, r"net_chat_msg\(\) takes 3 positional arguments but 4 were given"),
        (("Tom",), {"mgs": "hi"}, r"net_chat_msg\(\) got an unexpected keyword argument 'mgs'"),
        (("Tom", "hi"), {"msg": "hi"}, r"net_chat_msg\(\) got multiple values for argument 'msg'"),
        (({1}, "hi"), {}, r"chat_msg\(player, msg\): field 'player' is a set, which cannot be sent"),
        (("Tom", object()), {}, r"chat_msg\(player, msg\): field 'msg' is a object, which cannot be sent"),
        (("Tom", b"hi"), {}, r"chat_msg\(player, msg\): field 'msg' cannot be sent: .*bytes"),
    ],
)
def test_wrong_fields(pair: Pair, args: Any, kwargs: Any, text: str) -> None:
    for send in (pair.connection.net_chat_msg, lambda *a, **k: pair.connection.send("chat_msg", *a, **k)):
        with pytest.raises(TypeError, match=text):
            send(*args, **kwargs)
    with pytest.raises(TypeError, match=text.replace("net_chat", "chat")):
        pair.server.broadcast("chat_msg", *args, **kwargs)
    assert got(pair) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [([[1] * 1025], "a list has 1025 elements; the limit is 1024"), ({1.5: 1}, "a dict has a key of type float"),
     (float("nan"), "NaN|nan|Out of range"), (2**64, "too large"), ("\udc00", "surrogates")],
)  # fmt: skip
def test_values_that_the_receiver_would_refuse(pair: Pair, value: Any, text: str) -> None:
    for send in (pair.connection.net_chat_msg, lambda *args: pair.server.broadcast("chat_msg", *args)):
        with pytest.raises(ValueError, match=r"chat_msg\(player, msg\): field 'msg' cannot be sent: .*(" + text + ")"):
            send("Tom", value)
    assert got(pair) == []


def test_the_endpoint_s_limits_count(factory: MessageFactory) -> None:
    with Pair(factory, Keeper, limits=Limits(nesting=1, container=11)) as pair:
        pair.open().connection.net_far([1] * 11)
        for value in ([1] * 12, [[1]]):
            with pytest.raises(ValueError, match=r"far\(x\): field 'x' cannot be sent"):
                pair.connection.net_far(value)
        assert got(pair) == [([1] * 11,)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("net_chatmsg", r"net_chatmsg: no message 'chatmsg' is registered; did you mean 'net_chat_msg'\?"),
        ("net_zzzzz", r"net_zzzzz: no message 'zzzzz' is registered; register\(\) it on both sides"),
        ("messages_snet", r"'Connection' has no attribute 'messages_snet'; did you mean 'messages_sent'\?"),
        ("zzzzz", "'Connection' has no attribute 'zzzzz'$"),
        ("closed", "'Connection' has no attribute 'closed'$"),  # not _close, and not send
    ],
)
def test_unknown_attributes(pair: Pair, name: str, text: str) -> None:
    with pytest.raises(AttributeError, match=text):
        getattr(pair.connection, name)
    with pytest.raises(AttributeError, match=text):
        getattr(pair.server.handlers()[0].connection, name)
    assert getattr(pair.connection, name, "default") == "default"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("chatmsg", r"no message 'chatmsg' is registered for this connection; did you mean 'chat_msg'\?"),
        ("", r"no message '' is registered for this connection; register\(\) it on both sides"),
        (int, r"no message 'int' is registered for this connection; register\(\) it on both sides"),
        (None, r"send\(\) takes a message class, its name or a message, not None$"),
        ([], r"send\(\) takes a message class, its name or a message, not \[\]$"),
        ({"a": 1}, r"send\(\) takes a message class, its name or a message, not {'a': 1}$"),
        (("Tom", "hi"), r"send\(\) takes a message class, its name or a message, not a plain tuple$"),
        (5, r"send\(\) takes a message class, its name or a message, not 5$"),
        (MessageFactory("json").register("chat_msg"), r"^this chat_msg was registered with another MessageFactory"),
        (MessageFactory("json").register("chat_msg")(), r"^this chat_msg was registered with another MessageFactory"),
    ],
)
def test_unregistered_messages(pair: Pair, message: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        pair.connection.send(message)


def test_a_ready_message_has_its_fields(pair: Pair, factory: MessageFactory) -> None:
    message = factory.get_by_name("far")(1)
    for args, kwargs in (((2,), {}), ((), {"x": 2})):
        with pytest.raises(TypeError, match=r"send\(\) got far complete, and fields besides"):
            pair.connection.send(message, *args, **kwargs)


def test_two_factories_never_meet(pair: Pair) -> None:
    other = MessageFactory("json")
    other.register("chat_msg", ("one", "two", "three"))
    with Pair(other, Keeper) as second:
        second.open().connection.net_chat_msg(1, 2, 3)
        pair.connection.net_chat_msg("Tom", "hi")
        assert got(second) == [(1, 2, 3)] and got(pair) == [("Tom", "hi")]
        assert type(second.connection) is not type(pair.connection)
        assert type(pair.connection) is type(pair.remote)
        with pytest.raises(AttributeError):
            second.connection.net_move(1, 2)


# -- whatever the names and values

odd_leaves = st.sampled_from(["\ud800", {1}])

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | st.text() | odd_leaves

keys = st.text() | st.floats() | st.integers()

wild = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
)


# -- whatever the names and values


@pytest.mark.parametrize("codec", ["json", "msgpack", "msgspec"])
def test_a_value_is_refused_here_or_arrives_there(codec: str) -> None:
    if codec != "json":
        pytest.importorskip(codec)
    with Pair(make_factory(codec), Keeper) as pair:
        pair.open()

        @settings(max_examples=100, deadline=None, derandomize=True, database=None)
        @given(value=wild)
        def check(value: Any) -> None:
            before = len(got(pair))
            error = ""
            try:
                pair.connection.net_far(value)
            except (TypeError, ValueError) as refusal:
                error = str(refusal)
            arrived = got(pair)[before:]
            assert pair.connection.connected
            if error:
                assert "far(x): field 'x'" in error and arrived == []
            else:
                assert repr(arrived[0].x) == repr(value)

        check()


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
