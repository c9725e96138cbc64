"""Every way in which a configuration file can be wrong: the error names the file, the key and what is allowed."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway import inputs
from gateway.clients import Clients
from gateway.config import ConfigError, Exchange, Fix, Instrument, Network, Storage, Trace
from gateway.config_file import load, parse
from gateway.genesis import (
    added_drop_copies,
    check,
    check_added,
    check_drop_copies,
    rules_of,
    whole,
)  # fmt: skip
from gateway.sample_config import complete_file
from replication.node import MAX_ENTRY_BYTES

INSTRUMENT = '[[instruments]]\nsymbol = "A"\n'
TICKS = '[[tick_tables]]\nname = "T"\nticks = '
SCHEDULE = '[[schedules]]\nname = "S"\npre_open = "08:00"\ncontinuous = "09:00"\nclosed = "17:00"\n'
COPY = '[[drop_copies]]\ncomp_id = "R"\n'
BRACKETS = r"instruments.*\[\[instruments\]\] \(two brackets\), with symbol, price_increment"

OPEN = '[network]\nhost = "0.0.0.0"\n'
TLS = 'tls_certificate = "c"\ntls_key = "k"\n'
CURVE = 'curve_secret_key_file = "s"\n'
ALICE = f'[[clients]]\ncomp_id = "ALICE"\ncurve_public_key = "{"a" * 40}"\n'


def cluster(members: str, more: str = "") -> str:
    return f'[cluster]\nid = "{"ab" * 16}"\nmember = 1\nmembers = [{members}]\n{more}'


WRONG = {
    "a table for the instruments": ('[instruments]\nsymbol = "A"\n', rf"{BRACKETS}"),
    "a table of tables": ('[instruments.AAPL]\nprice_increment = "0.01"\n', rf"it is a table; .*{BRACKETS[11:]}"),
    "a list of names": ('instruments = ["A", "B"]\n', r'instruments\[0\]: it is "A"; allowed: .*two brackets'),
    "no instrument": ("instruments = []\n", r"instruments: none are given; allowed: one or more"),
    "an unknown section": ("[netwrk]\n", "netwrk: unknown key; allowed here: network, limits"),
    "an unknown key": ("[network]\nfix = 1\n", "network.fix: unknown key; allowed here: host, fix_zmq"),
    "an unknown key of an instrument": (f'{INSTRUMENT}tick = "1"\n', r"instruments\[0\].tick: unknown key; allowed"),
    "a port in quotes": ('[network]\nfix_zmq = "7610"\n', 'network.fix_zmq: it is "7610"; allowed: a TCP port'),
    "a port too high": ("[network]\nfix_zmq = 70000\n", "network.fix_zmq: it is 70000; allowed: .*0 to 65535"),
    "a section that is a number": ("network = 5\n", r"network: it is 5; allowed: a table \[network\], with host"),
    "a section in two brackets": ("[[network]]\n", "network: it is an array; allowed: a table"),
    "a name for a host": ('[network]\nhost = "example.org"\n', "network.host: .*allowed: 127.0.0.1, ::1"),
    "an open host": (f"{OPEN}\n", "tls_certificate: none is given, .* not a loopback address; allowed: .*plain"),
    "an open host with TLS": (f"{OPEN}{TLS}\n", "network.curve_secret_key_file: none is given, .* allowed: .*plain"),
    "an open host for anybody": (f'{OPEN}{TLS}{CURVE}[[clients]]\ncomp_id = "B"\n{ALICE}',
                                 r"clients\[0\].password_hash: neither this nor curve_public_key .* allowed: "),
    "keys for nobody": (f"[network]\n{CURVE}", "network.curve_secret_key_file: no client has a .* allowed: "),
    "a key without CURVE": (ALICE, r"clients\[0\].curve_public_key: it needs network.curve_secret_.* allowed: "),
    "a key too short": (f'[network]\n{CURVE}[[clients]]\ncomp_id = "A"\ncurve_public_key = "x"\n',
                        r'clients\[0\].curve_public_key: "x"; allowed: 40 characters'),
    "plain somewhere": ('[network]\nplain = "here"\n', 'network.plain: it is "here"; allowed: "loopback", or "any'),
    "a port twice": ("[network]\nfeed = 7000\nadmin = 7000\n", "network.feed: port 7000 is used twice"),
    "a symbol twice": (INSTRUMENT * 2, r'instruments\[1\].symbol: "A" is defined twice'),
    "no sessions to see": (f"{COPY}sessions = []\n", r"drop_copies\[0\].sessions: none are given"),
    "its own reports": (f'{COPY}sessions = ["R"]\n', r"sessions: its own reports it does not"),
    "a drop copy without a name": ('[[drop_copies]]\nsessions = ["*"]\n', r"drop_copies\[0\].comp_id: missing"),
    "a drop copy of no name": (f'{COPY}sessions = ["é"]\n', r"drop_copies\[0\]: sessions must have 1 to"),
    "a drop copy twice": (f'{COPY}sessions = ["A"]\n' * 2, r'comp_id: "R" is given twice'),
    "no symbol": ('[[instruments]]\nround_lot = "1"\n', r"instruments\[0\].symbol: missing; allowed: 1 to 32"),
    "an empty symbol": ('[[instruments]]\nsymbol = ""\n', r'instruments\[0\].symbol: ""; allowed: 1 to 32'),
    "a symbol with a bar": ('[[instruments]]\nsymbol = "A|B"\n', r'symbol: "A\|B"; allowed: .*no .\|'),
    "a symbol that is not ASCII": ('[[instruments]]\nsymbol = "É"\n', r'symbol: "É"; allowed: 1 to 32 printable ASCII'),
    "a symbol too long": (f'[[instruments]]\nsymbol = "{"A" * 33}"\n', r"instruments\[0\].symbol must have 1 to 32"),
    "a float": (f"{INSTRUMENT}price_increment = 0.01\n", "price_increment: it is 0.01; allowed: a decimal in quotes"),
    "no decimal": (f'{INSTRUMENT}price_increment = "x"\n', "price_increment must be a decimal number, not 'x'"),
    "no increment": (f'{INSTRUMENT}price_increment = "0"\n', "price_increment must be above 0"),
    "a lot between increments": (f'{INSTRUMENT}round_lot = "0.5"\n', "round_lot must be a multiple of 1, not '0.5'"),
    "limits the wrong way round": (f'{INSTRUMENT}low_price = "2"\nhigh_price = "1"\n', "high_price must be 2.00 to"),
    "an empty CompID": ('[exchange]\ncomp_id = ""\n', "exchange.comp_id must have 1 to 64"),
    "a CompID that is not ASCII": ('[exchange]\ncomp_id = "É"\n', "exchange.comp_id must have 1 to 64 printable ASCII"),
    "a tick table that is not there": (f'{INSTRUMENT}tick_table = "T"\n', r"instruments\[0\].tick_table is 'T'; allow"),
    "a tick table of other increments": (f'{INSTRUMENT}tick_table = "T"\n{TICKS}["1"]\nprice_increment = "1"\n',
                                         r"instruments\[0\].tick_table: .T. counts increments of 1, A has 0.01"),
    "a tick table twice": (f'{TICKS}["1"]\n' * 2, r'tick_tables\[1\].name: "T" is given twice'),
    "no ticks": (f"{TICKS}[]\n", r"tick_tables\[0\].ticks: none are given; allowed: "),
    "a first tick from a price": (f'{TICKS}["1:0.01"]\n', r"tick_tables\[0\].ticks: '1:0.01'; allowed: the first is"),
    "ticks that do not rise": (f'{TICKS}["0.01", "2:0.02", "1:0.05"]\n', r"ticks: '1:0.05'; allowed: rising prices"),
    "a tick that is no multiple": (f'{TICKS}["0.01", "1:0.015"]\n', r"tick_tables\[0\].ticks must be a multiple of"),
    "a price between ticks": (f'{TICKS}["0.01", "1.01:0.05"]\n', "allowed: rising prices, each a multiple of the tick"),
    "an unknown algorithm": (f'{INSTRUMENT}algorithm = "fifo"\n', 'algorithm: it is "fifo"; allowed: "price-time", or'),
    "a band between increments": (f'{INSTRUMENT}static_band = "0.001"\n', r"instruments\[0\].static_band must be a"),
    "a band below zero": (f'{INSTRUMENT}dynamic_band = "-1"\n', r"instruments\[0\].dynamic_band must be 0.00 to"),
    "a notional below zero": (f'{INSTRUMENT}max_notional = "-1"\n', r"max_notional must be an amount .* not below 0"),
    "a breaker without times": (f'{INSTRUMENT}breaker_percent = "5"\n', "breaker_auction_seconds must be above 0 with"),
    "a limit of nothing": (f'{INSTRUMENT}max_notional = "0"\n', "max_notional: allowed is an amount above 0"),
    "the top order alone": (f"{INSTRUMENT}top_order = true\n", "top_order: allowed is Y with algorithm"),
    "a band around nothing": (f'{INSTRUMENT}static_band = "5"\n', r"s\[0\] \(A\): static_band: allowed is one with a"),
    "a lot above the most": (f'{INSTRUMENT}round_lot = "5"\nmin_quantity = "1"\nmax_quantity = "4"\n',
                             "instruments: instrument b'A': the engine refuses its lot"),
    "times without a breaker": (f"{INSTRUMENT}breaker_halt_seconds = 5\n", "breaker_percent is missing: .* allowed: "),
    "a breaker of nothing": (f'{INSTRUMENT}breaker_percent = "0"\nbreaker_halt_seconds = 5\n', "percent must be"),
    "operators below a table": ('[network]\noperators = ["A"]\n', "k.operators: it belongs before the first"),
    "operators of an instrument": (f'{INSTRUMENT}operators = ["A"]\n', r"\[0\].operators: it belongs before the"),
    "an operator of no name": ('operators = ["A B"]\n', "operators must have 1 to 64 printable ASCII"),
    "an operator twice": ('operators = ["A", "A"]\n', r'operators\[1\]: "A" is given twice'),
    "an operator who may not log on": ('operators = ["A"]\n[[clients]]\ncomp_id = "B"\n',
                                       r'operators\[0\]: "A" is none of the \[\[clients\]\].*; allowed: one of them'),
    "an operator without our tags": ('operators = ["A"]\n[fix]\nown_tags = false\n',
                                     r'operators\[0\]: "A" gets no tags .* allowed: own_tags = true'),
    "a schedule twice": (SCHEDULE * 2, r'schedules\[1\].name: "S" is given twice'),
    "a schedule with a space": ('[[schedules]]\nname = "S S"\n', r'schedules\[0\].name: "S S"; allowed: 1 to 32'),
    "a schedule for nobody": (f"{SCHEDULE}symbols = []\n", r"schedules\[0\].symbols: none are given; allowed: "),
    "a schedule for a stranger": (f'{SCHEDULE}symbols = ["X"]\n', r'symbols: "X" is no instrument; allowed: '),
    "two schedules": (f"{SCHEDULE}{SCHEDULE.replace('S', 'T', 1)}", r'schedules\[1\].symbols: "\*" follows S already'),
    "no day": (f"{SCHEDULE}days = []\n", r"schedules\[0\].days: none; allowed: mon, tue"),
    "an unknown day": (f'{SCHEDULE}days = ["Monday"]\n', r"schedules\[0\].days: Monday; allowed: mon, tue"),
    "a time that is none": (SCHEDULE.replace("09:00", "9:00"), r'continuous: "9:00"; allowed: a time of day'),
    "a day without an end": (SCHEDULE.replace('closed = "17:00"\n', ""), r"schedules\[0\].closed: it is missing"),
    "a day without an auction": (SCHEDULE.replace('pre_open = "08:00"\n', ""), "pre_open: it is missing, and so"),
    "times the wrong way round": (SCHEDULE.replace("17:00", "08:30"), "closed: it is not after continuous; allow"),
    "yes for true": ('[exchange]\nopen_to_any = "yes"\n', 'open_to_any: it is "yes"; allowed: true or false'),
    "a negative time": ("[exchange]\ngrace_ms = -5\n", "exchange.grace_ms: it is -5; allowed: milliseconds, 0 to"),
    "a client without a name": ('[[clients]]\nusername = "a"\n', r"clients\[0\].comp_id: none is given; allowed: "),
    "a client with two": ('[[clients]]\ncomp_id = "A"\ncomp_ids = ["B"]\n', r"clients\[0\].comp_id: both are given"),
    "a client twice": ('[[clients]]\ncomp_id = "A"\n[[clients]]\ncomp_ids = ["B", "A"]\n',
                       r'clients\[1\].comp_id: "A" is given twice'),
    "a client that is not ASCII": ('[[clients]]\ncomp_id = "É"\n', r'clients\[0\].comp_id: "É"; allowed: 1 to 64'),
    "a password that is not hashed": ('[[clients]]\ncomp_id = "A"\npassword_hash = "secret"\n',
                                      r"clients\[0\].password_hash: it is no hash of argon2id; allowed: a line that"),
    "a user without a password": ('[[clients]]\ncomp_id = "A"\nusername = "a"\n', "username: it goes with a password_"),
    "a client in one bracket": ('[clients]\ncomp_id = "A"\n', r"allowed: for each client a .* \(two brackets\)"),
    "no connection at all": ("[limits]\nconnections_per_address = 0\n", "per_address: it is 0; allowed: a count"),
    "a certificate alone": ('[network]\ntls_certificate = "c"\n', "network.tls_certificate: .* allowed: both,"),
    "an authority without TLS": ('[network]\ntls_client_ca = "c"\n', "network.tls_client_ca: it needs .* allowed: all"),
    "members without a cluster": ("[cluster]\nmember = 2\n", "cluster.members: none are given; allowed: "),
    "a member without a port": (cluster('"1 127.0.0.1"'), r'members\[0\]: "1 127.0.0.1"; allowed: "ID HOST:PORT"'),
    "a member with a port too high": (cluster('"1 127.0.0.1:65536"'), r"cluster.members\[0\]: .*; allowed: "),
    "a member that DNS cannot name": (cluster('"1 a..b:7001"'), r"members\[0\]: .*; allowed: .* a name that DNS can"),
    "a member twice": (cluster('"1 127.0.0.1:1", "1 127.0.0.1:2"'), "members: an id or an address is given twice"),
    "an address twice": (cluster('"1 127.0.0.1:1", "2 127.0.0.1:1"'), "members: an id or an address is given twice"),
    "not among the members": (cluster('"2 127.0.0.1:1", "3 127.0.0.1:2"'), "cluster.member: member 1 is not among"),
    "no id of a cluster": ('[cluster]\nmembers = ["1 127.0.0.1:1"]\n', "cluster.id: none is given; .*32 hex digits"),
    "an election too soon": (cluster('"1 127.0.0.1:1"', "election_timeout_ms = 49\n"),
                             "cluster.election_timeout_ms: 49 ms; allowed: at least five times cluster.heartbeat_ms"),
    "a certificate without a key": (cluster('"1 127.0.0.1:1"', 'certificate = "c.pem"\nauthority = "a.pem"\n'),
                                    "cluster.certificate: certificate, key and authority go together"),
    "a network without TLS": (cluster('"1 127.0.0.1:1", "2 10.0.0.2:1"'),
                              "cluster.members: 10.0.0.2:1 is not a loopback address: .* need TLS"),
    "a name without TLS": (cluster('"1 127.0.0.1:1", "2 example.org:1"'), "example.org:1 is not a loopback address"),
    "another trace": ('[trace]\nto = "syslog"\n', r'trace.to: it is "syslog"; allowed: "file" .* "stderr" or "none"'),
    "no directory": ("[storage]\ndirectory = 5\n", "storage.directory: it is 5; allowed: a directory in quotes"),
    "no TOML": ("this is not\n", "not TOML: .*line 1"),
    "a number of 5,000 digits": (f"[network]\nfix_tcp = {'9' * 5000}\n",
                                 "network.fix_tcp: it is a number of more than 40 digits; allowed: a TCP port"),
    "one in base 16": (f"[exchange]\ngrace_ms = 0x{'f' * 5000}\n", "grace_ms: it is a number of more than 40 digits"),
    "nesting without end": (f"[network]\nhost = {'[' * 20_000}\n", "line 2, host: .*nested too deep; allowed: what"),
    "tables without end": ("a = " + "{a=" * 20_000, "line 1, a: .*nested too deep; allowed: what"),
    "an increment of a billion decimals": (f'{INSTRUMENT}price_increment = "1e-999999999"\n',
                                           r"instruments\[0\].price_increment must have at most 40 digits"),
    "an increment of a billion digits": (f'{INSTRUMENT}quantity_increment = "1e999999999"\n',
                                         "quantity_increment must have at most 40 digits"),
    "a quantity of a billion digits": (f'{INSTRUMENT}min_quantity = "1e999999999"\n',
                                       r"instruments\[0\].min_quantity must have at most 40 digits before and after"),
    "a lot that is almost a multiple": (f'{INSTRUMENT}round_lot = "1.000000000000000000000000000000000001"\n',
                                        "round_lot must be a multiple of 1, not '1.0"),
    "a signalling NaN": (f'{INSTRUMENT}low_price = "sNaN"\n', "low_price must be a finite number"),
    "a very long text": (f'{INSTRUMENT}high_price = "{"x" * 5000}"\n', r"must be a decimal number, not 'x{59}\.\.\.$"),
    "a NUL in a name": ('[storage]\ndirectory = "a\\u0000b"\n', "storage.directory: it has a NUL .*; allowed: a name"),
    "a NUL in another": ('[fix]\ndictionary = "a\\u0000b"\n', "fix.dictionary: it has a NUL .*; allowed: a name"),
    "a line in a key": ('"a\\nb" = 1\n', r'"a\\nb": unknown key; allowed here'),
    "a line in a value": ('[trace]\nto = "a\\nb"\n', r'trace.to: it is "a\\nb"; allowed: "file"'),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(case: tuple[str, str]) -> None:
    with pytest.raises(ConfigError, match=f"(?s)my.toml: .*{case[1]}") as caught:
        parse(case[0], "my.toml")
    for word in ("`", "object", "Expected", "\n"):
        if "not TOML" not in case[1]:
            assert word not in str(caught.value)


TEXT = st.one_of(
    st.text(max_size=80), st.sampled_from(["1e999999999", "-1e-999999999", "NaN", "0e99", "5", "0.01", ""])
)
VALUES = st.recursive(
    st.one_of(
        st.booleans(), st.integers(), st.floats(), st.integers(-(10**60), 10**60), TEXT,
        st.dates(), st.times(), st.datetimes(),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
SECTIONS = {"network": Network, "storage": Storage, "fix": Fix, "trace": Trace, "exchange": Exchange}


def toml(value: object) -> str:
    """As one line of TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def keys(of: type[msgspec.Struct]) -> st.SearchStrategy[dict[str, object]]:
    """Some keys of a table, right or wrong ones, with values of any kind."""
    names = st.one_of(st.sampled_from(of.__struct_fields__), st.text(max_size=5))
    return st.dictionaries(names, VALUES, max_size=3)


