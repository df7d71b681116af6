"""The API page of pygnetic 1.0: its names, its signatures, its programs and its bytes."""

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pygnetic as net

ROOT = Path(__file__).parent.parent
FIELD = inspect.Parameter


def signature_of(function: Any) -> str:
    """A signature without its types, as a reader of the page would write it."""
    signature = inspect.signature(function)
    parameters = [p.replace(annotation=FIELD.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


def run(program: str) -> "subprocess.CompletedProcess[str]":
    """Run a program in a fresh interpreter, where nothing was registered or chosen yet."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=50)
    assert done.returncode == 0, done.stderr
    return done


def is_installed(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


SIGNATURES = {
    "init": "(events=False, event_val=None, logging_lvl=20, n_module=('enet', 'socket'), s_module=('msgpack', 'json'), "
    "*, n_adapter=None, s_adapter=None)",
    "register": "(name, field_names=(), **kwargs)",
    "Client": "(conn_limit=1, *args, message_factory=None, n_adapter=None, limits=None, **adapter_options)",
    "Server": "(host='', port=0, conn_limit=4, *args, handler=None, message_factory=None, n_adapter=None, limits=None, "
    "**adapter_options)",
    "client.Client.connect": "(self, host, port, message_factory=None, **kwargs)",
    "client.Client.update": "(self, timeout=0)",
    "server.Server.update": "(self, timeout=0)",
    "server.Server.connections": "(self, exclude=None)",
    "server.Server.handlers": "(self, exclude=None)",
    "server.Server.broadcast": "(self, message, /, *args, exclude=(), **kwargs)",
    "connection.Connection": "(parent, conn_obj, message_factory)",
    "connection.Connection.add_handler": "(self, handler)",
    "connection.Connection.disconnect": "(self, when=0, reason='')",
    "connection.Connection.send": "(self, message, /, *args, **kwargs)",
    "handler.Handler": "()",
    "handler.Handler.on_connect": "(self)",
    "handler.Handler.on_disconnect": "(self)",
    "handler.Handler.on_recive": "(self, message, **kwargs)",
    "handler.Handler.on_receive": "(self, message, **kwargs)",
    "message.MessageFactory": "(s_adapter=None)",
    "message.MessageFactory.get_by_name": "(self, name)",
    "message.MessageFactory.get_by_type": "(self, type_id)",
    "message.MessageFactory.get_hash": "(self)",
    "message.MessageFactory.get_params": "(self, message_class)",
    "message.MessageFactory.get_type_id": "(self, message_class)",
    "message.MessageFactory.pack": "(self, message)",
    "message.MessageFactory.register": "(self, name, field_names=(), **kwargs)",
    "message.MessageFactory.reset_context": "(self, context)",
    "message.MessageFactory.set_frozen": "(self)",
    "message.MessageFactory.unpack": "(self, data)",
    "message.MessageFactory.unpack_all": "(self, data, context)",
    "network.get_adapter": "(names)",
    "network.select_adapter": "(names)",
    "serialization.get_adapter": "(names)",
    "serialization.select_adapter": "(names)",
    "serialization.pack": "(value)",
    "serialization.unpack": "(data, limits=Limits())",
    "serialization.unpacker": "()",
}


def find(path: str) -> Any:
    found: Any = net
    for name in path.split("."):
        found = getattr(found, name)
    return found


@pytest.mark.parametrize("path", SIGNATURES)
def test_signature(path: str) -> None:
    given = signature_of(find(path))
    assert re.sub(r"Limits\(.*?\)", "Limits()", given) == SIGNATURES[path]


@pytest.mark.parametrize("module", ["client", "connection", "event", "handler", "message", "server"])
def test_modules_of_the_page_can_be_imported_each(module: str) -> None:
    assert importlib.import_module(f"pygnetic.{module}") is getattr(net, module)


def test_names_that_are_no_functions() -> None:
    assert isinstance(net.__version__, str)
    assert net.Client is net.client.Client
    assert net.Server is net.server.Server
    assert net.Handler is net.handler.Handler
    assert isinstance(net.message.message_factory, net.message.MessageFactory)
    assert net.Client.message_factory is net.Server.message_factory is net.message.message_factory
    assert net.Server.handler is None
    assert net.Handler.connection is None and net.Handler.server is None
    kinds = [net.event.NET_CONNECTED, net.event.NET_ACCEPTED, net.event.NET_DISCONNECTED, net.event.NET_RECEIVED]
    assert len(set(kinds)) == 4
    assert hasattr(net.network, "selected_adapter") and hasattr(net.serialization, "selected_adapter")


def test_network_is_65000_until_init_is_told_another() -> None:
    assert run("import pygnetic as net; print(net.event.NETWORK)").stdout == "65000\n"


@pytest.mark.parametrize(
    "name",
    ["parent", "address", "connected", "data_sent", "data_received", "messages_sent", "messages_received",
     "add_handler", "disconnect", "send", "reason", "rtt", "id", "unsent", "flush", "handlers", "message_factory"],
)  # fmt: skip
def test_attribute_of_a_connection(name: str) -> None:
    assert hasattr(net.connection.Connection, name)


FAQ = """
import pygnetic as net
assert net.init()
chat_msg = net.register('chat_msg', ('player', 'msg'))
m2 = net.message.message_factory.pack(chat_msg('Tom', 'Test message'))
print(m2, len(m2), net.message.message_factory.get_type_id(chat_msg))
"""


def test_faq_dict_has_45_bytes() -> None:
    msgpack = pytest.importorskip("msgpack")
    m1 = msgpack.packb({"action": "chat_msg", "player": "Tom", "msg": "Test message"})
    assert len(m1) == 45
    assert m1.startswith(b"\x83\xa6action\xa8chat_msg\xa6player\xa3Tom")


def test_faq_message_has_19_bytes() -> None:
    pytest.importorskip("msgpack")
    assert run(FAQ).stdout == repr(b"\x93\x02\xa3Tom\xacTest message") + " 19 2\n"


def test_faq_log_lines() -> None:
    network = "enet" if is_installed("enet") else "socket"
    serializer = "msgpack" if is_installed("msgpack") else "json"
    lines = run(FAQ).stderr.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(rf"\d\d:\d\d:\d\d INFO     Using {network}_adapter", lines[0])
    assert re.fullmatch(rf"\d\d:\d\d:\d\d INFO     Using {serializer}_adapter", lines[1])


CLIENT_AND_CONNECTION = """
import pygnetic
import pygnetic as net
net.init(logging_lvl=None, n_module='memory', s_module='json')
chat_msg = net.register('chat_msg', ('player', 'msg'))
class Printer(net.Handler):
    def net_chat_msg(self, message, **kwargs):
        print(message.player, message.msg, sorted(kwargs))
server = net.Server('', 10000)
server.handler = Printer

client = pygnetic.client.Client()
connection = client.connect("localhost", 10000)
while True:
    client.update()
    server.update()
    if connection.connected:
        break

connection.net_chat_msg('Tom', 'Test message')
# alternative
connection.send(chat_msg, 'Tom', 'Test message')
# or
connection.send('chat_msg', 'Tom', 'Test message')
client.update()
server.update()
"""


def test_the_client_loop_and_the_three_ways_to_send() -> None:
    assert run(CLIENT_AND_CONNECTION).stdout == "Tom Test message ['channel']\n" * 3


EVENTS = """
import os
os.environ['SDL_VIDEODRIVER'] = os.environ['SDL_AUDIODRIVER'] = 'dummy'
os.environ['PYGAME_HIDE_SUPPORT_PROMPT'] = '1'
import pygame
import pygnetic as net
import pygnetic.event as event
pygame.display.init()
pygame.display.set_mode((10, 10))
net.init(events=True, logging_lvl=None, n_module='memory', s_module='json')
chat_msg = net.register('chat_msg', ('player', 'msg'))
other = net.register('other')
server = net.Server('', 10000)
client = net.Client()
connection = client.connect('localhost', 10000)
for step in range(6):
    client.update()
    server.update()
    for e in pygame.event.get():
        if e.type == event.NETWORK and e.connection is connection:
            if e.net_type == event.NET_CONNECTED:
                print('connected')
            elif e.net_type == event.NET_DISCONNECTED:
                print('disconnected')
            elif e.net_type == event.NET_RECEIVED:
                # assuming chat_msg message is already defined
                if e.msg_type == chat_msg:
                    print('%s: %s' % (e.message.player, e.message.msg))
                else:
                    print('received:', e.message)
    if step == 2:
        server.broadcast(chat_msg, 'Tom', 'Test message')
        server.broadcast(other)
        server.connections()[0].disconnect()
"""


def test_the_event_loop() -> None:
    pytest.importorskip("pygame")
    assert run(EVENTS).stdout == "connected\nTom: Test message\nreceived: other()\ndisconnected\n"


def test_the_message_factory() -> None:
    MessageFactory = net.message.MessageFactory("json")  # the page calls its methods on the class; we make one
    chat_msg = MessageFactory.register("chat_msg", ("player", "msg"))
    data = MessageFactory.pack(chat_msg("Tom", "Test message"))
    message = MessageFactory.unpack(data)
    player = message.player
    msg = message.msg
    assert (player, msg) == ("Tom", "Test message")
