"""A user's data dictionary: the file, and how messages come to be judged by it."""

from pathlib import Path

from gateway import fix
from gateway.config import ConfigError
from gateway.dictionary import Dictionary, DictionaryError, read
from gateway.fix44 import FIX44


def read_dictionary(path: Path) -> Dictionary:
    """FIX 4.4 with what the file adds. Raises ConfigError."""
    try:
        return read(path.read_bytes(), str(path), FIX44)
    except OSError as error:
        raise ConfigError(f"{path}: the dictionary cannot be read: {error.strerror}") from None
    except DictionaryError as error:
        raise ConfigError(str(error)) from None


def use_dictionary(path: Path) -> None:
    """Messages are judged by it from now on; called before the first is. Raises ConfigError."""
    dictionary = read_dictionary(path)
    try:
        fix.use(dictionary)
    except DictionaryError as error:
        raise ConfigError(f"{path}: {error}") from None
