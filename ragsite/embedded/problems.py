"""What can go wrong while the stack starts or runs, as one sentence that a person can act on."""

from __future__ import annotations


class StackError(Exception):
    """The message is a whole sentence: what is wrong and what to do about it."""
