"""Network namespaces: each replica on a machine of its own, as far as the network goes, with cables that can be cut.

All hang on one bridge, and each knows the hardware addresses of the others. A cable is cut, in one direction, by giving
its sender a wrong one: what is sent is lost without a word, and no packet filter is needed. Packets that are lost at
random, and links that a proxy delays (slow_links.py), need nftables.
"""

import ctypes
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

CLONE_NEWNET = 0x40000000
NOBODY = 99
LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def inside(name: str) -> Iterator[None]:
    """This thread is in that namespace, and with it what it opens or starts meanwhile. Empty: where it is anyway."""
    if not name:
        yield
        return
    with open("/proc/thread-self/ns/net") as own, open(f"/run/netns/{name}") as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(own.fileno())


def _enter(descriptor: int) -> None:
    if LIBC.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


def hardware(id: int) -> str:
    return f"02:00:00:00:00:{id:02}"


class Network:
    """Machines 1, 2, 3, ... Raises OSError or CalledProcessError where this is not permitted."""

    def __init__(self, count: int) -> None:
        self._hub = f"qb{os.getpid()}-hub"
        self.namespaces = {id: f"qb{os.getpid()}-{id}" for id in range(1, count + 1)}
        self._lossy: set[int] = set()

    def address(self, id: int) -> str:
        return f"10.77.0.{id}"

    def __enter__(self) -> Self:
        try:
            ip("netns", "add", self._hub)
            ip("-n", self._hub, "link", "add", "bridge", "type", "bridge")
            ip("-n", self._hub, "link", "set", "bridge", "up")
            for id, name in self.namespaces.items():
                ip("netns", "add", name)
                near = ("eth0", "address", hardware(id), "netns", name)
                ip("link", "add", *near, "type", "veth", "peer", "name", f"port{id}", "netns", self._hub)
                ip("-n", self._hub, "link", "set", f"port{id}", "master", "bridge", "up")
                ip("-n", name, "address", "add", f"{self.address(id)}/24", "dev", "eth0")
                for device in ("lo", "eth0"):
                    ip("-n", name, "link", "set", device, "up")
            self.heal()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for name in (*self.namespaces.values(), self._hub):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)

    def cut(self, sender: int, receiver: int) -> None:
        """Nothing that one sends reaches the other."""
        self._neighbour(sender, receiver, NOBODY)

    def cut_off(self, one: int, *, hears: bool = False, speaks: bool = False) -> None:
        """From all others."""
        for other in self.namespaces.keys() - {one}:
            if not speaks:
                self.cut(one, other)
            if not hears:
                self.cut(other, one)

    def lose(self, sender: int, receiver: int, percent: int) -> None:
        """Of the packets that one sends to the other so many do not arrive."""
        self._lossy.add(receiver)
        self.filter(
            receiver,
            "add table ip lossy",
            "add chain ip lossy input { type filter hook input priority 0; }",
            f"add rule ip lossy input ip saddr {self.address(sender)} numgen random mod 100 < {percent} counter drop",
        )

    def narrow(self, receiver: int, megabits: int) -> None:
        """So much a second goes to it at most."""
        limit = ("rate", f"{megabits}mbit", "burst", "64kb", "latency", "200ms")
        ip("netns", "exec", self._hub, "tc", "qdisc", "add", "dev", f"port{receiver}", "root", "tbf", *limit)

    def sent_to(self, receiver: int) -> int:
        """Bytes, by anybody."""
        (link,) = json.loads(ip("-n", self._hub, "-j", "-s", "link", "show", f"port{receiver}"))
        return int(link["stats64"]["tx"]["bytes"])

    def lost(self) -> int:
        """Packets, since they began to be lost."""
        listed = (self.filter(id, "list table ip lossy") for id in self._lossy)
        return sum(int(count) for text in listed for count in re.findall(r"counter packets (\d+)", text))

    def filter(self, id: int, *commands: str) -> str:
        """nftables at one of them; what it says."""
        return ip("netns", "exec", self.namespaces[id], "nft", "; ".join(commands))

    def heal(self) -> None:
        """Every cable is whole, and no packet is lost."""
        while self._lossy:
            self.filter(self._lossy.pop(), "delete table ip lossy")
        for sender in self.namespaces:
            for receiver in self.namespaces.keys() - {sender}:
                self._neighbour(sender, receiver, receiver)

    def _neighbour(self, sender: int, receiver: int, found: int) -> None:
        ip(
            "-n", self.namespaces[sender], "neighbour", "replace", self.address(receiver),
            "lladdr", hardware(found), "nud", "permanent", "dev", "eth0",
        )  # fmt: skip
