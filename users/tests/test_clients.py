import pytest

from users import clients


def address(forwarded=None, remote="198.51.100.7", proxies=0, **headers):
    meta = {"REMOTE_ADDR": remote, **headers}
    if forwarded is not None:
        meta["HTTP_X_FORWARDED_FOR"] = forwarded
    return clients.identify(meta, host="zovi.example", trusted_proxies=proxies).address


def test_without_proxies_no_header_is_believed():
    forged = {"HTTP_X_REAL_IP": "1.2.3.4", "HTTP_FORWARDED": "for=1.2.3.4"}
    assert address("1.2.3.4", **forged) == "198.51.100.7"


@pytest.mark.parametrize(
    ("forwarded", "proxies", "seen"),
    [
        ("203.0.113.9", 1, "203.0.113.9"),
        ("1.2.3.4, 203.0.113.9", 1, "203.0.113.9"),
        ("1.2.3.4, 203.0.113.9, 10.0.0.1", 2, "203.0.113.9"),
        ("203.0.113.9", 2, "203.0.113.9"),
        ("", 1, "198.51.100.7"),
        ("203.0.113.9:5678", 1, "203.0.113.9"),
        ("1.2.3.4:1, 203.0.113.9:2, 10.0.0.1:3", 2, "203.0.113.9"),
        ("[2001:db8:1:2:3::1]:443", 1, "2001:db8:1:2::"),
        ("[2001:db8:1:2:3::1]", 1, "2001:db8:1:2::"),
        ("2001:db8:1:2:3::1", 1, "2001:db8:1:2::"),
        ("[::ffff:203.0.113.9]:443", 1, "203.0.113.9"),
        ("[fe80::1%eth0]:443", 1, "fe80::"),
        ('"[2001:db8:1:2:3::1]:443"', 1, "2001:db8:1:2::"),
        ('1.2.3.4, "203.0.113.9"', 1, "203.0.113.9"),
        ("for=203.0.113.9", 1, "203.0.113.9"),
        ('1.2.3.4, For="[2001:db8:1:2:3::1]:443";proto=https', 1, "2001:db8:1:2::"),
        ("unknown", 1, clients.NOWHERE),
        ("[", 1, clients.NOWHERE),
        (":", 1, clients.NOWHERE),
        ("203.0.113.9\0", 1, clients.NOWHERE),
    ],
)
def test_with_n_proxies_the_nth_from_the_right_is_the_client(forwarded, proxies, seen):
    assert address(forwarded, proxies=proxies) == seen


@pytest.mark.parametrize(
    ("remote", "seen"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::"),
        ("", clients.NOWHERE),
        ("not an address", clients.NOWHERE),
    ],
)
def test_ipv6_counts_by_its_network(remote, seen):
    assert address(remote=remote) == seen


@pytest.mark.parametrize(
    ("remote", "network"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("::ffff:203.0.113.9", "203.0.113.0"),
        ("203.0.113.9", "203.0.113.0"),
        ("", clients.NOWHERE),
    ],
)
def test_an_address_has_a_network_around_it(remote, network):
    assert clients.identify({"REMOTE_ADDR": remote}, host="zovi.example", trusted_proxies=0).network == network
