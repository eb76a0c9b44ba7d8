from dataclasses import replace

import pytest

from pipelines.base.custom_filter import FilterSource
from pipelines.base.stage import ALL
from pipelines.engine.graph import (
    FROM_NAMES,
    FROM_RELEASE,
    graph_of,
    input_digests,
    is_done,
    stages_of,
    tasks,
)
from webbody.commit import Output, Record, fingerprint, record_name, side_file
from webbody.config import BuildConfig, load
from webbody.storage import Folder

SHARDS = ("aa", "bb")


@pytest.fixture(scope="module")
def graph():
    return tasks(BuildConfig(), {})


def commit(folder, graph, stage, shard, content="1"):
    """Commit a shard as its stage would: current inputs, a parquet (one per shard if whole)."""
    task = graph[stage]
    names = [f"{s}.parquet" for s in SHARDS] if shard == ALL else [f"{shard}.parquet"]
    outputs = {}
    for name in names:
        folder.write_bytes(f"{stage}/{name}", content.encode())
        outputs[name] = Output(f"{stage}-{name}-{content}", len(content))
    inputs = input_digests(folder, task, shard, SHARDS)
    record = Record(stage, shard, task.fingerprint, inputs, outputs, {"in": 1, "out": 1})
    folder.write_bytes(record_name(stage, shard), record.to_json())


def commit_all(folder, graph):
    for node in FROM_NAMES.stages:
        if node.name in ("split", "pack"):
            continue
        for shard in (ALL,) if node.is_global else SHARDS:
            commit(folder, graph, node.name, shard)


def done(folder, graph):
    return {
        f"{node.name}/{shard}"
        for node in FROM_NAMES.stages
        for shard in ((ALL,) if node.is_global else SHARDS)
        if is_done(folder, graph[node.name], shard, SHARDS)
    }


@pytest.mark.parametrize("kind", [FROM_NAMES, FROM_RELEASE])
def test_stages_need_only_what_comes_before_them(kind):
    order = [node.name for node in kind.stages]
    assert len(set(order)) == len(order)
    for task in tasks(BuildConfig(), {}, graph=kind).values():
        assert all(order.index(need) < order.index(task.node.name) for need in task.needs)
    assert graph_of(order) is kind
    for step in kind.steps:
        assert len(step) == 1 or not any(node.is_global or node.of_output for node in step)


def test_a_stage_is_given_the_settings_that_it_is_written_for(graph):
    from typing import get_args

    rebuilt = tasks(BuildConfig(), {}, graph=FROM_RELEASE)
    for task in (*graph.values(), *rebuilt.values()):
        (written_for,) = get_args(task.node.stage().__orig_bases__[0])
        assert type(task.settings) is written_for


def test_everything_committed_is_done(tmp_path, graph):
    folder = Folder(tmp_path)
    commit_all(folder, graph)
    expected = {
        f"{node.name}/{shard}"
        for node in FROM_NAMES.stages
        if node.name not in ("split", "pack", "plan")
        for shard in ((ALL,) if node.is_global else SHARDS)
    }
    assert expected <= done(folder, graph)


def test_a_changed_shard_redoes_what_reads_it_and_nothing_else(tmp_path, graph):
    folder = Folder(tmp_path)
    commit_all(folder, graph)
    before = done(folder, graph)
    commit(folder, graph, "persons", "aa", "changed")
    lost = before - done(folder, graph)
    assert {"faces/aa", "keypoints/aa", "ledger/aa"} <= lost
    assert not any(item.endswith("/bb") for item in lost)


def test_a_global_result_that_changed_for_one_shard_leaves_the_other_alone(tmp_path, graph):
    folder = Folder(tmp_path)
    commit_all(folder, graph)
    record = Record.from_json(folder.read("identities/all.json"))
    record.outputs["aa.parquet"] = Output("another", 1)
    folder.write_bytes("identities/all.json", record.to_json())
    assert not is_done(folder, graph["keypoints"], "aa", SHARDS)
    assert is_done(folder, graph["keypoints"], "bb", SHARDS)


