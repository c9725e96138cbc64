"""A log applied anew in a process of its own: `python apply_again.py SEED AT_ONCE < entries`, and what comes out, as
one hash. AT_ONCE: reports of a command in an entry, or nothing.

Steps are cut elsewhere, entries are begun one by one or several at once, and at some entry the exchange is replaced by
one that is restored from its snapshot; Python's hashes are seeded otherwise by who starts the process. Nothing of that
may change a byte of what the log says.
"""

import hashlib
import pickle
import random
import sys

from cluster_versions import NEXT

from gateway.exchange import Exchange

Entries = list[tuple[int, int, int, bytes, bytes]]  # index, term, timestamp, payload, chain hash


def outcome(entries: Entries, seed: int, at_once: int) -> str:
    """SHA-256 over all egress records, then over the state."""
    chance = random.Random(seed)
    exchange = Exchange(NEXT)
    at_once = at_once or exchange.reports_at_once
    exchange.reports_at_once = at_once
    digest = hashlib.sha256()
    restored_at = chance.randrange(len(entries))
    at = 0
    while at < len(entries):
        count = min(chance.choice((1, 1, 2, 17)), len(entries) - at)
        exchange.begin_all(entries[at : at + count])
        at += count
        done = False
        while not done:
            done = exchange.step(chance.choice((1, 2, 5, 4096)))
            with exchange.egress() as records:
                digest.update(records)
            exchange.clear_egress()
        if at > restored_at and not exchange.works_on:
            restored_at = len(entries)
            exchange = Exchange.restore(exchange.snapshot(), NEXT)
            exchange.reports_at_once = at_once
    digest.update(exchange.state_hash().encode())
    return digest.hexdigest()


if __name__ == "__main__":
    print(outcome(pickle.load(sys.stdin.buffer), int(sys.argv[1]), int(sys.argv[2] or 0)))
