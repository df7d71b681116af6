import pygnetic as net

chat_msg = net.register('chat_msg', ('player', 'msg'))
