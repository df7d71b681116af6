"""Makes the pictures of the tutorial and of the explanations, headless, from what the programs really do.

    python doc/make_pictures.py [NAME ...]        names are tutorial, delivery, message; all by default

What is seen in a terminal or a window comes from running the snippets. It needs pygame, and ENet for the tutorial.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.update(SDL_VIDEODRIVER="dummy", SDL_AUDIODRIVER="dummy", PYGAME_HIDE_SUPPORT_PROMPT="1")

import pygame

DOC = Path(__file__).resolve().parent
OUT = DOC / "_static"
TUTORIAL = DOC / "snippets" / "tutorial"
DRIVER = DOC / "snippets" / "drive_window.py"

DARK, BAR, LIGHT, FAINT, GREEN, RED, BLUE, GOLD = (
    "#16181d", "#2b303a", "#e6e6e6", "#8a919e", "#7ee787", "#ff7b72", "#79c0ff", "#f2cc60",
)  # fmt: skip
SCALE = 2  # everything is drawn twice as large and shrunk, which smoothes it


def font(size, mono=False):
    names = "dejavusansmono,menlo,consolas,couriernew" if mono else "dejavusans,arial,helvetica"
    return pygame.font.SysFont(names, size)


# -- terminals and windows


def framed(title, inside):
    """Return a picture of a window around what is inside it."""
    width, height = inside.get_size()
    whole = pygame.Surface((width, height + 26))
    whole.fill(BAR)
    for number, colour in enumerate((RED, GOLD, GREEN)):
        pygame.draw.circle(whole, colour, (16 + 18 * number, 13), 5)
    text = font(13).render(title, True, LIGHT)
    whole.blit(text, text.get_rect(center=(width // 2 + 20, 13)))
    whole.blit(inside, (0, 26))
    return whole


def terminal(title, text, columns=76):
    """Return a picture of a terminal; lines that begin with "$ " were typed."""
    mono = font(13, mono=True)
    wide = mono.size("m")[0]
    rows = []
    for line in text.rstrip("\n").split("\n"):
        rows += [line[i : i + columns] for i in range(0, len(line), columns)] or [""]
    inside = pygame.Surface((columns * wide + 24, 18 * len(rows) + 20))
    inside.fill(DARK)
    for number, row in enumerate(rows):
        inside.blit(mono.render(row, True, GREEN if row.startswith("$ ") else LIGHT), (12, 10 + 18 * number))
    return framed(title, inside)


def beside(*pictures, gap=16):
    """Return pictures side by side."""
    whole = pygame.Surface(
        (sum(p.get_width() + gap for p in pictures) - gap, max(p.get_height() for p in pictures)), pygame.SRCALPHA
    )
    x = 0
    for picture in pictures:
        whole.blit(picture, (x, 0))
        x += picture.get_width() + gap
    return whole


def below(*pictures, gap=16):
    """Return pictures one below the other."""
    whole = pygame.Surface(
        (max(p.get_width() for p in pictures), sum(p.get_height() + gap for p in pictures) - gap), pygame.SRCALPHA
    )
    y = 0
    for picture in pictures:
        whole.blit(picture, (0, y))
        y += picture.get_height() + gap
    return whole


def run(*command, folder):
    environment = {**os.environ, "PYTHONPATH": str(DOC.parent), "PYTHONUNBUFFERED": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([sys.executable, *map(str, command)], cwd=folder, env=environment, **pipes)


def until(process, wanted):
    """Return what a program prints until it prints a line that has this in it."""
    text = ""
    for line in process.stdout:
        text += line
        if wanted in line:
            return text
    raise AssertionError(f"{wanted!r} was not printed, but {text}")


def tutorial():
    """Run the three steps, and picture what is seen."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as running:
        folder = Path(name)
        for file in TUTORIAL.glob("*.py"):
            (folder / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
        code = "from messages import chat_msg; print(chat_msg('Tom', 'hi'))"
        with run("-c", code, folder=folder) as first:
            text = f'$ python -c "{code}"\n' + first.stdout.read()
        save("tutorial_1", terminal("step 1", text, 90))

        server = running.enter_context(run("server.py", folder=folder))
        running.callback(server.kill)
        text = "$ python server.py\n" + until(server, "listens")
        with run("-m", "pygnetic", "ping", "--hello", "localhost", "10000", "--count", "1", folder=folder) as ping:
            knocked = "$ python -m pygnetic ping --hello --count 1 localhost 10000\n" + ping.stdout.read()
        save("tutorial_2", below(terminal("step 2: the server", text, 90), terminal("another terminal", knocked, 90)))

        def window(who, answers):
            picture = folder / f"{who}.png"
            process = run(DRIVER, picture, json.dumps(answers), "window.py", who, folder=folder)
            return picture, running.enter_context(process)

        end = "Ann: yes, the arena!"
        tom, tom_runs = window("Tom", {"Ann: hello": "hi Ann! shall we play?", "": end})
        until(tom_runs, "connected")
        words = {"connected": "hello", "Tom: hi Ann! shall we play?": "yes, the arena!", "": end}
        ann, ann_runs = window("Ann", words)
        for process in (tom_runs, ann_runs):
            process.wait()
        text += until(server, end)
        windows = [framed(f"python window.py {path.stem}", pygame.image.load(path)) for path in (tom, ann)]
        save("tutorial_3", below(beside(*windows), terminal("the server", text, 90)))


# -- drawings


class Drawing:
    """A drawing in ordinary pixels, made twice as large."""

    def __init__(self, width, height):
        self.surface = pygame.Surface((width * SCALE, height * SCALE))
        self.surface.fill(DARK)

    def text(self, x, y, text, colour=LIGHT, size=14, place="midleft"):
        image = font(size * SCALE).render(text, True, colour)
        self.surface.blit(image, image.get_rect(**{place: (x * SCALE, y * SCALE)}))

    def line(self, start, end, colour=LIGHT, width=2):
        a, b = ([v * SCALE for v in point] for point in (start, end))
        pygame.draw.line(self.surface, colour, a, b, width * SCALE)

    def arrow(self, start, end, colour=LIGHT):
        self.line(start, end, colour)
        direction = pygame.Vector2(end) - pygame.Vector2(start)
        direction.scale_to_length(9)
        tips = [pygame.Vector2(end), *(pygame.Vector2(end) - direction.rotate(turn) for turn in (25, -25))]
        pygame.draw.polygon(self.surface, colour, [tip * SCALE for tip in tips])

    def box(self, x, y, width, height, colour=BAR, radius=6):
        pygame.draw.rect(self.surface, colour, [v * SCALE for v in (x, y, width, height)], border_radius=radius * SCALE)

    def cross(self, x, y, colour=RED, size=8):
        self.line((x - size, y - size), (x + size, y + size), colour, 3)
        self.line((x - size, y + size), (x + size, y - size), colour, 3)

    def done(self):
        width, height = self.surface.get_size()
        return pygame.transform.smoothscale(self.surface, (width // SCALE, height // SCALE))


def ladder(title, packets, handled, note):
    """Draw five messages on their way from a sender (above) to a receiver (below).

    :param packets: (name, when sent, when it arrives or None if it is lost, colour).
    :param handled: (when, text) of what the receiver's handler gets.
    """
    d = Drawing(720, 250)
    d.text(16, 22, title, GOLD, 16)
    top, bottom, left = 66, 172, 110
    for y, who in ((top, "sender"), (bottom, "receiver")):
        d.line((left, y), (700, y), FAINT, 1)
        d.text(16, y, who, FAINT)
    for name, sent, arrives, colour in packets:
        x = left + sent
        d.text(x, top - 14, name, colour, 14, "center")
        if arrives is None:
            d.line((x, top), (x + 20, top + 46), colour)
            d.cross(x + 24, top + 56)
            d.text(x + 38, top + 58, "lost", RED, 12)
        else:
            d.arrow((x, top), (left + arrives, bottom), colour)
    for when, text, colour in handled:
        d.text(left + when, bottom + 18, text, colour, 14, "center")
    d.text(16, bottom + 18, "handler gets", FAINT, 12)
    d.text(16, 228, note, LIGHT, 13)
    return d.done()


def delivery():
    """Draw the three deliveries: the same loss, and its effect."""
    reliable = ladder(
        "reliable (the default): every message, in order",
        [("1", 20, 90, GREEN), ("2", 120, None, GREEN), ("3", 220, 290, GREEN), ("2 again", 330, 400, GOLD),
         ("4", 440, 510, GREEN)],
        [(90, "1", GREEN), (290, "(3 waits)", FAINT), (400, "2  3", GREEN), (510, "4", GREEN)],
        "For joins, scores, chat, moves on a board: everything that must arrive.",
    )  # fmt: skip
    sequenced = ladder(
        "reliable=False: sequenced, the newest counts",
        [("1", 20, 90, BLUE), ("2", 120, None, BLUE), ("3", 220, 390, BLUE), ("4", 300, 340, BLUE),
         ("5", 440, 510, BLUE)],
        [(90, "1", BLUE), (332, "4", BLUE), (398, "(3 is dropped)", FAINT), (510, "5", BLUE)],
        "For positions and inputs, many times a second: nobody waits for old ones.",
    )  # fmt: skip
    unordered = ladder(
        "reliable=False, ordered=False: everything that arrives, as it arrives",
        [("1", 20, 90, RED), ("2", 120, None, RED), ("3", 220, 390, RED), ("4", 300, 340, RED), ("5", 440, 510, RED)],
        [(90, "1", RED), (340, "4", RED), (390, "3", RED), (510, "5", RED)],
        "For independent things: a spark here, a sound there. A missing one does no harm.",
    )
    for name, picture in (("reliable", reliable), ("sequenced", sequenced), ("unordered", unordered)):
        save(f"delivery_{name}", picture)


def message():
    """Draw the way of a message from one program into the other."""
    d = Drawing(720, 312)
    for x, who in ((16, "Tom's program"), (404, "the server")):
        d.box(x, 16, 300, 252, "#1f232b")
        d.text(x + 150, 36, who, GOLD, 15, "center")
    steps = [
        (30, 60, "connection.net_chat_msg('Tom', 'hi')", BLUE, "packed: 93 02 a3 54 6f 6d a2 68 69"),
        (30, 134, "a queue, with this frame's messages", LIGHT, ""),
        (30, 208, "client.update()", BLUE, "sends the queued messages as packets"),
        (418, 208, "server.update()", BLUE, "reads the network; runs none of your code yet"),
        (418, 134, "the inbox of Tom's connection", LIGHT, ""),
        (418, 60, "handler.net_chat_msg(message)", BLUE, "unpacked: chat_msg(player='Tom', msg='hi')"),
    ]
    for x, y, text, colour, note in steps:
        d.box(x, y, 272, 46 if note else 32)
        d.text(x + 10, y + 16, text, colour, 13)
        if note:
            d.text(x + 10, y + 34, note, FAINT, 11)
    d.arrow((166, 106), (166, 132))
    d.arrow((166, 166), (166, 206))
    d.arrow((302, 231), (416, 231), GREEN)
    d.text(360, 214, "network", GREEN, 13, "center")
    d.arrow((554, 208), (554, 168))
    d.arrow((554, 134), (554, 108))
    d.text(360, 290, "Your handlers run inside update() only, in one thread.", LIGHT, 12, "center")
    save("message", d.done())


def save(name, picture):
    OUT.mkdir(exist_ok=True)
    pygame.image.save(picture, str(OUT / f"{name}.png"))
    print(OUT / f"{name}.png", picture.get_size())


PICTURES = {"tutorial": tutorial, "delivery": delivery, "message": message}


def main(names):
    pygame.font.init()
    pygame.display.init()
    for name in names or PICTURES:
        PICTURES[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
