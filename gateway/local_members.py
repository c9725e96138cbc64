"""What the log of a cluster says of the replicas that `quorumbook cluster` runs: who is a member, who is missing."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

Answer = dict[str, Any]
"""To the admin command `status`."""


class Apart(NamedTuple):
    """A replica that is no member."""

    why: str
    removed: bool  # and not to be run any more; else it waits to be added


def leading(statuses: Mapping[str, Answer]) -> Answer | None:
    """The leader's answer, if it is among them. statuses: by the name of the replica."""
    found = [one for one in statuses.values() if one["role"] == "leader"]
    return max(found, key=lambda one: int(one["term"]), default=None)


def apart(statuses: Mapping[str, Answer], addresses: Mapping[str, str]) -> dict[str, Apart]:
    """By the name of the replica; none while nobody leads. addresses: of each, by its configuration."""
    leader = leading(statuses)
    if leader is None:
        return {}
    members = {member["id"] for member in leader["membership"]}
    found = {}
    for name, status in statuses.items():
        id = status["member"]
        if id in members:
            continue
        removed = bool(status["last_index"]) or id <= leader["last_id"]  # or its directory was deleted first
        if removed:
            why = f"member {id} was removed from the cluster: not run. Delete {name}.toml and the directory {name}"
        else:
            why = f"it waits to be added: quorumbook add {id} {addresses[name]}"
        found[name] = Apart(why, removed)
    return found


def elsewhere(statuses: Mapping[str, Answer], here: Collection[int]) -> list[str]:
    """Members whose configuration is not here, for people."""
    leader = leading(statuses)
    return [
        f"member {member['id']} at {member['address']} is not run from here: start it by its own configuration, "
        "quorumbook serve --config FILE"
        for member in (leader["membership"] if leader is not None else [])
        if member["id"] not in here
    ]
