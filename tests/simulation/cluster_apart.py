"""Lives in which a command that tells more than a few reports is put aside, and goes on with the next log entries."""

from collections import Counter
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import cluster_replay
from cluster_judge import judge
from cluster_life import lived

import gateway.replica
import gateway.replica_snapshot
import gateway.snapshot_maker
from gateway.exchange import Exchange

REPORTS_AT_ONCE = 2
MAKERS = (cluster_replay, gateway.replica, gateway.replica_snapshot, gateway.snapshot_maker)


class Apart:
    """What makes such exchanges, anew or from a snapshot."""

    def __call__(self, *newest_rules: int) -> Exchange:
        return short(Exchange(*newest_rules))

    def restore(self, *arguments: Any) -> Exchange:
        return short(Exchange.restore(*arguments))


def short(exchange: Exchange) -> Exchange:
    exchange.reports_at_once = REPORTS_AT_ONCE
    return exchange


def live_apart(seed: int) -> Counter[str]:
    """What happened. The slow engine, which does each command at once, has no part in the judgement. Raises Violation,
    or what the product raises."""
    with ExitStack() as stack:
        for maker in MAKERS:
            stack.enter_context(patch.object(maker, "Exchange", Apart()))
        try:
            world = lived(seed)
            judge(world, REPORTS_AT_ONCE)
        except Exception as error:
            error.add_note(f"live_apart({seed})")
            raise
    return world.counts
