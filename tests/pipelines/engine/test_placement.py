"""What cannot be placed is told before anything waits for it (Ray itself would wait for ever)."""

import pytest

from pipelines.engine.graph import FACES, PERSONS, StageTask
from pipelines.engine.placement import Capacity, check_placement
from webbody.config import StageResources
from webbody.errors import WebbodyError

TWO = Capacity(({"CPU": 2.0},))


def chain(**uses):
    nodes = {"persons": PERSONS, "faces": FACES}
    return [(StageTask(nodes[name], (), "f"), StageResources(**use)) for name, use in uses.items()]


def test_what_fits():
    stages = chain(persons={"cpus": 0.5}, faces={"cpus": 1.5})
    assert check_placement(stages, TWO, fixed=True) is None


def test_more_than_any_machine_has():
    stages = chain(persons={"cpus": 4}, faces={"cpus": 0.5})
    with pytest.raises(WebbodyError) as told:
        check_placement(stages, TWO, fixed=True)
    assert str(told.value) == (
        "resources.persons.cpus is 4, and no machine of this Ray has more than 2 CPUs; lower "
        "resources.persons.cpus, or give Ray a machine with more CPUs."
    )
    two_machines = Capacity(({"CPU": 3.0}, {"CPU": 3.0}))
    with pytest.raises(WebbodyError, match="more than 3 CPUs"):
        check_placement(stages, two_machines, fixed=True)


def test_a_gpu_where_there_is_none():
    with pytest.raises(WebbodyError, match=r"faces\.gpus is 0.25, .* more than 0 GPUs"):
        check_placement(chain(faces={"gpus": 0.25}), TWO, fixed=True)


def test_a_cluster_may_grow():
    note = check_placement(chain(persons={"cpus": 4}), TWO, fixed=False)
    assert note.kind == "note"
    assert "the build waits until the cluster grows" in note.message
