"""A client of the simulated cluster.

It enters orders and changes them (cluster_orders.py), loses its connection, comes back at any replica with its next
sequence number, asks for what it missed and repeats what it is asked for. It remembers every numbered message that it
ever got.
"""

from typing import TYPE_CHECKING

from cluster_fix import MS, SENT, Fields, build, parse, split, stable, words
from cluster_orders import Trader

if TYPE_CHECKING:
    from cluster_edge import Transport
    from cluster_world import World

ADMIN = {"0", "1", "2", "4", "5", "A"}
ANSWERS = ("8", "9", "3", "j", "r", "UR")


class Violation(AssertionError):
    """The cluster broke a promise."""


class Client:
    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.arrives = self.leaves = 0  # when the last bytes each way do: they keep their order
        self.transport: Transport | None = None
        self.logged_on = False
        self.next_out = 1
        self.next_in = 1
        self.sent: dict[int, Fields] = {}  # application messages by MsgSeqNum
        self.asked: dict[str, Fields] = {}  # every request ever, by ClOrdID or OperationID
        self.epoch = ""  # when the numbers were reset last, in the exchange's words
        self.got: dict[tuple[str, int], Fields] = {}  # numbered messages by that and MsgSeqNum
        self._resetting = False  # a Logon that resets the numbers was sent, and may have been taken
        self.numbered: dict[tuple[str, int], str] = {}  # requests, by the same
        self.trader = Trader(world.chance)
        self.floors: dict[str, int] = {}  # by request: the largest input number heard of when it was sent
        self.rules: dict[str, int] = {}  # by request: that held at a gateway to which it was sent, the oldest
        self.answered: dict[str, int] = {}  # by request: how often it was accepted or rejected
        self.missing: dict[str, None] = {}  # requests that were sent since the numbers were reset, unanswered
        self.requests = 0
        self.transports: list[Transport] = []  # every one that it ever had
        self._asked_until = 0
        self._tried = 0
        world.at(world.now + world.chance.randrange(100 * MS), self.act)

    # ---------------------------------------------------------------- acting

    def act(self) -> None:
        """Now and then: connects, sends something."""
        world, chance = self.world, self.world.chance
        world.at(world.now + chance.randrange(10 * MS, 400 * MS), self.act)
        if self.transport is None:
            if world.now >= self._tried:
                self.connect()
        elif self.logged_on:
            if world.sending:
                for _ in range(chance.choice((1, 1, 1, 2, 5))):
                    self.request()
                fate = chance.random()
                if fate < 0.01:
                    world.count("hung up", self.name)
                    self.hang_up()
                elif fate < 0.015:
                    world.count("walked away", self.name)
                    self._walk_away()
        elif world.now - self._tried > 4_000 * MS:
            self.hang_up()  # no answer to the Logon

    def connect(self) -> None:
        world = self.world
        self._tried = world.now + 50 * MS
        host = world.chance.choice(list(world.hosts.values()))
        self.transport = host.connect(self)
        if self.transport is None:
            return
        self.transports.append(self.transport)
        self._tried = world.now
        world.count("logon", f"{self.name}, {host.name}")
        if self._resetting or (not self.missing and world.chance.random() < 0.1):
            world.count("numbers reset", self.name)
            self._resetting = True
            self.next_out = 1
            self.sent.clear()
            self.missing.clear()
            self._admin("A", [("98", "0"), ("108", "5"), ("141", "Y")])
        else:
            self._admin("A", [("98", "0"), ("108", "5")])

    def hang_up(self) -> None:
        assert self.transport is not None
        self.transport.host.hung_up(self.transport)
        self.transport = None
        self.logged_on = False

    def _walk_away(self) -> None:
        """Its machine lost the network: the gateway goes on with a connection that nobody reads."""
        self.transport = None
        self.logged_on = False

    def request(self) -> None:
        self.requests += 1
        self._application(*self._next(f"{self.name}-{self.requests}"))

    def _next(self, id: str) -> tuple[str, Fields]:
        """The type and the fields of the next request."""
        kind, fields = self.trader.next(id, self.world.symbols, self.world.log_time_ns)
        return kind, [*fields.items(), ("60", SENT)]

    def _application(self, kind: str, fields: Fields) -> None:
        values = dict(fields)
        id = values["20020" if kind == "UQ" else "11"]
        self.floors[id] = self.world.heard
        self.asked[id] = [("35", kind), *fields]
        self.numbered[self.epoch, self.next_out] = id
        self.sent[self.next_out] = [("35", kind), *fields]
        self.missing[id] = None
        self._send(kind, self.next_out, fields)
        self.next_out += 1

    def _admin(self, kind: str, fields: Fields) -> None:
        self._send(kind, self.next_out, fields)
        self.next_out += 1

    def _send(self, kind: str, number: int, fields: Fields, *, again: bool = False) -> None:
        head = [
            ("35", kind),
            ("49", self.name),
            ("56", "QUORUMBOOK"),
            ("34", str(number)),
            ("52", SENT),
        ]
        if again:
            head += [("43", "Y"), ("122", SENT)]
        if self.world.trace is not None:
            self.world.tell(self.name, f"sends   {words(kind, number, fields)}")
        if self.transport is not None:
            self._note_rules(number, self.transport.host.rules)
            self.transport.host.sent(self.transport, build([*head, *fields]))

    def _note_rules(self, number: int, rules: int) -> None:
        if (id := self.numbered.get((self.epoch, number))) is not None:
            self.rules[id] = min(self.rules.get(id, rules), rules)

    # ---------------------------------------------------------------- listening

    def lost(self, transport: "Transport") -> None:
        if transport is self.transport:
            self.transport = None
            self.logged_on = False
            self._tried = self.world.now + self.world.chance.randrange(200 * MS)

    def received(self, transport: "Transport", data: bytes) -> None:
        messages, transport.rest = split(transport.rest + data)
        for fields in map(parse, messages):
            transport.told.append(fields)
            if transport is self.transport:
                self._message(fields)

    def _message(self, fields: Fields) -> None:
        values = dict(fields)
        kind, number = values["35"], int(values["34"])
        again = values.get("43") == "Y"
        if kind == "5" and not self.logged_on:
            return  # refused: not numbered
        if kind == "4" and number <= self.next_in:
            self._gap_filled(number, int(values["36"]))
            return
        if self._resetting:
            if kind != "A" or "141" not in values:
                return  # of the numbers before
            self._resetting = False
            self.epoch, self.next_in = values["52"], 1
        if kind == "5" and "too low" in values.get("58", ""):
            raise self._violation("it never sends a number twice, and was told so", fields)
        if kind == "2":  # asked at once, whatever is missing here
            self._repeat(int(values["7"]))
        if not again and kind == "A":
            self.logged_on = True
        if number > self.next_in:
            if self.world.now >= self._asked_until:
                self._asked_until = self.world.now + 500 * MS
                self.world.count("resend asked", self.name)
                self._admin("2", [("7", str(self.next_in)), ("16", "0")])
            if kind == "5":
                self.hang_up()
            return
        if number < self.next_in:
            self._same_again(number, fields, again)
            return
        self.next_in += 1
        self._asked_until = 0
        self._take(number, kind, fields, values)
        if kind == "1":
            self._admin("0", [("112", values["112"])])
        if kind == "5":
            self.hang_up()

    def _same_again(self, number: int, fields: Fields, again: bool) -> None:
        if not again:
            raise self._violation(f"message {number} came twice", fields)
        known = self.got.get((self.epoch, number))
        if known is not None and stable(known) != stable(fields):
            raise self._violation(f"message {number} came before as {known}", fields)

    def _violation(self, what: str, fields: Fields) -> Exception:
        return Violation(f"{self.name}: {what}: {fields}")

    def _take(self, number: int, kind: str, fields: Fields, values: dict[str, str]) -> None:
        self.got[self.epoch, number] = fields
        if self.world.trace is not None:
            self.world.tell(self.name, f"is told {words(kind, number, fields)}")
        if kind not in ANSWERS:
            return
        self.world.hear(values)
        id = self.answered_by(self.epoch, values)
        if kind != "8" or values["150"] in "0854":
            self.answered[id] = self.answered.get(id, 0) + (kind != "8" or values["150"] != "4")
            self.missing.pop(id, None)
        if kind == "8":
            self.trader.heard(values, dict(self.asked[id]))

    def answered_by(self, epoch: str, values: dict[str, str]) -> str:
        """The request that a message is about."""
        for tag in ("11", "20020", "379"):
            if tag in values:
                return values[tag]
        return self.numbered.get((epoch, int(values["45"])), "")

    def _gap_filled(self, number: int, next_number: int) -> None:
        """Admin messages that are not sent again."""
        if number <= self.next_in:
            self.next_in = max(self.next_in, next_number)

    def _repeat(self, begin: int) -> None:
        """Application messages again, a gap fill for the others."""
        self.world.count("repeated what was missed", self.name)
        number = begin
        while number < self.next_out:
            fields = self.sent.get(number)
            if fields is not None:
                self._send(fields[0][1], number, fields[1:], again=True)
                number += 1
                continue
            end = number
            while end < self.next_out and end not in self.sent:
                end += 1
            self._send("4", number, [("123", "Y"), ("36", str(end))], again=True)
            number = end

    def done(self) -> bool:
        """Everything that it sent is answered, and nothing is missing."""
        return self.logged_on and not self.missing
