"""The parsing program with a parser that does what its input says: loop, grow, crash, escape."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from documents.parsing import program
from documents.parsing.base import ParseError, ParserContext
from documents.types import Block, ParsedDocument


class HostileParser:
    def parse(self, path: Path, context: ParserContext) -> ParsedDocument:
        behaviour = path.read_text()
        getattr(self, behaviour)()
        return ParsedDocument("fine", (Block("paragraph", 0, 4),))

    def behave(self) -> None:
        pass

    def loop(self) -> None:
        while True:
            pass

    def sleep(self) -> None:
        time.sleep(600)

    def grow(self) -> None:
        hoard = []
        while True:
            hoard.append(bytearray(16 * 1024 * 1024))

    def abort_without_memory(self) -> None:
        hoard = []
        try:
            while True:
                hoard.append(b"x" * (4 * 1024 * 1024))
        except MemoryError:
            os.abort()

    def segfault(self) -> None:
        ctypes.string_at(0)

    def quit(self) -> None:
        os._exit(9)

    def raise_an_error(self) -> None:
        msg = "text of a document"
        raise ValueError(msg)

    def refuse(self) -> None:
        raise ParseError("encrypted", "asks for a password")

    def show_environment(self) -> None:
        raise ParseError("no_text", " ".join(os.environ))

    def connect(self) -> None:
        socket.create_connection(("127.0.0.1", 1))

    def start_a_program(self) -> None:
        subprocess.run(["true"], check=True)

    def write_elsewhere(self) -> None:
        Path("/tmp/ragsite-hostile").write_text("mine")  # noqa: S108 - must not succeed

    def leave_a_child(self) -> None:
        # Past the audit hook, as native code gone wrong could.
        pid = ctypes.CDLL(None).fork()
        if pid == 0:
            time.sleep(600)
        sys.stderr.write(f"child {pid}\n")
        sys.stderr.flush()
        os._exit(9)


if __name__ == "__main__":
    program.parser_for = lambda media_type: HostileParser()  # type: ignore[attr-defined]
    sys.excepthook = program._report_crash
    sys.exit(program.main(sys.argv[1:]))
