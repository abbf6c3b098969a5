"""`python -m beamline_worker`: one worker, with its settings in the environment."""

from __future__ import annotations

import sys

from .settings import SettingsError, parse


def main() -> int:
    """Runs a worker; the exit code."""
    try:
        settings = parse(sys.argv[1:])
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    # Importing bluesky takes seconds, and a wrong setting should not.
    from .worker import run

    return run(settings)


if __name__ == "__main__":
    sys.exit(main())
