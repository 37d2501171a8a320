"""Keys of model servers: configured by the name of where they are, read when they are used.

Who may edit a row names a variable or a file here, and an address that the key is sent to. So that
this cannot be used to send away the database's password or a file of the system, only variables
whose name ends in ``_API_KEY`` and files in one folder are read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from inference.errors import ModelKeyMissing

VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*_API_KEY")
LONGEST = 4096
"""Characters of a key; a longer file is not one."""


def is_key_source(source: str, folder: Path) -> bool:
    """Whether ``source`` may be read: a variable ``…_API_KEY``, or a file below ``folder``."""
    return bool(VARIABLE.fullmatch(source)) or _file_in(source, folder) is not None


def read_key(source: str, folder: Path) -> str:
    """The key that ``source`` names; empty for no source. Raises ``ModelKeyMissing``.

    A variable may instead be given as ``NAME_FILE``, the path of a file. No message holds any part
    of a key.
    """
    if not source:
        return ""
    key = _from_variable(source) if VARIABLE.fullmatch(source) else _from_file(source, folder)
    key = key.strip()
    # What cannot stand in a header would be quoted, whole, in the HTTP client's own message.
    if not key or not key.isascii() or not key.isprintable():
        raise ModelKeyMissing(f"there is no usable key in {source}")
    return key


def _from_variable(name: str) -> str:
    value = os.environ.get(name, "")
    path = os.environ.get(f"{name}_FILE", "").strip()
    return value if value.strip() or not path else _text_of(Path(path), name)


def _from_file(source: str, folder: Path) -> str:
    path = _file_in(source, folder)
    if path is None:
        raise ModelKeyMissing(f"{source} is neither a variable …_API_KEY nor a file in {folder}")
    return _text_of(path, source)


def _file_in(source: str, folder: Path) -> Path | None:
    """The file that ``source`` names, if it is below ``folder``, links followed."""
    if not source.startswith("/") or "\0" in source:
        return None
    path = Path(source).resolve()
    return path if path.is_relative_to(folder.resolve()) and path != folder.resolve() else None


def _text_of(path: Path, source: str) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LONGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "it is not text"
        raise ModelKeyMissing(f"the key file of {source} cannot be read: {problem}") from None
    if len(text) > LONGEST:
        raise ModelKeyMissing(f"the file of {source} is too long for a key")
    return text
