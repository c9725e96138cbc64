"""`quorumbook status --confirmed`: only states that hold everything which was acknowledged before the question."""

import time
from collections.abc import Sequence

from gateway.replicas import Replica, Replied, ask_all, ask_each

CONFIRM_SECONDS = 5.0  # an election takes far less
AGAIN_SECONDS = 0.5  # a question whose answer may be lost with a leader is asked anew
LOOK_SECONDS = 0.02


def confirmed_statuses(replicas: Sequence[Replica]) -> list[Replied]:
    """Their statuses, each with the `read_index` that its state has reached; no answer of those that could not show in
    time that it has."""
    indexes, failed = read_indexes(replicas)
    return [
        judged(reply, indexes.get(at, 0), failed.get(at, ""))
        for at, reply in enumerate(ask_all(replicas, {"command": "status"}))
    ]


def read_indexes(replicas: Sequence[Replica]) -> tuple[dict[int, int], dict[int, str]]:
    """By place in `replicas`: up to where everything had been acknowledged, and is applied there; why that is not
    known."""
    waiting = {at for at, one in enumerate(replicas) if one.admin}
    indexes: dict[int, int] = {}
    failed: dict[int, str] = {}
    tickets: dict[int, int] = {}
    began = asked = time.monotonic()
    while waiting and time.monotonic() < began + CONFIRM_SECONDS:
        if time.monotonic() > asked + AGAIN_SECONDS:
            tickets, asked = {}, time.monotonic()
        order = sorted(waiting)
        requests = [{"command": "read_index", "ticket": tickets.get(at, 0)} for at in order]
        for at, reply in zip(order, ask_each([replicas[at] for at in order], requests), strict=True):
            if reply.why:
                failed[at] = reply.why
            elif reply.answer.get("reached"):
                indexes[at] = reply.answer["read_index"]
            else:
                tickets[at] = reply.answer["ticket"]
        waiting -= failed.keys() | indexes.keys()
        time.sleep(LOOK_SECONDS)
    for at in waiting:
        failed[at] = (
            f"{replicas[at].where}: not confirmed within {CONFIRM_SECONDS:.0f} s: no majority has said who leads, or "
            "this replica is far behind. Without --confirmed it shows what it knows"
        )
    return indexes, failed


def judged(reply: Replied, index: int, failed: str) -> Replied:
    if not reply.why and not failed and reply.answer["applied_index"] < index:
        failed = f"{reply.replica.where}: was started again meanwhile: ask again"
    if failed:
        return reply._replace(answer={}, why=failed)
    return reply._replace(answer={**reply.answer, "read_index": index}) if reply.answer else reply
