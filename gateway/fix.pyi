"""The codec for Python: tests, tools and benches. The gateway itself calls the C functions of fix.pxd."""

from gateway.dictionary import Dictionary

def use(dictionary: Dictionary, echo: bool = False) -> None:
    """From now on messages are scanned by this dictionary; not while anything else scans.

    echo: none is an order, bodies of all application messages go along, private tags that it lacks are refused.

    Raises DictionaryError when it is larger than the tables, or types a field in another way than the exchange.
    """

def frame_message(data: bytes) -> tuple[int, int]:
    """(0 whole message, 1 incomplete, 2 garbled; bytes of the message, 0, or bytes to drop)."""

def checksum_of(data: bytes) -> int:
    """The sum of the bytes modulo 256, of a copy: what reading a message costs at least."""

def scan_message(message: bytes, own: str = "", peer: str = "", version: int = 1) -> bytes:
    """The Input record of one framed message (gateway/records.pxd); empty when it is not a framed message.

    own, peer: CompIDs to check TargetCompID and SenderCompID against; empty = not checked. version: of the rules that
    hold.
    """

def scan_stream(data: bytes, own: str = "", peer: str = "") -> tuple[bytes, int]:
    """(the Input records of every whole message, end to end; bytes used).

    What is garbled is dropped and counts as used. An incomplete end is not used: put it before what comes next.
    """

def encode_record(
    record: bytes, own: str, peer: str, resend_time_ns: int | None = None, standard: bool = False
) -> bytes:
    """The FIX message of one Egress record; ValueError when it is not a message record or contradicts its
    size. standard: for a client that takes fields of FIX 4.4 alone.
    """

def encode_records(records: bytes, own: str, peer: str) -> bytes:
    """The messages of Egress records that lie end to end; records that are not messages give nothing.

    Raises ValueError, naming the offset, when a record's size is not a multiple of 8 that fits.
    """

def gap_fill(own: str, peer: str, seq: int, new_seq: int, time_ns: int) -> bytes:
    """SequenceReset-GapFill that stands for the messages seq .. new_seq - 1."""
