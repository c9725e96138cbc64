"""What becomes of durable files while a machine is down."""

import random

from simulated_disk import Inode, SimulatedDisk

from replication.messages import Entry
from replication.snapshots import SNAPSHOT_NAME
from replication.state import STATE_NAME

TAIL = 4096  # bytes of it that may be lost


def turn_a_bit_over(disk: SimulatedDisk, chance: random.Random) -> bool:
    """Whether there was anything."""
    return _turn_over(disk.files[chance.choice(_kept(disk))], 7, chance)


def turn_a_bit_over_in_state(disk: SimulatedDisk, chance: random.Random) -> bool:
    """In one of the two copies of term and vote."""
    return _turn_over(disk.files[STATE_NAME], 1, chance)


def _turn_over(inode: Inode, step: int, chance: random.Random) -> bool:
    """One bit, of every step-th byte that is not zero; whether there is such a byte."""
    data = inode.cached
    written = [at for at in range(0, len(data), step) if data[at]]
    if written:
        data[chance.choice(written)] ^= 1 << chance.randrange(8)
        inode.damaged()
    return bool(written)


def turn_a_bit_over_in(disk: SimulatedDisk, entry: Entry, chance: random.Random) -> bool:
    """In the payload of an entry of the log, behind its hash: others may have the same; whether it was found."""
    stored = entry.chain_hash + bytes(entry.payload)
    for name in _kept(disk):
        data = disk.files[name].cached
        at = data.find(stored) if entry.payload else -1
        if at >= 0:
            data[at + len(entry.chain_hash)] ^= 1 << chance.randrange(8)
            disk.files[name].damaged()
            return True
    return False


def lose_the_tail(disk: SimulatedDisk, chance: random.Random) -> bool:
    """The newest segment ends with zeros, though what stood there was synced."""
    for name in reversed(_kept(disk)):
        data = disk.files[name].cached
        end = len(data.rstrip(b"\0"))
        if name.endswith(".segment") and end:
            begin = chance.randrange(max(0, end - TAIL), end)
            data[begin:end] = bytes(end - begin)
            disk.files[name].damaged()
            return True
    return False


def lose_a_file(disk: SimulatedDisk, chance: random.Random) -> bool:
    name = chance.choice(_kept(disk))
    del disk.files[name]
    disk.durable_names.pop(name, None)
    return True


def _kept(disk: SimulatedDisk) -> list[str]:
    """Segments and snapshots."""
    return sorted(name for name in disk.files if ".segment" in name or SNAPSHOT_NAME.fullmatch(name))
