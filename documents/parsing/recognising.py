"""Text recognition (OCR) for the reader of a file, by tesseract.

The reader may not start programs. It asks the process that started it, over two pipes; that one
hands the picture to tesseract, under limits and guards of its own, and the answer back. Neither
looks into what goes through.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from documents.parsing.base import ParseError
from documents.parsing.sandbox import Limits, end_with_the_parent, guard, limit

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_IMAGE_BYTES = 64 * 1024 * 1024
MAX_TEXT_BYTES = 8 * 1024 * 1024
LIMITS = Limits(memory_mb=1024, time_limit_s=60, output_mb=8)
"""Of each run of tesseract."""

_MAX_ORDER_BYTES = 4096
_ASKED = struct.Struct("!II")
"""Lengths of the order, which is JSON, and of the picture; both follow."""
_ANSWERED = struct.Struct("!?I")
"""Whether it worked, and the length of the text, which follows."""
_LANGUAGE = re.compile(r"[A-Za-z][A-Za-z0-9_]{1,30}")
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "OMP_THREAD_LIMIT": "1"}
_TESSDATA = "TESSDATA_PREFIX"
_FAILURE = "recognition"


class DistantRecogniser:
    """A ``Recogniser`` in the process that reads the file."""

    def __init__(self, questions: int, answers: int) -> None:
        """Descriptors of the pipes to and from the process that runs tesseract."""
        self._questions, self._answers = questions, answers

    @cached_property
    def languages(self) -> tuple[str, ...]:
        return tuple(self._ask({"languages": None}, b"").decode().split())

    def read(self, image: bytes, languages: Sequence[str], dpi: int) -> str:
        if len(image) > MAX_IMAGE_BYTES:
            raise ParseError(_FAILURE, f"a picture of {len(image)} bytes")
        order = {"languages": list(languages), "dpi": dpi}
        left = signal.alarm(0)
        try:
            return self._ask(order, image).decode("utf-8", errors="replace")
        finally:
            signal.alarm(left)

    def _ask(self, order: dict[str, Any], image: bytes) -> bytes:
        packed = json.dumps(order).encode()
        try:
            _write(self._questions, _ASKED.pack(len(packed), len(image)) + packed)
            _write(self._questions, image)
            worked, length = _ANSWERED.unpack(_read(self._answers, _ANSWERED.size))
            answer = _read(self._answers, length)
        except (OSError, EOFError) as error:
            raise ParseError(_FAILURE, "nobody answers") from error
        if not worked:
            raise ParseError(_FAILURE, answer.decode("utf-8", errors="replace"))
        return answer


@dataclass(frozen=True, slots=True)
class Tesseract:
    """Runs ``command``, the path of tesseract; pictures and texts lie in ``folder`` meanwhile."""

    command: str
    folder: Path

    def serve(
        self, questions: int, answers: int, asker: int, patience_s: float
    ) -> signal.Signals | None:
        """Answer until the process ``asker`` ends: ``None``, or why it should be ended.

        SIGALRM when it has been at work for ``patience_s``, apart from what it waited for here;
        SIGABRT when it asks what makes no sense. The end of its pipe is not its own end: whatever
        it left behind may hold that open.
        """
        watched, ended = [questions], _descriptors_of(asker)
        while watched or ended:
            began = time.monotonic()
            ready = select.select(watched + ended, [], [], max(0.0, patience_s))[0]
            patience_s -= time.monotonic() - began
            if not ready:
                return signal.SIGALRM
            if questions not in ready:
                return None
            try:
                self._serve_one(questions, answers)
            except EOFError:
                watched = []
            except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError):
                return signal.SIGABRT
        return None

    def _serve_one(self, questions: int, answers: int) -> None:
        order_length, image_length = _ASKED.unpack(_read(questions, _ASKED.size))
        if order_length > _MAX_ORDER_BYTES or image_length > MAX_IMAGE_BYTES:
            raise ValueError
        order = json.loads(_read(questions, order_length))
        worked, text = self._answer(order, _read(questions, image_length))
        _write(answers, _ANSWERED.pack(worked, len(text)) + text)

    def _answer(self, order: dict[str, Any], image: bytes) -> tuple[bool, bytes]:
        if order["languages"] is None:
            worked, listed = self._run(["--list-langs"], b"")
            names = [line for line in listed.decode().split("\n")[1:] if _LANGUAGE.fullmatch(line)]
            return worked, "\n".join(names).encode()
        languages, dpi = [str(name) for name in order["languages"]], int(order["dpi"])
        if not languages or not all(_LANGUAGE.fullmatch(name) for name in languages):
            return False, b"no such language"
        return self._run(
            ["stdin", "stdout", "-l", "+".join(languages), "--dpi", str(dpi), "tsv"], image
        )

    def _run(self, arguments: list[str], image: bytes) -> tuple[bool, bytes]:
        with (
            tempfile.TemporaryFile(dir=self.folder) as picture,
            tempfile.TemporaryFile(dir=self.folder) as text,
        ):
            picture.write(image)
            picture.seek(0)
            environment = dict(_ENVIRONMENT)
            if _TESSDATA in os.environ:
                environment[_TESSDATA] = os.environ[_TESSDATA]
            ended = subprocess.run(  # noqa: S603 - no shell; this process has one thread
                [self.command, *arguments],
                stdin=picture,
                stdout=text,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd=self.folder,
                preexec_fn=partial(self._become_limited, os.getpid()),
                check=False,
            )
            if ended.returncode:
                return False, f"tesseract ended with {ended.returncode}".encode()
            text.seek(0)
            return True, text.read(MAX_TEXT_BYTES)

    def _become_limited(self, parent: int) -> None:
        end_with_the_parent(parent)
        limit(LIMITS)
        data = [os.environ[_TESSDATA]] if _TESSDATA in os.environ else []
        guard(data, programs=[os.fspath(Path(self.command).resolve().parent)])


def _descriptors_of(process: int) -> list[int]:
    try:
        return [os.pidfd_open(process)]
    except (OSError, AttributeError):  # an old kernel
        return []


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _read(descriptor: int, length: int) -> bytes:
    parts = []
    while length:
        part = os.read(descriptor, min(length, 1024 * 1024))
        if not part:
            raise EOFError
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
