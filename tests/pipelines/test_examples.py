"""The scripts of examples/ do what they say."""

import runpy
from pathlib import Path

from tests.conftest import free_port

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_a_data_set_is_built_and_read(in_process, tmp_path: Path, capsys):
    example = runpy.run_path(str(EXAMPLES / "build_and_read.py"))
    with free_port() as port:
        example["main"](tmp_path, names=3, images=6, port=port)
    said = capsys.readouterr().out
    assert "pack done" in said and "What became of the " in said
    *_, last = said.splitlines()
    count, people = (int(word) for word in last.split() if word.isdigit())
    assert count >= people >= 1
    assert said.count("of 19 keypoints seen") == count
