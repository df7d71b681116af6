import pygnetic as net

net.register('chat_msg', ('player', 'msg'))
net.register('chat_msg', ('player', 'msg'))
