"""Does a configuration agree with the log that it is used on? Only what the file itself states is compared."""

from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from gateway import inputs
from gateway.config import Config, ConfigError, Loaded
from gateway.genesis_inputs import genesis_inputs
from gateway.operation_fields import OperationTag
from gateway.operation_inputs import KEYS, PROTECTIONS
from gateway.rules import OPERATIONS
from replication.membership import Membership, listed
from replication.node import MAX_ENTRY_BYTES

Pair = tuple[str, str]
"""Who sees the reports, and whose: "*", of all."""


def whole(loaded: Loaded) -> bytes:
    """The payload of an empty log's genesis entry: as many of the instruments as one entry holds, the leader adds the
    others."""
    payload = b"".join(loaded.genesis)
    count = len(loaded.config.instruments)
    while len(payload) > MAX_ENTRY_BYTES:
        count = min(count - 1, count * MAX_ENTRY_BYTES // len(payload))
        payload = b"".join(genesis_inputs(with_instruments(loaded.config, count)))
    return payload


def with_instruments(config: Config, count: int) -> Config:
    """The same with the first of its instruments only."""
    instruments = config.instruments[:count]
    symbols = {"*", *(one.symbol for one in instruments)}
    schedules = tuple(
        replace(one, symbols=tuple(filter(symbols.__contains__, one.symbols))) for one in config.schedules
    )
    return replace(config, instruments=instruments, schedules=schedules)


def rules_of(loaded: Loaded) -> int:
    """The first version of the rules that knows all that the genesis says."""
    settings = inputs.read_setting(loaded.genesis[0])
    newer = ("echo", "reset_on_logon", "messages_per_second", "daily_reset")
    if any(record[4] in (inputs.OPERATOR, inputs.OPERATION) for record in loaded.genesis):
        return OPERATIONS
    return 2 if any(settings[key] for key in newer) or loaded.config.drop_copies else 1


def check(loaded: Loaded, payload: bytes) -> None:
    """payload: the log's genesis entry. Raises ConfigError with the key's name."""
    logged = list(inputs.split(payload))
    settings, wanted = inputs.read_setting(logged[0]), inputs.read_setting(loaded.genesis[0])
    for key, value in wanted.items():
        if f"exchange.{key}" in loaded.given and settings[key] != value:
            raise differs(loaded, f"exchange.{key}", settings[key], value)
    check_drop_copies(loaded, [inputs.read_drop_copy(one) for one in of_kind(inputs.DROP_COPY, logged)])
    check_tick_tables(loaded, logged)
    if "instruments" not in loaded.given:
        return
    terms, wanted_terms = terms_by_symbol(logged), terms_by_symbol(loaded.genesis)
    known = {one["symbol"]: one for one in map(inputs.read_instrument, of_kind(inputs.INSTRUMENT, logged))}
    for number, record in enumerate(of_kind(inputs.INSTRUMENT, loaded.genesis)):
        one = inputs.read_instrument(record)
        key = f"instruments[{number}]"
        if one["symbol"] not in known:
            continue  # the leader adds it
        before = {**known.pop(one["symbol"]), **terms.get(one["symbol"], {})}
        for name, value in {**NO_TERMS, **one, **wanted_terms.get(one["symbol"], {})}.items():
            if before.get(name, "none") != value:
                was, now = (in_file(name, str(text)) for text in (before.get(name, "none"), value))
                remedy = remedy_for(name, one["symbol"])
                raise differs(loaded, f"{key}.{name} of {one['symbol']}", was, now, remedy)
    if known:
        raise ConfigError(
            f"{loaded.file}: instruments: {', '.join(known)} missing; the log was begun with it. {REMEDY}"
        )


def terms_by_symbol(genesis: Iterable[bytes]) -> dict[str, dict[str, str]]:
    """What operations say of instruments, by symbol and by the configuration's key."""
    found: dict[str, dict[str, str]] = {}
    for fields in map(inputs.read_operation, of_kind(inputs.OPERATION, genesis)):
        symbol = dict(fields).get(OperationTag.SYMBOL, "")
        found.setdefault(symbol, {}).update((KEYS[tag], value) for tag, value in fields if tag in KEYS)
    return found


def check_tick_tables(loaded: Loaded, logged: Iterable[bytes]) -> None:
    """Raises ConfigError when the file states tables, and not those of the log first."""
    before, now = (
        [one for one in of_kind(inputs.OPERATION, genesis) if is_table(one)]
        for genesis in (logged, loaded.genesis)
    )
    if "tick_tables" in loaded.given and now[: len(before)] != before:
        raise ConfigError(
            f"{loaded.file}: tick_tables: the log was begun with other ones; they may be changed by quorumbook admin "
            "ticks, and others added behind them"
        )


def is_table(operation: bytes) -> bool:
    return inputs.read_operation(operation)[0][1] == "TICKS"


def check_operators(loaded: Loaded, logged: Iterable[str]) -> None:
    """logged: by the log. Raises ConfigError when the file states operators, and not all of these."""
    missing = [name for name in logged if name not in loaded.config.operators]
    if "operators" in loaded.given and missing:
        raise ConfigError(
            f"{loaded.file}: operators: the log has {', '.join(missing)}, and the file has not: an operator can be "
            "added, and not taken away. Who may log on under a name is said by [[clients]]"
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


NO_TERMS = dict.fromkeys(KEYS.values(), "none")
REMEDY = "These values are fixed when a data directory is made: change the file back, or give --data another directory"


def in_file(key: str, value: str) -> str:
    """What an operation says, as the file has it."""
    if value == "none":
        return value
    if key == "breaker_percent":
        return f"{(Decimal(value) * 100).normalize():f}"
    if key in ("breaker_halt_seconds", "breaker_auction_seconds"):
        return str(int(value) // 1000)
    if key in ("algorithm", "stop_trigger"):
        return value.replace("_", "-").lower()
    if key == "top_order":
        return "true" if value == "Y" else "false"
    return f"table {value}" if key == "tick_table" else value


def remedy_for(key: str, symbol: str) -> str:
    """An instrument's increments are for its life; the rest an operator changes, and the file goes on saying what the
    log was begun with."""
    if key.endswith("_increment"):
        return REMEDY
    command = "protect" if key in PROTECTIONS or key.startswith("breaker") else "terms"
    return (
        "The file goes on saying what the log was begun with: change it back. In the running exchange it is changed by "
        f"quorumbook admin {command} {symbol}"
    )


def differs(loaded: Loaded, key: str, before: Any, now: Any, remedy: str = REMEDY) -> ConfigError:
    return ConfigError(
        f"{loaded.file}: {key}: the file says {now}, the log was begun with {before}. {remedy}"
    )
