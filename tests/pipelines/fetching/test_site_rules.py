"""Files of hosts are asked for once, kept for others, and decide before a picture is fetched."""

import json

import pytest
from guarded_opener import opener
from hostile_server import jpeg, serving

from pipelines.fetching.errors import FetchError
from pipelines.fetching.site_rules import SiteRules
from pipelines.fetching.transport import Clock
from webbody.checked_json import checked_json
from webbody.config import DownloadSettings
from webbody.storage import Folder

RESPECT = {"robots": "respect", "tdmrep": "respect", "ai_txt": "respect"}
FILES = ("/robots.txt", "/.well-known/tdmrep.json", "/ai.txt")


def outcome(server, path="/a", **options) -> str | None:
    server.routes.setdefault("/a", lambda it: it.reply(200, jpeg()))
    try:
        opener(**RESPECT | options).open(server.url(path))
    except FetchError as error:
        return error.outcome
    return None


def serve(server, name, text, status=200):
    server.routes[name] = lambda it: it.reply(status, text.encode())


@pytest.mark.parametrize(
    ("name", "text", "setting"),
    [
        ("/robots.txt", "User-agent: *\nDisallow: /a\n", "robots"),
        ("/robots.txt", "User-agent: *\nContent-Usage: train-ai=n\n", "robots"),
        ("/robots.txt", "User-agent: *\nCrawl-delay: 3600\n", "robots"),
        ("/.well-known/tdmrep.json", '[{"location": "/", "tdm-reservation": 1}]', "tdmrep"),
        ("/ai.txt", "User-Agent: *\nDisallow: /\n", "ai_txt"),
    ],
)
def test_each_file_keeps_a_picture_out(server, name, text, setting):
    assert outcome(server) is None
    serve(server, name, text)
    server.hits.clear()
    assert outcome(server) == "download:robots"
    assert server.hits["/a"] == 0
    assert outcome(server, **{setting: "ignore"}) is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [(401, None), (403, None), (404, None), (410, None),
     (429, "download:robots-unreachable"), (500, "download:robots-unreachable"),
     (503, "download:robots-unreachable")],
)  # fmt: skip
def test_a_robots_txt_that_is_not_there_allows_and_one_that_fails_does_not(
    server, status, expected
):
    serve(server, "/robots.txt", "User-agent: *\nDisallow: /\n", status)
    assert outcome(server, retries=0) == expected


def test_redirects_of_the_file_and_of_the_picture_are_followed(server):
    serve(server, "/elsewhere", "User-agent: *\nDisallow: /b\n")
    server.routes["/robots.txt"] = lambda it: it.reply(301, b"", "Location: /elsewhere")
    server.routes["/b"] = lambda it: it.reply(200, jpeg())
    server.routes["/to-b"] = lambda it: it.reply(302, b"", "Location: /b")
    assert outcome(server) is None
    assert outcome(server, "/to-b") == "download:robots"
    server.routes["/robots.txt"] = lambda it: it.reply(301, b"", "Location: /robots.txt")
    assert outcome(server) is None


def test_what_is_said_to_collectors_of_training_data_counts_where_asked(server):
    serve(server, "/robots.txt", "User-agent: CCBot\nDisallow: /\n")
    assert outcome(server) is None
    assert outcome(server, robots_agents=("ai",)) == "download:robots"
    assert outcome(server, robots_agents=("CCBot",)) == "download:robots"


class Asked:
    """A host's files, and how often they were asked for."""

    def __init__(self, text="", status=200):
        self.answer, self.urls = (status, text), []

    def __call__(self, url, clock):
        self.urls.append(url)
        return self.answer if url.endswith("robots.txt") else (404, "")


def rules(asked, folder=None, **options):
    found = SiteRules(DownloadSettings(**options), asked)
    found.store = folder
    return found


def test_files_are_asked_for_once_and_kept_for_others(tmp_path):
    folder, asked = Folder(tmp_path), Asked("User-agent: *\nDisallow: /b\nCrawl-delay: 2\n")
    first = rules(asked, folder)
    for _ in range(3):
        assert first.check("http://a.org/a.jpg", Clock(5, 5)) == 2
    assert [url.removeprefix("http://a.org") for url in asked.urls] == list(FILES)
    assert first.check("https://a.org/a.jpg", Clock(5, 5)) == 2  # another origin
    assert len(asked.urls) == 6
    other = rules(Asked("not asked"), folder)
    with pytest.raises(FetchError):
        other.check("http://a.org/b.jpg", Clock(5, 5))


