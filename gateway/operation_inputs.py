"""What a configuration says that instruments have beyond a book of plain orders, as operations: tick tables, terms,
protections, and the schedules that they follow. From rules 3 on.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from gateway import inputs
from gateway.config import Config, ConfigError, Instrument, Schedule, TickTable
from gateway.operation_fields import OperationTag as Tag

Fields = list[tuple[int, str]]
MOST = 2**63 // 100  # of a price's or quantity's last digit: what an average price leaves room for
MOST_DIGITS = 17  # of an amount
BASIS_POINT = Decimal("0.01")  # of a percent
PRICES = {
    "low_price": Tag.LOW_LIMIT_PRICE,
    "high_price": Tag.HIGH_LIMIT_PRICE,
    "reference_price": Tag.REFERENCE_PRICE,
}
DISTANCES = {
    "protection": Tag.PRICE_PROTECTION,
    "static_band": Tag.STATIC_BAND,
    "dynamic_band": Tag.DYNAMIC_BAND,
    "price_distance": Tag.PRICE_DISTANCE,
}
QUANTITIES = {
    "round_lot": Tag.ROUND_LOT,
    "min_quantity": Tag.MIN_TRADE_VOL,
    "max_quantity": Tag.MAX_TRADE_VOL,
    "pro_rata_minimum": Tag.PRO_RATA_MINIMUM,
}
OTHERS = {
    "tick_table": Tag.TICK_TABLE,
    "algorithm": Tag.MATCH_ALGORITHM,
    "top_order": Tag.TOP_ORDER,
    "stop_trigger": Tag.STOP_TRIGGER,
    "max_notional": Tag.MAX_NOTIONAL,
    "breaker_percent": Tag.BREAKER_MOVE,
    "breaker_halt_seconds": Tag.BREAKER_HALT,
    "breaker_auction_seconds": Tag.BREAKER_AUCTION,
}
PLAIN = ("round_lot", "min_quantity", "max_quantity", "low_price", "high_price", "protection")
TERMS = ("tick_table", "algorithm", "top_order", "pro_rata_minimum", "stop_trigger")
PROTECTIONS = ("reference_price", "static_band", "dynamic_band", "price_distance", "max_notional")
KEYS: dict[int, str] = {
    tag: key
    for keys in (PRICES, DISTANCES, QUANTITIES, OTHERS)
    for key, tag in keys.items()
    if key not in PLAIN
}
"""What the tags are called in a configuration."""


def multiple(key: str, value: str, increment: str, least: int) -> str:
    """The decimal as FIX has it. ValueError: it is no multiple of the increment, or not within what one may be."""
    step = Decimal(increment)
    inputs.units(key, value, step, least)
    if abs(Decimal(value).scaleb(max(-int(step.as_tuple().exponent), 0))) > MOST:
        raise ValueError(f"{key} is too large: {value}")
    return f"{Decimal(value):f}"


def amount(key: str, value: str) -> str:
    """A decimal as FIX has it. ValueError: it is below 0, or of more digits than are read."""
    number = inputs.decimal(key, value)
    if number < 0 or len(number.as_tuple().digits) > MOST_DIGITS or number.adjusted() > MOST_DIGITS:
        raise ValueError(
            f"{key} must be an amount of at most {MOST_DIGITS} digits, not below 0, not {value!r}"
        )
    return f"{number:f}"


def fields(instrument: Instrument, keys: tuple[str, ...], tables: Mapping[str, int]) -> Fields:
    """Of those keys that are not at their default, as fields of an operation. ValueError names the key."""
    found: Fields = []
    for key in keys:
        value = getattr(instrument, key)
        if value in ("", False) or value == getattr(Instrument("-"), key):
            continue
        if key in PRICES:
            found.append((PRICES[key], multiple(key, value, instrument.price_increment, -MOST)))
        elif key in DISTANCES:
            found.append((DISTANCES[key], multiple(key, value, instrument.price_increment, 0)))
        elif key in QUANTITIES:
            found.append((QUANTITIES[key], multiple(key, value, instrument.quantity_increment, 0)))
        elif key == "tick_table":
            if value not in tables:
                raise ValueError(f"tick_table is {value!r}; allowed: {', '.join(tables) or 'none are given'}")
            found.append((Tag.TICK_TABLE, str(tables[value])))
        elif key == "max_notional":
            found.append((Tag.MAX_NOTIONAL, amount(key, value)))
        else:
            found.append((OTHERS[key], "Y" if value is True else value.replace("-", "_").upper()))
    return found


def breaker(instrument: Instrument) -> Fields:
    """ValueError names the key."""
    halt, auction = instrument.breaker_halt_seconds, instrument.breaker_auction_seconds
    if not instrument.breaker_percent:
        if halt or auction:
            raise ValueError(
                "breaker_percent is missing: the two times go with it; allowed: all three, or none"
            )
        return []
    points = inputs.units("breaker_percent", instrument.breaker_percent, BASIS_POINT, 1)
    if not halt or not auction:
        raise ValueError(
            "breaker_halt_seconds and breaker_auction_seconds must be above 0 with a breaker_percent"
        )
    if points > 1_000_000:
        raise ValueError(f"breaker_percent must be at most 10000, not {instrument.breaker_percent}")
    return [
        (Tag.BREAKER_MOVE, f"{points / Decimal(10_000):f}"),
        (Tag.BREAKER_HALT, str(halt * 1000)),
        (Tag.BREAKER_AUCTION, str(auction * 1000)),
    ]


def protections(instrument: Instrument) -> Fields:
    """ValueError names the key."""
    return fields(instrument, PROTECTIONS, {}) + breaker(instrument)


def table_numbers(config: Config) -> dict[str, int]:
    """Tick tables are numbered in the order of the file."""
    return {table.name: number for number, table in enumerate(config.tick_tables, 1)}


def tick_tables(tables: tuple[TickTable, ...]) -> Iterator[bytes]:
    """Raises ConfigError."""
    for number, table in enumerate(tables, 1):
        where = f"tick_tables[{number - 1}]"
        try:
            rows = list(tick_rows(table))
        except ValueError as error:
            raise ConfigError(f"{where}.{error}") from None
        group = [field for row in rows for field in row]
        yield inputs.operation(
            [
                (Tag.OPERATION, "TICKS"),
                (Tag.TICK_TABLE, str(number)),
                (Tag.NO_TICK_ROWS, str(len(rows))),
                *group,
            ]
        )


def tick_rows(table: TickTable) -> Iterator[Fields]:
    """In increments of price. ValueError names the key and what is allowed."""
    if not table.ticks:
        raise ValueError('ticks: none are given; allowed: ["0.01", "10:0.05", ...]')
    increment, last = Decimal(table.price_increment), -(2**63)
    for number, text in enumerate(table.ticks):
        begins, _, tick = text.rpartition(":")
        if bool(begins) != bool(number):
            raise ValueError(
                f'ticks: {text!r}; allowed: the first is a tick, the others "FROM:TICK", such as "10:0.05"'
            )
        size = inputs.units("ticks", tick, increment, 1)
        row: Fields = [(Tag.TICK_SIZE, str(size))]
        if begins:
            start = inputs.units("ticks", begins, increment, -(2**62))
            if start <= last or start % size:
                raise ValueError(
                    f"ticks: {text!r}; allowed: rising prices, each a multiple of the tick behind it"
                )
            row.append((Tag.TICK_FROM, str(start)))
            last = start
        yield row


def rules_of_instruments(config: Config) -> Iterator[bytes]:
    """For instruments that are there. Raises ConfigError."""
    tables = table_numbers(config)
    for number, instrument in enumerate(config.instruments):
        try:
            terms, protected = fields(instrument, TERMS, tables), protections(instrument)
        except ValueError as error:
            raise ConfigError(f"instruments[{number}].{error}") from None
        for name, given in (("TERMS", terms), ("PROTECT", protected)):
            if given:
                yield inputs.operation([(Tag.OPERATION, name), (Tag.SYMBOL, instrument.symbol), *given])


def added_instrument(config: Config, instrument: Instrument) -> Iterator[bytes]:
    """One that the log does not have yet; the configuration was read, so nothing is wrong with it."""
    schedule = schedule_of(config, instrument.symbol)
    yield inputs.operation(
        [
            (Tag.OPERATION, "INSTRUMENT"), (Tag.SYMBOL, instrument.symbol),
            (Tag.PRICE_INCREMENT, instrument.price_increment), (Tag.QUANTITY_INCREMENT, instrument.quantity_increment),
            *fields(instrument, PLAIN + TERMS, table_numbers(config)),
            *([(Tag.SCHEDULE_NAME, schedule)] if schedule else []),
        ]
    )  # fmt: skip
    if given := protections(instrument):
        yield inputs.operation([(Tag.OPERATION, "PROTECT"), (Tag.SYMBOL, instrument.symbol), *given])


def schedule_of(config: Config, symbol: str) -> str:
    """The one that an instrument follows; "": none."""
    named = next((one.name for one in config.schedules if symbol in one.symbols), "")
    return named or next((one.name for one in config.schedules if "*" in one.symbols), "")


def followers(schedules: Iterable[Schedule]) -> Iterator[bytes]:
    """Who follows which schedule; first the one that is for all others."""
    for schedule in sorted(schedules, key=lambda one: "*" not in one.symbols):
        for symbol in schedule.symbols:
            yield inputs.operation(
                [(Tag.OPERATION, "TERMS"), (Tag.SYMBOL, symbol), (Tag.SCHEDULE_NAME, schedule.name)]
            )


def closed(schedules: Iterable[Schedule]) -> Iterator[bytes]:
    """Who follows them begins closed, until their next steps."""
    for schedule in schedules:
        yield inputs.operation(
            [(Tag.OPERATION, "PHASE"), (Tag.SCHEDULE_NAME, schedule.name), (Tag.PHASE_TAG, "CLOSED")]
        )
