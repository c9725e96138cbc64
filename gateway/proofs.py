"""What the commands that log on show the exchange: options, files and environment variables.

A secret is never an argument, which every user of a machine can read.
"""

import os
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from gateway.client_core import Proof
from gateway.config import ConfigError
from gateway.curve import read_keys
from gateway.tls import no_passphrase, pinned, trusting

PASSWORD = "QUORUMBOOK_PASSWORD"
FILE = click.Path(dir_okay=False, path_type=Path)
Command = TypeVar("Command", bound=Callable[..., Any])


def with_keys(command: Command) -> Command:
    """The options of what goes by ZeroMQ."""
    for option in (
        click.option(
            "--curve-keys",
            type=click.Path(path_type=Path),
            envvar="QUORUMBOOK_CURVE_KEYS",
            callback=keep,
            expose_value=False,
            help="The secret file of quorumbook keys, or its directory: by ZeroMQ, with CURVE.",
        ),
        click.option(
            "--curve-server-key",
            metavar="KEY",
            envvar="QUORUMBOOK_CURVE_SERVER_KEY",
            callback=keep,
            expose_value=False,
            help="The exchange's public key. Default: as its data directory says.",
        ),
    ):
        command = option(command)
    return command


def keep(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Aside, for `Proofs`: the commands themselves need not pass it on."""
    ctx.meta.setdefault(Proofs.__module__, {})[parameter.name] = value


def what_to_show(command: Command) -> Command:
    """The options."""
    for option in (
        click.option(
            "--username",
            envvar="QUORUMBOOK_USERNAME",
            callback=keep,
            expose_value=False,
            help="Username (553). Default: the SenderCompID.",
        ),
        click.option(
            "--password-file",
            type=FILE,
            envvar="QUORUMBOOK_PASSWORD_FILE",
            callback=keep,
            expose_value=False,
            help=f"A file with the password (554) in its first line. Default: ${PASSWORD}.",
        ),
        click.option(
            "--tls-ca",
            type=FILE,
            envvar="QUORUMBOOK_TLS_CA",
            callback=keep,
            expose_value=False,
            help="PEM file of the authority that signed the exchange's certificate.",
        ),
        click.option(
            "--tls-certificate",
            type=FILE,
            envvar="QUORUMBOOK_TLS_CERTIFICATE",
            callback=keep,
            expose_value=False,
            help="PEM file to show an exchange that asks for a client's certificate.",
        ),
        click.option(
            "--tls-key",
            type=FILE,
            envvar="QUORUMBOOK_TLS_KEY",
            callback=keep,
            expose_value=False,
            help="PEM file of its private key. Default: it is in the certificate's file.",
        ),
        with_keys,
    ):
        command = option(command)
    return command


class Proofs:
    """What the options of the command that runs say."""

    def __init__(self) -> None:
        context = click.get_current_context(silent=True)
        given = context.meta.get(Proofs.__module__, {}) if context is not None else {}
        self._username: str | None = given.get("username")
        self._password_file: Path | None = given.get("password_file")
        self._tls_ca: Path | None = given.get("tls_ca")
        self._tls_certificate: Path | None = given.get("tls_certificate")
        self._tls_key: Path | None = given.get("tls_key")
        self.curve_keys: Path | None = given.get("curve_keys")
        self._server_key: str | None = given.get("curve_server_key")

    def options(self, endpoints: Sequence[dict[str, Any]]) -> Proof:
        """For `connect`. endpoints: what the replicas on this machine wrote. Raises ConfigError."""
        options: Proof = {}
        if self._username:
            options["username"] = self._username
        if password := self._password():
            options["password"] = password
        if curve := self.curve(endpoints):
            options["curve"] = curve
        if tls := self._tls([str(one["tls_certificate"]) for one in endpoints if "tls_certificate" in one]):
            options["tls"] = tls
        return options

    def _tls(self, certificates: list[str]) -> ssl.SSLContext | None:
        """certificates: those that the replicas on this machine show. None: nothing is said of TLS."""
        context = None
        try:
            if self._tls_ca is not None:
                context = trusting(str(self._tls_ca))
            elif certificates:
                context = pinned(certificates)
        except (OSError, ssl.SSLError) as error:
            where = self._tls_ca or ", ".join(certificates)
            raise ConfigError(f"{where}: cannot be read as certificates (PEM): {error}") from None
        if self._tls_certificate is None:
            return context
        context = context or ssl.create_default_context()
        try:
            context.load_cert_chain(self._tls_certificate, self._tls_key, password=no_passphrase)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"--tls-certificate {self._tls_certificate}: cannot be read with its key (PEM, no passphrase): "
                f"{error.strerror or error}"
            ) from None
        return context

    def curve(self, endpoints: Sequence[dict[str, Any]]) -> tuple[str, str, str] | None:
        """For `connect` and `feed`. Raises ConfigError."""
        known = [str(one["curve_server_key"]) for one in endpoints if "curve_server_key" in one]
        if self.curve_keys is None:
            return None
        keys = read_keys(self.curve_keys)
        server = self._server_key or next(iter(known), None)
        if server is None:
            raise ConfigError(
                "--curve-keys needs --curve-server-key: the exchange's public key is not known here"
            )
        return (*keys, server)

    def _password(self) -> str:
        if self._password_file is None:
            return os.environ.get(PASSWORD, "")
        try:
            return self._password_file.read_text(encoding="utf-8").partition("\n")[0]
        except OSError as error:
            raise ConfigError(f"--password-file {self._password_file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"--password-file {self._password_file}: it is not text") from None
