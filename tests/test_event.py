"""Events for pygame's queue. Uses only what pygame and pygame-ce share."""

import contextlib
import importlib.util
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from memory_pair import Pair

import pygnetic as net
from pygnetic import event
from pygnetic.message import MessageFactory


@pytest.fixture(autouse=True)
def no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("PYGAME_HIDE_SUPPORT_PROMPT", "1")


@pytest.fixture
def pygame(no_screen: None) -> Iterator[Any]:
    """pygame with a window, and network events on."""
    pygame = pytest.importorskip("pygame")
    pygame.display.init()
    pygame.display.set_mode((10, 10))
    pygame.event.clear()
    assert net.init(events=True, logging_lvl=None, n_module="memory", s_module="json")
    yield pygame
    pygame.event.set_allowed(None)
    pygame.display.quit()


@pytest.fixture
def factory() -> MessageFactory:
    factory = MessageFactory("json")
    factory.register("chat", ("text",))
    return factory


def network_events(pygame: Any) -> list[Any]:
    return [e for e in pygame.event.get() if e.type == event.NETWORK]


def kinds(events: list[Any], connection: Any) -> list[int]:
    return [e.net_type for e in events if e.connection is connection]


CONNECTED, ACCEPTED, DISCONNECTED, RECEIVED = (
    event.NET_CONNECTED,
    event.NET_ACCEPTED,
    event.NET_DISCONNECTED,
    event.NET_RECEIVED,
)


def test_the_four_kinds(pygame: Any, factory: MessageFactory) -> None:
    with Pair(factory) as pair:
        remote = pair.open().remote
        pair.connection.net_chat("hi")
        remote.net_chat("hello")
        pair.update(2)
        pair.connection.disconnect(reason="done")
        pair.update(2)
        events = network_events(pygame)
        assert kinds(events, remote) == [ACCEPTED, CONNECTED, RECEIVED, DISCONNECTED]
        assert kinds(events, pair.connection) == [CONNECTED, RECEIVED, DISCONNECTED]
        assert len(events) == 7
        for e in events:
            assert e.type == net.event.NETWORK
            if e.net_type == RECEIVED:
                assert e.msg_type is factory.get_by_name("chat") is type(e.message)
                assert e.message.text == ("hi" if e.connection is remote else "hello")
            else:
                assert not hasattr(e, "message") and not hasattr(e, "msg_type")
            if e.net_type == DISCONNECTED:
                assert e.reason == e.connection.reason and e.reason.text == "done"


def test_a_message_reaches_the_queue_and_the_handlers_once_each(pygame: Any, factory: MessageFactory) -> None:
    log: list[str] = []

    class Watcher(net.Handler):
        def on_connect(self) -> None:
            log.append(f"on_connect after {len(pygame.event.get())} events")

        def net_chat(self, message: Any) -> None:
            texts = [e.message.text for e in network_events(pygame) if e.net_type == RECEIVED]
            log.append(f"{message.text} after {texts}")

    with Pair(factory, Watcher) as pair:
        pair.open().connection.net_chat("one")
        pair.connection.net_chat("two")
        pair.update()
        assert log[1:] == ["one after ['one']", "two after ['two']"]
        assert log[0].startswith("on_connect after ") and log[0] != "on_connect after 0 events"


def test_handlers_alone(factory: MessageFactory) -> None:
    assert event.post is None
    got: list[str] = []

    class Watcher(net.Handler):
        def net_chat(self, message: Any) -> None:
            got.append(message.text)

    with Pair(factory, Watcher) as pair:
        pair.open().connection.net_chat("hi")
        pair.update()
    assert got == ["hi"]


def test_a_refused_client_gets_disconnected_only(pygame: Any, factory: MessageFactory) -> None:
    other = MessageFactory("json")
    other.register("chat", ("text", "more"))
    with Pair(factory) as pair, net.Client(message_factory=other, n_adapter="memory") as client:
        connection = client.connect("localhost", pair.server.address[1])
        for _ in range(3):
            client.update()
            pair.server.update()
        events = network_events(pygame)
        assert kinds(events, connection) == [DISCONNECTED]
        assert events[-1].reason.code.name == "SCHEMA_MISMATCH"
        assert [e for e in events if e.net_type == ACCEPTED] == []


def test_network_has_its_place_from_import(pygame: Any) -> None:
    assert event.NETWORK == 65000
    assert event.NETWORK in range(pygame.USEREVENT, pygame.NUMEVENTS)


