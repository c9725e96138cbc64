"""Certificates, made with the openssl program: of members, of an exchange for its clients; clusters of such members."""

import subprocess
from pathlib import Path
from secrets import token_hex

from cluster_processes import ClusterProcesses
from namespaces import Network

PORT = 7620


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class Authority:
    """Signs certificates; all files lie in `directory`."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.certificate, self._key = directory / f"{name}.pem", directory / f"{name}.key"
        openssl(
            "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "30", "-subj", f"/CN={name}",
            "-keyout", str(self._key), "-out", str(self.certificate),
        )  # fmt: skip

    def sign(self, name: str, trusts: "Authority | None" = None) -> str:
        """The lines of a member's configuration that name its certificate. trusts: another authority than this."""
        key, request, certificate = (self.directory / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        openssl(
            "req",
            "-newkey",
            "ed25519",
            "-nodes",
            "-subj",
            f"/CN={name}",
            "-keyout",
            str(key),
            "-out",
            str(request),
        )
        # A random number: a file that counts them would be written by several members at once.
        openssl(
            "x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey", str(self._key),
            "-set_serial", f"0x{token_hex(8)}", "-out", str(certificate), "-days", "30",
        )  # fmt: skip
        authority = (trusts or self).certificate
        return f'certificate = "{certificate}"\nkey = "{key}"\nauthority = "{authority}"\n'


def certificate(directory: Path, name: str = "exchange", address: str = "127.0.0.1") -> str:
    """The lines of a configuration for a certificate of its own, in NAME.pem, for clients that look for the address."""
    directory.mkdir(parents=True, exist_ok=True)
    openssl(
        "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "30", "-subj", f"/CN={name}",
        "-addext", f"subjectAltName=IP:{address}",
        "-keyout", str(directory / f"{name}.key"), "-out", str(directory / f"{name}.pem"),
    )  # fmt: skip
    return f'tls_certificate = "{directory / name}.pem"\ntls_key = "{directory / name}.key"\n'


def begin_on(network: Network, cluster: ClusterProcesses, directory: Path) -> None:
    """A new cluster, a member on each machine."""
    authority = Authority(directory / "authority", "authority")
    cluster.begin(
        {id: f"{network.address(id)}:{PORT}" for id in network.namespaces},
        lambda id, config: config + authority.sign(f"member{id}"),
    )
