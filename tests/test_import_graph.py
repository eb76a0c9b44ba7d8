"""No import runs in a circle or back up (LAYERS in benchmarks/import_graph.py)."""

from pathlib import Path

import pytest

from benchmarks.import_graph import LAYERS, Graph, read_graph

#: What a package imports of another one that stands above it, and why it may: (who, what).
ACROSS = {
    ("webbody.cli", ""),  # commands import what they run
    ("webbody.doctor", "pipelines.fetching"),  # it tries the guarded connections of a build
    ("webbody.demo", ""),  # its models are trained and measured with the code that will use them
}
#: A model's softmax is told by its answers on people whose keypoints are known: drawn ones.
DRAWN = {"pipelines.detection.keypoint_detection"}


@pytest.fixture(scope="module")
def house() -> Graph:
    return read_graph(Path(__file__).parents[1])


def test_no_files_import_one_another_in_a_circle(house):
    assert house.file_circles() == []


def test_no_rooms_import_one_another_in_a_circle(house):
    assert house.room_circles() == []


def test_no_import_runs_back_up(house):
    assert house.back_up() == []


def test_every_room_has_its_layer(house):
    named = [room for rooms in LAYERS.values() for room in rooms]
    assert set(named) - set(house.rooms) == set()
    rooms = {room for module, room in house.rooms.items() if module != "pipelines"}
    free = [
        room
        for room in rooms
        if not any(room == name or room.startswith(f"{name}.") for name in named)
        and (room.startswith("pipelines.") or house.is_folder(room))
    ]
    assert free == []


def test_packages_import_one_another_as_agreed(house):
    order = ("webbody", "model", "pipelines")
    up = [
        (module, other)
        for module, other in house.edges
        if order.index(module.partition(".")[0]) < order.index(other.partition(".")[0])
        and not any(module.startswith(who) and other.startswith(what) for who, what in ACROSS)
    ]
    assert up == []


def test_the_build_does_not_rest_on_the_demo(house):
    found = {
        module
        for module, other in house.edges
        if other.startswith(("webbody.demo", "webbody.cli")) and not module.startswith("webbody")
    }
    assert {name for name in found if not name.startswith("pipelines.calibration")} == DRAWN


def write(folder: Path, files: dict[str, str]) -> Graph:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_graph(folder)


def test_a_circle_through_a_function_is_found(tmp_path):
    graph = write(
        tmp_path,
        {
            "model/a.py": "import model.b\n",
            "model/b.py": "def f():\n    from model import c\n",
            "model/c.py": "from model.a import x\n",
            "model/d.py": "from model.a import x\n",
        },
    )
    assert graph.file_circles() == [["model.a", "model.b", "model.c"]]


def test_rooms_can_form_a_circle_where_files_form_none(tmp_path):
    graph = write(
        tmp_path,
        {
            "pipelines/stages/one.py": "from pipelines.engine.two import x\n",
            "pipelines/stages/three.py": "",
            "pipelines/engine/two.py": "",
            "pipelines/engine/four.py": "CODE = 'pipelines.stages.three:Three'\n",
        },
    )
    assert graph.file_circles() == []
    assert graph.room_circles() == [["pipelines.engine", "pipelines.stages"]]
    assert graph.back_up() == [("pipelines.stages.one", "pipelines.engine.two")]


def test_what_a_type_checker_alone_reads_is_no_import(tmp_path):
    graph = write(
        tmp_path,
        {
            "model/a.py": "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    from model.b import x\nelse:\n    import model.c\n",
            "model/b.py": "import model.a\n",
            "model/c.py": "",
        },
    )
    assert graph.imports["model.a"] == {"model.c"}
    assert graph.file_circles() == []
