"""Sends one frame to the control socket with libzmq and prints the reply, or null if none comes in
the milliseconds that may follow."""

import sys

import zmq

address, frame, *patience = sys.argv[1:]
socket = zmq.Context().socket(zmq.REQ)
socket.setsockopt(zmq.LINGER, 0)
socket.setsockopt(zmq.RCVTIMEO, int(patience[0]) if patience else 20_000)
socket.connect(address)
socket.send(frame.encode())
try:
    print(socket.recv().decode())
except zmq.Again:
    if not patience:
        raise
    print("null")
