import pygnetic as net

net.init(logging_lvl=None)
server = net.Server(port=10000)
chat_msg = net.register('chat_msg', ('player', 'msg'))