FILES = st.builds(
    lambda tables, instruments, top: "\n".join(
        [f"{toml(key)} = {toml(value)}" for key, value in top.items()]
        + [f"[{name}]\n" + "\n".join(f"{toml(key)} = {toml(value)}" for key, value in table.items())
           for name, table in tables.items()]
        + ["[[instruments]]\nsymbol = 'A'\n" + "\n".join(f"{toml(key)} = {toml(value)}" for key, value in one.items())
           for one in instruments]
    ),
    st.fixed_dictionaries({}, optional={name: keys(of) for name, of in SECTIONS.items()}),
    st.lists(keys(Instrument), max_size=2),
    st.one_of(st.just({}), st.dictionaries(st.sampled_from([*SECTIONS, "instruments", "x"]), VALUES, max_size=1)),
)  # fmt: skip


@settings(max_examples=1000)
@given(FILES)
@example("[network]\nhost = '::1%'\n")
def test_whatever_a_file_holds_it_loads_or_the_error_is_plain(text: str) -> None:
    try:
        parse(text, "my.toml")
    except ConfigError as error:
        said = str(error)
        assert said.startswith("my.toml: ")
        assert "\n" not in said
        assert len(said) < 1000
        assert (
            "allowed" in said
            or "must" in said
            or "is used twice" in said
            or "not TOML" in said
            or "twice" in said
        )


