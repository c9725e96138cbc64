"""Passwords as argon2id hashes: making one, and comparing. The library is needed only where passwords are used."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

HOW_TO_INSTALL = "passwords need a library that is not installed: pip install 'quorumbook[secure]'"
# OWASP's least for argon2id with one lane: 15 ms of one core. More lanes would take cores that orders need.
MEMORY_KIB = 19_456
PASSES = 2
LANES = 1


class NotInstalled(Exception):
    """The text says what to install."""


def check_installed() -> None:
    """Raises NotInstalled."""
    if find_spec("argon2") is None:
        raise NotInstalled(HOW_TO_INSTALL)


def hasher() -> "PasswordHasher":
    """Raises NotInstalled."""
    check_installed()
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


def hashed(password: bytes) -> str:
    """What the configuration keeps of a password; another text each time. Raises NotInstalled."""
    return hasher().hash(password)


def matches(password_hash: str, password: bytes) -> bool:
    """Whether it is the password that the hash was made of. Takes some 15 ms, without the GIL. Raises NotInstalled."""
    checker = hasher()
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return checker.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