@pytest.mark.parametrize("value", [0, 1, 1000])
def test_event_val(pygame: Any, factory: MessageFactory, value: int) -> None:
    assert net.init(True, value, None, "memory", "json")
    number = event.NETWORK
    assert number == pygame.USEREVENT + value
    with Pair(factory) as pair:
        pair.open()
        assert kinds(network_events(pygame), pair.connection) == [CONNECTED]


def test_event_val_has_bounds(pygame: Any) -> None:
    most = pygame.NUMEVENTS - pygame.USEREVENT - 1
    for wrong in (-1, most + 1, "a", 1.5, True):
        with pytest.raises(ValueError, match=f"event_val is {wrong!r}; it must be 0 to {most}"):
            net.init(events=True, event_val=wrong, logging_lvl=None)
    assert event.NETWORK == 65000
    net.init(events=True, event_val=most, logging_lvl=None, n_module="memory", s_module="json")
    assert event.NETWORK == pygame.NUMEVENTS - 1


def test_each_init_makes_the_events_what_it_asks_for(pygame: Any) -> None:
    rest = {"logging_lvl": None, "n_module": "memory", "s_module": "json"}
    net.init(True, 7, **rest)
    assert event.NETWORK == pygame.USEREVENT + 7
    net.init(True, **rest)
    assert event.NETWORK == 65000 and event.post is not None
    net.init(True, 7, **rest)
    net.init(**rest)
    assert event.NETWORK == 65000 and event.post is None


# -- posting never raises


def lost_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_no_display_yet(pygame: Any, factory: MessageFactory, caplog: pytest.LogCaptureFixture) -> None:
    pygame.display.quit()
    with Pair(factory) as pair:
        pair.open()
        assert event.lost == 3  # ACCEPTED, and CONNECTED on both sides
        pygame.display.init()
        pair.connection.net_chat("hi")
        pair.update()
        assert kinds(network_events(pygame), pair.remote) == [RECEIVED]
        assert event.lost == 3
    [warning] = lost_warnings(caplog)
    assert warning.startswith("pygame does not take network events (")
    assert warning.endswith("); they are counted in event.lost")


def test_a_blocked_type(pygame: Any, factory: MessageFactory, caplog: pytest.LogCaptureFixture) -> None:
    pygame.event.set_blocked(event.NETWORK)
    with Pair(factory) as pair:
        pair.open()
        assert event.lost == 3
        pygame.event.set_allowed(event.NETWORK)
        pair.connection.net_chat("hi")
        pair.update()
        assert kinds(network_events(pygame), pair.remote) == [RECEIVED]
    assert lost_warnings(caplog) == [
        "pygame does not take network events (the event type is blocked); they are counted in event.lost"
    ]


def test_a_full_queue(pygame: Any, factory: MessageFactory, caplog: pytest.LogCaptureFixture) -> None:
    with Pair(factory) as pair:
        pair.open()
        pygame.event.clear()
        filler = pygame.event.Event(pygame.USEREVENT)
        with contextlib.suppress(pygame.error):  # which pygame raises where pygame-ce returns False
            while pygame.event.post(filler):
                pass
        pair.connection.net_chat("one")
        pair.connection.net_chat("two")
        pair.update()
        assert event.lost == 2
        assert pair.remote.messages_received == 2
        pygame.event.clear()
        pair.connection.net_chat("three")
        pair.update()
        assert [e.message.text for e in network_events(pygame)] == ["three"]
    assert len(lost_warnings(caplog)) == 1


@pytest.mark.parametrize("answer", [False, "raise"])
def test_either_pygame_s_way_to_say_no(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Error(Exception):
        pass

    def post(made: Any) -> Any:
        if answer == "raise":
            raise Error("Event queue full")
        return answer

    post_event = event._poster(lambda number, **attributes: attributes, post, Error)
    post_event(event.NET_CONNECTED, None)
    post_event(event.NET_CONNECTED, None)
    assert event.lost == 2
    why = "Event queue full" if answer == "raise" else "the event type is blocked"
    assert lost_warnings(caplog) == [f"pygame does not take network events ({why}); they are counted in event.lost"]


def test_a_new_import_has_events_off() -> None:
    spec: Any = importlib.util.find_spec("pygnetic.event")
    fresh: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    assert fresh.post is None and fresh.NETWORK == 65000 and fresh.lost == 0
