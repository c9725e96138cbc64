"""One request after the other, until every kind of answer that takes a number has come."""

from fix_client import FixClient

TIME = (60, "20260101-00:00:00.000")


def every_answer(alice: FixClient, name: str) -> int:
    """Returns with the last one: how many requests it were. name: what its ClOrdIDs begin with."""
    orders = (alice.order(f"{name}s", "sell", 5, "10.00"), alice.order(f"{name}b", "buy", 9, "10.00"))
    for order, kinds in zip(orders, ("0", "0FF"), strict=True):
        alice.send_bytes(order)
        for kind in kinds:
            assert alice.expect("8")[150] == kind
    alice.send_bytes(alice.cancel(f"{name}x", f"{name}s", "sell"))  # too late: it is filled
    assert alice.expect("9")[102] == "0"
    alice.send("D", (11, f"{name}?"))
    assert alice.expect("3")[373] == "1"
    alice.send_bytes(alice.order(f"{name}u", "buy", 1, "1.00", symbol="NOWHERE"))
    assert alice.expect("8")[150] == "8"
    alice.send_bytes(alice.cancel(f"{name}c", f"{name}b", "buy"))
    assert alice.expect("8")[150] == "4"
    alice.send("H", (11, f"{name}c"), (55, "AAPL"), (54, 1))
    assert alice.expect("8")[150] == "I"
    alice.send("q", (11, f"{name}m"), (530, 7), TIME)
    assert alice.expect("r")[531] == "7"
    alice.send("R", (131, "1"))
    assert alice.expect("j")[380] == "3"
    alice.send("1", (112, name))
    assert alice.expect("0")[112] == name
    return 10
