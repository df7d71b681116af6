"""Chat server: passes on what anybody says to everybody. Shows handlers that remember, broadcast(), and bad guests.

Start it, then start chat_client.py as often as you like, on this computer or another; Ctrl-C ends it.

    python chat_server.py [HOST [PORT [ADAPTER]]]     for example: python chat_server.py 127.0.0.1 10000 socket
"""

import sys
from collections import deque

import pygnetic as net

# Server and clients register the same messages, in the same order.
join = net.register("join", ("name",))  # from a client: my name is ...
say = net.register("say", ("text",))  # from a client: I say ...
chat_msg = net.register("chat_msg", ("player", "msg"))  # to the clients: somebody ("" is the server) said ...


def clean(text, most):
    """Never trust what comes from outside: it may be no text at all, endless, or full of control characters."""
    return "".join(letter for letter in str(text) if letter.isprintable())[:most].strip()


class Guest(net.Handler):
    """The server makes one of these for each client, so it can remember who that is."""

    name = ""  # until the client sends join

    def net_join(self, message):
        if self.name:
            return  # one name is enough
        taken = [guest.name for guest in self.server.handlers()]
        name = clean(message.name, 12) or "guest"
        self.name = name if name not in taken else f"{name} {self.connection.id}"
        for player, msg in self.server.history:
            self.connection.net_chat_msg(player, msg)
        self.server.tell("", f"{self.name} came in")

    def net_say(self, message):
        text = clean(message.text, 200)
        if self.name and text:
            self.server.tell(self.name, text)

    def on_disconnect(self):
        if self.name:
            self.server.tell("", f"{self.name} left")


class ChatServer(net.Server):
    handler = Guest

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.history = deque(maxlen=50)  # what a newcomer gets to read

    def tell(self, player, msg):
        print(f"{player}: {msg}" if player else f"* {msg}")
        self.history.append((player, msg))
        self.broadcast(chat_msg, player, msg)


def main(host="", port=10000, adapter=("enet", "socket")):
    net.init(n_module=adapter)
    sys.stdout.reconfigure(errors="replace")  # no letter that somebody types may stop print()
    with ChatServer(host, int(port), conn_limit=32) as server:
        print("listening on port", server.address[1])
        while True:
            server.update(100)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        print("bye")
