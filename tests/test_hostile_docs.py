"""docs/hostile-input.md: every case has its row, and every test that it names is there."""

import ast
import re
from functools import cache

import pytest

from tests.distributions import ROOT

TEXT = (ROOT / "docs/hostile-input.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split("|") for line in TEXT.splitlines() if line.startswith("| ")]
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", TEXT)))


@cache
def functions_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_the_test_that_is_named_is_there(file: str, name: str):
    assert name.startswith("test_") and name in functions_in(file)


def test_every_case_has_a_row_and_every_row_a_test_or_says_why_not():
    cases = [row for row in ROWS if row[0].strip() not in ("", "---")]
    known = {one for row in cases for one in re.findall(r"[IH]\d+", row[0])}
    assert known == {*(f"I{n}" for n in range(1, 18)), *(f"H{n}" for n in range(1, 15))}
    for row in cases:
        assert len(row) == 5 and ("::" in row[4] or row[4].strip() == "open"), row
    assert len(NAMED) > 60