def test_what_was_not_asked_for_before_is_asked_for(tmp_path):
    folder = Folder(tmp_path)
    rules(Asked(), folder, tdmrep="ignore", ai_txt="ignore").check("http://a.org/", Clock(5, 5))
    asked = Asked()
    rules(asked, folder).check("http://a.org/", Clock(5, 5))
    assert [url.removeprefix("http://a.org") for url in asked.urls] == list(FILES[1:])


@pytest.mark.parametrize("damage", ["old", "of a clock that was wrong", "cut", "other"])
def test_old_and_damaged_files_are_asked_for_anew(tmp_path, damage):
    folder = Folder(tmp_path)
    rules(Asked("User-agent: *\nDisallow: /\n"), folder).robots = None
    with pytest.raises(FetchError):
        rules(Asked("User-agent: *\nDisallow: /\n"), folder).check("http://a.org/", Clock(5, 5))
    (path,) = tmp_path.glob("sites/*/*.json")
    until = {"old": 1, "of a clock that was wrong": 4e9}.get(damage, 0)
    other = checked_json({**json.loads(path.read_text()), "until": until}, redact=False)
    path.write_bytes({"cut": b"{", "other": b"[]"}.get(damage, other))
    rules(Asked(), folder).check("http://a.org/", Clock(5, 5))


def test_any_flipped_byte_of_a_kept_file_is_found(tmp_path):
    folder, text = Folder(tmp_path), "User-agent: *\nDisallow: /b\nSitemap: /?token=1234\n"
    rules(Asked(text), folder).check("http://a.org/", Clock(5, 5))
    (path,) = tmp_path.glob("sites/*/*.json")
    content = path.read_bytes()
    assert b"token=1234" in content  # as it came: every character of a rule counts
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        asked = Asked(text)
        rules(asked, folder).check("http://a.org/", Clock(5, 5))
        assert len(asked.urls) == 3, place
        path.write_bytes(content)
    asked = Asked(text)
    rules(asked, folder).check("http://a.org/", Clock(5, 5))
    assert asked.urls == []


def test_a_failing_server_is_not_kept(tmp_path):
    with pytest.raises(FetchError) as caught:
        rules(Asked(status=503), Folder(tmp_path)).check("http://a.org/", Clock(5, 5))
    assert caught.value.outcome == "download:robots-unreachable"
    assert list(tmp_path.rglob("*.json")) == []


def test_nothing_is_asked_where_nothing_is_respected():
    asked = Asked()
    rules(asked, robots="ignore", tdmrep="ignore", ai_txt="ignore").check("http://a/", Clock(5, 5))
    assert asked.urls == []


@pytest.mark.parametrize("location", ["http://10.0.0.1/", "ftp://a.org/", "http://["])
def test_a_robots_txt_that_leads_astray_has_not_been_given(server, location):
    server.routes["/robots.txt"] = lambda it: it.reply(302, b"", f"Location: {location}")
    assert outcome(server, retries=0) == "download:robots-unreachable"


def test_a_host_that_breaks_off(server):
    server.routes["/ai.txt"] = lambda it: it.reset()
    assert outcome(server) is None
    server.routes["/robots.txt"] = lambda it: it.reset()
    assert outcome(server, retries=0) == "download:robots-unreachable"


def test_a_host_that_may_not_be_asked_has_its_own_outcome(server):
    assert outcome(server, allow_private=()) == "download:private-address"


def test_a_host_that_is_left_alone_keeps_its_outcome():
    one = opener(**RESPECT, retries=0)
    with serving() as gone:
        url = gone.url
    found = []
    for number in range(8):
        with pytest.raises(FetchError) as caught:
            one.open(url(f"/{number}"))
        found.append(caught.value.outcome)
    assert found == ["download:refused"] * 8


def test_a_server_that_fails_is_not_asked_for_each_of_its_pictures(server):
    serve(server, "/robots.txt", "", 503)
    one = opener(**RESPECT, retries=3)
    for number in range(5):
        with pytest.raises(FetchError, match="robots-unreachable"):
            one.open(server.url(f"/{number}"))
    assert server.hits["/robots.txt"] == 1
