"""A page on the web, fetched with limits and from public addresses only. Knows no Django.

A name is resolved once for each connection, every address that it has is held against the rules,
and the connection goes to one of those very addresses: a name that leads elsewhere a moment later
(DNS rebinding) gains nothing. Each redirect is a new address with all of that again. No proxy, no
cookie, no credential of the surroundings is used.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpcore

from documents import web_addresses
from documents.web_addresses import AddressRefused, WebAddress, is_public

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MOST_REDIRECTS = 5
CONNECT_S = 10.0
READ_S = 20.0
_PIECE = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OK = 200
_HEADERS = [
    ("User-Agent", "Ragsite (fetches a page that a person asked for)"),
    ("Accept", "text/html,application/xhtml+xml,application/pdf,text/*;q=0.9,*/*;q=0.5"),
    ("Accept-Encoding", "identity"),
]
_PLAIN = frozenset({"", "identity"})
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})
_GZIP = b"\x1f\x8b"
_AS_GZIP, _AS_ZLIB, _AS_DEFLATE = 31, 15, -15
"""``wbits`` of zlib: in which frame the packed content is, or that it is in none."""
_TYPE = re.compile(r"\s*([\w!#$&^.+-]+/[\w!#$&^.+-]+)\s*(?:[;,]|$)", re.ASCII)
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([^\s"';]+)""", re.IGNORECASE)


class FetchRefused(Exception):
    """A page that was not fetched. ``code`` as in ``documents.problems``."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """What was at an address. ``address`` is where the redirects ended."""

    address: WebAddress
    media_type: str
    """Lower case, without parameters; empty when the server named none."""
    charset: str
    """As the server named it, else empty."""
    data: bytes


def resolve(host: str, port: int) -> list[str]:
    """All IP addresses of a host, in the order of the system's preference. Raises ``OSError``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_rest, address in found))


def fetch(
    text: str,
    *,
    max_bytes: int,
    time_limit_s: float = 60.0,
    cancelled: Callable[[], bool] = lambda: False,
    resolve: Callable[[str, int], list[str]] = resolve,
    network: httpcore.NetworkBackend | None = None,
) -> FetchedPage:
    """What is at the address ``text``, through at most ``MOST_REDIRECTS`` redirects.

    ``time_limit_s`` is for all of it, ``max_bytes`` for the content, packed and unpacked.
    ``cancelled`` is asked between pieces. ``resolve`` gives the IP addresses of a host, and
    ``network`` connects to one of them. Raises ``FetchRefused``.
    """
    limits = _Limits(time.monotonic() + time_limit_s, max_bytes, cancelled)
    try:
        address = web_addresses.parse(text)
        with httpcore.ConnectionPool(
            ssl_context=ssl.create_default_context(),
            network_backend=_PublicOnly(limits, resolve, network or httpcore.SyncBackend()),
            max_connections=1,
        ) as pool:
            for _ in range(MOST_REDIRECTS + 1):
                found = _get(pool, address, limits)
                if isinstance(found, FetchedPage):
                    return found
                address = web_addresses.follow(address, found)
    except AddressRefused as error:
        raise FetchRefused("web_address", error.detail) from error
    except httpcore.TimeoutException as error:
        raise FetchRefused("web_timeout", type(error).__name__) from error
    except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError, zlib.error) as error:
        raise FetchRefused("web_unreachable", f"{type(error).__name__}: {error}"[:300]) from error
    raise FetchRefused("web_redirects")


@dataclass(frozen=True, slots=True)
class _Limits:
    deadline: float
    max_bytes: int
    cancelled: Callable[[], bool]

    def left(self, most: float | None) -> float:
        """Seconds that a single step may take. Raises ``httpcore.ReadTimeout`` when none are left.

        A server that sends a byte now and then is in time for each read, and never done.
        """
        if self.cancelled():
            raise FetchRefused("cancelled")
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time for all of it is over")
        return left if most is None else min(left, most)


