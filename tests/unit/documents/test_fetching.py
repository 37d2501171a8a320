"""Fetching: limits are kept, and only public addresses are met, whatever a name or server says."""

from __future__ import annotations

import gzip
import socket
import threading
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents import fetching
from documents.fetching import MOST_REDIRECTS, FetchedPage, FetchRefused, fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PUBLIC = "93.184.216.34"
PAGE = b"<title>Sleep</title><p>Go to bed at the same hour."


class Here(httpcore.NetworkBackend):
    """Connects to a server of the test, whatever the address, and notes what was meant."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.met: list[tuple[str, int]] = []

    def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        self.met.append((host, port))
        return httpcore.SyncBackend().connect_tcp("127.0.0.1", self._port, *args, **kwargs)


@contextmanager
def serving(*answers: bytes | Callable[[socket.socket], None]) -> Iterator[Here]:
    """A server that gives one connection after the other what it is to be given."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    with suppress(OSError):
                        answer(connection) if callable(answer) else connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Here(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def packed(data: bytes) -> bytes:
    """By gzip, the same bytes at every time: they name tests, which two processes must agree on."""
    return gzip.compress(data, mtime=0)


def page(body: bytes = PAGE, head: str = "Content-Type: text/html; charset=GBK") -> bytes:
    return f"HTTP/1.1 200 OK\r\n{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def moved(location: str, encoding: str = "utf-8") -> bytes:
    head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    return head.encode(encoding)


def got(network: Here, address: str = "http://example.org/", **options: Any) -> FetchedPage:
    options.setdefault("resolve", lambda host, port: [PUBLIC])
    return fetch(address, network=network, **{"max_bytes": 10_000, **options})


def refused(network: Here, address: str = "http://example.org/", **options: Any) -> str:
    with pytest.raises(FetchRefused) as caught:
        got(network, address, **options)
    return caught.value.code


def test_a_page_comes_with_its_type_from_the_address_that_was_resolved() -> None:
    with serving(page()) as network:
        found = got(network)
        assert (found.data, found.media_type, found.charset) == (PAGE, "text/html", "GBK")
        assert network.met == [(PUBLIC, 80)]


@pytest.mark.parametrize("private", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1"])
def test_a_name_that_leads_to_a_private_address_is_not_followed(private: str) -> None:
    with serving(page()) as network:
        assert refused(network, resolve=lambda host, port: [private]) == "web_address"
        assert refused(network, resolve=lambda host, port: [PUBLIC, private]) == "web_address"
        assert network.met == []


def test_a_name_is_resolved_once_and_what_it_says_later_does_not_matter() -> None:
    said = iter([[PUBLIC], ["127.0.0.1"]])
    with serving(page()) as network:
        got(network, resolve=lambda host, port: next(said))
        assert network.met == [(PUBLIC, 80)]
    assert next(said) == ["127.0.0.1"], "it was not asked again"


def test_every_redirect_is_resolved_and_checked_again() -> None:
    names = {"example.org": [PUBLIC], "inside.example": ["192.168.0.1"]}
    with serving(moved("http://inside.example/admin")) as network:
        assert refused(network, resolve=lambda host, port: names[host]) == "web_address"
        assert network.met == [(PUBLIC, 80)]


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "http://example.org:6379/", "http://user:a@example.org/"]
)
def test_a_redirect_to_what_is_no_web_address_ends_it(location: str) -> None:
    with serving(moved(location)) as network:
        assert refused(network) == "web_address"


def test_a_redirect_is_followed_and_the_last_address_is_known() -> None:
    with serving(moved("/b"), page()) as network:
        assert str(got(network).address) == "http://example.org/b"


@pytest.mark.parametrize(
    ("location", "encoding", "meant"),
    [
        ("/睡眠", "utf-8", "http://example.org/%E7%9D%A1%E7%9C%A0"),
        ("http://bücher.example/", "utf-8", "http://xn--bcher-kva.example/"),
        ("/睡?q=é", "gb18030", "http://example.org/%CB%AF?q=%A8%A6"),
    ],
)
def test_a_redirect_leads_where_its_bytes_say_also_without_quoting(
    location: str, encoding: str, meant: str
) -> None:
    with serving(moved(location, encoding), page()) as network:
        assert str(got(network).address) == meant


def test_redirects_without_end_are_ended() -> None:
    with serving(*[moved("/again")] * (MOST_REDIRECTS + 1)) as network:
        assert refused(network) == "web_redirects"
        assert len(network.met) == MOST_REDIRECTS + 1


def test_a_page_that_says_it_is_too_large_is_not_read() -> None:
    with serving(page(b"x" * 20_000)) as network:
        assert refused(network) == "too_large"


def test_a_page_that_does_not_say_how_large_it_is_is_read_up_to_the_limit() -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        while True:
            connection.sendall(b"x" * 4096)

    with serving(endless) as network:
        assert refused(network) == "too_large"


