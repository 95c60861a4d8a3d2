"""Which addresses may be asked, and that one address has one spelling."""

import pytest

from llmops_pipelines.lifecycle.corpus.places.addresses import Refused, cleaned, is_public, permitted

PRIVATE = """
0.0.0.0 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16 169.254.169.254 172.16.0.1 172.31.255.255
192.0.0.192 192.0.2.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1 64:ff9b:1::1 100::1 2001:db8::1
2001::1 2002:7f00:1:: fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 localhost 0x7f.1 2130706433 127.1
"""


@pytest.mark.parametrize("address", PRIVATE.split())
def test_addresses_inside_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::200e"])
def test_addresses_outside_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "one"),
    [
        ("HTTP://Example.ORG:80", "http://example.org/"),
        ("https://example.org:443/a?b=c#d", "https://example.org/a?b=c"),
        ("https://example.org.:8443/ä b%20c%zz", "https://example.org:8443/%C3%A4%20b%20c%25zz"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://[2606:4700::1111]:80/x", "http://[2606:4700::1111]/x"),
        (" https://example.org/a\n", "https://example.org/a"),
    ],
)
def test_an_address_has_one_spelling(url, one):
    assert cleaned(url) == one
    assert cleaned(one) == one


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://example.org/", "gopher://example.org/", "javascript:alert(1)", "//example.org/a", "a/b",
        "",         "http://", "http:///etc", "http://me:secret@example.org/", "http://me@example.org/", "http://example.org:99999/",
        "http://[::1/", "http://exa mple.org/" + "\x00", "https://" + "a" * 70 + ".org/", "https://example.org/" + "a" * 3_000,
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_page_is_refused(url):
    with pytest.raises(Refused):
        cleaned(url)


def test_redirects_are_resolved_against_the_page():
    assert cleaned("../b?c", base="https://example.org/x/y/z") == "https://example.org/x/b?c"
    assert cleaned("//other.org/b", base="https://example.org/x") == "https://other.org/b"


@pytest.mark.parametrize(
    ("url", "allow", "asked"),
    [
        ("https://example.org/", "example.org", True),
        ("https://example.org/", "EXAMPLE.org.", True),
        ("https://xn--bcher-kva.example/", "bücher.example", True),
        ("https://docs.example.org/", "example.org", False),
        ("https://docs.example.org/", "*.example.org", True),
        ("https://a.docs.example.org/", "*.example.org", True),
        ("https://example.org/", "*.example.org", False),
        ("https://badexample.org/", "*.example.org", False),
        ("https://example.org.evil.com/", "example.org", False),
        ("https://example.org:8443/", "example.org", False),
        ("https://example.org:8443/", "example.org:8443", True),
        ("https://docs.example.org:8443/", "*.example.org:8443", True),
        ("https://example.org/", "*", False),
        ("https://example.org/", "", False),
    ],
)
def test_only_named_hosts_are_asked(url, allow, asked):
    assert permitted(url, [allow]) is asked
