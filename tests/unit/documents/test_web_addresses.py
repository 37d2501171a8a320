"""Addresses: which may be fetched, and that no way of writing one leads into a private network."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents import web_addresses
from documents.web_addresses import AddressRefused, is_public, parse

PRIVATE = [
    "0.0.0.0",  # noqa: S104 - nothing is bound
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:93.184.216.34",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "2606:4700::1%eth0",
    "localhost",
    "127.1",
    "",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_not_everybody_may_have_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "2a00:1450::1"])
def test_an_ordinary_address_is_public(address: str) -> None:
    assert is_public(address)


@given(st.integers(0, 2**32 - 1))
def test_no_ipv4_address_is_public_in_disguise(number: int) -> None:
    embedded = [0xFFFF << 32, 0x64FF9B << 96, 0x2002 << 112, 0]
    for prefix in embedded:
        assert not is_public(str(IPv6Address(prefix | number)))
    assert not is_public(str(IPv6Address((0x2002 << 112) | (number << 80))))


@given(st.integers(0, 2**32 - 1))
def test_no_public_address_is_one_that_the_standard_library_calls_special(number: int) -> None:
    address = IPv4Address(number)
    if is_public(str(address)):
        assert not (address.is_private or address.is_loopback or address.is_link_local)
        assert not (address.is_multicast or address.is_reserved or address.is_unspecified)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("https://example.org", "https://example.org/"),
        (" HTTP://Example.ORG./a?b=c#part ", "http://example.org/a?b=c"),
        ("https://example.org:443/a b", "https://example.org/a%20b"),
        ("http://example.org:443/", "http://example.org:443/"),
        ("https://Bücher.example/睡眠", "https://xn--bcher-kva.example/%E7%9D%A1%E7%9C%A0"),
        ("https://example.org/%E7%9D%A1?q=%20", "https://example.org/%E7%9D%A1?q=%20"),
        ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
    ],
)
def test_an_address_is_written_in_one_way(text: str, meant: str) -> None:
    assert str(parse(text)) == meant
    assert str(parse(meant)) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.org",
        "ftp://example.org/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://example.org:8080/",
        "http://example.org:22/",
        "http://example.org:0/",
        "http://user:secret@example.org/",
        "http://@example.org/",
        "http:///etc/passwd",
        "http://exam ple.org/",
        "http://example.org\\@127.0.0.1/",
        "http://example.org/\r\nHost: other",
        "http://[::1/",
        "http://example.org:port/",
        "https://example.org/" + "a" * 1000,
    ],
)
def test_what_is_no_web_address_is_refused(text: str) -> None:
    with pytest.raises(AddressRefused):
        parse(text)


@pytest.mark.parametrize("letter", ["睡", "é", '"'])
def test_an_address_is_as_long_as_it_is_when_it_is_quoted(letter: str) -> None:
    with pytest.raises(AddressRefused):
        parse("https://example.org/" + letter * 900)
    assert len(str(parse("https://example.org/" + letter * 100))) <= web_addresses.MOST_CHARACTERS


def test_a_redirect_is_held_against_the_same_rules() -> None:
    address = parse("https://example.org/a/b")
    assert str(web_addresses.follow(address, "../c")) == "https://example.org/c"
    assert str(web_addresses.follow(address, "//other.example/")) == "https://other.example/"
    for location in ("file:///etc/passwd", "http://other.example:6379/", "gopher://x/", "http://["):
        with pytest.raises(AddressRefused):
            web_addresses.follow(address, location)


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_is_refused(text: str) -> None:
    try:
        address = parse("https://" + text)
    except AddressRefused:
        return
    assert str(address).isascii()
    assert address.port in web_addresses.PORTS
    assert not set(address.host) & set(" /@\\?#%")
