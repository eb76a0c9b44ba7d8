"""One family of errors, told with what only the caller knows."""

import ast
from pathlib import Path

import pytest

from webbody.errors import Incomplete, WebbodyError, error_context

ROOT = Path(__file__).parents[2]


def test_the_caller_adds_where_it_was_and_what_to_do():
    with pytest.raises(WebbodyError) as caught, error_context("lfw: ", "; give another"):
        raise WebbodyError("a.tar is damaged.")
    assert str(caught.value) == "lfw: a.tar is damaged; give another"


def test_the_kind_of_an_error_stays():
    with pytest.raises(Incomplete) as caught, error_context("outer: "), error_context("inner: "):
        raise Incomplete("two shards.")
    assert str(caught.value) == "outer: inner: two shards."
    assert caught.value.exit_code == 1


def test_other_errors_pass_as_they_are():
    with pytest.raises(ValueError, match="mine"), error_context("outer: "):
        raise ValueError("mine")


def test_what_a_user_can_mend_is_of_one_family():
    """Classes named as errors are of the family, or a verdict on a picture or URL of a stranger."""
    verdicts = {"ImageError", "FetchError"}
    found = {}
    for package in ("webbody", "pipelines", "model"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and node.bases:
                    found[node.name] = [ast.unparse(base) for base in node.bases]
    raised = {name for name, bases in found.items() if {"Exception", "ValueError"} & set(bases)}
    assert raised == {"WebbodyError", *verdicts}