def _get(pool: httpcore.ConnectionPool, address: WebAddress, limits: _Limits) -> FetchedPage | str:
    """The page, or where the server says it is."""
    timeout = {"connect": CONNECT_S, "read": READ_S, "write": READ_S, "pool": CONNECT_S}
    headers = [*_HEADERS, ("Connection", "close")]
    with pool.stream(
        "GET", str(address), headers=headers, extensions={"timeout": timeout}
    ) as response:
        given = _by_name(response.headers)
        if response.status in _REDIRECTS and given.get("location"):
            return _written(given["location"])
        if response.status != _OK:
            raise FetchRefused("web_refused", f"status {response.status}")
        encoding = given.get("content-encoding", "").strip().lower()
        if encoding not in _PLAIN | _PACKED:
            raise FetchRefused("web_type", f"encoding {encoding}"[:100])
        declared = given.get("content-length", "")
        if declared.isdecimal() and int(declared) > limits.max_bytes:
            raise FetchRefused("too_large", f"{declared} bytes")
        media_type, charset = _type_of(given.get("content-type", ""))
        data = _up_to(limits, response.iter_stream())
        if encoding in _PACKED:
            data = _up_to(limits, _unpacked(data))
        return FetchedPage(address, media_type, charset, b"".join(data))


def _up_to(limits: _Limits, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces, as long as all of them together are not larger than is allowed."""
    found = 0
    for piece in pieces:
        found += len(piece)
        if found > limits.max_bytes:
            raise FetchRefused("too_large", f"more than {limits.max_bytes} bytes")
        yield piece


def _unpacked(stream: Iterable[bytes]) -> Iterator[bytes]:
    """What is packed by gzip, in one part or several, or by deflate with a frame or without.

    Piece by piece, none larger than ``_PIECE``. What stands behind the last part is padding.
    Raises ``zlib.error``.
    """
    unpacker, rest = None, b""
    for raw in stream:
        rest += raw
        while rest:
            if unpacker is None or unpacker.eof:
                if len(rest) < len(_GZIP):
                    break
                if unpacker is not None and not rest.startswith(_GZIP):
                    return
                unpacker = zlib.decompressobj(_frame_of(rest))
            yield unpacker.decompress(rest, _PIECE)
            rest = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    if unpacker is not None and not unpacker.eof:
        yield unpacker.flush()  # a few bytes: all else was asked for
    if unpacker is None or not unpacker.eof:
        raise zlib.error("the content ends too early")


def _frame_of(packed: bytes) -> int:
    """``wbits`` for content that begins so. Servers call either form of deflate by that name."""
    if packed.startswith(_GZIP):
        return _AS_GZIP
    is_zlib = packed[0] & 0x0F == zlib.DEFLATED and int.from_bytes(packed[:2]) % 31 == 0
    return _AS_ZLIB if is_zlib else _AS_DEFLATE


def _by_name(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def _written(location: str) -> str:
    """A Location header as an address: some servers send it in UTF-8, some in their own encoding,
    whose bytes then stand for themselves.
    """
    sent = location.encode("latin-1")
    try:
        return sent.decode()
    except UnicodeDecodeError:
        return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in sent)


def _type_of(content_type: str) -> tuple[str, str]:
    """Media type and charset of a Content-Type header; empty where it makes no sense."""
    found = _TYPE.match(content_type)
    if found is None:
        return "", ""
    charset = _CHARSET.search(content_type)
    return found[1].lower(), charset[1] if charset else ""


class _PublicOnly(httpcore.NetworkBackend):
    """Connections to public addresses, and each read of them within what time is left."""

    def __init__(
        self,
        limits: _Limits,
        resolve: Callable[[str, int], list[str]],
        network: httpcore.NetworkBackend,
    ) -> None:
        self._limits = limits
        self._resolve = resolve
        self._network = network

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"no address for {host}") from error
        if not addresses:
            raise httpcore.ConnectError(f"no address for {host}")
        for address in addresses:
            # One that is not public among others is refused too: it is there for a reason.
            if not is_public(address):
                raise AddressRefused(f"{host} is at {address}")
        failures: list[Exception] = []
        for address in addresses:
            try:
                opened = self._network.connect_tcp(address, port, self._limits.left(timeout))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failures.append(error)
            else:
                return _Timed(opened, self._limits)
        raise failures[-1]

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        raise AddressRefused("a socket of this machine")

    def sleep(self, seconds: float) -> None:
        time.sleep(self._limits.left(seconds))


class _Timed(httpcore.NetworkStream):
    """A connection whose every step ends when the time for all of it is over."""

    def __init__(self, inner: httpcore.NetworkStream, limits: _Limits) -> None:
        self._inner = inner
        self._limits = limits

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._limits.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._limits.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, self._limits.left(timeout))
        return _Timed(inner, self._limits)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
