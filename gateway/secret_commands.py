"""The commands that make what clients and an exchange show each other: passwords' hashes."""

import sys

import click

from gateway.passwords import NotInstalled, hashed

LONGEST = 128  # bytes


@click.command()
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the password from standard input, one line.")
def password(from_stdin: bool) -> None:
    """Print what the configuration keeps of a client's password: a line for its table under [[clients]].

    Asks for the password twice, and shows neither.
    """
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
