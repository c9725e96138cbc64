"""A cluster whose replicas are killed in front of clients that go on at another one, and miss nothing."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from cluster_processes import ClusterProcesses
from exchange_process import wait_until
from fix_client import Closed, Fields, FixClient
from fix_link import PATIENCE_SECONDS

LOGON_SECONDS = 3
"""For the answer to a Logon: a replica that stands still has none."""
COUNTED = (17, 37, 880)
"""ExecID, OrderID, the trade's number: one more each time, whatever happens to replicas."""


def pairs(message: bytes) -> Iterator[tuple[int, str]]:
    for part in message.rstrip(b"\x01").split(b"\x01"):
        tag, _, value = part.decode().partition("=")
        yield int(tag), value


class Actor(FixClient):
    """One client of a story. When its replica dies it goes on at the next, and misses nothing."""

    def __init__(self, stage: "Stage", at: int, transport: str, comp_id: str) -> None:
        super().__init__(transport, 0, comp_id, notices_end=True)
        self.at = at
        self.terms: Fields = []
        """What its Logon says."""
        self.in_story: list[int] = []
        """The MsgSeqNums of what it says in the story; it has said more."""
        self.unheard: deque[bytes] = deque()
        """The application messages that the story has not told of yet."""
        self._stage = stage
        self._latest = b""

    def receive_message(self, seconds: float = PATIENCE_SECONDS) -> bytes:
        self._latest = super().receive_message(seconds)
        return self._latest

    def _keep(self, message: dict[int, str]) -> None:
        known = len(self.received)
        super()._keep(message)
        if len(self.received) > known:
            self.unheard.append(self._latest)

    def arrive(self) -> bytes:
        """Logs on where it was, or at the next replica that takes it, and gets what it missed; returns the answer."""
        answers: list[bytes] = []

        def taken() -> bool:
            members = self._stage.cluster.members
            with suppress(Closed, OSError):
                if self.at != self._stage.down:
                    self.port = members[self.at].port(f"fix_{self.transport}")
                    self.connect()
                    self.send("A", *self.terms)
                    if self.receive(LOGON_SECONDS)[35] == "A":
                        answers.append(self._latest)
                        self.catch_up()
                        return True
            self.at = self.at % len(members) + 1
            return False

        wait_until(taken)
        return answers[-1]

    def begin(self, terms: Fields) -> bytes:
        """The Logon that a story tells of; returns the answer."""
        self.terms = terms
        self.in_story.append(self.next_out)
        return self.arrive()

    def say(self, messages: Sequence[tuple[str, Fields]]) -> None:
        """They are asked for again where they do not arrive."""
        self.in_story += range(self.next_out, self.next_out + len(messages))
        data = b"".join(self.next(kind, *fields) for kind, fields in messages)
        try:
            self.send_bytes(data)
        except OSError:
            self.arrive()

    def hear(self, seconds: float = PATIENCE_SECONDS) -> bytes:
        """The next application message. Raises TimeoutError."""
        while not self.unheard:
            try:
                self.receive(seconds)
            except TimeoutError:
                raise
            except (Closed, OSError):
                self.arrive()
        return self.unheard.popleft()

    def finish(self) -> None:
        """Takes everything that there is up to now."""
        try:
            self.settle()
        except (Closed, OSError):
            self.arrive()


class Stage:
    """A cluster that has stories told, and kills. Ends with the `with` block of its cluster."""

    def __init__(self, cluster: ClusterProcesses) -> None:
        self.cluster = cluster
        self._stagehand = ThreadPoolExecutor(1)
        self._starting: Future[None] | None = None
        self.down = 0
        """The replica that was killed and is not there again; 0 = none."""
        self._counters = Actor(self, 1, "tcp", "COUNTERS")
        self._counters.terms = [(98, "0"), (108, "0")]

    def kill(self, id: int) -> None:
        """kill -9. It is started again meanwhile, and the next kill waits for that: two of three go on."""
        self.wait()
        self.down = id
        self.cluster.members[id].kill()
        self._starting = self._stagehand.submit(self._start, id)

    def kill_all(self) -> None:
        self.wait()
        for one in self.cluster.members.values():
            one.kill()
        with ThreadPoolExecutor(len(self.cluster.members)) as pool:
            list(pool.map(self._start, self.cluster.members))

    def wait(self) -> None:
        """Until all run."""
        if self._starting:
            self._starting.result()
            self._starting = None

    def leader(self) -> int:
        self.wait()  # who is about to start answers nobody
        return self.cluster.leader()

    def _start(self, id: int) -> None:
        one = self.cluster.members[id].start()
        wait_until(lambda: bool(one.ask(command="status")["accepting"]))
        self.down = 0

    def counters(self, symbol: str) -> dict[int, int]:
        """How far the exchange has counted: what a trade at this symbol is given."""
        if self._counters.next_out == 1:
            self._counters.arrive()
        self._counters.finish()
        name = f"{self._counters.next_out}"
        orders = [order_fields(f"{name}{side}", side, symbol) for side in "12"]
        self._counters.say([("D", one) for one in orders])
        reports = [self._counters.hear() for _ in range(4)]
        return {tag: max(int(dict(pairs(one)).get(tag, "0")) for one in reports) for tag in COUNTED}


def order_fields(name: str, side: str, symbol: str) -> Fields:
    """A limit order for one, at one."""
    return [
        (11, name), (55, symbol), (54, side), (60, "20260101-00:00:00.000"), (38, "1"), (40, "2"), (44, "1")
    ]  # fmt: skip
