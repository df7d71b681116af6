"""One connection: sending in every way and every wrong way, what becomes one packet, what is counted."""

import gc
import inspect
import re
import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_pair import Pair, Recording

import pygnetic as net
from pygnetic.connection import Connection
from pygnetic.errors import DisconnectReason, MessageTooLarge
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory
from pygnetic.serialization import json_adapter

# fields that are called like parameters and built-in functions
ODD = ("type", "channel", "reliable", "flags", "message", "self", "exclude", "len", "args", "kwargs")


class Keeper(net.Handler):
    def __init__(self) -> None:
        self.got: list[Any] = []

    def on_receive(self, message: Any) -> None:
        self.got.append(message)


def make_factory(codec: Any = "json") -> MessageFactory:
    factory = MessageFactory(codec)
    factory.register("chat_msg", ("player", "msg"))
    factory.register("move", ("x", "y"), reliable=False)
    factory.register("ready")
    factory.register("far", ("x",), channel=5)
    factory.register("odd", ODD)
    return factory


@pytest.fixture
def factory() -> MessageFactory:
    return make_factory()


@pytest.fixture
def pair(factory: MessageFactory) -> Iterator[Pair]:
    with Pair(factory, Keeper) as pair:
        yield pair.open()


def got(pair: Pair) -> list[Any]:
    """What the server's handler has after one more round."""
    pair.update()
    return pair.server.handlers()[0].got  # type: ignore[attr-defined,no-any-return]


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


def test_broadcasts_of_what_is_no_message(pair: Pair) -> None:
    for wrong in ({"a": 1}, ("Tom", "hi"), None):
        with pytest.raises(ValueError, match=r"^broadcast\(\) takes a message class, its name or a message, not "):
            pair.server.broadcast(wrong)
    with pytest.raises(ValueError, match=r"no message 'nothing' is registered for this server; register\(\) it"):
        pair.server.broadcast("nothing")
    with pytest.raises(ValueError, match=r"^this chat_msg was registered with another MessageFactory"):
        pair.server.broadcast(MessageFactory("json").register("chat_msg"))


def test_a_ready_message_has_its_fields(pair: Pair, factory: MessageFactory) -> None:
    message = factory.get_by_name("far")(1)
    for args, kwargs in (((2,), {}), ((), {"x": 2})):
        with pytest.raises(TypeError, match=r"send\(\) got far complete, and fields besides"):
            pair.connection.send(message, *args, **kwargs)


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


# -- what is counted, and the rest


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


def test_flush_sends_now(pair: Pair) -> None:
    pair.connection.net_ready()
    pair.connection.flush()
    assert pair.connection.data_sent > 0
    pair.server.update()
    assert pair.server.handlers()[0].got == [()]  # type: ignore[attr-defined]
    pair.connection.disconnect()
    pair.connection.flush()


@pytest.mark.parametrize("wrong", [None, 5, object(), Connection, "handler"])
def test_add_handler_wants_a_handler(pair: Pair, wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"add_handler\(\) takes an instance of a pygnetic.Handler subclass, not "):
        pair.connection.add_handler(wrong)


def test_add_handler_wants_an_instance(pair: Pair) -> None:
    with pytest.raises(TypeError, match="; call it to make one"):
        pair.connection.add_handler(Keeper)  # type: ignore[arg-type]


def test_handlers_get_messages_in_their_order(pair: Pair) -> None:
    order: list[str] = []

    class Named(net.Handler):
        def __init__(self, name: str) -> None:
            self.name = name

        def net_ready(self, message: Any) -> None:
            order.append(self.name)

    pair.remote.add_handler(Named("one"))
    pair.remote.add_handler(Named("two"))
    pair.connection.net_ready()
    pair.connection.net_ready()
    pair.update()
    assert order == ["one", "two"] * 2


def test_ids_are_unique_keys(factory: MessageFactory) -> None:
    with Pair(factory, Keeper) as pair, net.Client(2, message_factory=factory, n_adapter=Recording) as client:
        pair.open()
        for _ in range(2):
            client.connect("localhost", pair.server.address[1])
        for _ in range(3):
            client.update()
            pair.update()
        ids = [connection.id for connection in pair.server.connections()]
        assert len(set(ids)) == 3 and all(type(number) is int for number in ids)
        assert {handler.connection.id for handler in pair.server.handlers()} == set(ids)


def test_address_repr_and_parent(pair: Pair) -> None:
    assert pair.connection.address == ("localhost", pair.server.address[1])
    assert repr(pair.connection) == f"<Connection {pair.connection.id} open {pair.connection.address}>"
    assert pair.remote.parent.address == pair.server.address
    assert type(pair.remote.parent) is weakref.ProxyType
    pair.connection.disconnect()
    assert " closing " in repr(pair.connection)
    pair.update(2)
    assert " closed " in repr(pair.connection)


