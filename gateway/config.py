"""What may be configured: the sections of the file, their keys and defaults, and what each key allows.

[network], [limits], [[clients]], [storage], [log], [fix] and [trace] are local to this process. [exchange],
[[instruments]], [[tick_tables]], operators and [[drop_copies]] are genesis values: they are the first entries of an
empty log; a later file that says something else is refused, but may add instruments, operators and drop copies. The
times of [[schedules]] are whose who leads; who follows one is part of the log.
"""

from typing import Annotated

from msgspec import Meta, Struct

from gateway import inputs

Port = Annotated[int, Meta(ge=0, le=65535, description="a TCP port, 0 to 65535; 0 picks a free one")]
DecimalText = Annotated[str, Meta(description='a decimal in quotes, such as "0.01"')]


class ConfigError(Exception):
    """The file is wrong; the text says where and what is allowed."""


class Network(Struct, frozen=True, forbid_unknown_fields=True):
    host: Annotated[
        str, Meta(description="an IP address of this machine; one that is not loopback needs TLS and CURVE")
    ] = "127.0.0.1"
    fix_zmq: Port = 7610
    fix_tcp: Port = 7611
    feed: Port = 7612
    snapshot: Port = 7613
    admin: Port = 7614
    tls_certificate: Annotated[
        str, Meta(description='PEM file that fix_tcp shows its clients, who then use TLS; "" = plain')
    ] = ""
    tls_key: Annotated[str, Meta(description="PEM file of its private key")] = ""
    tls_client_ca: Annotated[
        str,
        Meta(
            description='PEM file of the authority that signed every client\'s certificate; "" = none asked'
        ),
    ] = ""
    curve_secret_key_file: Annotated[
        str,
        Meta(description='file of quorumbook keys: fix_zmq, feed and snapshot take CURVE only; "" = plain'),
    ] = ""
    plain: Annotated[
        str,
        Meta(
            pattern="^(loopback|anywhere)$",
            description='"loopback", or "anywhere": whoever reaches host may be anybody, and is read by anybody',
        ),
    ] = "loopback"


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    connections_per_address: Annotated[
        int, Meta(ge=1, le=3_584, description="a count, 1 to 3584: FIX connections from one address")
    ] = 256
    connections_on_loopback: Annotated[
        int, Meta(ge=1, le=3_584, description="a count, 1 to 3584: the same for each address of this machine")
    ] = 3_584
    logon_failures_per_minute: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="a count, 1 to 1000000: refused Logons after which an address has to wait",
        ),
    ] = 10
    unauthenticated_seconds: Annotated[
        int, Meta(ge=1, le=60, description="seconds, 1 to 60, within which a connection logs on")
    ] = 10
    unauthenticated_connections: Annotated[
        int,
        Meta(
            ge=1,
            le=3_584,
            description="a count, 1 to 3584, of connections not logged on: for one more the oldest goes",
        ),
    ] = 1_024


class Client(Struct, frozen=True, forbid_unknown_fields=True):
    comp_id: Annotated[str, Meta(description="a SenderCompID: 1 to 64 printable ASCII characters")] = ""
    comp_ids: Annotated[tuple[str, ...], Meta(description='["ONE", "TWO", ...]: several of them')] = ()
    username: Annotated[
        str, Meta(description='1 to 64 printable ASCII characters; "" = its SenderCompID')
    ] = ""
    password_hash: Annotated[str, Meta(description="a line that quorumbook password printed (argon2id)")] = ""

    curve_public_key: Annotated[
        str, Meta(description="40 characters that quorumbook keys printed: shown over ZeroMQ, instead")
    ] = ""

    own_tags: Annotated[
        bool | None,
        Meta(description="true or false: as fix.own_tags, for this client; left out = as that says"),
    ] = None

    def all_comp_ids(self) -> tuple[str, ...]:
        return (self.comp_id,) if self.comp_id else self.comp_ids


class Storage(Struct, frozen=True, forbid_unknown_fields=True):
    directory: Annotated[
        str, Meta(description='a directory in quotes; "" = the default; --data overrides it')
    ] = ""
    durability: Annotated[
        str,
        Meta(
            pattern="^(disk|memory)$",
            description='"disk", or "memory": an order is acknowledged before it is synced, and can be lost with the '
            "machine",
        ),
    ] = "disk"


class Log(Struct, frozen=True, forbid_unknown_fields=True):
    retention: Annotated[
        str,
        Meta(
            pattern="^(all|snapshots)$",
            description='"all", or "snapshots": what the older of the two newest snapshots holds is deleted',
        ),
    ] = "all"
    snapshot_every_mib: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="MiB of log, 0 to 1000000, after which a snapshot is made; 0 = only by quorumbook snapshot",
        ),
    ] = 512


