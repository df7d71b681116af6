"""Makes the pictures in doc/_static, without a screen: python doc/pictures.py [NAME ...]

Each game plays itself, and saves its window; the net graph is fed half a minute of a bad network. pygnetic must be
installed (pip install -e .).
"""

import os
import random
import subprocess
import sys
from pathlib import Path

import pygame

import pygnetic as net
from pygnetic.netgraph import NetGraph
from pygnetic.stats import Meter

ROOT = Path(__file__).resolve().parent.parent
GAMES = {
    "arena": "--bots=3 --seconds=25",
    "pong": "--bots=3 --seconds=17",
    "whiteboard": "--bots=4 --seconds=3",
    "reversi": "--bots=3 --seconds=9",
    "lag_lab": "--delay=60 --loss=10 --rate=10 --seconds=85",
}


def game(name):
    file = ROOT / "examples" / f"{name}.py"
    options = f"--host=127.0.0.1 --port=0 --screenshot={ROOT / 'doc' / '_static' / name}.png {GAMES[name]}"
    subprocess.run([sys.executable, file, *options.split()], check=True, env={**os.environ, "SDL_VIDEODRIVER": "dummy"})


OURS = 10**15


class ToldMeter(Meter):
    """Believes what we say of the network; the memory adapter takes no time and loses nothing."""

    def pinged(self, stamp, now, totals):
        if stamp >= OURS:
            super().pinged(stamp, now, totals)


def netgraph():
    """Paint a connection's graph, and the server's, after half a minute that was played fast."""
    now = 0.0
    rng = random.Random(3)
    factory = net.message.MessageFactory("json")
    for message, fields in {"positions": "rows", "steer": "dx dy", "players": "rows", "chat": "name text"}.items():
        factory.register(message, fields)
    options = {"message_factory": factory, "n_adapter": "memory", "clock": lambda: now}
    with net.Server("game.org", 10000, 8, handler=net.Handler, **options) as server:
        clients = [net.Client(**options) for _ in range(5)]
        connections = [client.connect("game.org", 10000) for client in clients]
        for _ in range(3):
            for client in clients:
                client.update()
            server.update()
        for connection in connections + server.connections():
            connection._session.meter = ToldMeter(now)
        graphs = NetGraph(connections[0]), NetGraph(server)
        for frame in range(32 * 30):
            now = frame / 30
            rows = [[number, 300 + frame % 90, 200] for number in range(4 if frame < 500 else 9)]
            server.broadcast("positions", rows)
            if frame % 45 == 0:
                server.broadcast("players", rows)
                connections[0].net_chat("Ada", "who is that?")
            for number, connection in enumerate(connections):
                connection.net_steer(1, 0)
                if frame % 30 == 20:
                    spike = 90 if number == 0 and 17 < frame / 30 < 20 else 0
                    rtt = rng.gauss((42, 31, 140, 18, 64)[number], 3) + spike
                    for end in (connection, server.connections()[number]):
                        meter = end._session.meter
                        meter.pinged(OURS + frame)
                        if rng.random() > 0.08:
                            meter.answered(OURS + frame, rtt)
                clients[number].update()
            server.update()
            for graph in graphs:
                graph.update()
        picture = pygame.Surface((680, 140))
        picture.fill("#3b4252")
        graphs[0].draw(picture, (10, 10, 320, 120))
        graphs[1].draw(picture, (350, 10, 320, 120))
        pygame.image.save(picture, ROOT / "doc" / "_static" / "netgraph.png")
        for client in clients:
            client.close()


def main(*names):
    for name in names or ("netgraph", *GAMES):
        print(name)
        netgraph() if name == "netgraph" else game(name)


if __name__ == "__main__":
    main(*sys.argv[1:])
