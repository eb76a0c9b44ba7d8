"""The kill harness itself: builds that are killed again and again come to the same bytes."""

import json
import subprocess
import sys

import pytest


def kills(tmp_path, *arguments):
    """What a run of the harness found."""
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.kills", "--json", str(file), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(file.read_text("utf-8"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_thirty_kills_of_the_chain(tmp_path):
    found = kills(tmp_path, "--quick", "--count", "30", "--names", "4", "--images", "4")
    assert found["ratios"] == {"same": 1.0}
    assert sum(row["kills"] for row in found["rows"]) >= 30


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_each_part_of_ray_is_killed(tmp_path):
    victims = ["build", "group", "driver", "worker", "raylet", "gcs_server"]
    found = kills(tmp_path, "--count", "8", "--victims", *victims)
    assert found["ratios"] == {"same": 1.0}
