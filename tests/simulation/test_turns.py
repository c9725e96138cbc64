"""What a turn leaves to the next one is not left lying."""

from exchange import ManualClock
from replica_life import Life, fix
from simulated_disk import SimulatedDisk


def test_an_order_behind_much_that_is_garbled_does_not_wait_for_another_event() -> None:
    """So much that the connection has had its share of this turn, which has nothing for the log."""
    life = Life(SimulatedDisk(1), ManualClock())
    client = life.client()
    life.run()
    client.written = b""
    garbled = fix("0", 3)[:-4] + b"999\x01"
    order = fix("D", 3, "11=y", "55=AAPL", "54=1", "60=20260101-00:00:00", "38=1", "40=2", "44=1.00")
    life.replica.connections.received(client.number, garbled * (300_000 // len(garbled)) + order)
    while life.replica.turn():
        pass
    assert b"\x0111=y\x01" in client.written
