"""Stories about a cluster, in text: commands, and under each, indented, what came of it.

A line that begins with # is a comment. Output is written by the player, and rewritten by `pytest --regenerate`:

    members 3
    tick 1 100ms
      1 pre-candidate                             what changed at member 1
      1>2 pre-vote for term 1, last 0@0           what was sent; "lost": and did not get anywhere
    stabilize
      1 leader, term 1, vote 1, last 1@1          5@2 is entry 5, of term 2

After each command every member does what it wants done and syncs, unless its sync is held. Nothing is delivered, and
no time passes, but by command. A member's time is its own. SELECTION picks messages of the network, in order of
sending: any of a number of them, a link (`1>2`, `1>`, `>2`) and a kind (`append`, `vote-answer`); without it, all.

    members N                      1..N, all voters, with empty logs
    log ID: TERM... [term T]       the member starts anew, with entries of these terms, in term T
    jitter ID TIME                 what the member's election timeouts have added from now on
    tick ID TIME                   its time passes, in steps of 10 ms
    stall ID TIME                  its time passes, at once: the process stood still
    pass TIME                      everyone's time passes, in steps of 10 ms, and messages and syncs with it
    stabilize                      delivers until nothing is on its way
    deliver, drop, duplicate, reorder, hold SELECTION
    release                        what was held is on its way again
    cut A>B; partition A.. | B..; heal
    close A B                      member A learns that its link to B is closed
    hold-sync ID; sync ID          of entries, and of term and vote
    sync-once ID                   the sync that is held ends, and the next one is held
    batch N                        how many entries a member writes at once
    crash ID; restart ID           what is not synced is lost
    lose ID INDEX                  a crash that takes durable entries, too: those after INDEX
    damage ID INDEX                the same, and nobody knows how many there were
    rot ID INDEX                   the same, and it is known: what followed them was whole
    corrupt ID INDEX               the entry's chain hash is another
    elect ID                       the links to the leader close, ID stands, and the votes are delivered
    propose ID TEXT; read ID; transfer ID TO
    add, promote, remove ID MEMBER proposed to member ID
    snapshot ID INDEX              the member makes a snapshot of 5 bytes, sent in chunks of one, two ahead
    compact ID INDEX               its log begins behind INDEX from now on
    in-flight N; message-bytes N   how many appends a leader sends ahead, and with how much payload
    status; progress ID
"""

import re
from collections import Counter
from collections.abc import Callable
from itertools import groupby

from raft_cluster import Cluster, Replica
from raft_properties import Properties

from replication import leading, progress, sending
from replication.candidacy import Candidacy
from replication.membership import Membership, Refused, listed
from replication.messages import HardState, Kind, Message
from replication.raft import Diverged

STEP_NS = 10_000_000
ELECTION = {Kind.PRE_VOTE, Kind.PRE_VOTE_ANSWER, Kind.VOTE, Kind.VOTE_ANSWER}
ENDLESS = 5_000  # messages: more than any story needs


def play(story: str) -> str:
    """The story with its outputs as they are now. Raises AssertionError, with the line, when a property breaks."""
    player = Player()
    limits = progress.IN_FLIGHT_MESSAGES, leading.MESSAGE_BYTES, sending.CHUNK_BYTES, sending.IN_FLIGHT_BYTES
    sending.CHUNK_BYTES, sending.IN_FLIGHT_BYTES = 1, 2
    told = []
    try:
        for number, line in enumerate(story.splitlines(), 1):
            if line.startswith(" "):
                continue
            told.append(line)
            if line and not line.startswith("#"):
                try:
                    told += [f"  {output}" for output in player.command(line)]
                except Exception as error:
                    error.add_note(f"line {number}: {line}")
                    raise
    finally:
        progress.IN_FLIGHT_MESSAGES, leading.MESSAGE_BYTES, sending.CHUNK_BYTES, sending.IN_FLIGHT_BYTES = (
            limits
        )
    return "\n".join(told) + "\n"


