"""What the queue server and a worker say to each other.

The worker connects to the WebSocket `PATH` of the queue server with its one-time token and the
header `INSTANCE`, by which the queue server knows the process again. Every text frame is one JSON
object with a `type`: the queue server sends commands, the worker sends reports. The first command
is `Welcome`, the first report `Hello`. A command carries the epoch of the sender's lease.
"""

VERSION = 6
PATH = "/worker/v1"
INSTANCE = "beamline-worker-instance"
