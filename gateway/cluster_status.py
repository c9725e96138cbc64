"""What `quorumbook status` shows of a cluster: the replicas' answers side by side, for people and as one object."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Answer = dict[str, Any]
HASHED_ORDERS = 25_000
"""A replica that keeps more orders is not asked for its state hash, for which it stands still some 0.4 µs an order, and
several times that on busy cores: a leader that is silent for an election timeout is deposed. `quorumbook verify`
computes it without any."""
HASH_CHARACTERS = 12  # of a state hash in the table; --json has it whole
NAMED_SESSIONS = 8  # of each replica; --json has all
HEADINGS = ("id", "address", "role", "vote", "term", "commit", "applied", "lag", "clients", "state")
LEFT = ("address", "role", "vote", "state")  # the others are numbers


def newest(statuses: Sequence[Answer]) -> Answer:
    """Of the one that knows most of the membership: the leader, or who has the newest term and most of the log."""
    return max(statuses, key=lambda one: (one["term"], one["role"] == "leader", one["last_index"]))


def replicas(
    statuses: Sequence[Answer], states: Mapping[int, Answer], held: Mapping[int, Answer]
) -> list[Answer]:
    """Every member, and every replica that answers and is none; those that do not answer have no `status`.

    states, held: by member, what it answered to `state_hash` and `held`.
    """
    best = newest(statuses)
    answering = {one["member"]: one for one in statuses}
    known = {one["id"]: one for one in best["membership"]}
    return [
        {
            "id": id,
            "address": known[id]["address"] if id in known else "",
            "vote": "no member" if id not in known else "voter" if known[id]["voter"] else "learner",
            "lag": lag(best, answering[id]) if id in answering else None,
            "state": states.get(id),
            "sessions": held.get(id),
            "status": answering.get(id),
        }
        for id in sorted(known.keys() | answering.keys())
    ]


def lag(best: Answer, status: Answer) -> int | None:
    """How many entries that the leader knows to be committed are not applied here; None when no leader answers."""
    if best["role"] != "leader":
        return None
    return int(max(0, best["commit_index"] - status["applied_index"]))


def too_many_orders(status: Answer) -> bool:
    """Whether to ask for the state hash would make the replica stand still for too long."""
    return int(status["kept_orders"]) > HASHED_ORDERS


def picture(found: Sequence[Answer], best: Answer, unreached: Sequence[str]) -> str:
    """The table. best: the newest answer. unreached: what is to be said of replicas that did not answer."""
    silent = "not reached" if unreached else "not asked"
    rows = [row(one, silent, leads=one["id"] == best["leader"]) for one in found]
    widths = [max(len(name), *(len(cells[at]) for cells in rows)) for at, name in enumerate(HEADINGS)]

    def line(cells: Sequence[str]) -> str:
        padded = (
            f"{cell:<{width}}" if name in LEFT else f"{cell:>{width}}"
            for name, cell, width in zip(HEADINGS, cells, widths, strict=True)
        )
        return ("  " + "  ".join(padded)).rstrip()

    lines = [
        f"cluster {best['cluster']}",
        line(HEADINGS),
        *map(line, rows),
        *unasked(found, best, len(unreached)),
        *waiting(found),
        *sessions(found),
        *verdict(found),
        *unhashed(found),
        *upgrade(found),
    ]
    return "\n".join([*lines, *(f"  not reached: {why}" for why in unreached)])


def row(one: Answer, silent: str, *, leads: bool) -> tuple[str, ...]:
    """silent: what is said of a replica that gave no answer."""
    status, state = one["status"], one["state"]
    if status is None:
        role = f"leader, {silent}" if leads else silent
        return (str(one["id"]), one["address"] or "-", role, one["vote"], *"-" * 6)
    clients = status["connections"]["tcp"] + status["connections"]["zeromq"]
    hashed = f"{state['state_hash'][:HASH_CHARACTERS]} at {state['applied_index']:,}" if state else "-"
    return (
        str(one["id"]),
        one["address"] or "-",
        status["role"],
        one["vote"],
        str(status["term"]),
        f"{status['commit_index']:,}",
        f"{status['applied_index']:,}",
        "?" if one["lag"] is None else f"{one['lag']:,}",
        f"{clients:,}",
        hashed,
    )


def unasked(found: Sequence[Answer], best: Answer, unreached: int) -> Iterator[str]:
    """What the newest answer says of members that gave none, when more than those that could not be reached."""
    silent = [one["id"] for one in found if one["status"] is None]
    if len(silent) > unreached:
        which = ", ".join(
            f"{id} ({'linked' if id in best['linked'] else 'no link'} to {best['member']})" for id in silent
        )
        how = "not reached or not asked" if unreached else "not asked"
        yield f"  {how}: member{'s' * (len(silent) > 1)} {which}: give --data or --admin of each, too"


def waiting(found: Sequence[Answer]) -> Iterator[str]:
    """Who takes no clients, and why."""
    for one in found:
        if one["status"] and not one["status"]["accepting"]:
            yield f"  member {one['id']} takes no clients: {one['status']['why_not']}"


def sessions(found: Sequence[Answer]) -> Iterator[str]:
    """Whose connections each replica has."""
    for one in found:
        held = one["sessions"]
        if held and held["count"]:
            names = ", ".join(held["comp_ids"][:NAMED_SESSIONS])
            more = ", ..." if held["count"] > NAMED_SESSIONS else ""
            plural = "" if held["count"] == 1 else "s"
            yield f"  member {one['id']} holds {held['count']:,} session{plural}: {names}{more}"


def upgrade(found: Sequence[Answer]) -> Iterator[str]:
    """Whom newer rules wait for, which some members can run."""
    members = [one for one in found if one["vote"] != "no member"]
    newest = {one["id"]: one["status"]["newest_rules"] if one["status"] else 0 for one in members}
    holding = max((one["status"]["rules"] for one in members if one["status"]), default=0)
    last = max(newest.values(), default=0)
    behind = ", ".join(str(id) for id, version in newest.items() if version < last)
    if behind and last > holding:
        yield (
            f"  rules version {holding} holds; version {last} begins by itself when every member runs a program that "
            f"has it. Missing: {behind}"
        )


def verdict(found: Sequence[Answer]) -> Iterator[str]:
    """Whether replicas that have applied the same entries have the same state."""
    hashes: dict[int, dict[int, str]] = {}  # entry -> member -> hash
    for one in found:
        if one["state"]:
            hashes.setdefault(one["state"]["applied_index"], {})[one["id"]] = one["state"]["state_hash"]
    for index, by_member in sorted(hashes.items()):
        members = ", ".join(map(str, by_member))
        if len(set(by_member.values())) > 1:
            yield (
                f"  DIFFERENT STATES at entry {index:,} of members {members}: stop the cluster, keep its directories, "
                "and compare them with quorumbook verify"
            )
        elif len(by_member) > 1:
            yield f"  one state at entry {index:,}: members {members}"


def unhashed(found: Sequence[Answer]) -> Iterator[str]:
    """Whose state nobody asked for."""
    members = [str(one["id"]) for one in found if one["status"] and too_many_orders(one["status"])]
    if members:
        yield (
            f"  no state of member{'s' * (len(members) > 1)} {', '.join(members)}: more than {HASHED_ORDERS:,} orders; "
            "quorumbook verify computes it"
        )
