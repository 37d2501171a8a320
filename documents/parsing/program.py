"""The program that reads one untrusted file: ``python -m documents.parsing.program IN OUT ...``.

A child of it limits its own memory, processor time, files and output before it opens the file,
and refuses sockets, other programs and writing anywhere but to OUT. That is no sandbox against
native code gone wrong, but it turns the common accidents (endless loops, bombs, crashes) into an
exit code. The program itself only waits, and writes to its standard output how the child ended.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import json
import os
import resource
import signal
import sys
import traceback
from pathlib import Path

from documents.parsing.base import ParseError, ParserContext
from documents.parsing.registry import parser_for
from documents.parsing.wire import encode_document, encode_error

EXIT_REFUSED = 3
"""OUT holds an error message."""
EXIT_MEMORY = 4
EXIT_OUTPUT_TOO_LARGE = 5
CPU_GRACE_S = 5

JOBS = {"unpack": "documents.parsing.unpacking"}
"""What is done with a file beside reading it: modules with ``run(path, options, context)``, whose
bytes are written to OUT as they are. It raises as a parser does."""

_MEBIBYTE = 1024 * 1024
_PR_SET_PDEATHSIG = 1
_FORBIDDEN_EVENTS = frozenset(
    {"subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn"}
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main(arguments: list[str]) -> int:
    """Let a child read the file and write the message, and report how the child ended.

    The report is JSON: ``status`` as ``os.waitstatus_to_exitcode`` gives it, and ``peak_mb``, the
    child's peak resident memory in MiB. Linux hands the peak of whoever starts a program down to
    it, so a worker that holds a model cannot tell from the program's own usage; a fork without a
    new program starts afresh.
    """
    options = _options(arguments)
    _end_with_the_parent()
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _read(options)
    _, status, usage = os.wait4(child, 0)
    report = {"status": os.waitstatus_to_exitcode(status), "peak_mb": usage.ru_maxrss / 1024}
    sys.stdout.write(json.dumps(report))
    return 0


def _read(options: argparse.Namespace) -> int:
    """Do the job and write the message; the exit status says which kind."""
    _end_with_the_parent()
    _limit(options.memory_mb, options.time_limit_s, options.output_mb)
    context = ParserContext()
    try:
        if options.job:
            job = importlib.import_module(JOBS[options.job])
            _forbid_side_effects(options.output)
            message = job.run(options.input, json.loads(options.options), context)
        else:
            parser = parser_for(options.media_type)
            _forbid_side_effects(options.output)
            message = encode_document(parser.parse(options.input, context))
    except ParseError as error:
        return _write(options.output, encode_error(error.code, error.detail[:500]), EXIT_REFUSED)
    except MemoryError:
        return EXIT_MEMORY
    return _write(options.output, message, 0)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="documents.parsing.program")
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--media-type")
    task.add_argument("--job", choices=sorted(JOBS))
    parser.add_argument("--options", default="{}")
    parser.add_argument("--memory-mb", type=int, default=1024)
    parser.add_argument("--time-limit-s", type=int, default=60)
    parser.add_argument("--output-mb", type=int, default=256)
    return parser.parse_args(arguments)


def _limit(memory_mb: int, time_limit_s: int, output_mb: int) -> None:
    limits = {
        resource.RLIMIT_AS: memory_mb * _MEBIBYTE,
        resource.RLIMIT_CPU: time_limit_s,
        resource.RLIMIT_FSIZE: output_mb * _MEBIBYTE,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in limits.items():
        _, hard = resource.getrlimit(kind)
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        if kind == resource.RLIMIT_CPU:
            # With both limits alike the kernel kills at once, and SIGXCPU never tells why.
            grace = allowed + CPU_GRACE_S
            beyond = grace if hard == resource.RLIM_INFINITY else min(grace, hard)
            resource.setrlimit(kind, (allowed, beyond))
        else:
            resource.setrlimit(kind, (allowed, allowed))
    # Should the worker die, nobody is left to keep the time.
    signal.alarm(time_limit_s + 10)


def _end_with_the_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _forbid_side_effects(output: Path) -> None:
    allowed = os.fspath(output)

    def check(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith("socket.") or event in _FORBIDDEN_EVENTS:
            msg = f"a parser must not use {event}"
            raise PermissionError(msg)
        if event == "open" and arguments[0] != allowed:
            flags = arguments[2]
            if isinstance(flags, int) and flags & _WRITING:
                msg = f"a parser must not write to {arguments[0]!r}"
                raise PermissionError(msg)

    sys.addaudithook(check)


def _write(output: Path, message: bytes, status: int) -> int:
    try:
        # A plain string, as the audit hook compares it.
        with open(os.fspath(output), "wb") as file:  # noqa: PTH123
            file.write(message)
    except OSError as error:
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
    sys.exit(main(sys.argv[1:]))
