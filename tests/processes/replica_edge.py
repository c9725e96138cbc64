"""An edge with a cluster: stories (tests/gateway/stories.py) told to three replicas while some of them are killed.

Each client of a story begins at another replica, and goes on at the next one when its own dies. One cluster has many
stories told, each a scene with symbols and CompIDs of its own. What depends on what else was told there, and on where
the sessions had to log on again, is compared as far as the story says it: `written`, `in_story_terms`.
"""

import random
import re
from contextlib import suppress
from dataclasses import dataclass, field

from fix_client import Closed, Fields
from fix_link import PATIENCE_SECONDS
from memory_edge import START_NS
from socket_edge import toml
from stage import COUNTED, Actor, Stage, pairs
from stories import Storyteller, build, steps

from gateway import inputs

STANDARD = {8, 9, 10, 34, 35, 49, 52, 56}
"""Of a client's message, what its session says and not the story."""
OF_SESSIONS = re.compile(r"(35=[0-5A]\||raw )|.*\|(34|43|49|56|52)=")
"""A message of a client that is about its session."""
NUMBERED = re.compile(r"(?<=\|20001=)\d+")


@dataclass
class ClusterEdge:
    """A scene: one story on a stage. blows: whom to kill at which message, and whether before it or behind it."""

    stage: Stage
    scene: str
    transport: str
    blows: dict[int, tuple[str, bool]] = field(default_factory=dict)
    patience_seconds: float = PATIENCE_SECONDS

    now_ns = START_NS

    def __post_init__(self) -> None:
        self.out: list[tuple[str, str, bytes]] = []
        self.awaited: list[str] = []
        """The clients that hear something next, in order: what the story says."""
        self.actors: dict[str, Actor] = {}
        self.said = 0

    def start(self, *genesis: bytes) -> None:
        """The instruments have been there from the beginning: `instruments`."""
        self.stage.wait()
        self.counted = self.stage.counters(f"{COUNTERS}{self.scene}")

    def connect(self, name: str) -> None:
        """Each at another replica."""
        if name not in self.actors:
            at = 1 + len(self.actors) % len(self.stage.cluster.members)
            self.actors[name] = Actor(self.stage, at, self.transport, f"{name}.{self.scene}")

    def send(self, name: str, *messages: bytes) -> None:
        actor = self.actors[name]
        said = [self.in_cluster_terms(message) for message in messages]
        if said[0][0] == "A":
            self.out.append((name, "message", self.in_story_terms(actor.begin(said[0][1]), actor)))
            return
        self.said += 1
        whom, before = self.blows.get(self.said, ("", False))
        if whom and before:
            self.strike(whom)
        actor.say(said)
        if whom and not before:
            self.strike(whom)
        if not self.awaited:  # then nothing else says that it has been taken
            actor.finish()
        self.out += [self.hear(heard) for heard in self.awaited]

    def strike(self, whom: str) -> None:
        """The leader, or the replica where this client is."""
        self.stage.kill(self.actors[whom].at if whom in self.actors else self.stage.leader())

    def hear(self, name: str) -> tuple[str, str, bytes]:
        """What a client hears; a story that is not true is not waited for twice."""
        actor = self.actors[name]
        try:
            return name, "message", self.in_story_terms(actor.hear(self.patience_seconds), actor)
        except TimeoutError:
            self.patience_seconds = 0
            return name, "silence", b""

    def close(self, name: str) -> None:
        raise NotImplementedError("a session that ends is another story")

    def wait(self, nanoseconds: int) -> None:
        raise NotImplementedError("real time cannot be made to pass")

    def restart(self) -> None:
        """All of the cluster. Clients log on where they were."""
        self.stage.kill_all()

    def finish(self) -> None:
        """What clients hear and the story does not tell; they log out."""
        for name, actor in self.actors.items():
            actor.finish()
            self.out += [(name, "message", self.in_story_terms(message, actor)) for message in actor.unheard]
            with suppress(Closed, OSError):
                actor.send("5")
                actor.expect("5")
            actor.close()
        self.stage.wait()

    def in_cluster_terms(self, message: bytes) -> tuple[str, Fields]:
        """Its type and what it says here."""
        said = list(pairs(message))
        fields = [(tag, self.here(tag, value)) for tag, value in said if tag not in STANDARD]
        return dict(said)[35], fields

    def here(self, tag: int, value: str) -> str:
        if tag == 55:
            return f"{value}.{self.scene}"
        if tag in COUNTED and value.isdigit():
            return str(int(value) + self.counted[tag])
        return value

    def in_story_terms(self, message: bytes, actor: Actor) -> bytes:
        """As if it were alone and had come at once: no MsgSeqNum, which FixClient has looked at, no PossDupFlag."""
        said = [(tag, value) for tag, value in pairs(message) if tag not in {8, 9, 10, 34, 43, 122}]
        counted_as = {37: 17} if dict(said)[35] == "r" else {}  # the OrderID of a mass cancel is an ExecID
        return build([(str(tag), self.there(counted_as.get(tag, tag), value, actor)) for tag, value in said])

    def there(self, tag: int, value: str, actor: Actor) -> str:
        if tag == 55:
            return value.removesuffix(f".{self.scene}")
        if tag == 45:
            return str(1 + actor.in_story.index(int(value)))
        if tag in COUNTED and value.isdigit():
            return str(int(value) - self.counted[tag])
        return value


