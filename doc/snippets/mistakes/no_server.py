import pygnetic as net
import messages
from pygnetic.limits import Limits

net.init(logging_lvl=None)
client = net.Client(limits=Limits(connect_time=0.5))  # seconds; 5 if you do not say so
connection = client.connect('localhost', 10000)
while connection.reason is None:
    client.update(100)
print(connection.reason)
