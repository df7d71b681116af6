"""Arena: steer your square, collect coins, chat. A small whole game with a server, bots and a window.

Run plainly it starts a server, three bots, and a window for you; friends join with --join and your address.
Without a screen it plays by itself for ten seconds. In the end it prints a summary.

Keys: arrows or WASD steer; Enter begins and sends a line of chat; Escape leaves the line or the game; F3: net graph.

It shows a server that decides everything and that nobody's nonsense can stop; what must arrive (joins, scores, chat)
and what is soon replaced by something newer (inputs, positions); handlers in the server and the bots, pygame events
in the window (arena_window.py); processes that always end (arena_processes.py).
"""

import argparse
import contextlib
import logging
import math
import os
import random
import sys
import time
import traceback
from collections import deque

import pygnetic as net

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # "python -m pygnetic demo" imports this file
import arena_processes

# The messages. Server and clients must register the same ones, in the same order; here it is the same file.
join = net.register("join", ("name",))  # from a client: I play, and this is my name
say = net.register("say", ("text",))
welcome = net.register("welcome", ("you",))  # from the server: this is your id
players = net.register("players", ("rows",))  # [[id, name, score, round-trip time], ...], whenever these change
coins = net.register("coins", ("places",))  # [[x, y], ...], whenever one was taken
chat = net.register("chat", ("name", "text"))  # somebody ("" is the server) says something
# 30 times a second. What is lost is not sent again, since the next is better; what is late is left out.
steer = net.register("steer", ("dx", "dy"), reliable=False)  # from a client: -1, 0 or 1 each way
positions = net.register("positions", ("rows",), reliable=False)  # [[id, x, y], ...]

RATE = 30  # inputs and positions a second
WIDTH, HEIGHT = 720, 480  # of the field, in pixels
SIZE = 28  # of a square


def clean(text, most):
    """Never trust what comes from outside: it may be no text, or endless, or full of control characters."""
    return "".join(letter for letter in str(text) if letter.isprintable())[:most].strip()


def clamp(value, low, high):
    """Return the nearest whole number in the range. What is no number raises."""
    return max(low, min(high, int(value)))


def somewhere():  # in the field
    return random.randrange(SIZE, WIDTH - SIZE), random.randrange(SIZE, HEIGHT - SIZE)


# -- the server: it alone moves players and gives points


class Guest(net.Handler):
    """The server makes one of these for each client."""

    name = ""  # until the client joins
    score = dx = dy = 0

    def net_join(self, message):
        if self.name:
            return
        self.name, (self.x, self.y) = clean(message.name, 12) or "nobody", somewhere()
        self.connection.net_welcome(self.connection.id)
        self.connection.net_coins(self.server.coins)
        self.server.tell(f"{self.name} joined")

    def net_steer(self, message):  # a wish: whether and how fast it is done is for the server to say
        self.dx, self.dy = clamp(message.dx, -1, 1), clamp(message.dy, -1, 1)

    def net_say(self, message):
        if self.name:
            self.server.broadcast(chat, self.name, clean(message.text, 80))

    def on_disconnect(self):
        if self.name:
            self.server.tell(f"{self.name} left")


