"""Whose a directory is: one exchange's, or a local cluster's.

One that lay inside the other would be shadowed by it: the commands look into a directory and into `cluster` in it, and
show what they find first.
"""

from pathlib import Path

from gateway.config import ConfigError
from gateway.data_directory import default_directory
from gateway.replicas import has_log, in_directory

HERE = "cluster"  # where `quorumbook cluster` lies in the default directory


def check_for_exchange(directory: Path) -> None:
    """Raises ConfigError when `serve` is not to run there."""
    if replicas_in(directory):
        raise ConfigError(
            f"{directory} is a local cluster's: start that with {cluster_command(directory)}, or one replica of it "
            f"with quorumbook serve --config {directory}/replica1.toml; or give serve another directory with --data"
        )
    inside = directory / HERE
    if any(map(runs, replicas_in(inside))):
        raise ConfigError(
            f"the local cluster in {inside} runs, and the commands would not know which is meant: quorumbook status "
            "shows it. Stop it first, or give serve another directory with --data"
        )


def check_for_cluster(directory: Path) -> None:
    """Raises ConfigError when `cluster` is not to run there."""
    if has_log(directory):
        raise ConfigError(
            f"{directory} is the directory of an exchange that is no local cluster: start that with quorumbook serve "
            f"--data {directory}, or give cluster another directory with --data"
        )
    if directory.name == HERE and runs(directory.parent):
        raise ConfigError(
            f"the exchange in {directory.parent} runs, and the commands would not know which is meant: quorumbook "
            "status shows it. Stop it first, or give cluster another directory with --data"
        )


def replicas_in(directory: Path) -> list[Path]:
    """The data directories of the local cluster that lies there."""
    found = (file.with_suffix("") for file in sorted(directory.glob("replica*.toml")))
    return [one for one in found if one.is_dir()]


def runs(directory: Path) -> bool:
    return bool(in_directory(directory).admin)


def cluster_command(directory: Path) -> str:
    """What starts the local cluster that lies there."""
    own = directory == default_directory() / HERE
    return "quorumbook cluster" if own else f"quorumbook cluster --data {directory}"