def test_nothing_holds_a_closed_connection_but_its_handlers(factory: MessageFactory) -> None:
    keeper = Keeper()
    with Pair(factory, Keeper, client_handler=keeper) as pair:
        gone = weakref.ref(pair.open().connection)
        pair.connection.disconnect()
        pair.update(3)
        pair.connection = None  # type: ignore[assignment]
        pair.clock.now += 20.0  # no deadline is left
        pair.update()
        assert keeper.connection.reason.code == DisconnectReason.CLOSED
        gc.disable()
        try:
            del keeper  # the only other reference is this test's Pair, which has let go of it
            assert gone() is None  # there was no cycle
        finally:
            gc.enable()


@pytest.mark.parametrize("opened", [True, False])
def test_a_connection_whose_client_is_gone_takes_nothing_and_says_why(factory: MessageFactory, opened: bool) -> None:
    with Pair(factory, Keeper) as pair:
        if opened:
            pair.open()
        connection, handler = pair.connection, Keeper()
        connection.add_handler(handler)
        pair.client = None  # type: ignore[assignment]
        gc.collect()
        assert connection.net_ready() is connection.send("ready") is connection.connected is False
        connection.disconnect()
        assert str(connection.reason) == (
            "CLOSED: its Client is gone, since nothing refers to it; keep it in a variable"
        )
        for call in (connection.flush, lambda: connection.add_handler(Keeper())):
            with pytest.raises(ReferenceError, match=r"^(flush|add_handler)\(\): the Client or Server of this conn"):
                call()
        pair.client = pair.server  # type: ignore[assignment]  # for the end of the with
    assert handler.got == []


def test_a_handler_can_read_its_connection_as_long_as_it_lives(pair: Pair) -> None:
    mine, [theirs], early, late = Keeper(), pair.server.handlers(), Keeper(), Keeper()
    pair.connection.add_handler(mine)
    pair.connection.add_handler(early)
    pair.remote.disconnect(0, "be nice")
    pair.update(2)
    pair.connection.add_handler(late)  # which nothing reaches any more
    pair.connection = pair.client.connect("localhost", pair.server.address[1])
    pair.connection.add_handler(early)
    pair.update(3)
    pair.clock.now += 20.0  # no deadline is left
    pair.update()
    gc.collect()
    assert str(mine.connection.reason) == str(late.connection.reason) == "KICKED: be nice"
    assert str(theirs.connection.reason) == "CLOSED: be nice"
    assert type(mine.connection) is weakref.ProxyType
    assert early.connection.id == pair.connection.id
    assert early._closed_connection is None  # it is the new one's
    assert late.connection.net_ready() is late.connection.connected is False


def test_attributes_of_one_s_own(pair: Pair) -> None:
    pair.connection.player = "Tom"
    assert pair.connection.player == "Tom"
    with pytest.raises(AttributeError):
        pair.connection.connected = True


def test_disconnect_says_why(pair: Pair) -> None:
    pair.remote.disconnect(0, "be nice")
    pair.update(2)
    assert str(pair.connection.reason) == "KICKED: be nice"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("be nice",), r"disconnect\(\) takes when, 0 or -1, before the reason: disconnect\(reason='be nice'\)"),
        ((None,), r"disconnect\(\) takes when, 0 or -1, before the reason"),
        ((0, ValueError("no such move")), r"the reason is a text, not ValueError\('no such move'\); str\(\) makes one"),
        ((0, b"be nice"), r"the reason is a text, not b'be nice'"),
    ],
)
def test_disconnect_with_something_else(pair: Pair, arguments: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        pair.remote.disconnect(*arguments)
    assert pair.remote.connected
    pair.remote.disconnect()
    pair.update(2)
    assert not pair.connection.connected


def test_disconnect_now_drops_what_waits(pair: Pair) -> None:
    handler = pair.server.handlers()[0]
    pair.connection.net_ready()
    pair.connection.disconnect(-1)
    pair.update(2)
    assert handler.got == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("when", [0, 1])
def test_disconnect_delivers_what_was_sent_before(pair: Pair, when: int) -> None:
    handler = pair.server.handlers()[0]
    for _ in range(200):
        pair.connection.net_ready()
    pair.connection.disconnect(when)
    pair.connection.disconnect()
    pair.update(3)
    assert len(handler.got) == 200  # type: ignore[attr-defined]


odd_leaves = st.sampled_from(["\ud800", {1}])
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | st.text() | odd_leaves
keys = st.text() | st.floats() | st.integers()
wild = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
)


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
