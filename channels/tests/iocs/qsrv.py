"""The records of `soft.db` over PVAccess (QSRV) too; ends when its standard input closes."""

import sys
from pathlib import Path

import pvxslibs.path
from epicscorelibs import ioc

HERE = Path(__file__).parent

ioc.iocshRegisterCommon()
ioc.ioc(f'asSetFilename("{HERE / "soft.acf"}")')
databases = [(str(HERE / "soft.db"), "P=T:")]
databases += [(str(HERE / "many.db"), f"P=T:,N={number}") for number in range(int(sys.argv[1]))]
ioc.start_ioc(
    dbs=databases,
    extra_dbd_load=[("pvxsIoc.dbd", pvxslibs.path.dbd_path)],
    extra_dso_load=["pvxslibs.lib.pvxsIoc"],
)
print("READY", flush=True)
sys.stdin.read()
