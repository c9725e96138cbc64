"""The replicas of a cluster as an operator's command finds them, and questions to all of them at once."""

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click
import zmq

from gateway.client_link import address
from gateway.cluster_status import newest
from gateway.config import ConfigError
from gateway.config_file import load
from gateway.data_directory import default_directory, own_file, read_endpoints, start_command
from replication.membership import listed

ANSWER_SECONDS = 2.0
LEADER_SECONDS = 10.0  # for an election, and for what stands in the way of a change
ELSEWHERE_SECONDS = 2.0  # for an election, when the leader that is known is not among those that are asked
WORD_SECONDS = 2.0  # before it is said what is waited for
AGAIN_SECONDS = 0.1

Answer = dict[str, Any]
Command = TypeVar("Command", bound=Callable[..., Any])


class Replica(NamedTuple):
    """Where a replica may be asked."""

    where: str  # its data directory, or its admin endpoint
    admin: str  # the endpoint; empty: it does not run
    why: str = ""  # then: for people
    doubt: str = ""  # what is to be said when nobody answers there
    member: int = 0  # which one of a cluster does not run there; 0: not known


class Replied(NamedTuple):
    replica: Replica
    answer: Answer  # empty when there is none
    why: str = ""  # then: for people


by_directory = click.option(
    "--data",
    "data",
    multiple=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The data directory of a replica, or of a local cluster; repeat for others.",
)
"""Every command that talks to an exchange has it."""


def where_replicas_are(command: Command) -> Command:
    """The options --data and --admin, each as often as wanted."""
    admin = click.option(
        "--admin",
        "admin",
        multiple=True,
        metavar="ENDPOINT",
        help="A replica's admin endpoint, e.g. tcp://127.0.0.1:7614; repeat for others.",
    )
    return by_directory(admin(command))


def find(data: Sequence[Path], admin: Sequence[str]) -> list[Replica]:
    """The replicas that these name, each once. A directory of `quorumbook cluster`, or one of its replicas', stands for
    all of that cluster. Without any the default directory. Raises ValueError for what is no endpoint."""
    named = list(data) if data or admin else [default_directory()]
    directories = dict.fromkeys(one for directory in named for one in beside(directory.absolute()))
    return [*map(in_directory, directories), *map(at_endpoint, admin)]


def beside(directory: Path) -> list[Path]:
    """The data directories of the cluster that `quorumbook cluster` made here, or that this one is of, it first."""
    own = own_file(directory)
    above = [directory.parent] if own.exists() else [directory, directory / "cluster"]
    if not (directory / "endpoints.json").exists() or own.exists():
        for place in above:
            found = [file.with_suffix("") for file in sorted(place.glob("replica*.toml"))]
            if found:
                return sorted(found, key=lambda one: one != directory)
    return [directory]


def with_logs(named: Path | None) -> list[Path]:
    """The directories whose logs are meant: of the cluster that `quorumbook cluster` made there, or this one, when it
    has a log of its own. None: the default directory. Raises ConfigError when there is none."""
    directory = (named or default_directory()).absolute()
    found = [directory] if named is not None and has_log(directory) else beside(directory)
    if not any(map(has_log, found)):
        raise ConfigError(
            f"there is no log in {directory}, and none of a cluster that `quorumbook cluster` made there or in "
            f"{directory / 'cluster'}: name the data directory of a replica"
        )
    return [one for one in found if has_log(one)]


def has_log(directory: Path) -> bool:
    """Raises OSError when it cannot be looked into."""
    return directory.is_dir() and any(".segment" in name for name in os.listdir(directory))


def in_directory(directory: Path) -> Replica:
    try:
        endpoints = read_endpoints(directory)
        os.kill(endpoints["pid"], 0)
    except ConfigError as error:
        return Replica(str(directory), "", str(error), member=configured_member(directory))
    except ProcessLookupError:
        config, member = endpoints.get("config"), endpoints.get("member", 0)
        start = (
            f"quorumbook serve --config {config} --data {directory}" if config else start_command(directory)
        )
        why = (
            f"{directory}: process {endpoints['pid']} has ended without cleaning up. Start it again: {start}"
        )
        return Replica(str(directory), "", why, member=member)
    except PermissionError:
        pass  # it lives, and is another user's
    return Replica(str(directory), str(endpoints["admin"]))


def configured_member(directory: Path) -> int:
    """By the configuration that lies beside a data directory; 0: there is none."""
    try:
        cluster = load(own_file(directory)).config.cluster
    except ConfigError:
        return 0
    return cluster.member if cluster.members else 0


def at_endpoint(endpoint: str) -> Replica:
    _, host, port = address(endpoint)
    return Replica(
        endpoint,
        f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}",
        doubt=". It must be the admin endpoint, and not that of FIX or the feed: the replica's first lines name all",
    )


def ask_all(replicas: Sequence[Replica], request: Answer) -> list[Replied]:
    """One question to all of them, as `ask_each`."""
    return ask_each(replicas, [request] * len(replicas))


