"""What deploy/ tells machines to run: commands that exist, settings that load, stages that fit."""

import re
from itertools import pairwise

import pytest

from pipelines.engine.graph import FROM_NAMES, StageTask
from pipelines.engine.placement import Capacity, check_placement
from tests.deploy.deploy_files import (
    DEPLOY,
    autoscaling,
    code_blocks,
    commands,
    parse_ray,
    parse_webbody,
    read,
    read_yaml,
    shell_texts,
)
from tests.distributions import ROOT
from webbody.config import load, read_preset

FILES = sorted(path.name for path in DEPLOY.iterdir())
#: Where shells run what stands there; the words of slurm.sh are complete only when it runs.
RAY = [name for name in FILES if name.endswith((".yaml", ".md"))]
#: Values that only look right, one of which stands in every line that a user must set.
EXAMPLES = re.compile(
    r"example|ami-|arn:aws|192\.0\.2\.|region:|_zone:|InstanceType|ssh_user|ssh_private_key"
    r"|storageClassName|nodeSelector|storage:|rayVersion|max_workers|maxReplicas|^\w+=\$\{\w+:-"
)


@pytest.mark.parametrize("name", [*RAY, "slurm.sh"])
def test_commands_of_webbody_are_such_as_it_takes(name: str):
    for text in shell_texts(name):
        for words in commands(text, "webbody"):
            parse_webbody(words)


@pytest.mark.parametrize("name", RAY)
def test_commands_of_ray_are_such_as_it_takes(name: str):
    for text in shell_texts(name):
        for words in commands(text, "ray"):
            parse_ray(words)


def test_commands_that_are_none_are_found():
    """The test above can fail."""
    text = "cd x && webbody build --config a.yaml \\\n  --never # a comment; webbody c\nwebbody d e"
    found = list(commands(text, "webbody"))
    assert found == [["webbody", "build", "--config", "a.yaml", "--never"], ["webbody", "d", "e"]]
    for words in found:
        with pytest.raises(Exception, match="No such"):
            parse_webbody(words)


def test_builds_run_with_the_settings_beside_them():
    """Each way to start a build takes the same settings over the same preset."""
    page = [words for text in shell_texts("README.md") for words in commands(text, "webbody")]
    job = list(commands(read_yaml("kuberay-job.yaml")["spec"]["entrypoint"], "webbody"))
    slurm = list(commands(read("slurm.sh"), "webbody"))
    builds = [words for words in (*page, *job, *slurm) if words[1] == "build"]
    assert len(builds) >= 4
    for words in builds:
        given = dict(pairwise(words))
        assert given["--preset"] == "webbody4m"
        assert given["--config"].endswith("build.yaml") or given["--config"] == "$SETTINGS"
    assert "SETTINGS=${SETTINGS:-/shared/webbody/build.yaml}" in read("slurm.sh")


def machines_of(name: str) -> list[dict[str, float]]:
    """CPUs and GPUs of each kind of machine of a cluster."""
    if name == "ray-aws.yaml":
        return [kind["resources"] for kind in read_yaml(name)["available_node_types"].values()]
    if name == "kuberay-cluster.yaml":
        pods = autoscaling(read_yaml(name))["available_node_types"]
        return [kind["resources"] for kind in pods.values()]
    options = dict(re.findall(r"^#SBATCH --([\w-]+)=(\S+)", read(name), re.M))
    return [{"CPU": float(options["cpus-per-task"]), "GPU": float(options["gpus-per-node"])}]


@pytest.mark.parametrize("name", ["ray-aws.yaml", "kuberay-cluster.yaml", "slurm.sh"])
def test_every_stage_fits_on_a_machine(name: str):
    """And a worker of each stage that wants a share of a GPU beside the others."""
    resources = load(DEPLOY / "build.yaml", (), read_preset("build", "webbody4m")).resources
    nodes_of = [node for node in FROM_NAMES.stages if node.name != "plan"]
    stages = [(StageTask(node, (), "f"), getattr(resources, node.name)) for node in nodes_of]
    machines = machines_of(name)
    assert check_placement(stages, Capacity(tuple(machines)), fixed=True) is None
    sharing = [use for _, use in stages if use.gpus]
    assert [use.cpus for use in sharing] == [0, 0, 0]
    assert sum(use.gpus for use in sharing) == pytest.approx(1)
    # Where machines are of two kinds, nothing that needs no GPU can take the place beside one.
    assert (
        all(machine["CPU"] == 0 for machine in machines if "GPU" in machine) or len(machines) == 1
    )


@pytest.mark.parametrize("name", FILES)
def test_lines_that_a_user_must_set_say_so(name: str):
    if name in ("README.md", "Dockerfile", "Dockerfile.dockerignore"):
        return
    marked = 0
    lines = read(name).splitlines()
    for number, line in enumerate(lines):
        code, _, comment = line.partition(" #")
        if code.lstrip().startswith("#SBATCH") or re.match(r"\w+=\$\{", code):
            block = "\n".join(lines[:number])
            comment = block[block.rfind("\n# SET") :]  # one line for those that follow
        if EXAMPLES.search(code) and not code.lstrip().startswith("#"):
            assert "SET" in comment, line
            marked += 1
    assert marked or name in ("build.yaml", "grafana.json")


def test_the_page_names_every_file():
    page = read("README.md")
    table = re.findall(r"^\| `([^`]+)` \|", page, re.M)
    assert sorted(table) == sorted(set(FILES) - {"README.md"})


def test_the_documentation_has_commands_that_exist():
    text = code_blocks((ROOT / "docs/cluster.md").read_text("utf-8"))
    found = list(commands(text, "webbody"))
    assert len(found) >= 5
    for words in found:
        parse_webbody(words)
    for words in commands(text, "ray"):
        parse_ray(words)
