"""A softIoc (the C one) with the records of `soft.db`; ends when its standard input closes."""

import sys
from pathlib import Path

from epicscorelibs import ioc

HERE = Path(__file__).parent

ioc.iocshRegisterCommon()
ioc.ioc(f'asSetFilename("{HERE / "soft.acf"}")')
databases = [(str(HERE / "soft.db"), "P=T:")]
databases += [(str(HERE / "many.db"), f"P=T:,N={number}") for number in range(int(sys.argv[1]))]
ioc.start_ioc(dbs=databases)
print("READY", flush=True)
sys.stdin.read()
