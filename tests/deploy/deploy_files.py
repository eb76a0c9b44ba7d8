"""The files of deploy/, and the commands that stand in them."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import typer
import yaml

from tests.distributions import ROOT
from webbody.cli import app

DEPLOY = ROOT / "deploy"


def read(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def read_yaml(name: str) -> Any:
    return yaml.safe_load(read(name))


def shell_texts(name: str) -> list[str]:
    """What a shell runs of a file: texts in YAML, code blocks of a page, or a script."""
    if name.endswith(".yaml"):
        return [text for document in yaml.safe_load_all(read(name)) for text in _texts(document)]
    return [code_blocks(read(name))] if name.endswith(".md") else [read(name)]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def code_blocks(page: str) -> str:
    """The indented lines of a Markdown page."""
    return "\n".join(line for line in page.splitlines() if line.startswith("    "))


def commands(text: str, program: str) -> Iterator[list[str]]:
    """The words of each command of a program in a shell's text."""
    text = re.sub(r"(^|\s)#.*", "", text.replace("\\\n", " "), flags=re.M)
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|()<>\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    words: list[str] = []
    for word in [*lexer, "\n"]:
        if word and set(word) <= set(";&|()<>\n"):
            if (at := _start(words, program)) is not None:
                yield words[at:]
            words = []
        else:
            words.append(word)


def _start(words: list[str], program: str) -> int | None:
    """Where a program with arguments stands: first, or as what another program runs."""
    for at, word in enumerate(words[:-1]):
        before = [one for one in words[:at] if not re.match(r"\w+=", one)]
        if word == program and (
            before in ([], ["until"]) or before[-1] == "--" or before[0] == "srun"
        ):
            return at
    return None


def parse_webbody(words: list[str]) -> None:
    """An exception where `webbody` would refuse the words."""
    _parse(typer.main.get_command(app), words)


def parse_ray(words: list[str]) -> None:
    """The same of `ray`."""
    from ray.scripts.scripts import cli

    _parse(cli, words)


def _parse(command: Any, words: list[str]) -> None:
    context = command.make_context(words[0], words[1:])
    if hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, inner, rest = command.resolve_command(context, rest)
        _parse(inner, [name, *rest])


def autoscaling(cluster: Any) -> Any:
    """What Ray's own autoscaler reads from a RayCluster."""
    from ray.autoscaler._private.kuberay import autoscaling_config

    placed = {**cluster, "metadata": {**cluster["metadata"], "namespace": "default"}}
    return autoscaling_config._derive_autoscaling_config_from_ray_cr(placed)
