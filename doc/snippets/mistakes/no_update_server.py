import time
import pygnetic as net
import messages

net.init()
server = net.Server('', 10000)
frames = 0
while frames < 80:
    frames += 1
    time.sleep(1 / 60)
