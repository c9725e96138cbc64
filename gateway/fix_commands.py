"""`quorumbook fix`: FIX for people."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from gateway.config import ConfigError
from gateway.dictionary import Dictionary
from gateway.dictionary_file import read_dictionary
from gateway.engagement import page
from gateway.fix44 import FIX44
from gateway.fix_log import Logged, Reader, shown
from gateway.fix_reading import Message, Shown, printable, read_message

FRAMING = frozenset(["8", "9", "35", "49", "56", "34", "52", "10"])
"""What a line of one message says by its form, or need not say."""
WRONG = "bold red"
DICTIONARY = click.Path(dir_okay=False, path_type=Path)
ADDED = "XML data dictionary, as of QuickFIX, that is added to FIX 4.4."
Words = Iterator[tuple[str, str]]
"""Text with its styles: see `rich`."""


@click.group()
def fix() -> None:
    """FIX for people: logs, and rules of engagement."""


@fix.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option("--fields", "blocks", is_flag=True, help="Every field in a line of its own, with its tag.")
@click.option("--raw", is_flag=True, help="The message as it is, too; passwords are ***.")
@click.option("--dictionary", type=DICTIONARY, help=ADDED)
def decode(file: Path | None, blocks: bool, raw: bool, dictionary: Path | None) -> None:
    """Print the messages of a FIX log with names of tags and values.

    FILE is a log that --fix-log wrote, one of another FIX engine, or - for standard input (tail -f fix.log | quorumbook
    fix decode -). Each message is looked for in its line, whatever stands before it; SOH may be written as | or ^A.
    What the dictionary does not have, and what is wrong with a message, is marked with !.
    """
    if file is None and sys.stdin.isatty():
        raise click.UsageError("give a FILE, or - for standard input")
    name = "standard input" if file is None or str(file) == "-" else str(file)
    names = stated(dictionary)
    say = printer()
    with nullcontext(sys.stdin.buffer) if name == "standard input" else open(name, "rb") as stream:
        reader = Reader(stream.readline)
        found = False
        for logged in reader:
            found = True
            message = read_message(logged.message, names)
            say(block(logged, message) if blocks else one_line(logged, message))
            if raw:
                say(iter([(f"  {shown(logged.message).decode()}\n", "dim")]))
            if blocks:
                say(iter([("\n", "")]))
    if not found:
        raise click.ClickException(nothing(name, reader))


@fix.command()
@click.option("--dictionary", type=DICTIONARY, help=ADDED)
def rules(dictionary: Path | None) -> None:
    """Print the rules of engagement: every message, field, value and reason code, in Markdown."""
    click.echo(page(stated(dictionary)), nl=False)


def stated(dictionary: Path | None) -> Dictionary:
    """FIX 4.4, with a user's dictionary."""
    try:
        return read_dictionary(dictionary) if dictionary else FIX44
    except ConfigError as error:
        raise click.ClickException(str(error)) from None


class printer:
    """Writes at once what it is given: with colours to a terminal, plain anywhere else."""

    def __init__(self) -> None:
        self._console = Console(highlight=False) if sys.stdout.isatty() else None

    def __call__(self, words: Words) -> None:
        if self._console is None:
            click.echo("".join(text for text, _ in words), nl=False)
        else:
            self._console.print(Text.assemble(*words), soft_wrap=True, end="")


def nothing(name: str, reader: Reader) -> str:
    """Why there is nothing to show."""
    if not reader.lines:
        return f"{name}: it is empty"
    more = f", nor in the {reader.lines - 1:,} after it" if reader.lines > 1 else ""
    begins = printable(reader.first.strip())
    return f'{name}, line 1: no FIX message in it{more} (one begins with 8=FIX); it begins "{begins}"'


def heading(logged: Logged, message: Message) -> Words:
    """When, which way, whose and what."""
    yield f"{logged.when or message.value(52) or '-'} ", "dim"
    if logged.direction:
        yield f"{logged.direction:<3} ", "cyan" if logged.direction == "in" else "magenta"
    yield f"{message.value(49) or '?'} > {message.value(56) or '?'} {message.value(34) or '?'} ", "dim"
    yield message.name or f"{message.msg_type or '?'}!", "bold" if message.name else WRONG


def one_line(logged: Logged, message: Message) -> Words:
    yield from heading(logged, message)
    for field in message.fields:
        if field.tag in FRAMING:
            continue
        yield " - " if field.begins else " ", "dim"
        yield from named(field)
        yield "=", "dim"
        yield quoted(field.meaning if field.meaning and field.tag != "20002" else field.value), ""
        if field.strange:
            yield "!", WRONG
    for what in message.wrong:
        yield f" ! {what}", WRONG
    yield "\n", ""


def quoted(value: str) -> str:
    return f'"{value}"' if " " in value or not value else value


def named(field: Shown) -> Words:
    """Its name; where there is none its tag, marked."""
    yield field.name or field.tag, "green"
    if not field.name:
        yield "!", WRONG


def block(logged: Logged, message: Message) -> Words:
    yield from heading(logged, message)
    if logged.connection:
        yield f" by {logged.connection}", "dim"
    yield "\n", ""
    for field in message.fields:
        bullet = "- " if field.begins else "  "
        yield f"{'    ' * field.depth}{bullet if field.depth else '  '}{field.tag:>5} ", "dim"
        yield field.name or "!", "green" if field.name else WRONG
        yield " = ", "dim"
        yield field.value, ""
        if field.meaning:
            yield f" ({field.meaning})", "yellow"
        if field.strange:
            yield " ! not one of its values", WRONG
        yield "\n", ""
    for what in message.wrong:
        yield f"      ! {what}\n", WRONG
