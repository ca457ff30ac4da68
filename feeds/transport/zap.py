"""The ZAP handler: libzmq asks it about every handshake, before it reads the peer's first frame.

It decides by the entitlements. libzmq adds the name and key that it returns to every frame of that
connection as User-Id; a peer cannot change it.
"""

import hmac
import logging
from collections import Counter
from ipaddress import ip_address

import zmq
from zmq.utils import z85

from feeds.protocol.keys import Entitlement, password_hash
from feeds.transport.reject_log import log_refusal
from feeds.transport.sockets import Context

LOG = logging.getLogger("suanshi.security")
HANDSHAKES_MAX = 64
"""Handshakes answered in a turn, so that a flood of them leaves time for connected peers."""

DOMAINS: dict[str, frozenset[str]] = {
    "orders": frozenset({"trading", "read-only", "drop-copy"}),
    "admin": frozenset({"operator"}),
    "market": frozenset({"trading", "read-only", "drop-copy", "market-data", "operator"}),
}
"""Roles that may connect to the sockets of each domain."""


class ZapHandler:
    """Decides which peers may connect."""

    def __init__(
        self, context: Context, entitlements: dict[str, Entitlement], counters: Counter[str]
    ) -> None:
        self.socket = context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind("inproc://zeromq.zap.01")
        self.counters = counters
        self.set_entitlements(entitlements)

    def set_entitlements(self, entitlements: dict[str, Entitlement]) -> None:
        """Accept these keys from now on, and no others; connected peers stay connected."""
        self._names = entitlements
        self._keys = {each.key: each for each in entitlements.values()}

    def answer_requests(self) -> None:
        """Answer the handshakes that wait, at most HANDSHAKES_MAX."""
        for _ in range(HANDSHAKES_MAX):
            try:
                parts = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if len(parts) < 8:
                continue
            reply_to, empty, version, request, domain, address, _, mechanism, *given = parts
            name, why = self._decide(domain, address, mechanism, given)
            if why:
                where = f"{address.decode(errors='replace')} at {domain.decode(errors='replace')}"
                log_refusal(self.counters, LOG, why, where)
            code, text = (b"400", why.encode()) if why else (b"200", b"OK")
            answer = [reply_to, empty, version, request, code, text, name.encode(), b""]
            self.socket.send_multipart(answer)

    def close(self) -> None:
        """Close the socket; no further peer can connect."""
        self.socket.close()

    def _decide(
        self, domain: bytes, address: bytes, mechanism: bytes, given: list[bytes]
    ) -> tuple[str, str]:
        """The User-Id of a peer and no reason, or none and the reason to refuse it."""
        if mechanism == b"CURVE" and len(given) == 1 and len(given[0]) == 32:
            entitlement = self._keys.get(z85.encode(given[0]).decode())
        elif mechanism == b"PLAIN" and len(given) == 2:
            if not _is_loopback(address):
                return "", "a password is only for loopback"
            entitlement = self._names.get(given[0].decode(errors="replace"))
            if entitlement is not None and not hmac.compare_digest(
                password_hash(given[1].decode(errors="replace")), entitlement.password_sha256
            ):
                entitlement = None
        else:
            return "", "no key"
        if entitlement is None:
            return "", "unknown key"
        if entitlement.role not in DOMAINS.get(domain.decode(errors="replace"), ()):
            return "", "a key of another role"
        return f"{entitlement.name} {entitlement.key}", ""


def _is_loopback(address: bytes) -> bool:
    try:
        return ip_address(address.decode().strip("[]")).is_loopback
    except ValueError:
        return False
