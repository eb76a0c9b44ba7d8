"""The Dockerfile: its instructions, what it copies and installs, and its devices in a dry run."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.deploy.deploy_files import DEPLOY, read
from tests.distributions import ROOT

INSTRUCTIONS = {
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL",
    "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
}  # fmt: skip
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def instructions() -> list[tuple[str, str]]:
    """Instructions with what follows them; continued lines are joined."""
    lines = [line for line in read("Dockerfile").splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    split = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    return [(name, rest.strip()) for name, _, rest in split]


def shells() -> list[str]:
    return [rest for name, rest in instructions() if name == "RUN"]


def test_every_instruction_is_one_of_docker():
    found = instructions()
    assert {name for name, _ in found} <= INSTRUCTIONS
    names = [name for name, _ in found]
    assert names.index("FROM") == 1 and names[0] == "ARG"
    values = dict(rest.split("=") for name, rest in found if name == "ARG")
    assert values["PYTHON"] in SpecifierSet(PROJECT["requires-python"])
    assert values["DEVICE"] == "cpu"


def test_it_does_not_run_as_root():
    users = [rest for name, rest in instructions() if name == "USER"]
    assert users == ["1000"]  # by number, which Kubernetes can check
    (made,) = (text for text in shells() if "useradd" in text)
    assert shlex.split(made) == ["useradd", "--create-home", "--uid", "1000", "webbody"]
    # Where Ray's cluster launcher looks for the home of the containers' user.
    assert ("ENV", "HOME=/home/webbody") in instructions()


def test_what_it_copies_is_there_and_sent():
    sent = {line[1:] for line in read("Dockerfile.dockerignore").splitlines() if line[:1] == "!"}
    copied = set()
    for name, rest in instructions():
        if name == "COPY":
            *sources, _ = rest.split()
            copied |= set(sources)
    assert copied == sent
    assert all((ROOT / name).exists() for name in copied)
    packages = {name.rstrip("*") for name in ("webbody*", "pipelines*", "model*")}
    assert packages <= copied


def test_what_it_installs_is_declared():
    (text,) = (text for text in shells() if "'." in text)
    (own,) = (word for word in shlex.split(text) if word.startswith("."))
    extras = Requirement(f"webbody{own[1:]}").extras
    assert extras == {"build", "train", "s3", "gcs", "azure", "cluster"}
    assert extras <= PROJECT["optional-dependencies"].keys()
    pins = (ROOT / "constraints.txt").read_text("utf-8")
    assert re.search(r"^boto3==", pins, re.M) and re.search(r"^onnxruntime==", pins, re.M)


@pytest.mark.parametrize("number", range(len(shells())))
def test_shells_find_nothing_wrong(number: int, tmp_path: Path):
    script = tmp_path / "run.sh"
    script.write_text(f"#!/bin/sh\n{shells()[number]}\n", "utf-8")
    shellcheck(script)


def shellcheck(script: Path) -> None:
    program = Path(sys.executable).with_name("shellcheck")
    command = [program, "--severity=warning", "--exclude=SC2154", script]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("cpu", ["install torch torchvision --extra-index-url https://download.pytorch.org/whl/cpu"]),
        (
            "cuda",
            [
                "install torch torchvision", "uninstall -y onnxruntime",
                "install onnxruntime-gpu[cuda,cudnn]==VERSION",
            ],
        ),
        ("tpu", None),
    ],
)  # fmt: skip
def test_the_device_chooses_the_libraries(device: str, expected: list[str] | None, tmp_path: Path):
    """A dry run with a `pip` that only notes what it is asked for."""
    pip = tmp_path / "pip"
    pip.write_text('#!/bin/sh\necho "$@" >> pip.log\n', "utf-8")
    pip.chmod(0o755)
    pins = (ROOT / "constraints.txt").read_text("utf-8")
    (tmp_path / "constraints.txt").write_text(pins, "utf-8")
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DEVICE": device}
    codes = [
        subprocess.run(["sh", "-c", text], cwd=tmp_path, env=environment).returncode
        for text in shells()
        if "$DEVICE" in text
    ]
    assert len(codes) == 2
    if expected is None:
        assert codes[0] == 1
        return
    assert codes == [0, 0]
    version = re.search(r"^onnxruntime==(.+)$", pins, re.M)
    log = (tmp_path / "pip.log").read_text("utf-8").replace("-c constraints.txt ", "")
    assert log.replace(version[1], "VERSION").splitlines() == expected


def test_clusters_use_images_that_it_makes():
    """And the page and the head of the file say how."""
    named = re.findall(r"registry\.example\.com/webbody:(\w+)", "".join(
        path.read_text("utf-8") for path in DEPLOY.glob("*.yaml")
    ))  # fmt: skip
    assert set(named) == {"cpu", "cuda"}
    for device in ("cpu", "cuda"):
        command = f"--build-arg DEVICE={device} -t registry.example.com/webbody:{device} ."
        assert command in read("Dockerfile") and command in read("README.md")
