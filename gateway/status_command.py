"""The command `status`: one exchange, or every replica of a cluster."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from gateway import cluster_status
from gateway.confirming import confirmed_statuses
from gateway.locate import explained
from gateway.replicas import Replied, ask_all, find, unreached, where_replicas_are

LOOKS = 5  # for a moment at which all have applied the same entries


@click.command()
@where_replicas_are
@click.option(
    "--confirmed",
    is_flag=True,
    help="Only states that hold everything acknowledged before this question (linearizable).",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def status(data: Sequence[Path], admin: Sequence[str], confirmed: bool, as_json: bool) -> None:
    """Show how a running exchange is; of a cluster every replica that can be found.

    A replica that is cut off shows what it knew. With --confirmed a majority says first who leads, and each replica
    applies what was acknowledged until then; who has not within 5 s is not shown.
    """
    import msgspec

    with explained():
        replicas = find(data, admin)
        replies = confirmed_statuses(replicas) if confirmed else ask_all(replicas, {"command": "status"})
        reached = [reply for reply in replies if not reply.why]
        if not reached:
            raise click.ClickException("; ".join(reply.why for reply in replies))
        statuses = [reply.answer for reply in reached]
        states = state_hashes(reached)
        found = cluster_status.replicas(statuses, states, held_sessions(reached))
        one = statuses[0]
        missing = unreached(replies)
    if as_json:
        click.echo(
            msgspec.json.format(msgspec.json.encode({**one, "replicas": found, "not_reached": missing}))
        )
        return
    if len(found) > 1 or missing:
        click.echo(cluster_status.picture(found, cluster_status.newest(statuses), missing) + "\n")
    click.echo(picture_of(reached[0]))
    if confirmed:
        index = max(status["read_index"] for status in statuses)
        click.echo(
            f"confirmed: what is shown holds everything that was acknowledged before (entry {index:,})"
        )


def picture_of(reply: Replied) -> str:
    """One replica's own answer."""
    from gateway.status import picture

    (sessions,) = ask_all([reply.replica], {"command": "sessions"})
    return picture(reply.answer, sessions.answer.get("sessions", []))


def held_sessions(reached: Sequence[Replied]) -> dict[int, dict[str, Any]]:
    """By member. A program of before does not know the question."""
    replies = ask_all([one.replica for one in reached], {"command": "held"})
    return {
        one.answer["member"]: reply.answer
        for one, reply in zip(reached, replies, strict=True)
        if not reply.why
    }


def state_hashes(reached: Sequence[Replied]) -> dict[int, dict[str, Any]]:
    """By member; at one entry when there is a moment at which all have applied the same ones. One after the other: a
    leader must not miss more than one answer to its heartbeats."""
    asked = {
        one.answer["member"]: one.replica for one in reached if not cluster_status.too_many_orders(one.answer)
    }
    states: dict[int, dict[str, Any]] = {}
    for _ in range(LOOKS):
        replies = {
            member: ask_all([replica], {"command": "state_hash"})[0] for member, replica in asked.items()
        }
        states = {member: one.answer for member, one in replies.items() if not one.why}
        if len(states) == len(asked) and len({one["applied_index"] for one in states.values()}) < 2:
            break
    return states
