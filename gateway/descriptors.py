"""File descriptors: all that the system gives this process, the last of them kept for the log and the admin socket."""

import errno
import os
import resource
from typing import Final

from gateway.config import Cluster
from replication.peers import UNSETTLED

LEAST: Final = 64  # what an exchange with a few clients needs
COUNTED: Final = 8_192  # with a higher limit other bounds are reached first
RESERVE: Final = 16  # for the next segment of the log, and whoever asks what is wrong


def kept(cluster: Cluster) -> int:
    """How many no client gets. At the listener for other members strangers may take some, up to a bound."""
    return RESERVE + (UNSETTLED if cluster.members else 0)


def raise_limit() -> int:
    """Take the most that the system allows (a hard limit, `ulimit -Hn`); returns how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard
    return soft


def crowded(limit: int, kept: int) -> bool:
    """Whether only those are left that are kept. O(descriptors) while they can be counted quickly."""
    try:
        number = os.open(os.devnull, os.O_RDONLY)
        os.close(number)
        if number >= limit - kept:  # a new descriptor gets the lowest free number
            return True
        # Below that number all are taken; above it those that came before others went.
        return limit <= COUNTED and len(os.listdir("/proc/self/fd")) > limit - kept
    except OSError as error:
        if none_is_left(error):
            return True
        raise


def none_is_left(error: OSError) -> bool:
    return error.errno in (errno.EMFILE, errno.ENFILE)
