"""Addresses: which are of this machine only, and which may be a member's."""

import ipaddress
import re

ADDRESS = re.compile(r"[1-9]\d{0,6} (\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}")
HOSTS = "with an IP address or a name that DNS can hold for HOST"


def is_member(text: str) -> bool:
    """Whether it is an id and an address, as far as can be told without asking DNS."""
    if not ADDRESS.fullmatch(text):
        return False
    host, _, port = text.partition(" ")[2].rpartition(":")
    try:
        host.encode("idna")
    except UnicodeError:  # an empty or a long part between two dots
        return False
    return 0 < int(port) < 65_536


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
