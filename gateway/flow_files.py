"""Flow and fills files: plain, .gz or .zst, by the end of the name. `-` is standard input or output."""

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

import zstandard

from gateway.flow import (
    FILLS_HEADER,
    FLOW_HEADER,
    Fill,
    FlowError,
    FlowParser,
    FlowRow,
    fill_line,
    flow_line,
    parse_fills,
)

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class ZstdReader(io.RawIOBase):
    """Decompresses a .zst as it is read (the library's own reader does not notice a file cut short)."""

    def __init__(self, packed: BinaryIO) -> None:
        self.packed = packed
        self.frame = zstandard.ZstdDecompressor().decompressobj()
        self.ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        while not self.ready:
            data = self.frame.unused_data if self.frame.eof else b""
            data = data or self.packed.read(1 << 17)
            if not data:
                if not self.frame.eof:
                    raise EOFError("it ends in the middle of a frame")
                return 0
            if self.frame.eof:
                self.frame = zstandard.ZstdDecompressor().decompressobj()
            self.ready = memoryview(self.frame.decompress(data))
        target = memoryview(buffer)
        size = min(len(target), len(self.ready))
        target[:size] = self.ready[:size]
        self.ready = self.ready[size:]
        return size


@contextmanager
def open_binary(path: str | Path) -> Iterator[BinaryIO]:
    """An open file, decompressed as it is read. Raises FlowError when it is damaged or cut short."""
    name = str(path)
    try:
        if name == "-":
            yield sys.stdin.buffer
        elif name.endswith(".gz"):
            with gzip.open(path, "rb") as file:
                yield cast(BinaryIO, file)
        elif name.endswith(".zst"):
            with open(path, "rb") as packed:
                yield cast(BinaryIO, io.BufferedReader(ZstdReader(packed), 1 << 20))
        else:
            with open(path, "rb") as file:
                yield cast(BinaryIO, file)
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise FlowError(f"{name}: the compressed file is damaged or cut short: {error}") from None


@contextmanager
def open_text(path: str | Path) -> Iterator[TextIO]:
    """The same as text, without the mark that some programs put before UTF-8."""
    with open_binary(path) as binary:
        text = io.TextIOWrapper(binary, encoding="utf-8-sig", errors="replace", newline="\n")
        yield text
        if str(path) == "-":
            text.detach()


def read_blocks(path: str | Path) -> Iterator[list[FlowRow]]:
    """The rows of a flow file in lists of some thousands. Raises FlowError, OSError."""
    with open_text(path) as text:
        yield from FlowParser(str(path)).blocks(text)


def read_flow(path: str | Path) -> Iterator[FlowRow]:
    """The rows of a flow file. Raises FlowError, OSError."""
    for rows in read_blocks(path):
        yield from rows


def read_fills(path: str | Path) -> Iterator[Fill]:
    """The fills of a fills file. Raises FlowError, OSError."""
    with open_text(path) as text:
        yield from parse_fills(text, str(path))


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Where to write what gets this name when it is complete: who is interrupted leaves neither half a file nor harms
    the one that was there. What is no file (a pipe, a device) is written to as it is."""
    target = Path(path).resolve()  # it may be a link
    if target.exists() and not target.is_file():
        yield Path(path)
        return
    new = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        yield new
        new.replace(target)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename == str(new):
            error.filename = str(path)
        new.unlink(missing_ok=True)
        raise


@contextmanager
def create_text(path: str | Path) -> Iterator[TextIO]:
    """A new file to write text to, compressed as its name says; the same text gives the same bytes. It is there when
    it is whole."""
    if str(path) == "-":
        yield sys.stdout
        sys.stdout.flush()
        return
    with whole(path) as new, packed_text(new, str(path)) as text:
        yield text


@contextmanager
def packed_text(path: Path, name: str) -> Iterator[TextIO]:
    """name: says how it is compressed."""
    if name.endswith(".gz"):
        with (
            open(path, "wb") as raw,
            gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
            io.TextIOWrapper(packed, encoding="ascii", newline="\n") as text,
        ):
            yield text
    elif name.endswith(".zst"):
        with (
            open(path, "wb") as raw,
            zstandard.ZstdCompressor(level=3).stream_writer(raw) as stream,
            io.TextIOWrapper(cast(BinaryIO, stream), encoding="ascii", newline="\n") as text,
        ):
            yield text
    else:
        with open(path, "w", encoding="ascii", newline="\n") as text:
            yield text


def write_flow(path: str | Path, rows: Iterable[FlowRow]) -> int:
    """Write a flow file; return the number of rows."""
    count = 0
    with create_text(path) as text:
        text.write(FLOW_HEADER + "\n")
        for count, row in enumerate(rows, 1):  # noqa: B007 - the last count is the result
            text.write(flow_line(row))
    return count


class FillsWriter(AbstractContextManager["FillsWriter"]):
    """A fills file being written, which is there when all fills are in it."""

    def __init__(self, path: str | Path) -> None:
        self._file = create_text(path)

    def __enter__(self) -> "FillsWriter":
        self._text = self._file.__enter__()
        self._text.write(FILLS_HEADER + "\n")
        return self

    def write(self, fills: Iterable[Fill]) -> None:
        self._text.writelines(map(fill_line, fills))

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)  # type: ignore[arg-type]
