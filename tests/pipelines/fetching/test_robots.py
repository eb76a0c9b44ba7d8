"""What files of hosts say: robots.txt with Content-Usage, ai.txt, tdmrep.json."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.fetching.robots import Robots, ai_txt_forbids, tdmrep_forbids

URL = "http://a.org/photos/a.jpg?size=2"


@pytest.mark.parametrize(
    ("text", "forbidden"),
    [
        ("", False),
        ("User-agent: *\nDisallow: /\n", True),
        ("User-agent: *\nDisallow:\n", False),
        ("User-agent: *\nDisallow: /photos/\nAllow: /photos/a\n", False),
        ("User-agent: *\nAllow: /\nDisallow: /*.jpg\n", True),
        ("User-agent: *\nDisallow: /*.jpg$\n", False),
        ("User-agent: other\nDisallow: /\n", False),
        ("User-agent: WebBody\nDisallow: /\n", True),
        ("User-agent: *\nDisallow: /\n\nUser-agent: webbody\nAllow: /\n", False),
        ("User-agent: webbody\nUser-agent: other\nDisallow: /photos\n", True),
        ("\ufeffUser-agent: *\r\nDisallow: /photos # ours\r\n", True),
        ("<html>Disallow: /</html>", False),
        ("User-agent: *\nContent-Usage: train-ai=n\n", True),
        ("User-agent: *\nContent-Usage: /photos/ search=y, train-ai=n\nAllow: /\n", True),
        ("User-agent: *\nContent-Usage: /other/ train-ai=n\n", False),
        ("User-agent: *\nContent-Usage: train-ai=n\nContent-Usage: /photos/ train-ai=y\n", False),
        ("User-agent: *\nContent-Usage: search=n\n", False),
        (
            "User-agent: *\nContent-Usage: train-ai=n\n\nUser-agent: webbody\n"
            "Content-Usage: train-ai=y\n",
            False,
        ),
    ],
)
def test_robots_txt(text, forbidden):
    assert (Robots(text, ["webbody"]).forbids(URL, usage=True) is not None) == forbidden


def test_preferences_count_only_where_opt_outs_do():
    robots = Robots("User-agent: *\nContent-Usage: train-ai=n\n", ["webbody"])
    assert robots.forbids(URL, usage=False) is None


def test_other_agents_may_count_too():
    text = "User-agent: GPTBot\nDisallow: /\n"
    assert Robots(text, ["webbody"]).forbids(URL, usage=True) is None
    assert "GPTBot" in (Robots(text, ["webbody", "GPTBot"]).forbids(URL, usage=True) or "")


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("User-agent: *\nCrawl-delay: 2.5\n", 2.5),
        ("User-agent: *\nRequest-rate: 1/10s\n", 10),
        ("User-agent: other\nCrawl-delay: 9\n", 0),
        ("User-agent: *\nCrawl-delay: soon\n", 0),
    ],
)
def test_pauses_that_are_asked_for(text, delay):
    assert Robots(text, ["webbody"]).crawl_delay() == delay


@pytest.mark.parametrize(
    ("rules", "reserved"),
    [
        ([{"location": "/", "tdm-reservation": 1}], True),
        ([{"location": "/*", "tdm-reservation": "1"}], True),
        ([{"location": "/photos/*.jpg", "tdm-reservation": 1}], True),
        ([{"location": "/", "tdm-reservation": 0}], False),
        ([{"location": "/other", "tdm-reservation": 1}], False),
        ([{"location": "/photos", "tdm-reservation": 0}, {"location": "/", "tdm-reservation": 1}],
         False),
        ([{"location": "/", "tdm-reservation": 1}, {"location": "/photos", "tdm-reservation": 0}],
         True),  # the first says no
        ([{"location": "/", "tdm-reservation": 0}, {"location": "/photos", "tdm-reservation": 1}],
         True),  # the most particular says no
        ({"location": "/", "tdm-reservation": 1}, True),
        ([{"tdm-reservation": 1}, 7, {"location": 3}], False),
    ],
)  # fmt: skip
def test_tdmrep_json(rules, reserved):
    assert (tdmrep_forbids(json.dumps(rules), URL) is not None) == reserved


@pytest.mark.parametrize("text", ["", "<html>", "[" * 200_000, "7", '{"a": 1}', "\x00"])
def test_what_is_no_tdmrep_json_says_nothing(text):
    assert tdmrep_forbids(text, URL) is None


def test_ai_txt():
    assert ai_txt_forbids("User-Agent: *\nDisallow: *.jpg\n", "http://a.org/a.jpg", "webbody")
    assert not ai_txt_forbids("User-Agent: *\nDisallow: *.png\n", "http://a.org/a.jpg", "webbody")
    assert not ai_txt_forbids("# About this site\nWe like cats.\n", URL, "webbody")


def test_rules_of_a_hostile_host_take_no_time():
    started = time.monotonic()
    many = "".join(f"Disallow: /{'*a' * 200}{n}\n" for n in range(2000))
    text = f"User-agent: *\nContent-Usage: /{'a*' * 4000} train-ai=n\n{many}"
    Robots(text, ["webbody"]).forbids("http://a.org/" + "a" * 8000, usage=True)
    tdmrep_forbids(json.dumps([{"location": "*a" * 4000}]), "http://a.org/" + "a" * 8000)
    assert time.monotonic() - started < 5


@given(st.text(max_size=300), st.text(max_size=30))
def test_no_text_breaks_the_readers(text, path):
    url = "http://a.org/" + path.encode().hex()
    Robots("User-agent: *\n" + text, ["webbody"]).forbids(url, usage=True)
    tdmrep_forbids(text, url)
    ai_txt_forbids(text, url, "webbody")
