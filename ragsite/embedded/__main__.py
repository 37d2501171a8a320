"""``python -m ragsite.embedded demo`` or ``serve``: the stack in one terminal.

``demo`` adds accounts and the sample knowledge base and asks one question; ``serve`` starts with
an empty installation, whose first page creates the administrator.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from ragsite.embedded import commands
from ragsite.embedded.console import Console
from ragsite.embedded.layout import StateLayout
from ragsite.embedded.stack import ROOT, Plan, run


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    state = Path(os.environ.get("RAGSITE_STATE_DIR") or ROOT / "var").resolve()
    if options.mode == "demo":
        welcome = ("manage.py", "load_demo", *(["--ask"] if options.once else []))
    else:
        welcome = ("manage.py", "first_run", "--address", f"http://{options.host}:{options.port}")
    plan = Plan(
        layout=StateLayout(state),
        host=options.host,
        port=options.port,
        welcome=welcome,
        once=options.once,
        began_at=options.began_at or time.time(),
    )
    return run(plan, Console())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ragsite.embedded", description=__doc__)
    parser.add_argument("mode", choices=["demo", "serve"])
    parser.add_argument("--host", default=commands.LOCAL_HOST)
    parser.add_argument("--port", type=int, default=commands.DEFAULT_PORT)
    parser.add_argument("--once", action="store_true", help="end when the answer is printed")
    parser.add_argument("--began-at", type=float, help="when the whole command began, as date +%%s")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
