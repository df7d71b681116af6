import pygnetic as net
import messages
from pygnetic.message import MessageFactory

net.init(logging_lvl=None)
forgotten = MessageFactory()  # what a window has whose messages.py was not copied again
forgotten.register('update_remoteobject', ('type_id', 'obj_id', 'variables'))
forgotten.register('join', ('name',))
forgotten.register('chat_msg', ('player', 'msg'))
server = net.Server('127.0.0.1', 10000)
client = net.Client()
connection = client.connect('127.0.0.1', 10000, forgotten)
while connection.reason is None:
    client.update()
    server.update()
print(connection.reason)
