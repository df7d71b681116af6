import pygnetic as net
from pygnetic.message import MessageFactory

net.init(logging_lvl=None)
here, there = MessageFactory(), MessageFactory()
for factory, names in (here, ['join', 'say']), (there, ['say', 'join']):
    for name in names:
        factory.register(name, ('text',))
server = net.Server('127.0.0.1', 10000, message_factory=there)
client = net.Client()
connection = client.connect('127.0.0.1', 10000, here)
while connection.reason is None:
    client.update()
    server.update()
print(connection.reason)