class Player:
    def __init__(self) -> None:
        self.properties = Properties()
        self.cluster: Cluster
        self.jitter: dict[int, int] = {}
        self.held: list[Message] = []
        self.slow: set[int] = set()  # members whose syncs are held
        self.tickets = 0
        self.said: list[str] = []
        self.shown: dict[int, dict[str, str]] = {}

    def command(self, line: str) -> list[str]:
        """One command; what came of it."""
        name, *words = line.replace(":", " ").split()
        if name in ("deliver", "drop", "duplicate", "reorder", "hold"):
            chosen = self._select(words)
            if not chosen:
                self.said.append("there is no such message")
            getattr(self, f"_{name}")(chosen)
        else:
            getattr(self, "_" + name.replace("-", "_"))(*words)
        self._settle()
        return self._changes() + self._messages() + self._taken()

    # ---------------------------------------------------------------- the members

    def _members(self, size: str) -> None:
        self.cluster = Cluster(int(size), below=self._below, watch=self.properties.observe)
        self.properties.cluster = self.cluster
        self._changes()

    def _below(self, id: int, n: int) -> int:
        return min(self.jitter.get(id, 0), n - 1)

    def _log(self, id: str, *words: str) -> None:
        terms, term = list(words), 0
        if "term" in words:
            terms, term = list(words[:-2]), int(words[-1])
        replica = self.cluster.replicas[int(id)]
        replica.disk.give_up(0)
        for index, of in enumerate(map(int, terms), 1):
            replica.disk.append(index, of, index, b"x")
            term = max(term, of)
        replica.disk.hard = HardState(term, 0)
        replica.start()
        self._changes()

    def _jitter(self, id: str, time: str) -> None:
        self.jitter[int(id)] = duration(time)
        self.cluster.replicas[int(id)].raft.wait_for_silence()

    def _crash(self, id: str) -> None:
        self.cluster.replicas[int(id)].crash()

    def _restart(self, id: str) -> None:
        self.cluster.replicas[int(id)].start()

    def _lose(self, id: str, index: str) -> None:
        replica = self.cluster.replicas[int(id)]
        replica.crash()
        replica.disk.lose(int(index))

    def _damage(self, id: str, index: str) -> None:
        replica = self.cluster.replicas[int(id)]
        replica.crash()
        replica.disk.damage(int(index))

    def _rot(self, id: str, index: str) -> None:
        replica = self.cluster.replicas[int(id)]
        replica.crash()
        replica.disk.rot(int(index))

    def _corrupt(self, id: str, index: str) -> None:
        replica = self.cluster.replicas[int(id)]
        entry = replica.disk.entries[int(index) - 1]
        replica.disk.entries[int(index) - 1] = entry._replace(chain_hash=bytes(31) + b"!")
        replica.start()

    def _hold_sync(self, id: str) -> None:
        self.slow.add(int(id))

    def _sync(self, id: str) -> None:
        self.slow.discard(int(id))

    def _sync_once(self, id: str) -> None:
        self.cluster.replicas[int(id)].sync()

    def _batch(self, count: str) -> None:
        self.cluster.batch = int(count)

    def _settle(self) -> None:
        """Everyone does what is to be done."""
        for replica in self.cluster.up:
            replica.turn()
            while replica.syncing and replica.id not in self.slow:
                replica.sync()
                replica.turn()

    # ---------------------------------------------------------------- time

    def _tick(self, id: str, time: str) -> None:
        for _ in range(duration(time) // STEP_NS):
            self.cluster.replicas[int(id)].tick(STEP_NS)
            self._settle()

    def _stall(self, id: str, time: str) -> None:
        self.cluster.replicas[int(id)].tick(duration(time))

    def _pass(self, time: str) -> None:
        for _ in range(duration(time) // STEP_NS):
            for replica in self.cluster.replicas.values():
                replica.tick(STEP_NS)
            self._deliver_all()
        self.cluster.sent.clear()

    # ---------------------------------------------------------------- the network

    def _select(self, words: list[str]) -> list[Message]:
        found, count = list(self.cluster.network), None
        for word in words:
            if word.isdigit():
                count = int(word)
            elif ">" in word:
                sender, to = (int(end or 0) for end in word.split(">"))
                found = [m for m in found if sender in (0, m.sender) and to in (0, m.to)]
            else:
                kind = Kind[word.upper().replace("-", "_")]
                found = [m for m in found if m.kind is kind]
        return found[:count]

    def _drop(self, chosen: list[Message]) -> None:
        for message in chosen:
            self._take(message)

    def _take(self, message: Message) -> None:
        """By identity: two messages may be equal."""
        network = self.cluster.network
        del network[next(i for i, m in enumerate(network) if m is message)]

    def _deliver(self, chosen: list[Message]) -> None:
        self._drop(chosen)
        for message in chosen:
            try:
                self.cluster.deliver(message)
            except Diverged as diverged:
                self.said.append(f"{message.to} stops: {diverged}")
                self.cluster.replicas[message.to].crash()
            self._settle()

    def _duplicate(self, chosen: list[Message]) -> None:
        self.cluster.network += [m._replace() for m in chosen]

    def _reorder(self, chosen: list[Message]) -> None:
        self._drop(chosen)
        self.cluster.network += reversed(chosen)

    def _hold(self, chosen: list[Message]) -> None:
        self._drop(chosen)
        self.held += chosen

    def _release(self) -> None:
        self.cluster.network += self.held
        self.held = []

    def _stabilize(self) -> None:
        self._deliver_all()
        self.cluster.sent.clear()

    def _deliver_all(self) -> None:
        count = 0
        self._settle()
        while self.cluster.network:
            self._deliver(self.cluster.network[:1])
            count += 1
            assert count < ENDLESS, "the members do not stop talking"

    def _cut(self, link: str) -> None:
        sender, to = map(int, link.split(">"))
        self.cluster.cut.add((sender, to))

    def _partition(self, *words: str) -> None:
        groups = " ".join(words).split("|")
        self.cluster.partition(*({int(id) for id in group.split()} for group in groups))

    def _heal(self) -> None:
        self.cluster.cut.clear()

    def _close(self, id: str, peer: str) -> None:
        self.cluster.replicas[int(id)].raft.link_closed(int(peer))

    # ---------------------------------------------------------------- what is asked of a member

    def _propose(self, id: str, text: str) -> None:
        raft = self.cluster.replicas[int(id)].raft
        if raft.proposing:
            raft.propose((text.encode(),))
        else:
            self.said.append("not proposing")

    def _read(self, id: str) -> None:
        self.tickets += 1
        self.cluster.replicas[int(id)].raft.read(self.tickets)

    def _elect(self, id: str) -> None:
        for replica in self.cluster.up:
            replica.raft.link_closed(replica.raft.leader)
            replica.raft.candidacy = None  # of who is first in line
            replica.raft.take_messages()
        raft = self.cluster.replicas[int(id)].raft
        for _ in range(2):  # who is a term behind learns it the first time
            if raft.leading is None:
                raft.stand()
            self._settle()
            while votes := [m for m in self.cluster.network if m.kind in ELECTION]:
                self._deliver(votes)
        self.cluster.sent.clear()
        assert raft.leading is not None, f"member {id} was not elected"

    def _transfer(self, id: str, to: str) -> None:
        self._ask(lambda: self.cluster.replicas[int(id)].raft.transfer(int(to)))

    def _add(self, id: str, member: str) -> None:
        if int(member) not in self.cluster.replicas:
            self.cluster.join(int(member))
        self._change(id, lambda now: now.add(int(member), f"host{member}"))

    def _promote(self, id: str, member: str) -> None:
        self._change(id, lambda now: now.promote(int(member)))

    def _remove(self, id: str, member: str) -> None:
        self._change(id, lambda now: now.remove(int(member)))

    def _change(self, id: str, changed: Callable[[Membership], Membership]) -> None:
        raft = self.cluster.replicas[int(id)].raft
        self._ask(lambda: raft.change(changed(raft.membership)))

    def _ask(self, request: Callable[[], object]) -> None:
        try:
            request()
        except Refused as refused:
            self.said.append(f"refused: {refused}")

    def _snapshot(self, id: str, index: str) -> None:
        self.cluster.replicas[int(id)].snapshot(int(index))

    def _compact(self, id: str, index: str) -> None:
        self.cluster.replicas[int(id)].compact(int(index))

    def _in_flight(self, count: str) -> None:
        progress.IN_FLIGHT_MESSAGES = int(count)

    def _message_bytes(self, count: str) -> None:
        leading.MESSAGE_BYTES = int(count)

    # ---------------------------------------------------------------- what is told

    def _status(self) -> None:
        for id, replica in sorted(self.cluster.replicas.items()):
            terms = " ".join(str(entry.term) for entry in replica.disk.entries)
            its = state(replica)
            told = [its.get(key, "") for key in ("role", "term", "vote", "synced", "commit")]
            self.said.append(
                ", ".join([f"{id} {told[0]}", *filter(None, told[1:]), f"log {terms or 'empty'}"])
            )

    def _progress(self, id: str) -> None:
        leader = self.cluster.replicas[int(id)].raft.leading
        assert leader is not None
        for peer, its in sorted(leader.progress.items()):
            self.said.append(f"{peer} {its.flow.value}, match {its.match}, next {its.next}")

    def _changes(self) -> list[str]:
        """What is other than it was shown last."""
        lines = []
        for id, replica in sorted(self.cluster.replicas.items()):
            now, before = state(replica), self.shown.get(id, {})
            self.shown[id] = before | now
            told = [value for key, value in now.items() if value and value != before.get(key)]
            if told:
                lines.append(f"{id} {', '.join(told)}")
            reads, replica.raft.reads = replica.raft.reads, []
            lines += [f"{id} read {ticket} holds from entry {index} on" for ticket, index in reads]
        return lines

    def _messages(self) -> list[str]:
        sent, self.cluster.sent = self.cluster.sent, []
        newest = max((replica.disk.hard.term for replica in self.cluster.replicas.values()), default=0)
        counted = Counter(text(message, newest) + ("   lost" if lost else "") for message, lost in sent)
        return [line if count == 1 else f"{line}   ({count} times)" for line, count in counted.items()]

    def _taken(self) -> list[str]:
        said, self.said = self.said, []
        return said


def duration(time: str) -> int:
    """Nanoseconds of `100ms`."""
    found = re.fullmatch(r"(\d+)ms", time)
    assert found, f"not a time: {time}"
    return int(found[1]) * 1_000_000


def state(replica: Replica) -> dict[str, str]:
    if not replica.up:
        return {"role": "down"}
    raft = replica.raft
    hard, log, commit = raft.hard, raft.log, raft.commit_index
    return {
        "role": role(raft.leading is not None, raft.candidacy, raft.leader),
        "term": f"term {hard.term}",
        "vote": f"vote {hard.vote}" if hard.vote else "",
        "last": f"last {log.last_index}@{log.last_term}",
        "synced": f"synced {log.synced_index}" if log.synced_index < log.last_index else "",
        "commit": f"commit {commit}" if commit else "",
        "begins": f"log behind {log.begins_after}" if log.begins_after else "",
        "members": members(raft.membership),
    }


def role(leads: bool, candidacy: Candidacy | None, leader: int) -> str:
    if leads:
        return "leader"
    if candidacy is not None:
        return "pre-candidate" if candidacy.pre else "candidate"
    return f"follows {leader}" if leader else "follower"


def members(membership: Membership) -> str:
    learners = membership.ids - membership.voters
    return f"voters {listed(membership.voters)}" + (f"; learners {listed(learners)}" if learners else "")


def text(m: Message, newest: int) -> str:
    """newest: the highest term there is; a message of an older one says so."""
    old = f" [term {m.term}]" if m.term < newest and m.kind not in (Kind.PRE_VOTE, Kind.VOTE) else ""
    return f"{m.sender}>{m.to} {body(m)}{old}"


def body(m: Message) -> str:
    place = f"{m.index}@{m.log_term}"
    verdict = "denies" if m.rejected else "grants"
    reservation = ", with a reservation" if m.number else ""
    match m.kind:
        case Kind.PRE_VOTE:
            return f"pre-vote for term {m.term}, last {place}"
        case Kind.VOTE:
            return f"vote for term {m.term}, last {place}" + (", forced" if m.forced else "")
        case Kind.PRE_VOTE_ANSWER:
            return f"{verdict} pre-vote{reservation}"
        case Kind.VOTE_ANSWER:
            return f"{verdict} vote{reservation}"
        case Kind.APPEND:
            return f"append after {place}: {runs(m)}, commit {m.commit}"
        case Kind.APPEND_ANSWER if m.rejected:
            return f"lacks {m.number}, try {place}"
        case Kind.APPEND_ANSWER:
            return f"has {m.index}"
        case Kind.HEARTBEAT:
            return f"heartbeat, commit {m.commit}"
        case Kind.HEARTBEAT_ANSWER:
            return "heartbeat answer"
        case Kind.TIMEOUT_NOW:
            return "timeout now"
        case Kind.SNAPSHOT if m.forced:
            return f"snapshot of {place}: what is wanted?"
        case Kind.SNAPSHOT:
            return f"snapshot of {place}, byte {m.number} of {m.commit}"
        case Kind.SNAPSHOT_ANSWER:
            return f"of snapshot {m.index} wants {m.number}{', whatever was sent' if m.rejected else ''}"
        case Kind.READ:
            return f"read {m.number}"
    return f"read {m.number} at {m.index}"


def runs(append: Message) -> str:
    """The entries: 4@2 5-7@3."""
    parts = []
    for term, group in groupby(append.entries, key=lambda entry: entry.term):
        indices = [entry.index for entry in group]
        first, last = indices[0], indices[-1]
        parts.append(f"{first}@{term}" if first == last else f"{first}-{last}@{term}")
    return " ".join(parts) or "nothing"
