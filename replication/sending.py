"""What a leader knows of a snapshot that it sends to a follower (Raft paper, section 7, InstallSnapshot), and how much
of it is under way. No I/O: node.py reads the bytes.

First the follower is asked where it wants to begin: a broken link, another leader with the same snapshot or a restart
of the follower lose what was under way, and nothing else. Then chunks follow each other, as far as the window of those
without an answer allows.
"""

from collections.abc import Iterator

from replication.messages import Offer

CHUNK_BYTES = 1 << 18
IN_FLIGHT_BYTES = 2 << 20


class Sending:
    """Invariant: wanted <= sent."""

    __slots__ = ("asked_ns", "offer", "sent", "wanted")

    def __init__(self, offer: Offer, now_ns: int) -> None:
        self.offer = offer
        self.wanted = 0  # the follower has what comes before this offset
        self.sent = offer.size  # nothing more until it has said where to begin
        self.asked_ns = now_ns  # when it was asked, or answered last

    def answered(self, wanted: int, again: bool, now_ns: int) -> None:
        """again: it wants this next, whatever was sent behind it."""
        self.asked_ns = now_ns
        self.wanted = min(wanted, self.offer.size)
        self.sent = self.wanted if again else max(self.sent, self.wanted)

    def chunks(self) -> Iterator[int]:
        """Offsets of what is to be sent now."""
        while self.sent < min(self.offer.size, self.wanted + IN_FLIGHT_BYTES):
            yield self.sent
            self.sent = min(self.sent + CHUNK_BYTES, self.offer.size)