class ArenaServer(net.Server):
    handler = Guest

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.coins, self.ticks = [somewhere() for _ in range(10)], 0

    def tell(self, text):
        self.broadcast(chat, "", text)
        self.broadcast(players, self.rows())

    def playing(self):
        return [player for player in self.handlers() if player.name]

    def rows(self):
        return [(p.connection.id, p.name, p.score, p.connection.rtt) for p in self.playing()]

    def tick(self):
        self.ticks += 1
        changed = self.ticks % RATE == 0  # once a second at least, for the round-trip times
        for player in self.playing():
            step = 6 if player.dx and player.dy else 8  # pixels; 6 right and 6 down are about 8
            player.x = clamp(player.x + step * player.dx, SIZE // 2, WIDTH - SIZE // 2)
            player.y = clamp(player.y + step * player.dy, SIZE // 2, HEIGHT - SIZE // 2)
            for number, (x, y) in enumerate(self.coins):
                if abs(player.x - x) < 22 and abs(player.y - y) < 22:
                    player.score += 1
                    self.coins[number] = somewhere()
                    changed = True
        self.broadcast(positions, [(p.connection.id, p.x, p.y) for p in self.playing()])
        if changed:
            self.broadcast(players, self.rows())
            self.broadcast(coins, self.coins)

    def handle_error(self, connection, error):
        # One of our handlers raised. Most likely that client sent what ours never send: it goes, the game goes on.
        traceback.print_exception(error)
        print("disconnected:", connection, "- or is it a bug of yours? See above.", file=sys.stderr)
        connection.disconnect(reason="that message made no sense")


def serve(args):
    with contextlib.ExitStack() as bots, ArenaServer(args.host, args.port, conn_limit=16) as server:
        args.join, args.port = "127.0.0.1" if args.host in ("", "0.0.0.0", "::") else args.host, server.address[1]
        arena_processes.announce(args)
        arena_processes.start_bots(__file__, args, bots)
        next_tick = time.monotonic()
        end = next_tick + (args.seconds or math.inf)
        while next_tick < end:
            server.update(max(0, next_tick - time.monotonic()) * 1000)  # takes messages until the next tick is due
            if time.monotonic() >= next_tick:
                server.tick()
                next_tick = time.monotonic() + 1 / RATE
        if not args.child:
            arena_processes.summary(server.rows(), server.connections())


# -- the clients


class Bot(net.Handler):
    """Knows the last that the server told, and plays by itself. A window only reads what it knows."""

    def __init__(self, name):
        self.name, self.me, self.aim = name, None, (0, 0)
        self.rows, self.places, self.coins, self.lines = [], {}, [], deque(maxlen=5)

    def on_connect(self):
        self.connection.net_join(self.name)

    def net_positions(self, message):
        self.on_receive(message)
        self.connection.net_steer(*self.way())
        if random.random() < 0.005:
            self.connection.net_say(random.choice(["mine!", "so much gold", "wait for me", "who is that?"]))

    def on_receive(self, message, **kwargs):  # is called for the messages that have no net_ method
        with contextlib.suppress(TypeError, ValueError, OverflowError):  # a server may send nonsense, too
            if isinstance(message, welcome):
                self.me = int(message.you)
            elif isinstance(message, players):
                self.rows = [(int(i), clean(name, 12), int(score), float(rtt)) for i, name, score, rtt in message.rows]
            elif isinstance(message, coins):
                self.coins = [(clamp(x, 0, WIDTH), clamp(y, 0, HEIGHT)) for x, y in message.places]
            elif isinstance(message, positions):
                self.places = {int(i): (clamp(x, 0, WIDTH), clamp(y, 0, HEIGHT)) for i, x, y in message.rows}
            elif isinstance(message, chat):
                self.lines.append((clean(message.name, 12), clean(message.text, 80)))

    def way(self):
        """Return dx, dy towards a coin, and to another one when somebody has taken that."""
        if not self.coins or self.me not in self.places:
            return 0, 0
        if self.aim not in self.coins:
            self.aim = random.choice(self.coins)
        (x, y), (coin_x, coin_y) = self.places[self.me], self.aim
        return (coin_x > x + 6) - (coin_x < x - 6), (coin_y > y + 6) - (coin_y < y - 6)


def run_bot(args):
    with net.Client() as client:
        connection = client.connect(args.join, args.port)
        connection.add_handler(Bot(args.name))
        while not connection.reason:
            client.update(100)


def play(args):
    import arena_window  # here, since it needs pygame: servers and bots do without

    by_itself = not arena_window.has_screen()
    if by_itself:
        os.environ["SDL_VIDEODRIVER"] = "dummy"
        args.seconds = args.seconds or 10
        print(f"There is no screen: playing by itself for {args.seconds:g} seconds.", flush=True)
    player, end = Bot(args.name), time.monotonic() + (args.seconds or math.inf)
    with net.Client() as client:
        connection = client.connect(args.join, args.port)
        window = arena_window.Window(client, connection, player, (WIDTH, HEIGHT))
        while window.running and time.monotonic() < end:
            window.update(by_itself)
        if args.screenshot:
            window.save(args.screenshot)
        if player.me is None:
            return str(connection.reason or "The server did not answer in time.")
        if connection.reason:
            print(connection.reason)
        arena_processes.summary(player.rows, [connection])
    return None


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    option = parser.add_argument
    option("--host", default="", help="the address that the server listens at (all of this computer's)")
    option("--port", type=int, default=arena_processes.PORT, help="the server's; 0 picks a free one (%(default)s)")
    option("--join", metavar="HOST", help="play on a server that runs already")
    option("--server-only", action="store_true", help="no window; Ctrl-C ends it")
    option("--bots", type=int, metavar="N", help="(3, and 0 with --join or --server-only)")
    option("--adapter", choices=["enet", "socket"], help="how to reach each other (enet, if it is installed)")
    option("--seconds", type=float, metavar="N", help="end after so many seconds")
    option("--screenshot", metavar="FILE", help="save a picture of the window at the end")
    option("--name", default="you", help="your name (you)")
    option("--child", action="store_true", help=argparse.SUPPRESS)  # started by this program itself
    args = parser.parse_args(argv)
    if args.bots is None:
        args.bots = 0 if args.join or args.server_only else 3
    try:
        if args.child:
            arena_processes.end_with_parent()
        window = not args.server_only and not args.child
        net.init(events=window, logging_lvl=logging.WARNING, n_module=args.adapter or ("enet", "socket"))
        if args.server_only:
            return serve(args)
        return run_bot(args) if args.child else arena_processes.host_and_play(__file__, args, play)
    except KeyboardInterrupt:
        return None
    except (OSError, ImportError) as error:  # it is a sentence: the port is in use, the host is unknown, ...
        return str(error)


if __name__ == "__main__":
    sys.exit(main())  # a text is printed, and makes the exit code 1
