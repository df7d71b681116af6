"""Echo client: sends three texts and prints what comes back. Shows a client with a handler.

Start echo_server.py first, then this; it ends by itself.

    python echo_client.py [HOST [PORT [ADAPTER]]]
    python echo_client.py 192.168.1.7
"""

import sys

import pygnetic as net

TEXTS = ["Hello!", "Is anybody there?", "Goodbye."]

# Both programs register the same messages, in the same order.
echo = net.register("echo", ("text",))


class EchoHandler(net.Handler):
    over = False

    def on_connect(self):
        for text in TEXTS:
            self.connection.net_echo(text)

    def net_echo(self, message):
        print(f"received: {message.text!a}")
        if message.text == TEXTS[-1]:
            self.connection.disconnect()

    def on_disconnect(self):  # also when the server cannot be reached
        print("disconnected:", self.connection.reason)
        self.over = True


def main(host="localhost", port=10000, adapter=("enet", "socket")):
    net.init(n_module=adapter)
    handler = EchoHandler()
    with net.Client() as client:
        client.connect(host, int(port)).add_handler(handler)
        while not handler.over:
            client.update(100)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        print("bye")
