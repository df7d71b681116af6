import pygnetic as net
import messages

net.init(logging_lvl=None)
server = net.Server('127.0.0.1', 10000, conn_limit=1)
client = net.Client(2)
first, second = client.connect('127.0.0.1', 10000), client.connect('127.0.0.1', 10000)
while first.reason is None and second.reason is None:
    client.update()
    server.update()
print(first.reason or second.reason)