def ask_each(replicas: Sequence[Replica], requests: Sequence[Answer]) -> list[Replied]:
    """Questions to them, all at the same time; in the same order. An answer that is an error counts as one."""
    sockets: dict[zmq.Socket[bytes], int] = {}
    replies = [Replied(one, {}, one.why) for one in replicas]
    poller = zmq.Poller()
    try:
        for at, one in enumerate(replicas):
            if one.admin:
                socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
                socket.linger = 0
                sockets[socket] = at
                socket.connect(one.admin)
                socket.send(json.dumps(requests[at]).encode())
                poller.register(socket, zmq.POLLIN)
                replies[at] = Replied(
                    one, {}, f"{one.admin}: no answer within {ANSWER_SECONDS:.0f} s{one.doubt}"
                )
        until = time.monotonic() + ANSWER_SECONDS
        waiting = len(sockets)
        while waiting and (left := until - time.monotonic()) > 0:
            for ready, _ in poller.poll(int(left * 1000) + 1):
                poller.unregister(ready)
                waiting -= 1
                at = sockets[ready]
                answer: Answer = json.loads(ready.recv())
                replies[at] = Replied(replicas[at], answer, str(answer.get("error", "")))
    finally:
        for socket in sockets:
            socket.close()
    return replies


def unreached(replies: Sequence[Replied]) -> list[str]:
    """Why some gave no answer, for people. Who is no member any more by those that did is not to be started."""
    statuses = [reply.answer for reply in replies if not reply.why]
    best = newest(statuses) if statuses else None
    return [
        f"{reply.replica.where}: member {reply.replica.member} was removed, or given up: do not start it"
        if best and was_removed(reply.replica.member, best)
        else reply.why
        for reply in replies
        if reply.why
    ]


def was_removed(member: int, status: Answer) -> bool:
    """By the membership that a replica knows. member: 0 = not known."""
    ids = {one["id"] for one in status["membership"]}
    return 0 < member <= status["last_id"] and member not in ids


class Cluster:
    """What a command asks of a cluster. The directories are looked at anew each time: a replica may be started again.

    Raises ConfigError, for people.
    """

    def __init__(self, data: Sequence[Path], admin: Sequence[str]) -> None:
        self._data = data
        self._admin = admin

    def ask_all(self, request: Answer) -> list[Replied]:
        return ask_all(find(self._data, self._admin), request)

    def statuses(self) -> list[Answer]:
        """Of those that answer."""
        replies = self.ask_all({"command": "status"})
        found = [reply.answer for reply in replies if not reply.why]
        if not found:
            raise ConfigError("; ".join(reply.why for reply in replies))
        return found

    def leader(self) -> Answer:
        """The leader's status, when there is one and it can be asked."""
        return self._led(lambda replica, status: status)

    def ask_leader(self, command: str, **fields: Any) -> Answer:
        """The leader's answer; one that does not lead any more, or cannot take it now, is asked again for a while."""

        def ask(replica: Replica, _: Answer) -> Answer | None:
            (reply,) = ask_all([replica], {"command": command, **fields})
            if not reply.why:
                return reply.answer
            if "leader" in reply.answer or reply.answer.get("again"):
                self._why = reply.why
                return None
            raise ConfigError(reply.why)

        return self._led(ask)

    def _led(self, use: Callable[[Replica, Answer], Answer | None]) -> Answer:
        """Says after a moment what it waits for."""
        began = time.monotonic()
        self._why, said = "", False
        while True:
            replies = self.ask_all({"command": "status"})
            reached = [reply for reply in replies if not reply.why]
            if not reached:
                raise ConfigError("; ".join(reply.why for reply in replies))
            leading = [reply for reply in reached if reply.answer["role"] == "leader"]
            if leading:
                newest = max(leading, key=lambda reply: int(reply.answer["term"]))
                answer = use(newest.replica, newest.answer)
                if answer is not None:
                    return answer
                patience = LEADER_SECONDS
            else:
                self._why = unled([reply.answer for reply in reached], unreached(replies))
                patience = ELSEWHERE_SECONDS if any(r.answer["leader"] for r in reached) else LEADER_SECONDS
            if time.monotonic() > began + patience:
                raise ConfigError(self._why)
            if not said and time.monotonic() > began + WORD_SECONDS:
                said = True
                click.echo(f"waiting up to {LEADER_SECONDS:.0f} s: {self._why}")
            time.sleep(AGAIN_SECONDS)


def unled(statuses: Sequence[Answer], others: Sequence[str] = ()) -> str:
    """Why no leader can be asked, for people, and what to do. others: why these gave no status."""
    latest = max(statuses, key=lambda status: int(status["term"]))
    if latest["leader"]:
        return (
            f"member {latest['leader']} leads, and is not among the replicas that were asked: give its --data or "
            "--admin, too"
        )
    if all(one["role"] == "refused" for one in statuses):
        return "; ".join((*(f"member {one['member']}: {one['why_not']}" for one in statuses), *others))
    voters = {member["id"] for member in latest["membership"] if member["voter"]}
    answering = voters & {status["member"] for status in statuses}
    quorum = len(voters) // 2 + 1
    what = "more than half of the voters must run and reach each other; quorumbook status shows what each waits for"
    if len(answering) < quorum:
        what = (
            f"of the voters {listed(voters)} only {listed(answering)} can be asked, and it takes {quorum}: start the "
            "others"
        )
    return "; ".join((f"no replica that answers knows a leader: {what}", *others))


def wait_for(true: Callable[[], bool], seconds: float) -> bool:
    """Whether it became true within this time."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(AGAIN_SECONDS)
    return True
