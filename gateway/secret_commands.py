"""The commands that make what clients and an exchange show each other: passwords' hashes, CURVE keys."""

import sys
from pathlib import Path

import click

from gateway.passwords import NotInstalled, hashed

LONGEST = 128  # bytes


@click.command()
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the password from standard input, one line.")
def password(from_stdin: bool) -> None:
    """Print what the configuration keeps of a client's password: a line for its table under [[clients]].

    Asks for the password twice, and shows neither.
    """
    if not from_stdin and not on_terminal():
        raise click.ClickException(
            "there is no terminal to ask on; --stdin reads the password from a file or a pipe"
        )
    given = (
        sys.stdin.readline().removesuffix("\n")
        if from_stdin
        else click.prompt("Password", hide_input=True, confirmation_prompt="The same again", err=True)
    )
    if not given or not given.isascii() or not given.isprintable() or len(given) > LONGEST:
        raise click.ClickException(
            f"a password is 1 to {LONGEST} printable ASCII characters: FIX carries no others in every client"
        )
    try:
        click.echo(f'password_hash = "{hashed(given.encode())}"')
    except NotInstalled as error:
        raise click.ClickException(str(error)) from None


def on_terminal() -> bool:
    return sys.stdin.isatty()


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", default="quorumbook", show_default=True, help="Of the two files.")
def keys(directory: Path, name: str) -> None:
    """Make a pair of CURVE keys in DIRECTORY, for an exchange or for a client: NAME.key_secret stays with its owner.

    Prints the public key, as a client's table under [[clients]] has it.
    """
    from gateway.curve import make_keys

    if not name or "/" in name:
        raise click.ClickException(f"--name {name!r}; allowed: the name of a file without its ending")
    secret, pair = make_keys(directory, name)
    click.echo(f"{secret}: for its owner only, as curve_secret_key_file or --curve-keys", err=True)
    click.echo(f'curve_public_key = "{pair.public}"')
