"""What ``manage.py check`` says about reading files on this system."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Warning

from documents.parsing.sandbox import LANDLOCK, SECCOMP, missing_guards

_EFFECTS = {
    SECCOMP: (
        "Only an audit hook keeps what reads uploaded files from the network and from starting "
        "programs: a hole in a native library could get past it."
    ),
    LANDLOCK: "What reads uploaded files could also read other files of the worker's user.",
}
_REMEDIES = {
    SECCOMP: "Run the workers on Linux (x86-64 or aarch64) with seccomp filters, which is usual.",
    LANDLOCK: "Run the workers on Linux 5.13 or later with Landlock among its security modules.",
}


def guards_of_parsers(**_: Any) -> list[CheckMessage]:
    """A warning for each guard that this system lacks; asks the kernel and changes nothing."""
    return [
        Warning(
            f"Uploaded files are read without {name}. {_EFFECTS[name]}",
            hint=_REMEDIES[name],
            id=f"documents.W{number:03}",
        )
        for number, name in enumerate((SECCOMP, LANDLOCK), start=1)
        if name in missing_guards()
    ]
