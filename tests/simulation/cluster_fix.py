"""FIX by hand, so that nothing of the product judges itself: messages, fields, times."""

from datetime import UTC, datetime

MS = 1_000_000
SECOND = 1_000 * MS
SENT = "20260101-00:00:00.000"  # what clients say of their own time: nobody looks at it
OF_A_TRANSMISSION = {"8", "9", "10", "43", "52", "122"}  # what another one of the same message may change

TOLD = {
    "7", "11", "14", "18", "31", "32", "36", "37", "38", "40", "41", "44", "54", "55", "58", "59", "99", "111", "126",
    "141", "150", "151", "211", "533", "20001", "20012", "20013", "20020", "20021", "20022", "20023", "20025", "20048",
}  # fmt: skip

Fields = list[tuple[str, str]]


def build(fields: Fields) -> bytes:
    body = "".join(f"{tag}={value}\x01" for tag, value in fields)
    text = f"8=FIX.4.4\x019={len(body)}\x01{body}".encode()
    return text + b"10=%03d\x01" % (sum(text) % 256)


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """Whole messages, and the rest."""
    found = []
    while (at := data.find(b"\x0110=")) >= 0 and len(data) >= at + 8:
        found.append(data[: at + 8])
        data = data[at + 8 :]
    return found, data


def parse(message: bytes) -> Fields:
    return [tuple(part.split("=", 1)) for part in message.decode().split("\x01")[:-1]]  # type: ignore[misc]


def stable(fields: Fields) -> Fields:
    return [field for field in fields if field[0] not in OF_A_TRANSMISSION]


def words(kind: str, number: int, fields: Fields) -> str:
    """A message for the trace: its type and number, and what makes it another than most."""
    told = " ".join(f"{tag}={value}" for tag, value in fields if tag in TOLD)
    return f"{kind} {number:4}  {told}"


def time_text(time_ns: int) -> str:
    """To the millisecond."""
    time = datetime.fromtimestamp(time_ns // SECOND, UTC)
    return f"{time:%Y%m%d-%H:%M:%S}.{time_ns // MS % 1000:03}"


def time_ns(text: str) -> int:
    time = datetime.strptime(text[:17], "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
    return int(time.timestamp()) * SECOND + int(text[18:].ljust(9, "0"))
