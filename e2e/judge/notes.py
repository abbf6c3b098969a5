"""What the stand-ins for the RE manager and for its HTTP server tell each other.

The tests start two programs where ours is one: who is started first cannot know the other. Each
leaves a note that holds for as long as it lives.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(tempfile.gettempdir()) / "beamline-judge"


@dataclass(frozen=True)
class Note:
    """What one of the two programs says about itself."""

    path: Path

    def leave(self, **said: Any) -> None:
        """Writes it, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({"pid": os.getpid(), **said}))
        draft.replace(self.path)

    def read(self) -> dict[str, Any] | None:
        """What it says, unless its program is gone."""
        try:
            said = json.loads(self.path.read_text())
            os.kill(said["pid"], 0)
        except (FileNotFoundError, ProcessLookupError):
            return None
        return dict(said)

    def withdraw(self) -> None:
        """Removes it, unless it is another's by now."""
        said = self.read()
        if said is not None and said["pid"] == os.getpid():
            self.path.unlink()


# The manager: its process.
MANAGER = Note(FOLDER / "manager.json")
# The HTTP server: the address on which it is to listen, and its environment.
FRONT = Note(FOLDER / "front.json")
