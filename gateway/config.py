"""The configuration file: what it may say, its defaults, and errors that name file, key and what is allowed.

[network], [limits], [[clients]], [storage], [log], [fix] and [trace] are local to this process. [exchange],
[[instruments]] and [[drop_copies]] are genesis values: they are the first entries of an empty log
and stay what they are; a later file that says something else is refused.
"""

import ipaddress
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
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
    instruments: tuple[Instrument, ...] = DEFAULT_INSTRUMENTS
    drop_copies: tuple[DropCopy, ...] = ()


class Loaded(Struct, frozen=True):
    """A configuration and where it came from."""

    config: Config
    file: str  # for messages
    given: frozenset[str]  # keys that the file itself states, such as "exchange.comp_id", "instruments"
    genesis: tuple[
        bytes, ...
    ]  # the Inputs that an empty log begins with: the setting, then instruments, drop copies


def load(path: Path | None) -> Loaded:
    """Reads the file, or the embedded default. Raises ConfigError."""
    if path is None:
        return checked(Config(), "the embedded default", {})
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; a TOML file is") from None
    return parse(text, str(path))


def parse(text: str, file: str) -> Loaded:
    try:
        table = read_table(text)
    except ValueError as error:
        raise ConfigError(f"{file}: not TOML: {error}") from None
    except RecursionError:
        raise ConfigError(
            f"{file}: {deepest(text)}: arrays or tables nested too deep; allowed: what quorumbook config prints"
        ) from None
    try:
        config = msgspec.convert(table, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{file}: {explained(str(error), table)}") from None
    return checked(config, file, table)


def read_table(text: str) -> dict[str, Any]:
    """Raises ValueError and RecursionError."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except (
        ValueError
    ):  # a number of more digits than Python reads: a shorter one is as wrong, and its key is named
        return tomllib.loads(re.sub(r"\d[\d_]{999,}", str(HUGE), text))


def checked(config: Config, file: str, table: dict[str, Any]) -> Loaded:
    """What types cannot say."""

    def wrong(key: str, what: str) -> ConfigError:
        return ConfigError(f"{file}: {key}: {what}")

    for key, name in (
        ("storage.directory", config.storage.directory),
        ("fix.dictionary", config.fix.dictionary),
        ("fix.log", str(config.fix.log)),
        ("network.tls_certificate", config.network.tls_certificate),
        ("network.tls_key", config.network.tls_key),
        ("network.tls_client_ca", config.network.tls_client_ca),
        ("network.curve_secret_key_file", config.network.curve_secret_key_file),
    ):
        if "\0" in name:
            raise wrong(key, "it has a NUL character; allowed: a name that the file system takes")
    check_clients(config.clients, config.network, wrong)
    check_protection(config.clients, config.network, wrong)
    check_cluster(config.cluster, wrong)
    check_network(config.network, wrong)
    try:
        genesis = [inputs.setting(**msgspec.structs.asdict(config.exchange))]
    except ValueError as error:
        raise ConfigError(f"{file}: exchange.{error}") from None
    if not config.instruments:
        raise wrong("instruments", "none are given; allowed: one or more [[instruments]]")
    seen: set[str] = set()
    for number, instrument in enumerate(config.instruments):
        where = f"instruments[{number}]"
        if instrument.symbol in seen:
            raise wrong(f"{where}.symbol", f"{shown(instrument.symbol)} is defined twice")
        seen.add(instrument.symbol)
        if not instrument.symbol or not instrument.symbol.isascii() or "|" in instrument.symbol:
            raise wrong(
                f"{where}.symbol", f"{shown(instrument.symbol)}; allowed: {at_path('instruments.symbol')[1]}"
            )
        try:
            genesis.append(
                inputs.instrument(**{k: v for k, v in msgspec.structs.asdict(instrument).items() if v != ""})
            )
        except ValueError as error:
            raise ConfigError(f"{file}: {where}.{error}") from None
    genesis += drop_copies(config.drop_copies, wrong)
    given = {f"{section}.{key}" for section in ("network", "exchange") for key in table.get(section, {})}
    return Loaded(
        config, file, frozenset(given | ({"instruments", "drop_copies"} & table.keys())), tuple(genesis)
    )


PORTS = ("fix_zmq", "fix_tcp", "feed", "snapshot", "admin")


def check_network(network: Network, wrong: Callable[[str, str], ConfigError]) -> None:
    """Raises ConfigError."""
    ports = [port for name in PORTS if (port := getattr(network, name))]
    for name in PORTS:
        port = getattr(network, name)
        if port and ports.count(port) > 1:
            raise wrong(f"network.{name}", f"port {port} is used twice; every port is another, or 0")
    if bool(network.tls_certificate) != bool(network.tls_key):
        raise wrong(
            "network.tls_certificate", "tls_certificate and tls_key go together; allowed: both, or none"
        )
    if network.tls_client_ca and not network.tls_certificate:
        raise wrong(
            "network.tls_client_ca", "it needs tls_certificate and tls_key; allowed: all three, or none"
        )


def check_protection(
    clients: tuple[Client, ...], network: Network, wrong: Callable[[str, str], ConfigError]
) -> None:
    """What other machines reach is protected, unless it is said by name that it need not be. Raises ConfigError."""
    try:
        loopback = ipaddress.ip_address(network.host).is_loopback
    except ValueError:
        what = (
            f"{shown(network.host)} is not an IP address; allowed: 127.0.0.1, ::1, or another of this machine"
        )
        raise wrong("network.host", what) from None
    if loopback or network.plain == "anywhere":
        return
    there = f"and network.host = {shown(network.host)} is not a loopback address"
    otherwise = 'or network.plain = "anywhere"'
    if not network.tls_certificate:
        what = f"none is given, {there}; allowed: tls_certificate and tls_key for FIX over TCP, {otherwise}"
        raise wrong("network.tls_certificate", what)
    if not network.curve_secret_key_file:
        what = (
            f"none is given, {there}; allowed: a file of quorumbook keys for what is by ZeroMQ, {otherwise}"
        )
        raise wrong("network.curve_secret_key_file", what)
    for number, client in enumerate(clients):
        if not client.password_hash and not client.curve_public_key:
            what = f"neither this nor curve_public_key is given, {there}; allowed: one of them, {otherwise}"
            raise wrong(f"clients[{number}].password_hash", what)


NAME = re.compile(r"[ -~]{1,64}")
Z85 = re.compile(r"[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40}")
ARGON2ID = re.compile(r"\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")


def drop_copies(copies: tuple[DropCopy, ...], wrong: Callable[[str, str], ConfigError]) -> Iterator[bytes]:
    """The Inputs. Raises ConfigError."""
    seen: set[str] = set()
    for number, copy in enumerate(copies):
        where = f"drop_copies[{number}]"
        if copy.comp_id in seen:
            raise wrong(
                f"{where}.comp_id", f"{shown(copy.comp_id)} is given twice; allowed: one table for each"
            )
        seen.add(copy.comp_id)
        if not copy.sessions or copy.comp_id in copy.sessions:
            what = "its own reports it does not have" if copy.sessions else "none are given"
            raise wrong(f"{where}.sessions", f'{what}; allowed: CompIDs of others, or ["*"]')
        for name in copy.sessions:
            try:
                yield inputs.drop_copy(copy.comp_id, name)
            except ValueError as error:
                raise wrong(f"{where}", str(error)) from None


def check_clients(
    clients: tuple[Client, ...], network: Network, wrong: Callable[[str, str], ConfigError]
) -> None:
    """Raises ConfigError."""
    curve = bool(network.curve_secret_key_file)
    if curve and not any(client.curve_public_key for client in clients):
        what = "no client has a curve_public_key, so nobody could connect; allowed: one or more that have, or none here"
        raise wrong("network.curve_secret_key_file", what)
    seen: set[str] = set()
    for number, client in enumerate(clients):
        where = f"clients[{number}]"
        if bool(client.comp_id) == bool(client.comp_ids):
            given = "both are given" if client.comp_id else "none is given"
            raise wrong(
                f"{where}.comp_id", f'{given}; allowed: comp_id = "ONE", or comp_ids = ["ONE", "TWO"]'
            )
        for name in client.all_comp_ids():
            if not NAME.fullmatch(name):
                raise wrong(f"{where}.comp_id", f"{shown(name)}; allowed: 1 to 64 printable ASCII characters")
            if name in seen:
                raise wrong(f"{where}.comp_id", f"{shown(name)} is given twice; each belongs to one client")
            seen.add(name)
        if client.username and not NAME.fullmatch(client.username):
            what = f"{shown(client.username)}; allowed: 1 to 64 printable ASCII characters"
            raise wrong(f"{where}.username", what)
        if client.password_hash and not ARGON2ID.fullmatch(client.password_hash):
            what = "it is no hash of argon2id; allowed: a line that quorumbook password printed"
            raise wrong(f"{where}.password_hash", what)
        if client.curve_public_key and not Z85.fullmatch(client.curve_public_key):
            what = f"{shown(client.curve_public_key)}; allowed: 40 characters that quorumbook keys printed"
            raise wrong(f"{where}.curve_public_key", what)
        if client.curve_public_key and not curve:
            what = "it needs network.curve_secret_key_file, and none is given; allowed: both, or neither"
            raise wrong(f"{where}.curve_public_key", what)
        if client.username and not client.password_hash:
            raise wrong(
                f"{where}.username", "it goes with a password_hash, and none is given; allowed: both, or none"
            )


ADDRESS = re.compile(r"[1-9]\d{0,6} (\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}")
HOSTS = "with an IP address or a name that DNS can hold for HOST"


def is_member(text: str) -> bool:
    """Whether it is an id and an address, as far as can be told without asking DNS."""
    if not ADDRESS.fullmatch(text):
        return False
    host, _, port = text.partition(" ")[2].rpartition(":")
    try:
        host.encode("idna")
    except UnicodeError:  # an empty or a long part between two dots
        return False
    return 0 < int(port) < 65_536


def check_cluster(cluster: Cluster, wrong: Callable[[str, str], ConfigError]) -> None:
    """Raises ConfigError."""
    if not cluster.members:
        if cluster.member != 1 or cluster.id:
            raise wrong("cluster.members", 'none are given; allowed: ["1 HOST:PORT", ...], with every member')
        return
    for number, member in enumerate(cluster.members):
        if not is_member(member):
            what = f'{shown(member)}; allowed: "ID HOST:PORT", such as "1 127.0.0.1:7620", {HOSTS}'
            raise wrong(f"cluster.members[{number}]", what)
    addresses = cluster.addresses()
    if len(addresses) != len(cluster.members) or len(set(addresses.values())) != len(addresses):
        raise wrong("cluster.members", "an id or an address is given twice; each member has its own")
    if cluster.member not in addresses:
        given = ", ".join(map(str, addresses))
        raise wrong(
            "cluster.member", f"member {cluster.member} is not among cluster.members, which has {given}"
        )
    if not cluster.id:
        what = "none is given; a cluster of several members needs one: 32 hex digits, as from: openssl rand -hex 16"
        raise wrong("cluster.id", what)
    if cluster.election_timeout_ms < 5 * cluster.heartbeat_ms:
        what = f"{cluster.election_timeout_ms} ms; allowed: at least five times cluster.heartbeat_ms"
        raise wrong("cluster.election_timeout_ms", what)
    secured = [bool(cluster.certificate), bool(cluster.key), bool(cluster.authority)]
    if any(secured) and not all(secured):
        raise wrong("cluster.certificate", "certificate, key and authority go together: all three, or none")
    for address in addresses.values():
        host = address.rpartition(":")[0].strip("[]")
        if not any(secured) and not is_loopback(host):
            raise wrong(
                "cluster.members",
                f"{address} is not a loopback address: members that talk over a network need TLS. Give "
                "cluster.certificate, cluster.key and cluster.authority",
            )


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# ---------------------------------------------------------------- errors

HUGE = 10**40
TABLES: dict[Any, str] = {Instrument: "instruments", Client: "clients", DropCopy: "drop_copies"}
AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.S)
UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.S)
MISSING = re.compile(r"Object missing required field `(.*)`", re.S)


def explained(text: str, table: dict[str, Any]) -> str:
    """msgspec's message with the key first, what the file says there, and what is allowed last."""
    match = AT.match(text)
    assert match
    what, path = match["what"], (match["path"] or "$").removeprefix("$").removeprefix(".")
    if unknown := UNKNOWN.match(what):
        struct = at_path(path)[0]
        allowed = ", ".join(struct.__struct_fields__) if struct else ""
        return f"{joined(path, plain(unknown[1]))}: unknown key; allowed here: {allowed}"
    if missing := MISSING.match(what):
        return f"{joined(path, missing[1])}: missing; allowed: {at_path(joined(path, missing[1]))[1]}"
    return f"{path}: it is {stated(table, path)}; allowed: {at_path(path)[1]}"


def stated(table: dict[str, Any], path: str) -> str:
    """The value at a path, in TOML's words."""
    here: Any = table
    for key, number in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        here = here[int(number)] if number else here[key]
    if isinstance(here, dict):
        return "a table"
    if isinstance(here, list):
        return "an array"
    if isinstance(here, int) and abs(here) >= HUGE:
        return "a number of more than 40 digits"
    return shown(here) if isinstance(here, str) else str(here).lower()


def shown(text: str) -> str:
    """A value in quotes, on one line and not too long."""
    quoted = json.dumps(text[:60], ensure_ascii=not text.isprintable())
    return quoted if len(text) <= 60 else f"{quoted[:-1]}..."


def plain(key: str) -> str:
    return key if key.isprintable() and len(key) <= 60 else shown(key)


def deepest(text: str) -> str:
    """Where the brackets are, as well as can be said of what cannot be read."""
    lines = text.split("\n")
    number = max(range(len(lines)), key=lambda at: lines[at].count("[") + lines[at].count("{"))
    return f"line {number + 1}, {plain(lines[number].partition('=')[0].strip())}"


def joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def at_path(path: str) -> tuple[type[Struct] | None, str]:
    """The struct at a path such as `instruments[0].symbol`, or the description of the value there."""
    here: Any = Config
    for key in filter(None, re.sub(r"\[\.*\d*\.*\]", "", path).split(".")):
        here = get_type_hints(here, include_extras=True).get(key)
        if get_origin(here) is tuple:
            here = get_args(here)[0]
    if isinstance(here, type) and issubclass(here, Struct):
        keys = ", ".join(here.__struct_fields__)
        if here in TABLES:
            return (
                here,
                f"for each {TABLES[here][:-1]} a table under [[{TABLES[here]}]] (two brackets), with {keys}",
            )
        return here, f"a table [{path}], with {keys}"
    return None, next((meta.description or "" for meta in get_args(here) if isinstance(meta, Meta)), "")


# ---------------------------------------------------------------- places


def default_directory() -> Path:
    """Where the data lies unless something else is said: $XDG_STATE_HOME/quorumbook (~/.local/state/quorumbook)."""
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state") / "quorumbook"


def read_endpoints(directory: Path) -> dict[str, Any]:
    """What a running exchange wrote. Raises ConfigError when none runs there."""
    path = directory / "endpoints.json"
    try:
        endpoints: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError(f"no exchange runs on {directory}. Start it: {start_command(directory)}") from None
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    return endpoints


def own_file(directory: Path) -> Path:
    """The configuration of the replica whose data directory it is, as `quorumbook cluster` lays them out."""
    return directory.with_name(f"{directory.name}.toml")


def start_command(directory: Path) -> str:
    """What starts the exchange, or the replica, whose data directory it is."""
    if own_file(directory).exists():
        return f"quorumbook serve --config {own_file(directory)}"
    if (
        directory / "peers"
    ).exists():  # a member of a cluster keeps it, and starts with its configuration only
        return "quorumbook serve --config FILE"
    return "quorumbook serve" if directory == default_directory() else f"quorumbook serve --data {directory}"


# ---------------------------------------------------------------- the complete file

COMMENTS = {
    "network": "Where this process listens. Not part of the log; may change from one start to the next.",
    "limits": "What clients may take, each bounded for all others' sake. May change from one start to the next.",
    "clients": "Who may log on: a table for each client. With none anybody may, under any SenderCompID.",
    "storage": "Where the log lies.",
    "log": "How much of the log is kept, and how much of it a start has to read. Snapshots are made by a process of\n"
    "# low priority, beside a replica that does not lead or is the only one.",
    "fix": "How FIX is spoken with clients. A dictionary has QuickFIX's form, with private fields and messages; every\n"
    "# replica of a cluster has the same one.",
    "trace": "Diagnostics (never orders).",
    "cluster": "The replicas that hold one log between them. Without members: one replica, a cluster of its own.",
    "exchange": "Genesis values: they become the first entries of an empty log and stay. A later file that\n"
    "# disagrees is refused.",
    "instruments": "Genesis too. Prices are multiples of price_increment, quantities of quantity_increment, both\n"
    "# fixed for the instrument's life. Empty text means: round_lot and min_quantity one increment, no other limit;\n"
    "# protection is how far past the best opposite price a market order may take (empty: any distance).",
    "drop_copies": "Genesis too: sessions that see the reports of others, a table for each. They enter no orders.",
}


def complete_file() -> str:
    """A commented file with every key at its default; it loads as it is."""
    lines = ["# Quorumbook configuration. Every key is shown with its default; all may be left out.", ""]
    for section in ("network", "limits", "storage", "log", "fix", "trace", "cluster", "exchange"):
        value = getattr(Config(), section)
        lines += [f"# {COMMENTS[section]}", f"[{section}]", *fields(value), ""]
        if section == "limits":
            lines += [
                f"# {COMMENTS['clients']}",
                *(f"# {one}" for one in ("[[clients]]", *fields(Client()))),
                "",
            ]
    lines.append(f"# {COMMENTS['instruments']}")
    for number, instrument in enumerate(DEFAULT_INSTRUMENTS):
        lines += ["[[instruments]]", *fields(instrument, comments=number == 0), ""]
    example = fields(DropCopy("RISK", ("ALICE", "BOB")))
    lines += [f"# {COMMENTS['drop_copies']}", *(f"# {one}" for one in ("[[drop_copies]]", *example)), ""]
    return "\n".join(lines)


def fields(value: Struct, *, comments: bool = True) -> list[str]:
    lines = []
    for key in value.__struct_fields__:
        here = getattr(value, key)
        text = (
            str(here).lower()
            if isinstance(here, bool)
            else f'"{here}"'
            if isinstance(here, str)
            else json.dumps(here)
            if isinstance(here, tuple)
            else str(here)
        )
        described = next(
            m for m in get_args(get_type_hints(type(value), include_extras=True)[key]) if isinstance(m, Meta)
        )
        lines.append(
            f"{key} = {text}".ljust(33) + f" # {described.description}" if comments else f"{key} = {text}"
        )
    return lines
