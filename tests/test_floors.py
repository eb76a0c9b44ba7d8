"""Floors of the benchmarks: the file, the judgement, a run from a benchmark to the exit code."""

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from benchmarks.floors import FILE, judge

FLOORS = yaml.safe_load(FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", FLOORS)
def test_every_floor_is_of_a_benchmark_that_gives_it_and_says_how_it_was_set(name: str):
    floor = FLOORS[name]
    spec = find_spec(floor["benchmark"])
    assert spec is not None and spec.origin
    calls = [n for n in ast.walk(ast.parse(Path(spec.origin).read_text())) if _is_ratio(n)]
    assert calls
    for bound in floor["ratios"].values():
        assert len({"at_least", "at_most"} & set(bound)) == 1
        assert "measured" in bound["set"] or "runs" in bound["set"]


def _is_ratio(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "ratio"


def test_what_falls_short_or_was_not_measured_is_named():
    bounds = {"a": {"at_least": 0.9}, "b": {"at_most": 2}, "c": {"at_least": 1}}
    assert judge(bounds, {"a": 0.9, "b": 2.0, "c": 1.5}) == {}
    short = judge(bounds, {"a": 0.89, "b": 2.01})
    assert set(short) == {"a", "b", "c"}
    assert short["a"] == "0.89, at least 0.9 is asked for"
    assert short["b"] == "2.01, at most 2 is asked for"
    assert "not measured" in short["c"]


@pytest.mark.parametrize(("floor", "code", "said"), [(0.001, 0, "1 of 1"), (1000, 1, "0 of 1")])
def test_a_benchmark_is_run_and_judged(tmp_path: Path, floor: float, code: int, said: str):
    file = tmp_path / "floors.yaml"
    small = ["--side", "64", "--times", "1", "--rounds", "1"]
    given = {"benchmark": "benchmarks.decode", "arguments": small}
    file.write_text(yaml.safe_dump({"small": {**given, "ratios": {"PNG": {"at_least": floor}}}}))
    done = floors("small", "--file", file)
    assert done.returncode == code and f"{said} ratios hold" in done.stdout
    assert ("Falls short: small, PNG: " in done.stdout) == (code == 1)


def test_a_benchmark_that_fails_falls_short_and_an_unknown_name_is_told(tmp_path: Path):
    file = tmp_path / "floors.yaml"
    given = {"benchmark": "benchmarks.decode", "arguments": ["--no-such"]}
    file.write_text(yaml.safe_dump({"x": {**given, "ratios": {"PNG": {"at_least": 0}}}}))
    assert floors("--file", file).returncode == 1
    done = floors("y", "--file", file)
    assert done.returncode == 2 and "has no y; it has x" in done.stdout


def floors(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.floors", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=FILE.parents[1])