def test_of_more_instruments_than_an_entry_holds_the_first_begin_the_log() -> None:
    many = "".join(f'[[instruments]]\nsymbol = "S{number}"\n' for number in range(40_000))
    loaded = parse(f'{many}{SCHEDULE}symbols = ["S1", "S39999"]\n', "my.toml")
    payload = whole(loaded)
    records = list(inputs.split(payload))
    symbols = [inputs.read_instrument(one)["symbol"] for one in records if one[4] == inputs.INSTRUMENT]
    assert len(payload) <= MAX_ENTRY_BYTES
    assert 30_000 < len(symbols) < 40_000
    assert symbols == [f"S{number}" for number in range(len(symbols))]
    assert [dict(inputs.read_operation(one)).get(55) for one in records if one[4] == inputs.OPERATION] == [
        "S1",
        None,
    ]
    check(loaded, payload)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml: cannot be read: No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# caf\xe9\n")
    with pytest.raises(ConfigError, match=r"latin.toml: byte 5 is not UTF-8"):
        load(latin)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_bytes(b"\xef\xbb\xbf[network]\nfeed = 1\n")
    assert load(file).config.network.feed == 1


def test_the_complete_file_is_the_default() -> None:
    assert parse(complete_file(), "c.toml").config == load(None).config


