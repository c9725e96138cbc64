"""What an empty log begins with, made of a configuration: the setting, the instruments, the drop copies, the operators,
and the operations that say the rest."""

from collections.abc import Iterator

import msgspec

from gateway import inputs
from gateway.config import Config, ConfigError, DropCopy, Instrument
from gateway.config_errors import at_path, shown, wrong
from gateway.operation_inputs import PLAIN, closed, followers, rules_of_instruments, tick_tables


def genesis_inputs(config: Config) -> Iterator[bytes]:
    """Raises ConfigError, without the file's name."""
    try:
        yield inputs.setting(**msgspec.structs.asdict(config.exchange))
    except ValueError as error:
        raise ConfigError(f"exchange.{error}") from None
    yield from instruments(config.instruments)
    yield from drop_copies(config.drop_copies)
    yield from operators(config.operators)
    yield from tick_tables(config.tick_tables)
    yield from rules_of_instruments(config)
    yield from followers(config.schedules)
    yield from closed(config.schedules)


def instruments(given: tuple[Instrument, ...]) -> Iterator[bytes]:
    """Raises ConfigError."""
    if not given:
        raise wrong("instruments", "none are given; allowed: one or more [[instruments]]")
    seen: set[str] = set()
    for number, instrument in enumerate(given):
        where = f"instruments[{number}]"
        if instrument.symbol in seen:
            raise wrong(f"{where}.symbol", f"{shown(instrument.symbol)} is defined twice")
        seen.add(instrument.symbol)
        if not instrument.symbol or not instrument.symbol.isascii() or "|" in instrument.symbol:
            raise wrong(
                f"{where}.symbol", f"{shown(instrument.symbol)}; allowed: {at_path('instruments.symbol')[1]}"
            )
        try:
            stated = {
                key: getattr(instrument, key) for key in ("price_increment", "quantity_increment", *PLAIN)
            }
            yield inputs.instrument(
                instrument.symbol, **{key: value for key, value in stated.items() if value != ""}
            )
        except ValueError as error:
            raise ConfigError(f"{where}.{error}") from None


def drop_copies(copies: tuple[DropCopy, ...]) -> Iterator[bytes]:
    """Raises ConfigError."""
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


def operators(names: tuple[str, ...]) -> Iterator[bytes]:
    """Raises ConfigError."""
    for number, name in enumerate(names):
        if name in names[:number]:
            raise wrong(f"operators[{number}]", f"{shown(name)} is given twice; allowed: each once")
        try:
            yield inputs.operator(name)
        except ValueError as error:
            raise ConfigError(str(error)) from None
