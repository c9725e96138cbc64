"""Does a configuration agree with the log that it is used on? Only what the file itself states is compared."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

from gateway import inputs
from gateway.config import ConfigError, Loaded
from replication.membership import Membership, listed
from replication.node import MAX_ENTRY_BYTES

Pair = tuple[str, str]
"""Who sees the reports, and whose: "*", of all."""


def whole(loaded: Loaded) -> bytes:
    """The payload of an empty log's genesis entry. Raises ConfigError when no entry is that long."""
    payload = b"".join(loaded.genesis)
    if len(payload) > MAX_ENTRY_BYTES:
        most = MAX_ENTRY_BYTES * len(loaded.genesis) // len(payload)
        raise ConfigError(
            f"{loaded.file}: instruments: {len(loaded.config.instruments):,} are given; one log entry holds them all, "
            f"which is enough for about {most:,}"
        )
    return payload


def rules_of(loaded: Loaded) -> int:
    """The first version of the rules that knows all that the genesis says."""
    settings = inputs.read_setting(loaded.genesis[0])
    newer = ("echo", "reset_on_logon", "messages_per_second", "daily_reset")
    return 2 if any(settings[key] for key in newer) or loaded.config.drop_copies else 1


def check(loaded: Loaded, payload: bytes) -> None:
    """payload: the log's genesis entry. Raises ConfigError with the key's name."""
    logged = list(inputs.split(payload))
    settings, wanted = inputs.read_setting(logged[0]), inputs.read_setting(loaded.genesis[0])
    for key, value in wanted.items():
        if f"exchange.{key}" in loaded.given and settings[key] != value:
            raise differs(loaded, f"exchange.{key}", settings[key], value)
    check_drop_copies(loaded, [inputs.read_drop_copy(one) for one in of_kind(inputs.DROP_COPY, logged)])
    if "instruments" not in loaded.given:
        return
    known = {one["symbol"]: one for one in map(inputs.read_instrument, of_kind(inputs.INSTRUMENT, logged))}
    for number, record in enumerate(of_kind(inputs.INSTRUMENT, loaded.genesis)):
        one = inputs.read_instrument(record)
        key = f"instruments[{number}]"
        if one["symbol"] not in known:
            raise differs(loaded, f"{key}.symbol", f"{', '.join(known)} only", one["symbol"])
        before = known.pop(one["symbol"])
        for name, value in one.items():
            if before[name] != value:
                raise differs(loaded, f"{key}.{name} of {one['symbol']}", before[name], value)
    if known:
        raise ConfigError(
            f"{loaded.file}: instruments: {', '.join(known)} missing; the log was begun with it. {REMEDY}"
        )


def check_drop_copies(loaded: Loaded, logged: Iterable[Pair]) -> None:
    """logged: by the log. Raises ConfigError when the file states drop copies, and not all of these."""
    wanted = list(map(inputs.read_drop_copy, of_kind(inputs.DROP_COPY, loaded.genesis)))
    missing = [pair for pair in logged if not seen(pair, wanted)]
    if "drop_copies" in loaded.given and missing:
        raise ConfigError(
            f"{loaded.file}: drop_copies: the log has {shown_copies(missing)}, and the file has not: a drop copy can "
            "be added, and not taken away"
        )


def added_drop_copies(loaded: Loaded, logged: Collection[Pair]) -> list[bytes]:
    """Those of the file that the log does not have, as inputs."""
    return [
        record
        for record in of_kind(inputs.DROP_COPY, loaded.genesis)
        if not seen(inputs.read_drop_copy(record), logged)
    ]


def check_added(loaded: Loaded, added: Iterable[bytes], open_orders: Callable[[str], int]) -> None:
    """open_orders: of a CompID. Raises ConfigError when one who is to see others' reports trades itself."""
    for name, _ in map(inputs.read_drop_copy, added):
        if count := open_orders(name):
            raise ConfigError(
                f"{loaded.file}: drop_copies: {name} has open orders ({count}), and a session that sees the reports of "
                "others can have none: start without this drop copy and cancel them, or give it another CompID"
            )


def seen(pair: Pair, pairs: Collection[Pair]) -> bool:
    """Whether it is among them, by itself or as one of all."""
    return pair in pairs or (pair[0], "*") in pairs


def shown_copies(pairs: Iterable[Pair]) -> str:
    return ", ".join(f"{name} of {whose}" for name, whose in pairs)


def of_kind(kind: int, genesis: Iterable[bytes]) -> list[bytes]:
    return [record for record in genesis if record[4] == kind]


def check_members(loaded: Loaded, directory: str, members: Membership) -> None:
    """members: by the log. Raises ConfigError when the file has none, or another address for one of them. Who is not in
    both was removed, or is added later."""
    cluster = loaded.config.cluster
    if not cluster.members and members.ids - {cluster.member}:
        raise ConfigError(
            f"{directory} is the directory of a member of a cluster, whose members are {listed(members.ids)}: start it "
            "with its own configuration file, which says which one it is: quorumbook serve --config FILE, with "
            "[cluster] in it"
        )
    addresses = cluster.addresses()
    for id, known, _ in members.members:
        given = addresses.get(id, known)
        if known and given != known:
            raise ConfigError(
                f"{loaded.file}: cluster.members: member {id} is at {given} by the configuration, and at {known} by "
                "the log, where the others look for it: the addresses must match. A member that moves is removed, and "
                "added under a new id"
            )


REMEDY = "These values are fixed when a data directory is made: change the file back, or give --data another directory"


def differs(loaded: Loaded, key: str, before: Any, now: Any) -> ConfigError:
    return ConfigError(
        f"{loaded.file}: {key}: the file says {now}, the log was begun with {before}. {REMEDY}"
    )
