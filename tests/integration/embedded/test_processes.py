"""Programs of the stack: started apart, ended whole, never outliving who started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ragsite.embedded import processes
from ragsite.embedded.memory import descendants, memory_of_tree
from ragsite.embedded.processes import Identity, Program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[3]
SLEEP = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(600)"
PARENT_OF_ONE = (
    "import subprocess, sys, time;"
    f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]);"
    "print(child.pid, flush=True); time.sleep(600)"
)


def _python(code: str, **options: object) -> Program:
    return Program("test", (sys.executable, "-u", "-c", code), **options)  # type: ignore[arg-type]


def is_alive(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] not in {"Z", "X"}


def eventually(holds: Callable[[], bool], *, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return holds()


@pytest.fixture
def bystander() -> Iterator[int]:
    """A process that nobody here may touch."""
    with subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True) as process:
        yield process.pid
        process.kill()


def test_a_program_runs_in_a_session_of_its_own() -> None:
    program = _python("import os; print(os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid())")
    process = processes.start(program, output=subprocess.PIPE)
    assert process.communicate()[0].split() == [b"True", b"True"]


def test_a_program_gets_its_environment_on_top_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "1")
    program = _python(
        "import os; print(os.environ['OURS'], os.environ['ITS'])", environment={"ITS": "2"}
    )
    process = processes.start(program, output=subprocess.PIPE)
    assert process.communicate()[0].split() == [b"1", b"2"]


def test_stopping_ends_what_the_program_started_and_nothing_else(bystander: int) -> None:
    program = _python(PARENT_OF_ONE)
    process = processes.start(program, output=subprocess.PIPE)
    assert process.stdout is not None
    grandchild = int(process.stdout.readline())
    assert is_alive(grandchild)
    processes.stop(process, program, patience_s=5)
    assert eventually(lambda: not is_alive(grandchild))
    assert not is_alive(process.pid)
    assert is_alive(bystander)


def test_a_program_that_ignores_the_request_is_ended_after_the_patience() -> None:
    program = _python(STUBBORN)
    process = processes.start(program, output=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    processes.stop(process, program, patience_s=0.2)
    assert process.returncode == -signal.SIGKILL


def test_stopping_twice_is_harmless() -> None:
    program = _python(SLEEP)
    process = processes.start(program, output=subprocess.DEVNULL)
    processes.stop(process, program, patience_s=5)
    processes.stop(process, program, patience_s=5)
    assert process.returncode is not None


def test_a_program_ends_when_its_parent_is_killed_outright() -> None:
    parent_code = textwrap.dedent(
        f"""
        import sys, time
        from ragsite.embedded import processes
        program = processes.Program("x", (sys.executable, "-c", {SLEEP!r}))
        print(processes.start(program, output=None).pid, flush=True)
        time.sleep(600)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent_code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.kill()
        parent.wait()
        assert eventually(lambda: not is_alive(child))


def test_a_program_whose_parent_is_gone_already_does_not_start() -> None:
    line = list(processes.launch_line(_python("print('ran')")))
    line[line.index("--parent") + 1] = "1"
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_starts_a_program_as_another_user_who_can_still_search_folders(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").write_text("found", encoding="utf-8")
    code = (
        "import os; print(os.getuid(), os.getgid(), os.getgroups());"
        f"print(open({str(closed / 'file')!r}).read());"
        f"print(os.access({str(closed)!r}, os.W_OK))"
    )
    program = _python(code, identity=Identity(65534, 65534))
    process = processes.start(program, output=subprocess.PIPE)
    assert process.communicate()[0].decode().splitlines() == ["65534 65534 []", "found", "False"]


def test_memory_counts_the_whole_tree_below_a_process() -> None:
    hold = "block = bytearray(64 * 1024 * 1024); print('held', flush=True);"
    program = _python(hold + PARENT_OF_ONE)
    process = processes.start(program, output=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    grandchild = int(process.stdout.readline())
    try:
        assert set(descendants(os.getpid())) >= {os.getpid(), process.pid, grandchild}
        assert memory_of_tree(process.pid) > 64 * 1024 * 1024
    finally:
        processes.stop(process, program, patience_s=5)


def test_memory_of_a_process_that_is_gone_is_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert memory_of_tree(process.pid) == 0
