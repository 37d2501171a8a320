"""Which web addresses may be fetched: public ones, with http or https, on their usual ports."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import quote, urljoin, urlsplit

SCHEMES = {"http": 80, "https": 443}
PORTS = frozenset(SCHEMES.values())
MOST_CHARACTERS = 1000

_SAFE_PATH = "/%:=&?~#+!$,;'@()*[]"
_IPV6_PUBLIC = ip_network("2000::/3")
"""All that is given out to anybody so far; whatever is elsewhere means something special."""
_SPECIAL = tuple(
    ip_network(network)
    for network in (
        # Registered for special use, whatever the standard library of a version makes of them.
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # between a provider and its customers; also a cloud's metadata
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local; 169.254.169.254 is where clouds hand out credentials
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "168.63.129.16/32",  # a cloud's own services, at an address that looks public
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",
    )
)


class AddressRefused(Exception):
    """An address that is not fetched. ``detail`` is for logs and for administrators."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class WebAddress:
    """A checked address. ``host`` is ASCII, without brackets; ``target`` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == SCHEMES[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.target}"


def parse(text: str) -> WebAddress:
    """The address in ``text``, without its fragment. Raises ``AddressRefused``.

    This looks at the writing only. What the host's name leads to is asked when it is fetched, and
    held against ``is_public`` then.
    """
    text = text.strip()
    if len(text) > MOST_CHARACTERS or not text.isprintable() or "\\" in text:
        raise AddressRefused("no web address")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise AddressRefused("no web address") from error
    if parts.scheme.lower() not in SCHEMES:
        raise AddressRefused("neither http nor https")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("a name or password in it")
    scheme = parts.scheme.lower()
    port = SCHEMES[scheme] if port is None else port
    if port not in PORTS:
        raise AddressRefused(f"port {port}")
    path = quote(parts.path or "/", safe=_SAFE_PATH)
    query = f"?{quote(parts.query, safe=_SAFE_PATH)}" if parts.query else ""
    address = WebAddress(scheme, _ascii(host), port, path + query)
    if len(str(address)) > MOST_CHARACTERS:  # quoting makes it up to nine times as long
        raise AddressRefused("too long")
    return address


def follow(address: WebAddress, location: str) -> WebAddress:
    """Where a redirect from ``address`` leads. Raises ``AddressRefused``, as for any address."""
    try:
        return parse(urljoin(str(address), location.strip()))
    except ValueError as error:
        raise AddressRefused("no web address") from error


def is_public(address: str) -> bool:
    """Whether an IP address is one that anybody on the Internet may have."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and (
        found.ipv4_mapped is not None or found.scope_id or found not in _IPV6_PUBLIC
    ):
        return False
    if not found.is_global or found.is_multicast or found.is_reserved:
        return False
    return not any(found in network for network in _SPECIAL if network.version == found.version)


def _ascii(host: str) -> str:
    """The host as it is asked for in the domain name system."""
    host = host.rstrip(".").lower()
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise AddressRefused("no host name") from error
    if not host or len(host) > 253 or any(letter in host for letter in " %/@?#"):
        raise AddressRefused("no host name")
    return host
