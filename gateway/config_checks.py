"""What types cannot say of a configuration: names, keys that go together, and what must be protected."""

import ipaddress
import re
from itertools import pairwise

from gateway.addresses import HOSTS, is_loopback, is_member
from gateway.config import Client, Cluster, Config, Network, Schedule
from gateway.config_errors import shown, wrong
from gateway.schedules import DAYS, PHASES, seconds_of

PORTS = ("fix_zmq", "fix_tcp", "feed", "snapshot", "admin")
NAME = re.compile(r"[ -~]{1,64}")
SHORT_NAME = re.compile(r"[!-~]{1,32}")
Z85 = re.compile(r"[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40}")
ARGON2ID = re.compile(r"\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+")


def check(config: Config) -> None:
    """Raises ConfigError, without the file's name."""
    check_file_names(config)
    check_clients(config.clients, config.network)
    check_protection(config.clients, config.network)
    check_cluster(config.cluster)
    check_network(config.network)
    check_operators(config)
    check_tick_tables(config)
    check_schedules(config)


def check_file_names(config: Config) -> None:
    """Raises ConfigError."""
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


def check_clients(clients: tuple[Client, ...], network: Network) -> None:
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
        check_proofs(where, client, curve=curve)


def check_proofs(where: str, client: Client, *, curve: bool) -> None:
    """What a client shows. Raises ConfigError."""
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


def check_protection(clients: tuple[Client, ...], network: Network) -> None:
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


def check_cluster(cluster: Cluster) -> None:
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
    check_links(cluster)


def check_links(cluster: Cluster) -> None:
    """What goes over a network is within TLS. Raises ConfigError."""
    secured = [bool(cluster.certificate), bool(cluster.key), bool(cluster.authority)]
    if any(secured) and not all(secured):
        raise wrong("cluster.certificate", "certificate, key and authority go together: all three, or none")
    for address in cluster.addresses().values():
        host = address.rpartition(":")[0].strip("[]")
        if not any(secured) and not is_loopback(host):
            raise wrong(
                "cluster.members",
                f"{address} is not a loopback address: members that talk over a network need TLS. Give "
                "cluster.certificate, cluster.key and cluster.authority",
            )


def check_network(network: Network) -> None:
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


def check_operators(config: Config) -> None:
    """They can log on, and get the tags that they are answered with. Raises ConfigError."""
    clients = {name: client for client in config.clients for name in client.all_comp_ids()}
    for number, name in enumerate(config.operators):
        where = f"operators[{number}]"
        if clients and name not in clients:
            raise wrong(
                where,
                f"{shown(name)} is none of the [[clients]], so it could not log on; allowed: one of them",
            )
        own_tags = clients[name].own_tags if name in clients else None
        if not (config.fix.own_tags if own_tags is None else own_tags):
            what = (
                f"{shown(name)} gets no tags of the exchange's own, which answers to an operator are made of"
            )
            raise wrong(where, f"{what}; allowed: own_tags = true in a table of [[clients]] for it")


def check_tick_tables(config: Config) -> None:
    """Raises ConfigError."""
    increments: dict[str, str] = {}
    for number, table in enumerate(config.tick_tables):
        where = f"tick_tables[{number}].name"
        if not SHORT_NAME.fullmatch(table.name):
            raise wrong(where, f"{shown(table.name)}; allowed: 1 to 32 printable ASCII characters, no space")
        if table.name in increments:
            raise wrong(where, f"{shown(table.name)} is given twice; allowed: one table for each name")
        increments[table.name] = table.price_increment
    for number, one in enumerate(config.instruments):
        increment = increments.get(one.tick_table, one.price_increment)
        if increment != one.price_increment:
            raise wrong(
                f"instruments[{number}].tick_table",
                f"{shown(one.tick_table)} counts increments of {increment}, {one.symbol} has {one.price_increment}; "
                "allowed: a table with the same price_increment",
            )


def check_schedules(config: Config) -> None:
    """Raises ConfigError."""
    names: set[str] = set()
    owners: dict[str, str] = {}
    known = {"*", *(one.symbol for one in config.instruments)}
    for number, schedule in enumerate(config.schedules):
        where = f"schedules[{number}]"
        if not SHORT_NAME.fullmatch(schedule.name):
            raise wrong(
                f"{where}.name",
                f"{shown(schedule.name)}; allowed: 1 to 32 printable ASCII characters, no space",
            )
        if schedule.name in names:
            raise wrong(
                f"{where}.name", f"{shown(schedule.name)} is given twice; allowed: one table for each"
            )
        names.add(schedule.name)
        if not schedule.symbols or not known.issuperset(schedule.symbols):
            unknown = next((one for one in schedule.symbols if one not in known), None)
            what = "none are given" if unknown is None else f"{shown(unknown)} is no instrument"
            raise wrong(f"{where}.symbols", f'{what}; allowed: symbols of [[instruments]], or ["*"]')
        for symbol in schedule.symbols:
            if symbol in owners:
                raise wrong(
                    f"{where}.symbols",
                    f"{shown(symbol)} follows {owners[symbol]} already; allowed: one schedule",
                )
            owners[symbol] = schedule.name
        check_times(where, schedule)


def check_times(where: str, schedule: Schedule) -> None:
    """Raises ConfigError."""
    if not schedule.days or not set(DAYS).issuperset(schedule.days):
        raise wrong(f"{where}.days", f"{', '.join(schedule.days) or 'none'}; allowed: {', '.join(DAYS)}")
    times: dict[str, int] = {}
    for key in PHASES:
        if text := getattr(schedule, key):
            try:
                times[key] = seconds_of(text)
            except ValueError:
                what = f'{shown(text)}; allowed: a time of day, UTC, such as "08:30" or "08:30:15"'
                raise wrong(f"{where}.{key}", what) from None
    for key in ("continuous", "closed"):
        if key not in times:
            raise wrong(
                f"{where}.{key}",
                "it is missing; allowed: a time of day, and one for pre_open or opening_auction",
            )
    if "pre_open" not in times and "opening_auction" not in times:
        what = (
            "it is missing, and so is opening_auction; allowed: one of them, for a day begins with an auction"
        )
        raise wrong(f"{where}.pre_open", what)
    first = next(iter(times.values()))
    for before, key in pairwise(times):
        if (times[before] - first) % 86_400 >= (times[key] - first) % 86_400:
            order = ", ".join(times)
            raise wrong(
                f"{where}.{key}", f"it is not after {before}; allowed: {order} in this order, within 24 hours"
            )
