"""File descriptors: all that the system gives this process, the last of them kept for the log and the admin socket."""

import errno
import os
import resource
from typing import Final

LEAST: Final = 64  # what an exchange with a few clients needs
RESERVE: Final = 16  # for the next segment of the log, and whoever asks what is wrong


def raise_limit() -> int:
    """Take the most that the system allows (a hard limit, `ulimit -Hn`); returns how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard
    return soft


def crowded(limit: int) -> bool:
    """Whether only the reserve is left: a new descriptor gets the lowest free number."""
    try:
        number = os.open(os.devnull, os.O_RDONLY)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return True
        raise
    os.close(number)
    return number >= limit - RESERVE
