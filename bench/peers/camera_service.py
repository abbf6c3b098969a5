"""The least that a Python service for cameras does: FastAPI in front of pyepics, numpy and Pillow.

For each client it normalises and encodes each frame, as ophyd-websocket and ophyd-service do; it
checks and logs nothing, and knows the size of the image beforehand. It stands in for them where
they are not installed. Started as `python camera_service.py PORT SIDE`.
"""

from __future__ import annotations

import asyncio
import io
import sys

import epics
import numpy
import uvicorn
from fastapi import FastAPI, WebSocket
from PIL import Image

app = FastAPI()
QUEUE = 8


def jpeg(array: numpy.ndarray, side: int) -> bytes:
    light = numpy.log(array.astype(float) + 1)
    least, most = light.min(), light.max()
    grey = ((light - least) / (most - least) * 255).astype(numpy.uint8)
    file = io.BytesIO()
    Image.fromarray(grey.reshape(side, side)).save(file, "JPEG", quality=100)
    return file.getvalue()


@app.websocket("/api/v1/camera-socket")
async def camera(socket: WebSocket) -> None:
    await socket.accept()
    name = (await socket.receive_json())["imageArray_PV"]
    loop = asyncio.get_running_loop()
    frames: asyncio.Queue[numpy.ndarray] = asyncio.Queue(QUEUE)

    def newest(array: numpy.ndarray) -> None:
        if frames.full():
            frames.get_nowait()
        frames.put_nowait(array)

    def heard(value: numpy.ndarray, **_: object) -> None:
        loop.call_soon_threadsafe(newest, numpy.asarray(value, dtype=numpy.uint8))

    side = int(sys.argv[2])
    pv = epics.PV(name, auto_monitor=True, callback=heard)
    try:
        await socket.send_json({"x": side, "y": side, "colorMode": "Mono", "dataType": "UInt8"})
        while True:
            array = await frames.get()
            await socket.send_bytes(await asyncio.to_thread(jpeg, array, side))
    finally:
        pv.disconnect()


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        ws_per_message_deflate=False,
    )
