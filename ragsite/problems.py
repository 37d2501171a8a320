"""What can go wrong in the project's own commands, as one sentence each."""

from __future__ import annotations


class DemoError(Exception):
    """The demonstration cannot go on; the message says why and what to look at."""
