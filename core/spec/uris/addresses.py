"""Which network addresses may be dialled, and a connection to exactly the address that was checked.

A name is resolved once; every address it has must be allowed; the socket is opened to one of those, with the name kept
for the Host header and the certificate. So a name that changes its address between check and use gains nothing.
"""

import http.client
import ipaddress
import socket
import ssl

from core.spec.uris.deadline import Deadline
from core.spec.uris.reason import Unreachable

TIMEOUT_SECONDS = 30.0
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # all that IANA has given out to hosts of the internet
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Global by the letter of Python's tables, of one release or another, yet no host of the internet has such an address.
_SPECIAL = tuple(
    ipaddress.ip_network(one)
    for one in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # relays of 6to4, given up
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, given up
        "3fff::/20",  # documentation
    )
)


def is_public(text: str) -> bool:
    """Whether an address belongs to a host of the public internet.

    Of IPv6 only global unicast does, and an address of NAT64, by which a network without IPv4 reaches the IPv4 host in
    its last 32 bits, if that host is public. So site-local (fec0::/10), IPv4-compatible (::/96), IPv4-mapped and
    IPv4-translated (::ffff:0:0:0/96) addresses are not public.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)))
        if address not in _GLOBAL_UNICAST:
            return False
    if any(address in network for network in _SPECIAL if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast


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
    scheme: str,
    host: str,
    port: int,
    *,
    private: bool,
    deadline: Deadline,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> http.client.HTTPConnection:
    """An open connection to a checked address of `host`, which ends at the deadline. Raises Unreachable."""
    reasons = []
    for address in resolve(host, port, private=private):
        seconds = min(timeout_seconds, deadline.left())
        try:
            raw = socket.create_connection((address, port), timeout=seconds)
            deadline.watch(raw)
            if scheme == "https":
                raw = ssl.create_default_context().wrap_socket(raw, server_hostname=host)
                deadline.watch(raw)
        except OSError as error:
            reasons.append(_reason(error))
            continue
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
        connection.default_port = 443 if scheme == "https" else 80  # left out of the Host header
        connection.sock = raw
        return connection
    raise Unreachable(f"cannot connect to {host}:{port} ({'; '.join(dict.fromkeys(reasons))})")


def _reason(error: OSError) -> str:
    """In the words of this machine: a certificate's own words belong to whoever serves it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message.partition(',')[0]}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection ({error.reason or type(error).__name__})"
    return str(error.strerror or error)
