"""Echo server: sends back every text. Shows messages, a handler and the server's loop.

Start it, then start echo_client.py in another terminal; Ctrl-C ends it.

    python echo_server.py [HOST [PORT [ADAPTER]]]
    python echo_server.py 127.0.0.1 10000 socket
"""

import sys

import pygnetic as net

# Both programs register the same messages, in the same order.
echo = net.register("echo", ("text",))


class EchoHandler(net.Handler):
    """The server makes one of these for each client."""

    def on_connect(self):
        print("connected:", self.connection.address)

    def net_echo(self, message):
        print(f"received: {message.text!a}")  # !a: whatever came, it can be printed
        self.connection.net_echo(message.text)

    def on_disconnect(self):
        print("disconnected:", self.connection.reason)


def main(host="", port=10000, adapter=("enet", "socket")):
    net.init(n_module=adapter)
    with net.Server(host, int(port), handler=EchoHandler) as server:
        print("listening on port", server.address[1])
        while True:
            server.update(100)  # sends, receives, calls the handlers; waits up to 100 ms


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        print("bye")
