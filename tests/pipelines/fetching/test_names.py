"""Names at a name server of our own: failures told apart, answers used again."""

import socketserver
import threading
import time
from collections import Counter

import dns.message
import dns.rcode
import dns.rrset
import pytest

from pipelines.fetching import names
from pipelines.fetching.addresses import Resolver
from pipelines.fetching.errors import FetchError
from pipelines.fetching.names import NameServers
from webbody.errors import WebbodyError


@pytest.fixture
def server(monkeypatch):
    """A name server; `asked` counts questions by name."""
    monkeypatch.setattr(names, "PATIENCE", 0.5)
    asked = Counter()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            query = dns.message.from_wire(self.request[0])
            name = str(query.question[0].name).rstrip(".")
            asked[name] += 1
            answer = dns.message.make_response(query)
            kind = name.split(".")[0]
            if kind == "silent":
                return
            if kind == "failed":
                answer.set_rcode(dns.rcode.SERVFAIL)
            elif kind == "nobody":
                answer.set_rcode(dns.rcode.NXDOMAIN)
            elif kind != "empty":
                ip = "10.0.0.1" if kind == "inside" else "93.184.215.14"
                answer.answer.append(dns.rrset.from_text(name + ".", 300, "IN", "A", ip))
            self.request[1].sendto(answer.to_wire(), self.client_address)

    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler) as udp:
        threading.Thread(target=udp.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{udp.server_address[1]}", asked
        udp.shutdown()


def outcome(resolver, host):
    with pytest.raises(FetchError) as caught:
        resolver.addresses(host, 80, 5)
    return caught.value


@pytest.mark.parametrize(
    ("host", "expected", "network"),
    [
        ("nobody.example.org", "download:dns", False),
        ("empty.example.org", "download:dns", False),
        ("failed.example.org", "download:dns-failed", True),
        ("silent.example.org", "download:dns-timeout", True),
        ("inside.example.org", "download:private-address", False),
        ("a" * 64 + ".org", "download:dns", False),
        ("a..b.org", "download:dns", False),
    ],
)
def test_failures_are_told_apart(server, host, expected, network):
    error = outcome(Resolver((), 4, [server[0]]), host)
    assert (error.outcome, error.network) == (expected, network)


def test_answers_and_refusals_are_used_again(server):
    address, asked = server
    resolver = Resolver((), 4, [address])
    for _ in range(3):
        found = resolver.addresses("good.example.org", 8080, 5)
        assert [place for _, place in found] == [("93.184.215.14", 8080)]
        assert outcome(resolver, "nobody.example.org").outcome == "download:dns"
        assert outcome(resolver, "failed.example.org").outcome == "download:dns-failed"
    assert asked["good.example.org"] == asked["nobody.example.org"] == 1
    assert asked["failed.example.org"] <= 2  # dnspython asks a server that failed once more


def test_a_failure_is_forgotten_soon(server, monkeypatch):
    monkeypatch.setattr("pipelines.fetching.addresses.FAILED", 0.05)
    address, asked = server
    resolver = Resolver((), 4, [address])
    outcome(resolver, "failed.example.org")
    before = asked["failed.example.org"]
    time.sleep(0.1)
    outcome(resolver, "failed.example.org")
    assert asked["failed.example.org"] > before


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "::1"])
def test_numbers_and_the_machines_own_names_ask_no_server(server, host):
    address, asked = server
    assert outcome(Resolver((), 4, [address]), host).outcome == "download:private-address"
    assert not asked


@pytest.mark.parametrize("text", ["dns.example.org", "1.2.3", "http://192.0.2.53", ""])
def test_a_name_server_that_is_none(text):
    with pytest.raises(WebbodyError, match=r"download\.dns_servers"):
        NameServers([text])
