"""Which addresses may be asked: named hosts only, and only where their name leads to a public address.

A name is resolved once per connection, every address is judged, and the connection goes to exactly that address.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from ..sources import UnreadableFile

PORTS = {"http": 80, "https": 443}
LONGEST = 2_000  # characters of an address
SAFE = "%/:?#[]@!$&'()*+,;=-._~"  # what stands for itself; all else is percent-encoded

Resolve = Callable[[str, int], Sequence[str]]
Allowed = Callable[[str], bool]

HOST = re.compile(r"[a-z0-9._-]+")
SERVICES = ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24")  # of clouds and networks; Python calls some of them global
# Addresses that carry another one inside, which the network would unpack: mapped, 6to4, Teredo, NAT64.
CARRIERS = ("::ffff:0:0/96", "::/96", "2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48")
INSIDE = tuple(map(ipaddress.ip_network, (*SERVICES, *CARRIERS)))


class Refused(UnreadableFile):
    """The address may not be asked."""


def is_public(address: str) -> bool:
    """No private, loopback, link-local, multicast or reserved address, no metadata service, none in disguise."""
    try:
        number = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if any(number in network for network in INSIDE if network.version == number.version):
        return False
    special = number.is_private or number.is_loopback or number.is_link_local or number.is_reserved or number.is_unspecified
    return number.is_global and not special and not number.is_multicast and not getattr(number, "is_site_local", False)


def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a host, in the system's order."""
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


def cleaned(url: str, base: str = "") -> str:
    """The one spelling of an address: scheme and host in small letters, no fragment, no standard port, percent-encoded.

    Raises `Refused` for what is no http(s) address or carries a user name.
    """
    try:
        parts = urlsplit(urljoin(base, url.strip()))
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Refused(f"{url[:200]!r} is no address") from error
    if parts.scheme not in PORTS or not host:
        raise Refused(f"{url[:200]!r} is no http or https address")
    if parts.username is not None or parts.password is not None:
        raise Refused("an address with a user name in it is not asked")
    try:
        host = host if ":" in host else host.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise Refused(f"{host[:200]!r} is no host name") from error
    if ":" not in host and not HOST.fullmatch(host):
        raise Refused(f"{host[:200]!r} is no host name")
    place = f"[{host}]" if ":" in host else host
    if port is not None and port != PORTS[parts.scheme]:
        place = f"{place}:{port}"
    path, query = (re.sub("%(?![0-9A-Fa-f]{2})", "%25", quote(part, safe=SAFE)) for part in (parts.path or "/", parts.query))
    whole = urlunsplit((parts.scheme, place, path, query, ""))
    if len(whole) > LONGEST:
        raise Refused(f"the address is longer than {LONGEST} characters")
    return whole


def _entry(entry: str) -> str:
    host, colon, port = entry.strip().lower().partition(":")
    spelled = ".".join(part if part == "*" else part.encode("idna").decode("ascii") for part in host.rstrip(".").split("."))
    return f"{spelled}{colon}{port}"


def permitted(url: str, allow: Sequence[str]) -> bool:
    """Whether the host of a cleaned address is named. '*.example.org' is every host below example.org, not itself.

    Only the standard ports, unless an entry says host:port.
    """
    parts = urlsplit(url)
    host, place = parts.hostname or "", parts.netloc
    for entry in map(_entry, allow):
        subject = place if re.search(r":\d+$", entry) else host if parts.port is None else ""
        if subject == entry or (entry.startswith("*.") and subject.endswith(entry[1:]) and len(subject) > len(entry) - 1):
            return True
    return False