class Fix(Struct, frozen=True, forbid_unknown_fields=True):
    dictionary: Annotated[
        str,
        Meta(description='an XML file in quotes, added to FIX 4.4; "" = none; --dictionary overrides it'),
    ] = ""
    log: Annotated[
        bool | str,
        Meta(
            description='true or false: the traffic is written to fix.log beside the log; or "FILE"; --fix-log '
            "overrides it"
        ),
    ] = False
    explain_refusals: Annotated[
        bool,
        Meta(
            description="true or false: a Logon that is refused gets a Logout that says why, outside the session; else "
            "only the end of the connection tells"
        ),
    ] = True
    own_tags: Annotated[
        bool,
        Meta(
            description="true or false: messages to clients have tags of the exchange's own (20001 and above), and 880 "
            "in an ExecutionReport; else fields of FIX 4.4 alone"
        ),
    ] = True


class Trace(Struct, frozen=True, forbid_unknown_fields=True):
    to: Annotated[
        str,
        Meta(
            pattern="^(file|stderr|none)$",
            description='"file" (trace.jsonl beside the log), "stderr" or "none"',
        ),
    ] = "file"
    level: Annotated[
        str, Meta(pattern="^(debug|info|warning|error)$", description='"debug", "info", "warning" or "error"')
    ] = "info"


class Cluster(Struct, frozen=True, forbid_unknown_fields=True):
    id: Annotated[
        str,
        Meta(pattern="^([0-9a-f]{32})?$", description='32 hex digits, the same at every member; "" = of one'),
    ] = ""
    member: Annotated[int, Meta(ge=1, le=1_000_000, description="this replica's id, 1 to 1000000")] = 1
    members: Annotated[
        tuple[str, ...],
        Meta(
            description='["1 HOST:PORT", "2 HOST:PORT", ...]: every member and the address that the others reach it at'
        ),
    ] = ()
    heartbeat_ms: Annotated[int, Meta(ge=1, le=10_000, description="milliseconds, 1 to 10000")] = 10
    election_timeout_ms: Annotated[
        int, Meta(ge=10, le=100_000, description="milliseconds, 10 to 100000, five heartbeats or more")
    ] = 100
    certificate: Annotated[
        str,
        Meta(description='PEM file of this replica for TLS between members; "" = plain, on loopback only'),
    ] = ""
    key: Annotated[str, Meta(description="PEM file of its private key")] = ""
    authority: Annotated[str, Meta(description="PEM file of the authority that signed every member's")] = ""

    def addresses(self) -> dict[int, str]:
        """Every member's; checked when the file was read."""
        return {int(id): address for id, address in map(str.split, self.members)}


class Exchange(Struct, frozen=True, forbid_unknown_fields=True):
    comp_id: Annotated[
        str, Meta(description="the exchange's own CompID: 1 to 64 printable ASCII characters")
    ] = "QUORUMBOOK"
    open_to_any: Annotated[
        bool, Meta(description="true or false: a Logon of a new SenderCompID makes a session")
    ] = True
    cancel_on_disconnect: Annotated[bool, Meta(description="true or false: the default of new sessions")] = (
        False
    )
    grace_ms: Annotated[int, Meta(ge=0, le=86_400_000, description="milliseconds, 0 to 86400000 (a day)")] = (
        5_000
    )
    max_heartbeat_seconds: Annotated[int, Meta(ge=1, le=86_400, description="seconds, 1 to 86400")] = 3_600
    closed_cl_ord_ids: Annotated[int, Meta(ge=0, le=100_000_000, description="a count, 0 to 100000000")] = (
        100_000
    )
    sending_time_seconds: Annotated[
        int, Meta(ge=0, le=86_400, description="seconds, 0 to 86400; 0 = SendingTime accuracy is not checked")
    ] = 0
    max_sessions: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="a count, 0 to 1000000; a Logon that would make more is refused, 0 = no bound",
        ),
    ] = 10_000
    messages_per_second: Annotated[
        int,
        Meta(
            ge=0,
            le=inputs.MAX_RATE,
            description="a count, 0 to 1000000: application messages of a session, and twice as many cancels; 0 = no "
            "bound",
        ),
    ] = 0
    daily_reset: Annotated[
        str,
        Meta(description='a time of day, UTC, such as "21:30": all sequence numbers begin anew; "" = never'),
    ] = ""


