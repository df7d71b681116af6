"""A game that prints once a second what its connection does."""

import pygnetic as net

chat_msg = net.register('chat_msg', ('player', 'msg'))
position = net.register('position', ('x', 'y'), reliable=False)


def report(connection):
    stats = connection.stats  # how it is at this moment; ask again for newer numbers
    print(f'round trip {stats.rtt:.0f} ms, jitter {stats.jitter:.0f} ms, loss {stats.loss:.0%}, unsent {stats.unsent}')
    print(f'in {stats.bytes_received_rate:.0f} B/s, out {stats.bytes_sent_rate:.0f} B/s')
    for name, traffic in stats.received.items():
        print(f'  in: {name}, {traffic.count} messages, {traffic.bytes} bytes')


class Clock:  # a game takes time.monotonic(); here time passes as fast as the computer can
    now = 0.0

    def __call__(self):
        return self.now


clock = Clock()
net.init(logging_lvl=None, n_module='memory', s_module='msgpack')
with net.Server(clock=clock) as server, net.Client(clock=clock) as client:
    connection = client.connect(*server.address)
    for frame in range(1, 181):  # three seconds
        clock.now = frame / 60
        if frame % 3 == 0:  # 20 times a second
            server.broadcast(position, frame, 100)
        if frame == 90:
            server.broadcast(chat_msg, 'Tom', 'hello')
        server.update()
        client.update()
        if frame % 60 == 0:
            report(connection)
