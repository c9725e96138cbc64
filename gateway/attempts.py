"""Addresses that clients come from: how many connections each has, and how often it failed to log on. No clock."""

import ipaddress
from collections import Counter

MINUTE = 60.0  # seconds
REMEMBERED = 4_096  # addresses with failures of the last minute


class Attempts:
    """elsewhere, on_loopback: connections that one address may have. failures: refused Logons a minute."""

    def __init__(self, elsewhere: int, on_loopback: int, failures: int) -> None:
        self._elsewhere = elsewhere
        self._on_loopback = on_loopback
        self._allowed = failures
        self._open: Counter[str] = Counter()
        self._failed: dict[str, tuple[float, int]] = {}  # when the minute began, and how often since

    def enters(self, address: str, now: float) -> str:
        """Why there may be no further connection from there; empty: it is counted."""
        network = network_of(address)
        if self.blocked(address, now):
            return f"too many refused Logons from {network} within a minute"
        bound = self._on_loopback if is_loopback(network) else self._elsewhere
        if self._open[network] >= bound:
            return f"{network} has {bound} connections, as many as one address may have"
        self._open[network] += 1
        return ""

    def leaves(self, address: str) -> None:
        network = network_of(address)
        self._open[network] -= 1
        if self._open[network] <= 0:
            del self._open[network]

    def blocked(self, address: str, now: float) -> bool:
        """Whether it failed so often in this minute that it has to wait for the next."""
        begun, count = self._failed.get(network_of(address), (now, 0))
        return now - begun < MINUTE and count >= self._allowed

    def failed(self, address: str, now: float) -> None:
        network = network_of(address)
        begun, count = self._failed.pop(network, (now, 0))
        if now - begun >= MINUTE:
            begun, count = now, 0
        if len(self._failed) >= REMEMBERED:
            del self._failed[next(iter(self._failed))]  # the one that failed longest ago
        self._failed[network] = begun, count + 1


def network_of(address: str) -> str:
    """What one owner has: an address, of IPv6 the network of 64 bits that an end point is given."""
    if ":" not in address:
        return address
    ip = ipaddress.IPv6Address(address.partition("%")[0])
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip) if ip.is_loopback else str(ipaddress.IPv6Network((int(ip) >> 64 << 64, 64)))


def is_loopback(network: str) -> bool:
    """An address that is not known, as of a connection that has ended, stands for many."""
    return network in ("", "::1") or network.startswith("127.")
