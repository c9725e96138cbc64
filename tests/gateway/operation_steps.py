"""What operators may ask for, at random: mostly sensible fields of OperatorRequests."""

from typing import Any

from hypothesis import strategies as st

from engine.records import Phase

PHASES = [*(phase.name for phase in Phase), "CONTINUOUS", "OPENING_AUCTION", "CONTINUOUS"]
INSTRUMENTS = ["AAPL", "AAPL", "*", "AAPL", "BTC/USD", "NEW0", "NONE"]
SESSIONS = ["A", "B", "*", "OPS", "NOBODY"]

symbols = st.sampled_from(INSTRUMENTS)
times = st.integers(1, 59).map(lambda second: f"20260105-10:00:{second:02}")


def optional(field: Any) -> Any:
    return st.one_of(st.just(""), st.just(""), field)


def joined(*parts: Any) -> Any:
    return st.tuples(*parts).map("".join)


def field(tag: int, values: Any) -> Any:
    return values.map(lambda value: f"{tag}={value}|")


about = st.one_of(field(55, symbols), field(20028, st.sampled_from(["DAY", "DAY", "NIGHT"])))
ending = joined(
    field(20025, times),
    optional(field(20023, st.sampled_from(PHASES))),
    optional(joined(field(20026, st.integers(0, 2000)), field(20027, st.integers(0, 2**63 - 1)))),
)
phases = joined(st.just("20021=PHASE|"), about, field(20022, st.sampled_from(PHASES)), optional(ending))
terms = joined(
    optional(field(561, st.sampled_from(["1", "2", "5", "0"]))),
    optional(field(562, st.sampled_from(["1", "2", "5"]))),
    optional(field(20008, st.integers(1, 50))),
    optional(field(20009, st.sampled_from(["9.5", "9"]))),
    optional(field(20010, st.sampled_from(["10.5", "11"]))),
    optional(field(20011, st.sampled_from(["0", "0.05", "1"]))),
    optional(field(20030, st.sampled_from(["PRICE_TIME", "PRO_RATA"]))),
    optional(field(20031, st.sampled_from("YN"))),
    optional(field(20033, st.sampled_from(["LAST_TRADE", "OPPOSITE_BEST"]))),
    optional(field(20034, st.integers(0, 2))),
    optional(field(20028, st.sampled_from(["DAY", "DAY", "NIGHT"]))),
    optional(field(20035, st.sampled_from(["20008 20009", "20010", "20028", "20011"]))),
)
protections = joined(
    optional(field(20036, st.sampled_from(["10", "9.8"]))),
    optional(field(20037, st.sampled_from(["0.2", "1"]))),
    optional(field(20038, st.sampled_from(["0", "0.1"]))),
    optional(field(20039, st.sampled_from(["0.3", "1"]))),
    optional(field(20040, st.integers(1, 300))),
    optional(st.sampled_from(["20041=0.01|20042=2000|20043=3000|", "20041=0.02|"])),
    optional(field(20035, st.sampled_from(["20037 20038", "20039", "20040 20041"]))),
)
ticks = st.sampled_from(
    ["20034=1|20044=1|20045=2|", "20034=1|20044=2|20045=1|20045=5|20046=1000|", "20034=2|20044=1|20045=3|"]
)
whose = field(20048, st.sampled_from(SESSIONS))
prices = joined(optional(field(20009, st.just("9.9"))), optional(field(20010, st.just("10.1"))))
narrowed = joined(
    optional(whose),
    optional(field(1, st.sampled_from(["acct", "none"]))),
    optional(field(55, symbols)),
    optional(field(54, st.sampled_from("12"))),
    prices,
)

operations = st.one_of(
    phases,
    phases,
    phases,
    joined(st.just("20021=TERMS|"), field(55, symbols), terms),
    joined(st.just("20021=PROTECT|"), field(55, symbols), protections),
    joined(st.just("20021=TICKS|"), ticks),
    joined(st.just("20021=INSTRUMENT|"), field(55, st.sampled_from(["NEW0", "NEW1"])), terms),
    joined(st.just("20021=DELIST|"), field(55, st.sampled_from(["NEW0", "NEW1"]))),
    joined(st.sampled_from(["20021=KILL|", "20021=RESTORE|", "20021=RESTORE|"]), whose),
    joined(st.just("20021=CANCEL|"), narrowed),
    joined(st.just("20021=LIMITS|"), whose, field(20047, st.integers(0, 3))),
)
"""The fields of a request but for its OperationID."""

scheduled = joined(
    st.just("20021=PHASE|20028=DAY|"),
    field(20029, times),
    field(20022, st.sampled_from(PHASES)),
    optional(ending),
)
"""A step of a schedule, as the exchange itself enters it."""
