import pygnetic as net

join = net.register('join', ('name',))  # from a window: this is my name
say = net.register('say', ('text',))  # from a window: this is what I say
chat_msg = net.register('chat_msg', ('player', 'msg'))  # to the windows: who said what
