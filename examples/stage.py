"""What the small games share: their options, a window, and the loop that updates all that is in one program.

pong.py, whiteboard.py, reversi.py and lag_lab.py are each a server, a handler that plays, and a window. run() puts them
together: who hosts has a Server and a Client in the same loop, which is all that "host and play" needs.
"""

import argparse
import contextlib
import logging
import math
import os
import sys
import textwrap
import time
import traceback

import pygnetic as net

with contextlib.suppress(ImportError):  # servers and bots do without
    import pygame

    from pygnetic.netgraph import NetGraph

BACKGROUND, DARK, LINE, TEXT, FAINT = "#16181d", "#22262e", "#343a45", "#f0f0f0", "#8a919e"
COLOURS = ["#ff7b72", "#79c0ff", "#7ee787", "#f2cc60", "#d2a8ff", "#ffa657", "#56d4dd", "#ff9bce"]
NAMES = ["Ada", "Blaise", "Clara", "Dennis", "Emmy", "Fermat", "Grace", "Hedy"]
FPS = 60


def clean(text, most=12):
    """Never trust what comes from outside: it may be no text, or endless, or full of control characters."""
    return "".join(letter for letter in str(text) if letter.isprintable())[:most].strip()


def clamp(value, low, high):
    """Return the nearest whole number in the range. What is no number raises."""
    return max(low, min(high, int(value)))


def several(count, values):
    """Return a list of so many values. More or fewer of them raise."""
    return [value for value, _ in zip(values, range(count), strict=True)]


class Server(net.Server):
    """A server whose world goes on by itself."""

    rate = 30  # ticks a second

    def tick(self):
        """Let a thirtieth of a second pass in the game."""

    def handle_error(self, connection, error):
        # One of our handlers raised. Most likely that client sent what ours never send: it goes, the game goes on.
        traceback.print_exception(error)
        print("disconnected:", connection, "- or is it a bug of yours? See above.", file=sys.stderr)
        connection.disconnect(reason="that message made no sense")


class Client(net.Client):
    handle_error = Server.handle_error  # servers may send nonsense, too: then we leave, and the window says why


class Player(net.Handler):
    """Knows what the server told; a game's own has play(), too, which makes one move."""

    done = False  # there is nothing left to play
    again = 0.0  # when to connect once more, if at all

    def __init__(self, name):
        self.name = name

    def connect(self, client, address):
        # the connection itself; self.connection is a weak proxy of it
        self.link = client.connect(*address)
        self.link.add_handler(self)

    def update(self):
        """Connect once more, if it is time; called all the time."""
        if self.again and time.monotonic() >= self.again:
            self.again = 0.0
            self.connect(self.link.parent, self.link.address)

    def play(self):
        """Make a move, if it is time; called 60 times a second for who plays by itself."""


