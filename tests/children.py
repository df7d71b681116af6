"""Client processes for the abuse tests: `children.py honest|steady|flood ADAPTER HOST PORT ...`; run by abuse.Child."""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import Any

import pygnetic as net
from pygnetic import network
from pygnetic._core import packets
from pygnetic._core.session import State
from pygnetic.errors import DisconnectReason, Reason
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory
from pygnetic.network.base import CLOSED, OPENED

PARENT = os.getppid()
END = time.monotonic() + 120  # no test takes longer


def wanted() -> bool:
    """Tell whether the test that started this process is still there: a flood must not outlive it."""
    return os.getppid() == PARENT and time.monotonic() < END


def honest(adapter: str, host: str, port: str) -> None:
    """Connect, send a message a frame, say why it ended."""
    factory = MessageFactory("json")
    factory.register("echo", ("text",))
    client = net.Client(message_factory=factory, n_adapter=adapter)
    connection = client.connect(host, int(port))
    number = 0
    while wanted() and (connection.reason is None or connection._session.state != State.CLOSED):
        client.update(16)
        connection.net_echo(number)
        number += 1
    if connection.reason is not None:
        print("ended", connection.reason.code.name, connection.reason.text, flush=True)


def steady(adapter: str, host: str, port: str) -> None:
    """Connect, and send an unreliable number 60 times a second, each once."""
    factory = MessageFactory("json")
    factory.register("echo", ("text",))
    factory.register("move", ("x",), reliable=False)
    client = net.Client(message_factory=factory, n_adapter=adapter)
    connection = client.connect(host, int(port))
    due, number = time.monotonic(), 0
    while wanted() and connection.reason is None:
        client.update(2)
        if connection.connected and time.monotonic() >= due:
            due += 1 / 60
            connection.net_move(number)
            number += 1


# What one who means harm sends, again and again; the messages are JSON.
FLOODS: dict[str, Any] = {
    "tiny messages": lambda: b"[1,1]",
    "batches of 256": lambda: b"[" + b",".join([b"[1,1]"] * 256) + b"]",
    "60 kB messages": lambda: b'[1,"' + b"x" * 60_000 + b'"]',
    "costly messages": lambda: b"[1,[" + b",".join([b"[" + b",".join([b"[]"] * 1000) + b"]"] * 20) + b"]]",
    "PINGs": lambda: packets.ping(1.0),
    "BYEs": lambda: packets.bye(Reason(DisconnectReason.CLOSED)),
}


def flood(adapter: str, host: str, port: str, kind: str, schema_hash: str) -> None:
    """Say HELLO, then send one packet at full speed for as long as the connection lives."""
    hello = packets.hello(int(schema_hash), "json")
    packet = FLOODS[kind]()
    print("ready", flush=True)
    shout = {"enet": _flood_enet, "socket": _flood_socket}[adapter]
    while wanted():  # closed, it comes again
        shout(host, int(port), hello, packet)


def _flood_socket(host: str, port: int, hello: bytes, packet: bytes) -> None:
    with socket.create_connection((host, port)) as sock:
        frames = b"".join(len(part).to_bytes(4, "big") + part for part in (hello, packet))
        sock.sendall(frames)
        time.sleep(0.2)
        chunk = (len(packet).to_bytes(4, "big") + packet) * max(1, 200_000 // len(packet))
        try:
            sock.settimeout(5)
            while wanted():
                sock.sendall(chunk)
        except OSError:
            return


def _flood_enet(host: str, port: int, hello: bytes, packet: bytes) -> None:
    adapter: Any = network.adapter_class(network.get_adapter("enet"))(limits=Limits(unsent=1 << 24))
    peer = adapter.connect(host, port)
    opened = 0.0
    small = len(packet) <= 1200
    while wanted():
        for kind, _, _, _ in adapter.poll():
            if kind == OPENED:
                peer.send(hello)
                opened = time.monotonic()
            elif kind == CLOSED:
                adapter.close()
                return
        if opened and time.monotonic() > opened + 0.2:
            for _ in range(2000 if small else 20):
                peer.send(packet, reliable=not small)


if __name__ == "__main__":
    {"honest": honest, "steady": steady, "flood": flood}[sys.argv[1]](*sys.argv[2:])