def test_a_setting_redoes_its_stage_only_and_a_resource_none(tmp_path, graph):
    folder = Folder(tmp_path)
    commit_all(folder, graph)
    config = BuildConfig()
    config.clusters.eps = 0.5
    changed = tasks(config, {})
    assert is_done(folder, changed["faces"], "aa", SHARDS)
    assert not is_done(folder, changed["clusters"], "aa", SHARDS)
    config = BuildConfig()
    config.resources.persons.batch = 7
    config.resources.device = "cpu"
    faster = tasks(config, {})
    assert is_done(folder, faster["persons"], "aa", SHARDS)
    assert faster["persons"].resources.batch == 7


def test_a_model_counts_by_content_not_by_path():
    one = tasks(BuildConfig(), {"persons.model": ("/a/x.pt", "digest")})["persons"]
    moved = tasks(BuildConfig(), {"persons.model": ("/b/y.pt", "digest")})["persons"]
    other = tasks(BuildConfig(), {"persons.model": ("/a/x.pt", "another")})["persons"]
    assert one.settings.model == "/a/x.pt"
    assert one.fingerprint == moved.fingerprint != other.fingerprint


def test_a_lost_file_is_noticed(tmp_path, graph):
    folder = Folder(tmp_path)
    commit_all(folder, graph)
    folder.remove("faces/aa.parquet")
    assert not is_done(folder, graph["faces"], "aa", SHARDS)


def test_what_lies_beside_a_table_makes_nothing_undone(tmp_path, graph):
    folder = Folder(tmp_path)
    commit_all(folder, graph)
    complete = done(folder, graph)
    record = Record.from_json(folder.read("download/aa.json"))
    # A folder of a version that wrote none becomes one that has it; then it changes; is lost.
    record.outputs[side_file("aa", "answers")] = Output("of today", 8)
    folder.write_bytes("download/aa.json", record.to_json())
    assert done(folder, graph) == complete
    record.outputs[side_file("aa", "answers")] = Output("of tomorrow", 11)
    folder.write_bytes("download/aa.json", record.to_json())
    assert done(folder, graph) == complete
    read = input_digests(folder, graph["identities"], ALL, SHARDS)
    assert "download/aa.parquet" in read and not any("answers" in name for name in read)


def test_filters_of_the_users_own_are_of_the_stage_that_runs_them():
    plain = tasks(BuildConfig(), {})
    for name in ("persons", "faces", "clusters"):
        stage = plain[name].node.stage()
        settings = BuildConfig().stage(name).model_dump(mode="json")
        assert plain[name].fingerprint == fingerprint(settings, stage.version)
        assert plain[name].needs == stage.needs and not plain[name].filters
        one = FilterSource("mine:check", "/a", {"least": 1}, "digest")
        with_it = tasks(BuildConfig(), {}, {name: (one,)})
        changed = {n for n in plain if plain[n].fingerprint != with_it[n].fingerprint}
        assert changed == {name} and with_it[name].filters == (one,)
        for other, same in (
            (replace(one, folder="/b"), True),
            (replace(one, digest="another"), False),
            (replace(one, settings={"least": 2}), False),
            (replace(one, function="mine:other"), False),
        ):
            found = tasks(BuildConfig(), {}, {name: (other,)})[name].fingerprint
            assert (found == with_it[name].fingerprint) is same
    assert with_it["clusters"].needs == ("plan", "faces", "persons")


def test_flags_that_drop_change_what_reads_them_and_nothing_else(graph):
    dropping = tasks(load(None, ["flags.drop=[profile, blurred]"]), {})
    changed = {n for n in graph if graph[n].fingerprint != dropping[n].fingerprint}
    assert changed == {"clusters"}
    assert dropping["clusters"].needs == ("plan", "faces", "flags")
    assert dropping["clusters"].make().drop == ("blurred", "profile")
    reordered = tasks(load(None, ["flags.drop=[blurred, profile, blurred]"]), {})
    assert reordered["clusters"].fingerprint == dropping["clusters"].fingerprint
    assert "flags" not in graph["clusters"].needs
    stricter = tasks(load(None, ["flags.min_sharpness=50"]), {})
    assert {n for n in graph if graph[n].fingerprint != stricter[n].fingerprint} == {"flags"}


def test_a_folder_of_an_older_version_has_the_stages_that_it_asked_for():
    names = [node.name for node in FROM_NAMES.stages]
    before = [name for name in names if name != "flags"]
    assert [node.name for node in stages_of(names)] == names
    assert [node.name for node in stages_of(before)] == before
    assert [node.name for node in stages_of(None)] == before