@pytest.mark.parametrize(
    "text", [f"{OPEN}{TLS}{CURVE}{ALICE}", f'{OPEN}plain = "anywhere"\n', f"[network]\n{CURVE}{ALICE}"]
)
def test_what_is_protected_or_asked_for_by_name_is_taken(text: str) -> None:
    assert parse(text, "my.toml").config.network.host in ("0.0.0.0", "127.0.0.1")


COPIES = f"""{COPY}sessions = ["A", "B"]
[[drop_copies]]
comp_id = "ALL"
sessions = ["*"]
"""


def test_a_client_says_for_itself_whether_it_takes_tags_of_our_own() -> None:
    text = """
        [fix]
        own_tags = false
        [[clients]]
        comp_ids = ["ONE", "TWO"]
        own_tags = true
        [[clients]]
        comp_id = "THREE"
    """
    config = parse(text, "c.toml").config
    assert not config.fix.own_tags
    assert Clients(config.clients).own_tags == {b"ONE": True, b"TWO": True}


def test_drop_copies_are_added_and_stay() -> None:
    loaded = parse(COPIES, "my.toml")
    assert rules_of(loaded) == 2
    assert rules_of(parse("", "my.toml")) == 1
    logged = inputs.genesis_of(inputs.activate() + whole(loaded) + inputs.gateway_lost())
    assert logged == whole(loaded)
    check(loaded, logged)
    check(parse("", "my.toml"), logged)
    fewer = parse(COPIES.replace('"A", "B"', '"A"'), "my.toml")
    with pytest.raises(
        ConfigError, match=r"my.toml: drop_copies: the log has R of B, and the file has not: a drop copy"
    ):
        check(fewer, logged)
    check(loaded, whole(parse("", "my.toml")))
    *_, a, b, every = loaded.genesis
    assert added_drop_copies(loaded, []) == [a, b, every]
    assert added_drop_copies(loaded, [("R", "A"), ("ALL", "A")]) == [b, every]
    assert added_drop_copies(loaded, [("R", "*"), ("ALL", "*")]) == []
    check_drop_copies(parse(COPIES.replace('"A", "B"', '"*"'), "my.toml"), [("R", "A"), ("R", "B")])


def test_who_has_open_orders_is_not_made_a_drop_copy() -> None:
    added = [inputs.drop_copy("R", "A")]
    check_added(parse("", "my.toml"), added, {"R": 0}.__getitem__)
    with pytest.raises(ConfigError, match=r"my.toml: drop_copies: R has open orders \(2\), and a session"):
        check_added(parse("", "my.toml"), added, {"R": 2}.__getitem__)
