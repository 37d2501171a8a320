from __future__ import annotations

import os
import subprocess
import sys

from bench.fault_stack import _family, _started


def test_a_family_is_a_process_with_what_it_started_and_ends_with_it() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        family = _family(os.getpid())
        member = (child.pid, _started(child.pid))
        assert member in family
        assert (os.getpid(), _started(os.getpid())) in family

    assert member[1]
    assert not _started(child.pid)
    assert member not in _family(os.getpid())
