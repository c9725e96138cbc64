"""How many connections an address may have, and how often it may fail to log on."""

from gateway.attempts import MINUTE, REMEMBERED, Attempts, network_of


def test_an_address_has_so_many_connections_and_no_more_until_one_leaves() -> None:
    attempts = Attempts(elsewhere=2, on_loopback=3, failures=1)
    assert attempts.enters("10.0.0.1", 0) == ""
    assert attempts.enters("10.0.0.1", 0) == ""
    assert "10.0.0.1 has 2 connections" in attempts.enters("10.0.0.1", 0)
    assert attempts.enters("10.0.0.2", 0) == ""
    attempts.leaves("10.0.0.1")
    assert attempts.enters("10.0.0.1", 0) == ""


def test_loopback_has_a_bound_of_its_own() -> None:
    attempts = Attempts(elsewhere=1, on_loopback=2, failures=1)
    for address in ("127.0.0.1", "::1", ""):
        assert attempts.enters(address, 0) == attempts.enters(address, 0) == ""
        assert "has 2 connections" in attempts.enters(address, 0)


def test_who_fails_too_often_waits_for_the_next_minute() -> None:
    attempts = Attempts(elsewhere=9, on_loopback=9, failures=2)
    attempts.failed("10.0.0.1", 100)
    assert not attempts.blocked("10.0.0.1", 110)
    attempts.failed("10.0.0.1", 110)
    assert attempts.blocked("10.0.0.1", 110)
    assert "too many refused Logons" in attempts.enters("10.0.0.1", 110)
    assert not attempts.blocked("10.0.0.2", 110)
    assert attempts.blocked("10.0.0.1", 100 + MINUTE - 1)
    assert not attempts.blocked("10.0.0.1", 100 + MINUTE)
    attempts.failed("10.0.0.1", 100 + MINUTE)
    assert not attempts.blocked("10.0.0.1", 100 + MINUTE)


def test_of_ipv6_a_network_of_64_bits_counts_as_one() -> None:
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert network_of("2001:db8:1:3::4") != network_of("2001:db8:1:2::4")
    assert network_of("::ffff:10.0.0.1") == "10.0.0.1"
    assert network_of("fe80::1%eth0") == "fe80::/64"


def test_addresses_that_fail_take_no_more_memory_than_is_bounded() -> None:
    attempts = Attempts(elsewhere=9, on_loopback=9, failures=1)
    for number in range(2 * REMEMBERED):
        attempts.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0)
    assert len(attempts._failed) == REMEMBERED
    assert attempts.blocked(f"10.0.{(2 * REMEMBERED - 1) >> 8}.255", 0)
