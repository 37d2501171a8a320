"""The parsing program with a parser that does what its input says: loop, grow, crash, escape."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from documents.parsing import program
from documents.parsing.base import ParseError, ParserContext
from documents.parsing.forking import STAND, serve
from documents.types import Block, ParsedDocument

UNGUARDED = "unguarded_"
"""Begins a behaviour that is to be tried as on a system whose kernel has no guards."""


class HostileParser:
    def parse(self, path: Path, context: ParserContext) -> ParsedDocument:
        self.context = context
        getattr(self, path.read_text().removeprefix(UNGUARDED))()
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

    def recurse(self) -> None:
        self.recurse()

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

    def recognise(self) -> None:
        recogniser = self.context.recogniser
        if recogniser is None:
            raise ParseError("no_text", "no recogniser")
        text = recogniser.read(b"a picture", ["eng", "chi_sim"], 300)
        raise ParseError("no_text", f"{recogniser.languages} {text}")

    def recognise_nonsense(self) -> None:
        assert self.context.recogniser is not None
        self.context.recogniser.read(b"", ["--help"], 300)

    def close_everything_and_sleep(self) -> None:
        os.closerange(3, 64)
        self.sleep()

    def flood_the_recogniser(self) -> None:
        for descriptor in range(3, 64):
            with suppress(OSError):
                os.write(descriptor, b"\xff" * 65536)
        self.sleep()

    # ---- past the audit hook, as native code gone wrong could ----
    def native_socket(self) -> None:
        _try("socket", socket.AF_INET, socket.SOCK_STREAM, 0)

    def native_socket_by_rings(self) -> None:
        _try("syscall", 425, 1, ctypes.create_string_buffer(200))

    def native_fork(self) -> None:
        _try("fork")

    def native_new_session(self) -> None:
        _try("setsid")

    def native_program(self) -> None:
        _try("execv", b"/bin/true", (ctypes.c_char_p * 2)(b"true", None))

    def native_file(self) -> None:
        _try("open", b"/tmp/ragsite-hostile", os.O_WRONLY | os.O_CREAT, 0o600)

    def native_removal(self) -> None:
        _try("unlink", os.fsencode(sys.argv[1]))

    def native_signal(self) -> None:
        _try("kill", os.getppid(), 9)

    def native_signal_by_a_pipe(self) -> None:
        _try("fcntl", os.pipe()[0], 8, os.getppid())

    # Its own, which the kernel itself would let it change; the call is the same for others.
    def native_priority(self) -> None:
        _try("setpriority", os.PRIO_PROCESS, 0, 19)

    def native_processors(self) -> None:
        mask = ctypes.create_string_buffer(1024)
        ctypes.CDLL(None).sched_getaffinity(0, len(mask), mask)
        _try("sched_setaffinity", 0, len(mask), mask)

    def native_shared_memory(self) -> None:
        _try("shmget", 0, 4096, 0o1600)

    def native_limit(self) -> None:
        _try("setrlimit", resource.RLIMIT_CPU, (ctypes.c_ulong * 2)(600, 600))

    def native_freedom_from_the_parent(self) -> None:
        _try("prctl", 1, 0, 0, 0, 0)

    # ---- reading ----
    def read_secrets_of_the_worker(self) -> None:
        Path(f"/proc/{os.getppid()}/environ").read_bytes()

    def read_the_settings(self) -> None:
        (Path(program.__file__).parents[2] / "manage.py").read_bytes()

    def list_other_uploads(self) -> None:
        list(Path(sys.argv[1]).parent.iterdir())

    def use_threads_and_libraries(self) -> None:
        import zoneinfo
        from concurrent.futures import ThreadPoolExecutor

        import lxml.etree  # type: ignore[import-untyped]
        import pypdfium2

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(abs, [-1, 2])) == [1, 2]
        assert lxml.etree.fromstring("<a/>").tag == "a"
        assert pypdfium2.PdfDocument.new() is not None
        assert zoneinfo.ZoneInfo("Asia/Shanghai").key


def _try(function: str, *arguments: object) -> None:
    """Call the C library, and say what came of it."""
    libc = ctypes.CDLL(None, use_errno=True)
    answer = getattr(libc, function)(*arguments)
    raise ParseError("no_text", f"{answer} {errno.errorcode.get(ctypes.get_errno())}")


def run(arguments: list[str]) -> int:
    if Path(arguments[0]).read_text().startswith(UNGUARDED):
        program.guard = lambda readable: ()  # type: ignore[assignment,attr-defined,misc]
    return program.main(arguments)


if __name__ == "__main__":
    program.parser_for = lambda media_type: HostileParser()  # type: ignore[attr-defined]
    sys.excepthook = program._report_crash
    stands = sys.argv[1:2] == [STAND]
    sys.exit(serve(run, program.prepare, sys.argv[2:]) if stands else run(sys.argv[1:]))