COUNTERS = "COUNTERS."
"""What the symbols begin with at which nothing but `Stage.counters` happens."""


def instruments(scenes: dict[str, str]) -> str:
    """The part of a configuration that has the instruments of these scenes: a story's text by the scene's name."""
    lines = []
    for scene, text in scenes.items():
        words = [line.split() for line, _ in steps(text) if line.startswith("instrument ")]
        for symbol, price, quantity, *limits in [one[1:] for one in words] + [[COUNTERS[:-1], "1", "1"]]:
            record = inputs.instrument(
                f"{symbol}.{scene}",
                price_increment=price,
                quantity_increment=quantity,
                **dict(limit.split("=") for limit in limits),
            )
            lines += ["[[instruments]]", *toml(inputs.read_instrument(record))]
    return "\n".join(lines)


def blows(text: str, chance: random.Random) -> dict[int, tuple[str, bool]]:
    """One at every fourth message or so: at the leader, or where one of the clients is. Where books are told it comes
    before, as those that a replica took with it are not sent again."""
    passing = re.search(r"35=[WX]\|", text) is not None
    lines = [line for line, _ in steps(text)]
    said = sum(bool(re.match(r"\S+ > ", line)) for line in lines)
    whom = ["the leader", *dict.fromkeys(line.split()[1] for line in lines if line.startswith("connect "))]
    return {
        at: (chance.choice(whom), chance.random() < 0.5 or passing)
        for at in chance.sample(range(1, said + 1), -(-said // 4))
    }


def in_turn(lines: list[str]) -> list[str]:
    """Input numbers, of which kills and Logons take some, too, by which of the story's comes first."""
    numbers = sorted({int(number) for line in lines for number in NUMBERED.findall(line)})
    return [NUMBERED.sub(lambda found: f"#{numbers.index(int(found[0]))}", line) for line in lines]


def written(text: str) -> list[str]:
    """A story as its clients should see it, wherever they have to log on."""
    lines = []
    for step, answers in steps(text):
        messages = [answer for answer in answers if answer.split(" ")[2] not in {"open", "close"}]
        lines += [step, *(re.sub(r"\|34=\d+", "", message) for message in messages)]
    return in_turn(lines)


def told(text: str, edge: ClusterEdge) -> list[str]:
    """The story as the clients of a cluster do see it. What comes and is not in the story is at the end."""
    teller, lines = Storyteller(edge), []
    for step, answers in steps(text):
        edge.awaited = [answer.split(" ")[1] for answer in answers]
        lines += [step, *teller.tell(step)]
    edge.finish()
    return in_turn(lines + [" ".join(("<", name, *map(str, rest))) for name, *rest in edge.out])


def left_out(text: str) -> str:
    """Why a story cannot be told in this way; "" = it can."""
    lines = [line for line, _ in steps(text)]
    answers = [answer for _, answered in steps(text) for answer in answered]
    if any(line.startswith("wait ") for line in lines):
        return "time passes in it, and real time cannot be made to"
    if any(line.startswith(("setting ", "drop_copy ", "operator ")) for line in lines):
        return "its exchange has settings of its own"
    if any(re.match(r"< \S+ (refuse|close|kept|again)( |$)", answer) for answer in answers):
        return "a session ends in it, or has messages sent again"
    if any(OF_SESSIONS.match(line.split(" ", 2)[2]) for line in lines if re.match(r"\S+ >>? ", line)):
        return "it is about the session's messages, and there are more of them here"
    if any(answer.split(" ")[2].startswith("35=y|") for answer in answers):
        return "it lists all instruments, and there are more of them here"
    if any(re.match(r"\S+ >>? 35=(V|AD)\|.*263=1", line) for line in lines):
        return "a subscription ends with its connection"
    return ""
