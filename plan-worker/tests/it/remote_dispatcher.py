"""Listens with bluesky's own dispatcher; prints the first whole run as one line of JSON."""

import json
import sys

from bluesky.callbacks.zmq import RemoteDispatcher


def main():
    dispatcher = RemoteDispatcher(sys.argv[1])
    run = []

    def hear(name, document):
        if name == "start":
            run.clear()
        run.append((name, document))
        if name == "stop" and run[0][0] == "start":
            print(json.dumps(run), flush=True)
            raise SystemExit

    dispatcher.subscribe(hear)
    dispatcher.start()


if __name__ == "__main__":
    main()
