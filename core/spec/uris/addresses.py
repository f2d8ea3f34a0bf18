"""Which network addresses may be dialled, and a connection to exactly the address that was checked.

A name is resolved once; every address it has must be allowed; the socket is opened to one of those, with the name kept
for the Host header and the certificate. So a name that changes its address between check and use gains nothing.
"""

import http.client
import ipaddress
import socket
import ssl

from core.spec.uris.reason import Unreachable

TIMEOUT_SECONDS = 30.0
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(text: str) -> bool:
    """Whether an address, and any IPv4 address inside it, belongs to the public internet."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return all(inner.is_global and not inner.is_multicast for inner in (address, *_embedded(address)))


def _embedded(address: Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that an IPv6 address stands for: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [one for one in inner if one is not None]


def resolve(host: str, port: int, *, private: bool) -> list[str]:
    """The addresses of `host`. Raises Unreachable where it has none, or a private one unless `private`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"the host {host!r} cannot be resolved ({error})") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not private and not all(is_public(address) for address in addresses):
        raise Unreachable(f"the host {host!r} has a private address; the operator allows public ones only")
    return addresses


def connect(
    scheme: str, host: str, port: int, *, private: bool, timeout_seconds: float = TIMEOUT_SECONDS
) -> http.client.HTTPConnection:
    """An open connection to a checked address of `host`. Raises Unreachable."""
    reasons = []
    for address in resolve(host, port, private=private):
        try:
            raw = socket.create_connection((address, port), timeout=timeout_seconds)
            if scheme == "https":
                raw = ssl.create_default_context().wrap_socket(raw, server_hostname=host)
        except OSError as error:
            reasons.append(str(error.strerror or error))
            continue
        connection = http.client.HTTPConnection(host, port, timeout=timeout_seconds)
        connection.default_port = 443 if scheme == "https" else 80  # left out of the Host header
        connection.sock = raw
        return connection
    raise Unreachable(f"cannot connect to {host}:{port} ({'; '.join(dict.fromkeys(reasons))})")