class Instrument(Struct, frozen=True, forbid_unknown_fields=True):
    symbol: Annotated[str, Meta(description="1 to 32 printable ASCII characters, no space and no '|'")]
    price_increment: DecimalText = "0.01"
    quantity_increment: DecimalText = "1"
    round_lot: DecimalText = ""
    min_quantity: DecimalText = ""
    max_quantity: DecimalText = ""
    low_price: DecimalText = ""
    high_price: DecimalText = ""
    protection: DecimalText = ""
    tick_table: Annotated[str, Meta(description='the name of one of [[tick_tables]]; "" = none')] = ""
    algorithm: Annotated[
        str,
        Meta(
            pattern="^(price-time|pro-rata)$",
            description='"price-time", or "pro-rata": orders of a price share what comes by their size',
        ),
    ] = "price-time"
    top_order: Annotated[
        bool, Meta(description="true or false: pro-rata gives to the oldest order of a price first")
    ] = False
    pro_rata_minimum: DecimalText = ""
    stop_trigger: Annotated[
        str,
        Meta(
            pattern="^(last-trade|opposite-best)$",
            description='"last-trade" or "opposite-best": what stop orders are triggered by',
        ),
    ] = "last-trade"
    reference_price: DecimalText = ""
    static_band: DecimalText = ""
    dynamic_band: DecimalText = ""
    price_distance: DecimalText = ""
    max_notional: DecimalText = ""
    breaker_percent: DecimalText = ""
    breaker_halt_seconds: Annotated[
        int, Meta(ge=0, le=86_400, description="seconds, 0 to 86400: how long a breaker halts trading")
    ] = 0
    breaker_auction_seconds: Annotated[
        int, Meta(ge=0, le=86_400, description="seconds, 0 to 86400: how long the auction behind it collects")
    ] = 0


class TickTable(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(description="1 to 32 printable ASCII characters, no space")]
    ticks: Annotated[
        tuple[str, ...],
        Meta(description='["0.01", "10:0.05", ...]: the tick, then from which price on which other one'),
    ]
    price_increment: DecimalText = "0.01"


TimeOfDay = Annotated[str, Meta(description='a time of day, UTC, such as "08:30" or "08:30:15"; "" = none')]


class Schedule(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(description="1 to 32 printable ASCII characters, no space")]
    symbols: Annotated[
        tuple[str, ...],
        Meta(description='["ONE", "TWO", ...] that follow it; "*" = all that follow no other'),
    ] = ("*",)
    days: Annotated[
        tuple[str, ...], Meta(description='["mon", "tue", ...]: the days on which its first time lies')
    ] = ("mon", "tue", "wed", "thu", "fri")
    pre_open: TimeOfDay = ""
    opening_auction: TimeOfDay = ""
    continuous: TimeOfDay = ""
    closing_auction: TimeOfDay = ""
    closed: TimeOfDay = ""
    random_end_seconds: Annotated[
        int,
        Meta(
            ge=0, le=3_600, description="seconds, 0 to 3600: an auction ends at random, up to so much later"
        ),
    ] = 0


class DropCopy(Struct, frozen=True, forbid_unknown_fields=True):
    comp_id: Annotated[str, Meta(description="a SenderCompID: 1 to 64 printable ASCII characters")]
    sessions: Annotated[
        tuple[str, ...], Meta(description='["ONE", "TWO", ...] whose reports it sees; "*" = all')
    ]


DEFAULT_INSTRUMENTS = (
    *(Instrument(symbol) for symbol in ("AAPL", "AMZN", "GOOG", "MSFT", "INTC")),
    Instrument("BTC/USD", price_increment="1", quantity_increment="0.00000001"),
)


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    network: Network = Network()
    limits: Limits = Limits()
    clients: tuple[Client, ...] = ()
    storage: Storage = Storage()
    log: Log = Log()
    fix: Fix = Fix()
    trace: Trace = Trace()
    cluster: Cluster = Cluster()
    exchange: Exchange = Exchange()
    operators: Annotated[
        tuple[str, ...],
        Meta(description='["ONE", ...]: SenderCompIDs whose sessions may use quorumbook admin'),
    ] = ()
    instruments: tuple[Instrument, ...] = DEFAULT_INSTRUMENTS
    tick_tables: tuple[TickTable, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    drop_copies: tuple[DropCopy, ...] = ()


class Loaded(Struct, frozen=True):
    """A configuration and where it came from."""

    config: Config
    file: str  # for messages
    given: frozenset[str]  # keys that the file itself states, such as "exchange.comp_id", "instruments"
    # The Inputs that an empty log begins with: the setting, then instruments, drop copies, operators, operations.
    genesis: tuple[bytes, ...]
