"""robots.txt (RFC 9309), ai.txt and tdmrep.json: what the files of a host say of a URL."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from protego import Protego

from pipelines.fetching.opt_out import denied_usage
from webbody.json_text import parse_json

#: Agents that collect training data, as their owners' pages name them; `ai` stands for all.
AI_AGENTS = (
    "GPTBot", "CCBot", "ClaudeBot", "anthropic-ai", "Google-Extended", "Applebot-Extended",
    "meta-externalagent", "FacebookBot", "Bytespider", "Amazonbot", "PerplexityBot", "cohere-ai",
    "Diffbot", "ImagesiftBot", "omgili", "img2dataset",
)  # fmt: skip
#: Characters of a file that are read: RFC 9309 asks for 500 KiB at least.
MOST = 512_000


class Robots:
    """The rules of a robots.txt for some agents, the first of them our own."""

    def __init__(self, text: str, agents: Sequence[str]) -> None:
        self._agents = agents
        text = text[:MOST].removeprefix("\ufeff")
        self._rules = Protego.parse(text)
        self._usage = Protego.parse(_usage_rules(text, agents[0]))

    def forbids(self, url: str, usage: bool) -> str | None:
        """Why a URL may not be fetched, or None. usage: Content-Usage rules count, too."""
        for agent in self._agents:
            if not self._rules.can_fetch(url, agent):
                return f"robots.txt disallows it for {agent}"
        if usage and not self._usage.can_fetch(url, "*"):
            return "robots.txt: content-usage"
        return None

    def crawl_delay(self) -> float:
        """Seconds between two requests; 0 where nothing is said."""
        rate = self._rules.request_rate(self._agents[0])
        each = rate.seconds / rate.requests if rate is not None and rate.requests else 0.0
        return max(float(self._rules.crawl_delay(self._agents[0]) or 0.0), each)


def ai_txt_forbids(text: str, url: str, agent: str) -> str | None:
    """Whether an ai.txt, which has the form of a robots.txt, disallows a URL."""
    allowed = Protego.parse(text[:MOST]).can_fetch(url, agent)
    return None if allowed else "ai.txt disallows it"


def tdmrep_forbids(text: str, url: str) -> str | None:
    """Whether a tdmrep.json reserves the use of a URL (TDM Reservation Protocol, section 5).

    Where several of its rules match, the first and the most particular one count: in doubt the
    picture stays out. What is no such file says nothing.
    """
    try:
        rules = parse_json(text[:MOST])
    except ValueError:
        return None
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    matching = []
    for rule in rules if isinstance(rules, list) else [rules]:
        location = rule.get("location") if isinstance(rule, dict) else None
        if isinstance(location, str) and _matches(location, path):
            matching.append((len(location), _reserves(rule)))
    if matching and (matching[0][1] or max(matching)[1]):
        return "tdmrep.json reserves it"
    return None


def _reserves(rule: dict[str, Any]) -> bool:
    return str(rule.get("tdm-reservation", "0")).strip().lower() not in ("0", "false", "none", "")


def _matches(location: str, path: str) -> bool:
    """A pattern of a path with `*` and `$`, as robots.txt has them."""
    pattern = location if location.startswith(("/", "*")) else f"/{location}"
    rules = Protego.parse(f"User-agent: *\nDisallow: {' '.join(pattern.split())}\n")
    return not rules.can_fetch(f"http://host{path}", "*")


def _usage_rules(text: str, agent: str) -> str:
    """The Content-Usage rules of a robots.txt that are ours (draft-ietf-aipref-attach), as rules.

    `Content-Usage: /path train-ai=n` becomes a line Disallow: /path; without a path it is said of
    all. A group that names us counts, else that of all agents.
    """
    groups: dict[str, list[str]] = {}
    agents: list[str] = []
    in_agents = False
    for line in text.splitlines():
        field, _, value = line.partition("#")[0].partition(":")
        field, value = field.strip().lower(), value.strip()
        if field == "user-agent":
            agents = [*agents, value.lower()] if in_agents else [value.lower()]
            in_agents = True
        elif field:
            in_agents = False
        if field == "content-usage":
            found = re.match(r"(/\S*)\s+(.*)", value)
            path, preference = (found[1], found[2]) if found else ("/", value)
            verb = "Disallow" if denied_usage(preference) else "Allow"
            for one in agents:
                groups.setdefault(one, []).append(f"{verb}: {path}")
    us = agent.lower()
    ours = next((one for one in groups if one not in ("", "*") and us.startswith(one)), "*")
    return "\n".join(["User-agent: *", *groups.get(ours, ())])
