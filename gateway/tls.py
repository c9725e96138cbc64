"""TLS between clients and the exchange: what a server shows, and what a client trusts."""

import ssl
from collections.abc import Iterable
from pathlib import Path

from gateway.config import ConfigError, Network


def server_context(network: Network) -> ssl.SSLContext | None:
    """None: FIX over TCP is plain. Raises ConfigError."""
    if not network.tls_certificate:
        return None
    for name in ("tls_certificate", "tls_key", "tls_client_ca"):
        path = getattr(network, name)
        try:
            if path:
                Path(path).read_bytes()
        except OSError as error:  # what ssl raises names no file
            raise ConfigError(f"network.{name}: {path}: {error.strerror}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(network.tls_certificate, network.tls_key, password=no_passphrase)
    except ssl.SSLError as error:
        raise ConfigError(
            f"network.tls_certificate, network.tls_key: {network.tls_certificate}, {network.tls_key}: {words(error)}; "
            "allowed: PEM files, the key without a passphrase and that of the certificate"
        ) from None
    if network.tls_client_ca:
        try:
            context.load_verify_locations(network.tls_client_ca)
        except ssl.SSLError as error:
            what = f"network.tls_client_ca: {network.tls_client_ca}: {words(error)}; allowed: certificates in PEM"
            raise ConfigError(what) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def words(error: ssl.SSLError) -> str:
    """What OpenSSL found, without where in its sources."""
    return (error.reason or "it cannot be read").replace("_", " ").lower()


def no_passphrase() -> str:
    """Instead of asking on the terminal, which a server may not have."""
    return ""


def trusting(certificates: str) -> ssl.SSLContext:
    """For a client: a server shows a certificate of these (a PEM file), or one that they have signed, and has the name
    by which it was looked for. Raises OSError, ssl.SSLError."""
    return ssl.create_default_context(cafile=certificates)


def pinned(certificates: Iterable[str]) -> ssl.SSLContext:
    """For a client that knows the very certificates, from the servers' own directories: names in them do not matter.
    Raises OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it need not be an authority's
    for certificate in certificates:
        context.load_verify_locations(certificate)
    return context