def test_packed_content_is_unpacked_but_not_beyond_the_limit() -> None:
    head = "Content-Type: text/html\r\nContent-Encoding: gzip"
    bomb = packed(b"0" * 5_000_000)
    assert len(bomb) < 10_000
    with serving(page(packed(PAGE), head), page(bomb, head)) as network:
        assert got(network).data == PAGE
        assert refused(network) == "too_large"


def bare(data: bytes) -> bytes:
    """Packed by deflate without a frame, as some servers do."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


LONG = b"".join(b"%d Go to bed at the same hour. " % number for number in range(9000))


@pytest.mark.parametrize("step", [1, 7, 4096])
@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (packed(b"Go to bed ") + packed(b"at ten."), b"Go to bed at ten."),
        (packed(b"Go to bed at ten.") + b"\0" * 512, b"Go to bed at ten."),
        (packed(b"Go to bed at ten.") + b"\x1f", b"Go to bed at ten."),
        (packed(b"") + packed(b"Go to bed."), b"Go to bed."),
        (zlib.compress(PAGE), PAGE),
        (bare(PAGE), PAGE),
        (packed(LONG) * 2, LONG * 2),
        (bare(LONG), LONG),
        (bare(b"x" * 65_537), b"x" * 65_537),
    ],
)
def test_what_servers_call_packed_is_unpacked(sent: bytes, meant: bytes, step: int) -> None:
    pieces = (sent[start : start + step] for start in range(0, len(sent), step))
    assert b"".join(fetching._unpacked(pieces)) == meant


@given(st.binary(max_size=200), st.integers(1, 9))
def test_packed_content_of_any_kind_ends_in_bytes_or_is_refused(data: bytes, step: int) -> None:
    pieces = (data[start : start + step] for start in range(0, len(data), step))
    with suppress(zlib.error):
        assert isinstance(b"".join(fetching._unpacked(pieces)), bytes)


def test_parts_of_packed_content_count_together() -> None:
    head = "Content-Type: text/html\r\nContent-Encoding: gzip"
    parts = packed(b"0" * 4_000) * 3
    with serving(page(parts, head), page(bare(b"0" * 20_000), head)) as network:
        assert refused(network) == "too_large"
        assert refused(network) == "too_large"


@pytest.mark.parametrize(
    ("header", "media_type", "charset"),
    [
        ("text/html", "text/html", ""),
        (" Text/HTML ;charset='UTF-8'", "text/html", "UTF-8"),
        ('text/html; boundary=x; Charset="gb2312"', "text/html", "gb2312"),
        ("text/html, text/html; charset=gbk", "text/html", "gbk"),
        ("application/atom+xml", "application/atom+xml", ""),
        ("text/html; charset*0=a; charset*=utf-8''b", "text/html", ""),
        ("text/html; charset*1*=x; charset*x=y", "text/html", ""),
        ("html", "", ""),
        ("/", "", ""),
        ("text/html/x", "", ""),
        ("text /html", "", ""),
        ("tëxt/html", "", ""),
    ],
)
def test_a_type_that_makes_no_sense_counts_as_none(
    header: str, media_type: str, charset: str
) -> None:
    assert fetching._type_of(header) == (media_type, charset)


@given(st.text(st.characters(max_codepoint=255)))
def test_any_type_can_be_sent(header: str) -> None:
    media_type, charset = fetching._type_of(header)
    assert media_type == "" or "/" in media_type
    assert not set(charset) & set(" ;\"'")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "web_refused"),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "web_refused"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "web_refused"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "web_unreachable"),
        (b"", "web_unreachable"),
        (page()[:-10], "web_unreachable"),
        (page(b"zz", "Content-Encoding: gzip"), "web_unreachable"),
        (page(packed(PAGE)[:-12], "Content-Encoding: gzip"), "web_unreachable"),
        (page(PAGE, "Content-Encoding: br"), "web_type"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "web_unreachable"),
    ],
)
def test_each_way_to_fail_has_its_code(answer: bytes, code: str) -> None:
    with serving(answer) as network:
        assert refused(network) == code


def test_a_host_without_an_address_and_a_server_that_does_not_listen_are_unreachable() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror

    with serving() as network:
        assert refused(network, resolve=unknown) == "web_unreachable"
        assert refused(network, resolve=lambda host, port: []) == "web_unreachable"
    assert refused(network) == "web_unreachable", "nobody listens there any more"


def test_a_server_that_sends_a_byte_now_and_then_is_left_when_the_time_is_over() -> None:
    done = threading.Event()

    def drip(connection: socket.socket) -> None:
        while not done.wait(0.05):
            connection.sendall(b"H")

    with serving(drip) as network:
        assert refused(network, time_limit_s=0.4) == "web_timeout"
        done.set()


def test_a_fetch_that_is_cancelled_ends() -> None:
    with serving(page()) as network:
        assert refused(network, cancelled=lambda: True) == "cancelled"


def test_no_proxy_of_the_surroundings_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    with serving(page()) as network:
        assert got(network).data == PAGE
        assert network.met == [(PUBLIC, 80)]