class Window:
    """A window on what a player knows. A game's own has draw(), and handle() for events."""

    size, title = (640, 480), "pygnetic"
    has_f3 = True  # which shows the net graph

    def __init__(self, player, by_itself=False):
        self.player, self.by_itself, self.running = player, by_itself, True
        self.link, self.graph, self.graph_shown = player.link, NetGraph(player.link), False
        pygame.display.init()
        pygame.font.init()
        pygame.display.set_caption(self.title)
        self.screen = pygame.display.set_mode(self.size)
        self.fonts = {}

    def update(self):
        """Do all that belongs to one frame."""
        for e in pygame.event.get():
            if e.type == pygame.QUIT or (e.type == pygame.KEYDOWN and e.key == pygame.K_ESCAPE):
                self.running = False
            elif e.type == pygame.KEYDOWN and e.key == pygame.K_F3 and self.has_f3:
                self.graph_shown = not self.graph_shown
            else:
                self.handle(e)
        if self.by_itself:
            self.player.play()
        else:
            self.control()
        if self.link is not self.player.link:  # the player has connected again
            self.link, self.graph = self.player.link, NetGraph(self.player.link)
        self.screen.fill(BACKGROUND)
        self.draw()
        self.graph.update()
        if self.graph_shown:
            self.graph.draw(self.screen)
        if self.link.reason or not self.link.connected:  # else it looks like a game in which nobody moves
            self.announce(str(self.link.reason or "connecting ..."))
        pygame.display.flip()

    def handle(self, e):
        """Take an event."""

    def control(self):
        """Do what the keys that are held say, once a frame."""

    def draw(self):
        """Draw one frame."""

    def announce(self, text):
        """Write across the window."""
        (width, height), lines = self.size, textwrap.wrap(clean(text, 200), 50)
        pygame.draw.rect(self.screen, LINE, (0, height // 2 - 40, width, 32 + 28 * len(lines)))
        for number, line in enumerate(lines):
            self.write(line, width // 2, height // 2 - 22 + 28 * number, COLOURS[3], "midtop", 28)

    def write(self, text, x, y, colour=TEXT, corner="topleft", size=22, width=math.inf):
        """Draw a text, at most so wide, and return where it ends."""
        font = self.fonts.get(size) or self.fonts.setdefault(size, pygame.font.Font(None, size))
        while font.size(text)[0] > width:
            text = text[:-4] + "..."
        image = font.render(text, True, colour)
        return self.screen.blit(image, image.get_rect(**{corner: (x, y)})).right


def has_screen():
    """Tell whether anybody can see a window."""
    with contextlib.suppress(pygame.error):
        pygame.display.init()
        return pygame.display.get_driver() not in ("dummy", "offscreen")
    return False


def parser(doc):
    """Return the options that every game has."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    option = made.add_argument
    option("--host", default="", help="the address that the server listens at (all of this computer's)")
    option("--port", type=int, default=10000, help="the server's; 0 picks a free one (10000)")
    option("--join", metavar="HOST", help="play on a server that runs already")
    option("--server-only", action="store_true", help="no window; Ctrl-C ends it")
    option("--bot", action="store_true", help="no window: play by yourself, until the end")
    option("--bots", type=int, metavar="N", help="(1, and 0 with --join, --server-only or --bot)")
    option("--adapter", choices=["enet", "socket"], help="how to reach each other (enet, if it is installed)")
    option("--seconds", type=float, metavar="N", default=math.inf, help="end after so many seconds")
    option("--screenshot", metavar="FILE", help="save a picture of the window at the end")
    option("--name", default="you", help="your name (you)")
    return made


def run(args, make_server, make_player, make_window, relay=None):
    """Play, and return None, or a text that says why not.

    :param make_server: called with host, port and conn_limit, unless we join.
    :param make_player: called with a name.
    :param make_window: called with the player who sits here.
    :param relay: stands between us and the server.
    """
    if args.bots is None:
        args.bots = 0 if args.join or args.server_only or args.bot else 1
    adapters = args.adapter or ("enet", "socket")
    try:
        net.init(logging_lvl=logging.WARNING, n_module=adapters)
        with contextlib.ExitStack() as stack:
            return _run(args, stack, make_server, make_player, make_window, relay)
    except KeyboardInterrupt:
        return None
    except (OSError, ImportError) as error:  # it is a sentence: the port is in use, the host is unknown, ...
        return str(error)


def _run(args, stack, make_server, make_player, make_window, relay):
    windowed, by_itself = not (args.server_only or args.bot), args.bot
    if windowed and "pygame" not in globals():
        return "the window needs pygame: pip install pygame-ce (or pygame)"
    if windowed and not has_screen():
        by_itself, os.environ["SDL_VIDEODRIVER"] = True, "dummy"
        args.seconds = 10 if args.seconds == math.inf else args.seconds
        print(f"There is no screen: playing by itself for {args.seconds:g} seconds.", flush=True)

    # All that must be updated: the server, and each who plays in this program with a Client.
    parts, players, server, address = [], [], None, (args.join, args.port)
    if not args.join:
        server = stack.enter_context(make_server(args.host, args.port, conn_limit=32))
        address = "127.0.0.1" if args.host in ("", "0.0.0.0", "::") else args.host, server.address[1]
        print("the server listens at", *address, flush=True)
        parts.append(server)
    if relay:
        relay.lead_to(*address)
        address = stack.enter_context(relay).address
        parts.append(relay)

    def join(name):
        client, player = stack.enter_context(Client()), make_player(name)
        player.connect(client, address)
        parts.extend([player, client])
        players.append(player)
        return player

    bots = [join(args.name)] if args.bot else []
    window = make_window(join(args.name), by_itself) if windowed else None
    bots += [join(NAMES[number % len(NAMES)]) for number in range(args.bots)]

    begin = next_tick = next_frame = time.monotonic()
    while time.monotonic() < begin + args.seconds and (window is None or window.running):
        for part in parts[:-1]:
            part.update()
        parts[-1].update(2)  # ms: here we wait
        now = time.monotonic()
        if server and now >= next_tick:
            server.tick()
            next_tick = max(next_tick + 1 / server.rate, now - 0.2)  # after a pause, do not catch up with all of it
        if now >= next_frame:
            next_frame = max(next_frame + 1 / FPS, now)
            for bot in bots:
                bot.play()
            if window:
                window.update()
        if args.bot and all(player.done or (player.link.reason and not player.again) for player in players):
            break
    if args.screenshot and window:
        pygame.image.save(window.screen, args.screenshot)
    reason = players[0].link.reason if players and args.join else None
    return str(reason) if reason else None
