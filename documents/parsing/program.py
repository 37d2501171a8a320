"""The program that reads one untrusted file: ``python -m documents.parsing.program IN OUT ...``.

A child of it does the reading. Before it opens the file it limits its own memory, processor time,
files and output, and puts itself under the guards that the kernel has: no sockets, no other
programs, no files but the one to read. An audit hook forbids the same to Python code everywhere.
So the common accidents (endless loops, bombs, crashes) become an exit code, and an attack that
succeeds in a parser finds nothing to reach for.

The program itself waits, runs text recognition when the child asks for it, and writes to its
standard output how the child ended.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import json
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from documents.parsing.base import ParseError, ParserContext
from documents.parsing.forking import STAND, serve
from documents.parsing.recognising import DistantRecogniser, Tesseract
from documents.parsing.registry import parser_for
from documents.parsing.sandbox import Limits, end_with_the_parent, guard, limit
from documents.parsing.wire import encode_document, encode_error

if TYPE_CHECKING:
    from typing import Any

EXIT_REFUSED = 3
"""OUT holds an error message."""
EXIT_MEMORY = 4
EXIT_OUTPUT_TOO_LARGE = 5
EXIT_DISK_FULL = 6
JOBS = {"unpack": "documents.parsing.unpacking", "render": "documents.parsing.rendering"}
"""What else is done to untrusted files, by the module that does it."""

_FORBIDDEN_EVENTS = frozenset(
    {"subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn"}
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_MAX_NAMES_BYTES = 1024


class Job(Protocol):
    """A module of ``JOBS``."""

    def run(self, path: Path, options: dict[str, Any], context: ParserContext) -> bytes:
        """Do it, and return what OUT shall hold. Raises ``ParseError``."""
        ...


def main(arguments: list[str]) -> int:
    """Let a child read the file and write the message, and report how the child ended.

    The report is JSON: ``status`` as ``os.waitstatus_to_exitcode`` gives it, ``peak_mb``, the
    child's peak resident memory in MiB, and ``guards``, those of ``sandbox.GUARDS`` that it was
    under. Linux hands the peak of whoever starts a program down to it, so a worker that holds a
    model cannot tell from the program's own usage; a fork without a new program starts afresh.
    """
    options = _options(arguments)
    end_with_the_parent(options.started_by)
    output = os.open(options.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    guards, tell_guards = os.pipe()
    questions, ask = os.pipe()
    hear, answers = os.pipe()
    me = os.getpid()
    child = os.fork()
    if not child:
        end_with_the_parent(me)
        for descriptor in (guards, questions, answers):
            os.close(descriptor)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _read(options, output, tell_guards, DistantRecogniser(ask, hear))
    for descriptor in (output, tell_guards, ask, hear):
        os.close(descriptor)
    # Told before the file is opened: nothing in the file can have a say in it.
    held = os.read(guards, _MAX_NAMES_BYTES).decode().split()
    reason = None
    if options.recogniser:
        tesseract = Tesseract(options.recogniser, options.output.parent)
        reason = tesseract.serve(questions, answers, child, options.time_limit_s)
    os.close(questions)
    os.close(answers)
    if reason:
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    report = {
        "status": -reason if reason else os.waitstatus_to_exitcode(status),
        "peak_mb": usage.ru_maxrss / 1024,
        "guards": held,
    }
    sys.stdout.write(json.dumps(report))
    return 0


def _read(
    options: argparse.Namespace, output: int, tell_guards: int, recogniser: DistantRecogniser
) -> int:
    """Read the file and write the message; the exit status says which kind."""
    limit(Limits(options.memory_mb, options.time_limit_s, options.output_mb))
    if options.recogniser:
        # The runner waits for the recognition too, so the reader keeps its own time: this clock
        # stands still while a picture is read.
        signal.alarm(options.time_limit_s)
    held = guard([os.fspath(options.input)])
    os.write(tell_guards, " ".join(held).encode())
    os.close(tell_guards)
    context = ParserContext(
        recogniser=recogniser if options.recogniser else None, recognition_s=options.recognition_s
    )
    try:
        message = _message(options, context)
    except ParseError as error:
        return _write(output, encode_error(error.code, error.detail[:500]), EXIT_REFUSED)
    except RecursionError:
        return _write(output, encode_error("nested", "recursion"), EXIT_REFUSED)
    except MemoryError:
        return EXIT_MEMORY
    return _write(output, message, 0)


def _message(options: argparse.Namespace, context: ParserContext) -> bytes:
    if options.job:
        job = cast("Job", importlib.import_module(JOBS[options.job]))
        _forbid_side_effects()
        return job.run(options.input, json.loads(options.options), context)
    parser = parser_for(options.media_type)
    _forbid_side_effects()
    return encode_document(parser.parse(options.input, context))


def prepare(arguments: list[str]) -> None:
    """Import what ``main`` will need for these arguments; open nothing."""
    options = _options(arguments)
    with suppress(ParseError, ImportError):  # ``main`` will meet it again, and say so
        if options.job:
            importlib.import_module(JOBS[options.job])
        else:
            parser_for(options.media_type)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="documents.parsing.program")
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--media-type")
    task.add_argument("--job", choices=sorted(JOBS))
    parser.add_argument("--options", default="{}")
    parser.add_argument("--started-by", type=int, default=0)
    parser.add_argument("--recogniser", default="")
    parser.add_argument("--recognition-s", type=int, default=0)
    parser.add_argument("--memory-mb", type=int, default=1024)
    parser.add_argument("--time-limit-s", type=int, default=60)
    parser.add_argument("--output-mb", type=int, default=256)
    return parser.parse_args(arguments)


def _forbid_side_effects() -> None:
    def check(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith("socket.") or event in _FORBIDDEN_EVENTS:
            msg = f"a parser must not use {event}"
            raise PermissionError(msg)
        # A descriptor that is open already is no way out.
        if event == "open" and not isinstance(arguments[0], int):
            flags = arguments[2]
            if isinstance(flags, int) and flags & _WRITING:
                msg = f"a parser must not write to {arguments[0]!r}"
                raise PermissionError(msg)

    sys.addaudithook(check)


def _write(output: int, message: bytes, status: int) -> int:
    try:
        with os.fdopen(output, "wb") as file:
            file.write(message)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return EXIT_DISK_FULL  # without a word: standard error may be on the same disk
        sys.stderr.write(f"cannot write the result: {error}\n")
        return EXIT_OUTPUT_TOO_LARGE
    return status


def _report_crash(kind: type[BaseException], error: BaseException, trace: object) -> None:
    """The last lines of the trace: enough for a log, and no text of the document."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames))
    sys.stderr.write(f"{kind.__name__} at {places}\n")


if __name__ == "__main__":
    sys.excepthook = _report_crash
    stands = sys.argv[1:2] == [STAND]
    sys.exit(serve(main, prepare, sys.argv[2:]) if stands else main(sys.argv[1:]))
