"""Runs the `qserver` command as a user does.

Every call has to end with exit code 0 or, where it must fail, 2.
"""

import subprocess
import sys
from pathlib import Path

control = sys.argv[1]
qserver = Path(sys.executable).with_name("qserver")


def run(*arguments, code=0):
    command = [str(qserver), *arguments, "--zmq-control-addr", control]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout


assert "RE Manager v" in run("status")
run("queue", "add", "plan", '{"name": "quick", "args": [2]}')
run("queue", "add", "plan", "front", '{"name": "other"}')
run("queue", "add", "instruction", "queue-stop")
out = run("queue", "get")
assert out.index("'other'") < out.index("'quick'") < out.index("'queue_stop'"), out
run("queue", "item", "move", "0", "1")
run("queue", "item", "remove", "back")
run("queue", "add", "plan", '{"name": "nope"}', code=2)
run("queue", "start")
for _ in range(100):
    if "'items_in_history': 2" in run("status"):
        break
assert "'exit_status': 'completed'" in run("history", "get")
run("lock", "queue", "-k", "key")
run("queue", "clear", code=2)
run("unlock", "-k", "key")
run("history", "clear")
assert "'quick'" in run("allowed", "plans")
run("environment", "close")
