"""`webbody verify` as a user meets it."""

import json
import shutil

import pytest
from flipping import digests, flip
from made_up_release import make_release

from tests.command_line import one_sentence, run
from webbody.cli.verify import share_of
from webbody.errors import WebbodyError


@pytest.fixture
def build(demo, tmp_path):
    return shutil.copytree(demo.out, tmp_path / "build")


def test_clean_damaged_repaired(build, in_process):
    code, text, _ = run("verify", build)
    assert code == 0 and "build, clean" in text
    before = digests(build)
    table = next((build / "ledger").glob("*.parquet"))
    flip(table)
    code, text, _ = run("verify", build)
    assert code == 1 and f"error: ledger/{table.name}: was changed" in text
    code, text, _ = run("verify", build, "--repair")
    assert code == 0 and f"done again: ledger/{table.stem}" in text and "build, clean" in text
    assert digests(build) == before


def test_json(build):
    table = next((build / "ledger").glob("*.parquet"))
    table.unlink()
    code, text, _ = run("verify", build, "--json", "--sample", "100%")
    said = json.loads(text)
    assert code == 1 and not said["clean"] and said["kind"] == "build"
    (one,) = said["findings"]
    assert one["where"] == f"ledger/{table.name}" and one["severity"] == "error" and one["advice"]


def test_a_schedule(build):
    code, text, _ = run("verify", build, "--sample", "10%", "--seed", "monday")
    assert code == 0 and "0.1 of all, drawn by seed monday" in text
    same = run("verify", build, "--sample", "0.1", "--seed", "monday")[1]
    assert same == text


@pytest.mark.parametrize("text", ["0", "101%", "-1", "many", "1%%"])
def test_a_sample_that_is_none(text):
    with pytest.raises(WebbodyError, match="--sample"):
        share_of(text)


def test_shares():
    assert share_of("1%") == 0.01 and share_of("0.25") == 0.25 and share_of("100 %") == 1


def test_nothing_of_the_kind(tmp_path):
    code, _, error = run("verify", tmp_path)
    assert code == 2 and one_sentence(error)
    code, _, error = run("verify", tmp_path / "nowhere")
    assert code == 2 and one_sentence(error)


def test_a_release_is_fetched_again(tmp_path):
    make_release(tmp_path / "r", {1: 2})
    code, _, error = run("verify", tmp_path / "r", "--repair")
    assert code == 2 and one_sentence(error) and "fetch" in error
