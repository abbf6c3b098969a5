"""An ipykernel in which a worker runs: what users see there, the console of the queue shows too.

Importing this imports ipykernel, which plain workers do without.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

from ipykernel.displayhook import ZMQShellDisplayHook
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from ipykernel.zmqshell import ZMQInteractiveShell
from traitlets import Type

# Colours and other things that terminals understand.
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")


def say(text: str) -> None:
    """For the console of the queue alone: users of the kernel see it by other means."""
    if (console := sys.__stdout__) is not None:
        console.write(f"{text}\n")


class DisplayHook(ZMQShellDisplayHook):  # type: ignore[misc]
    """Values of cells."""

    def write_format_data(
        self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None
    ) -> None:
        """Shows a value."""
        super().write_format_data(format_dict, md_dict)
        say(f">> {format_dict.get('text/plain', '')}")


class Shell(ZMQInteractiveShell):  # type: ignore[misc]
    """IPython itself."""

    displayhook_class = Type(DisplayHook)

    def _showtraceback(self, etype: type, evalue: BaseException, stb: list[str]) -> None:
        super()._showtraceback(etype, evalue, stb)
        say(ESCAPES.sub("", "Traceback: " + "\n".join(stb)))


# A request of a user, or for a hidden cell.
Message = dict[str, Any]


class Kernel(IPythonKernel):  # type: ignore[misc]
    """The kernel."""

    shell_class = Type(Shell)

    async def execute_request(self, stream: object, ident: object, parent: Message) -> None:
        """Executes a cell. One of a subshell is not executed by the main thread."""
        if parent.get("header", {}).get("subshell_id") is not None:
            await super().execute_request(stream, ident, parent)
            return
        self.parent.cell_begins(parent)
        try:
            await super().execute_request(stream, ident, parent)
        finally:
            self.parent.cell_ends(parent)


def _nothing(_request: Message) -> None:
    """While the profile is being opened, nobody watches."""


class KernelApp(IPKernelApp):  # type: ignore[misc]
    """The kernel with its sockets."""

    kernel_class = Type(Kernel)
    keeps_connection_file = False
    # Works for the queue server; what the hidden cell calls.
    lend: Callable[[], None]
    # Hear of every cell that the main thread executes.
    cell_begins: Callable[[Message], None] = staticmethod(_nothing)
    cell_ends: Callable[[Message], None] = staticmethod(_nothing)

    def log_connection_info(self) -> None:
        """The worker says how to connect: this one is for people who start a kernel by hand."""

    def init_code(self) -> None:
        """Startup files are those of the profile, and executed by the worker."""

    def cleanup_connection_file(self) -> None:
        """Leaves a file that was asked for, so that consoles find the next kernel too."""
        if self.keeps_connection_file:
            self.cleanup_ipc_files()
        else:
            super().cleanup_connection_file()
