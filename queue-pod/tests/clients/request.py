"""Sends one frame to the control socket with libzmq and prints the reply."""

import sys

import zmq

address, frame = sys.argv[1:]
socket = zmq.Context().socket(zmq.REQ)
socket.setsockopt(zmq.LINGER, 0)
socket.setsockopt(zmq.RCVTIMEO, 20_000)
socket.connect(address)
socket.send(frame.encode())
print(socket.recv().decode())
