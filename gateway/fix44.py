"""FIX 4.4 as far as it is served: FIX44.xml, and the facts that the form of that file has no place for."""

import string
from dataclasses import replace
from pkgutil import get_data

from gateway.dictionary import Dictionary, read

# Tags up to 956 that FIX 4.4 does not define (never given out, or withdrawn by then).
UNDEFINED = {
    20, 24, 46, 47, 51, 76, 86, 92, 101, 105, 109, 125, 166, *range(173, 188), 204, 205, 219, 261, 314, 319,
    370,
    439, 440, 449, 450, 465, 653, 685, 809, 831,
}  # fmt: skip
LAST_TAG = 956

MESSAGE_TYPES = frozenset(
    [*string.digits, *(set(string.ascii_letters) - {"I", "O", "U"})]
    + ["A" + letter for letter in string.ascii_uppercase]
    + ["B" + letter for letter in "ABCDEFGH"]
)

# Other ways to say how much, at what price and when an order works: an order that has one is refused by name.
UNSERVED = {168, 192, 193, 210, 640, 835, 836, 837, 838, 840, 847, 848, 849, 152, 516, 468, 469}
UNSERVED_COMPONENTS = ("SpreadOrBenchmarkCurveData", "DiscretionInstructions")


def _build() -> Dictionary:
    text = get_data("gateway", "FIX44.xml")
    assert text is not None
    stated = read(text, "gateway/FIX44.xml")
    return replace(
        stated,
        defined=stated.defined | (frozenset(range(1, LAST_TAG + 1)) - UNDEFINED),
        message_types=stated.message_types | MESSAGE_TYPES,
        unserved=frozenset(UNSERVED).union(*(stated.components[name].tags for name in UNSERVED_COMPONENTS)),
    )


FIX44 = _build()
