"""The least that a Python service for PVs does: FastAPI in front of pyepics.

It checks and logs nothing. It stands in for ophyd-service's direct control where that is not
installed, and does less than that for a request. Started as `python pv_service.py PORT`.
"""

from __future__ import annotations

import sys
from functools import cache

import epics
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

app = FastAPI()


@cache
def channel(pv: str) -> epics.PV:
    return epics.PV(pv, auto_monitor=True, connection_timeout=5.0)


def answer(pv: str, value: object) -> dict[str, object]:
    if value is None:
        raise HTTPException(504, f"{pv} did not answer")
    return {"pv_name": pv, "value": value, "connected": True, "timestamp": channel(pv).timestamp}


# Not `async`: FastAPI runs these on threads, since pyepics blocks.
@app.get("/api/v1/pv/{pv}/value")
def read(pv: str) -> dict[str, object]:
    """From the IOC."""
    return answer(pv, channel(pv).get(use_monitor=False))


@app.get("/api/v1/pvs/{pv}/value")
def monitored(pv: str) -> dict[str, object]:
    """The newest value of the monitor."""
    return answer(pv, channel(pv).get())


class Put(BaseModel):
    pv_name: str
    value: float


@app.post("/api/v1/pv/set")
def put(put: Put) -> dict[str, object]:
    """Until the IOC has said that it is done."""
    if channel(put.pv_name).put(put.value, wait=True, timeout=30) != 1:
        raise HTTPException(500, f"{put.pv_name} was not set")
    return {"pv_name": put.pv_name, "success": True, "value_set": put.value}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
