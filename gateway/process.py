"""The process of one replica: what it needs of the system, and the server that runs in it."""

import gc
from pathlib import Path

import uvloop
from structlog.typing import FilteringBoundLogger

from gateway import descriptors
from gateway.config import Loaded
from gateway.memory_holder import hold_memory
from gateway.readiness import People
from gateway.replica_log import others_can_repair
from gateway.server import Damaged, Server, Stopped
from gateway.telling import Telling
from replication.files import LogDamaged


def serve(
    loaded: Loaded,
    directory: Path,
    trace: FilteringBoundLogger,
    people: People,
    first_start: bool = False,
) -> None:
    """Runs a replica on `directory` until it is stopped. first_start: an empty log begins a new cluster of the
    configured members. Raises Stopped, ConfigError, LogError (for people)."""
    least = descriptors.LEAST - descriptors.RESERVE + descriptors.kept(loaded.config.cluster)
    if (limit := descriptors.raise_limit()) < least:
        raise Stopped(
            f"this process may open {limit} files; an exchange needs {least} or more: ulimit -n 1024"
        )
    hold_memory()
    telling = Telling(trace, people.say)

    async def run(first_start: bool, repair: bool) -> None:
        await Server(loaded, directory, telling, people, first_start, repair).run()

    repair = False
    while True:
        try:
            return uvloop.run(run(first_start and not repair, repair))
        except LogDamaged as found:
            if repair or not may_be_repaired(directory, loaded, people):
                raise
            where = place_of(found)
        except Damaged as found:
            if not may_be_repaired(directory, loaded, people):
                raise
            where = place_of(found.damage)  # no more of it: an exception holds the server that it came from
        trace.error("damaged; to be repaired", what=where)
        people.say(where)
        people.say("what is whole before it stays; the rest comes again from the other members")
        repair = True
        gc.unfreeze()  # what the server froze goes with it,
        gc.collect()  # before there is another: each has the books, the sessions and the end of the log


def may_be_repaired(directory: Path, loaded: Loaded, people: People) -> bool:
    """Says why not, where others are configured."""
    if others_can_repair(directory, loaded.config):
        return True
    if len(loaded.config.cluster.members) > 1:
        people.say(
            "not repaired from the other members: nothing here shows that another one votes, so this log may be the "
            "only one that has everything. If the others run on without this member, remove it, and add it under a "
            "new id with an empty directory"
        )
    return False


def place_of(damage: LogDamaged) -> str:
    return f"{damage.path}, offset {damage.offset}: {damage.what}"
