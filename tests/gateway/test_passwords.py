"""Passwords' hashes, and the command that prints one."""

import pytest
from click.testing import CliRunner

from gateway import passwords
from gateway.cli import quorumbook
from gateway.config import ConfigError
from gateway.config_file import parse
from gateway.gatekeeper import check_library


def test_a_hash_is_of_its_password_only_and_another_each_time() -> None:
    one, two = passwords.hashed(b"secret"), passwords.hashed(b"secret")
    assert one != two
    assert passwords.matches(one, b"secret")
    assert passwords.matches(two, b"secret")
    assert not passwords.matches(one, b"Secret")
    assert not passwords.matches("$argon2id$v=19$m=8,t=1,p=1$no$hash", b"secret")


def test_the_command_prints_what_the_configuration_takes() -> None:
    result = CliRunner().invoke(quorumbook, ["password", "--stdin"], input="secret\n")
    assert result.exit_code == 0
    assert "secret" not in result.output
    client = parse(f'[[clients]]\ncomp_id = "A"\n{result.output}', "my.toml").config.clients[0]
    assert passwords.matches(client.password_hash, b"secret")


def test_without_a_terminal_it_says_how_else() -> None:
    result = CliRunner().invoke(quorumbook, ["password"], input="")
    assert result.exit_code == 1
    assert "--stdin" in result.output


def test_asked_on_a_terminal_it_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.secret_commands.on_terminal", lambda: True)
    result = CliRunner().invoke(quorumbook, ["password"], input="secret\nsecret\n")
    assert result.exit_code == 0
    assert "secret" not in result.output
    assert "argon2id" in result.stdout


@pytest.mark.parametrize("given", ["\n", "pässword\n", "tab\tbed\n", f"{'x' * 129}\n"])
def test_what_cannot_be_a_password_is_named(given: str) -> None:
    result = CliRunner().invoke(quorumbook, ["password", "--stdin"], input=given)
    assert result.exit_code == 1
    assert "1 to 128 printable ASCII" in result.output


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.passwords.find_spec", lambda name: None)
    result = CliRunner().invoke(quorumbook, ["password", "--stdin"], input="secret\n", standalone_mode=False)
    assert "pip install 'quorumbook[secure]'" in str(result.exception)


def test_a_configuration_with_passwords_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.passwords.find_spec", lambda name: None)
    check_library(parse('[[clients]]\ncomp_id = "A"\n', "my.toml").config)
    hashed = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"
    with pytest.raises(ConfigError, match=r"pip install 'quorumbook\[secure\]'"):
        check_library(parse(f'[[clients]]\ncomp_id = "A"\npassword_hash = "{hashed}"\n', "my.toml").config)
