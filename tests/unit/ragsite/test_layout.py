"""Where the embedded stack keeps its state."""

from __future__ import annotations

from pathlib import Path

from ragsite.embedded.layout import LONGEST_SOCKET_FOLDER, StateLayout


def test_sockets_lie_below_the_root_where_their_path_is_short() -> None:
    assert StateLayout(Path("/srv/var")).sockets == Path("/srv/var/run")


def test_sockets_move_to_a_short_path_of_their_own_where_it_is_long() -> None:
    deep = Path("/" + "/".join(["a-rather-long-folder-name"] * 6))
    one, other = StateLayout(deep / "one"), StateLayout(deep / "other")
    assert len(str(one.sockets)) <= LONGEST_SOCKET_FOLDER
    assert one.sockets != other.sockets
    assert one.sockets == StateLayout(deep / "one").sockets


def test_every_socket_path_fits_into_its_107_bytes() -> None:
    root = Path("/" + "x" * (LONGEST_SOCKET_FOLDER - 5))
    layout = StateLayout(root)
    assert len(str(layout.postgres_sockets / ".s.PGSQL.5432")) <= 107
    assert len(str(layout.redis_socket)) <= 107
