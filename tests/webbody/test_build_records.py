"""The commit records in a folder that are valid: those of the build that was asked for last."""

import hashlib
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webbody.build_records import BuildRecords, Requested, write_build
from webbody.commit import ALL, Output, Record, record_name
from webbody.errors import WebbodyError
from webbody.storage import Folder

SHARDS = ("aa", "bb")
#: Stages in order: what each reads, and whether it runs once.
STAGES = {
    "plan": ((), True),
    "crops": (("plan",), False),
    "people": (("crops",), True),
    "points": (("crops", "people"), False),
    "split": (("points",), True),
    "pack": (("split",), False),
}
WORK = [(stage, s) for stage, (_, once) in STAGES.items() for s in ((ALL,) if once else SHARDS)]


def commits(values: dict[str, int]) -> dict[tuple[str, str], Record]:
    """The records of a whole build with a number as the setting of each stage, in its order."""
    out: dict[tuple[str, str], Record] = {}
    for stage, shard in WORK:
        needs, once = STAGES[stage]
        inputs = {"manifest": str(values["manifest"])} if stage == "plan" else {}
        for need in needs:
            own = STAGES[need][1] and not once
            of = (ALL,) if STAGES[need][1] else SHARDS if once else (shard,)
            for one in of:
                for name, output in out[need, one].outputs.items():
                    if not own or name.startswith(shard):
                        inputs[f"{need}/{name}"] = output.sha256
        outputs = {}
        for name in SHARDS if once else (shard,):
            # The people of aa depend on the crops of aa alone: bb's file may stay as it was.
            read = sorted(v for k, v in inputs.items() if stage != "people" or name in k)
            text = f"{stage} {name} {values[stage]} {read}"
            sha256 = hashlib.sha256(text.encode()).hexdigest()
            outputs[f"{name}.parquet"] = Output(sha256, 1)
        out[stage, shard] = Record(stage, shard, str(values[stage]), inputs, outputs)
    return out


def ask(folder: Folder, values: dict[str, int]) -> None:
    asked = {s: Requested(str(values[s]), needs, once) for s, (needs, once) in STAGES.items()}
    write_build(folder, {"manifest": "list.csv", "sha256": str(values["manifest"])}, asked)


SETTINGS = st.fixed_dictionaries(dict.fromkeys(("manifest", *STAGES), st.integers(0, 1)))


@settings(max_examples=40)
@given(st.lists(st.tuples(SETTINGS, st.integers(1, len(WORK))), min_size=1, max_size=4))
def test_after_builds_that_were_stopped_anywhere_only_true_records_are_valid(builds):
    folder = Folder(f"memory://{uuid.uuid4()}")
    written: dict[tuple[str, str], Record] = {}
    for asked, stopped in builds:
        want = commits(asked)
        for work in WORK[:stopped]:
            if written.get(work) != want[work]:
                written[work] = want[work]
                folder.write_bytes(record_name(*work), want[work].to_json())
            if work == ("plan", ALL):
                ask(folder, asked)
    records = BuildRecords(folder)
    for number, work in enumerate(WORK):
        found = records.get(*work)
        assert found is None or found == want[work]
        # Nothing that is done is forgotten: what was left as it was counts, too.
        if number < stopped:
            assert found == want[work]


def test_a_plan_of_another_manifest_is_none(tmp_path):
    folder = Folder(tmp_path)
    asked = dict.fromkeys(("manifest", *STAGES), 0)
    for work, record in commits(asked | {"manifest": 1}).items():
        folder.write_bytes(record_name(*work), record.to_json())
    ask(folder, asked)  # stopped after the new plan, before it was noted
    records = BuildRecords(folder)
    assert records.shards == () and records.packs is None
    assert not any(records.get(*work) for work in WORK)
    with pytest.raises(WebbodyError, match=r"plan/all\.json is missing or of other settings"):
        records.need("plan")


def test_what_was_made_of_the_other_shards_counts_while_one_has_failed(tmp_path):
    folder = Folder(tmp_path)
    asked = dict.fromkeys(("manifest", *STAGES), 0)
    made = commits(asked)
    people = made["people", ALL]
    inputs = {name: digest for name, digest in people.inputs.items() if "aa" in name}
    made["people", ALL] = Record(**{**vars(people), "inputs": inputs})
    for work, record in made.items():
        folder.write_bytes(record_name(*work), record.to_json())
    ask(folder, asked)
    assert BuildRecords(folder).get("people") is None  # as bb is there
    folder.remove(record_name("crops", "bb"))
    records = BuildRecords(folder)
    assert records.get("people") == made["people", ALL]
    assert records.get("points", "aa") == made["points", "aa"]
    assert records.get("points", "bb") is None


def test_of_an_older_version_every_record_counts(tmp_path):
    folder = Folder(tmp_path)
    asked = dict.fromkeys(("manifest", *STAGES), 0)
    made = commits(asked)
    for work, record in made.items():
        folder.write_bytes(record_name(*work), record.to_json())
    folder.write_bytes("build.json", b'{"manifest": "list.csv", "sha256": "0"}')
    records = BuildRecords(folder)
    assert records.get("people", "aa") == records.get("people") == made["people", ALL]
    assert records.get("crops", "bb") == made["crops", "bb"]


@pytest.mark.parametrize("state", [None, b"", b"[]", b'{"other": 1}'])
def test_a_folder_without_a_state_is_no_build(tmp_path, state):
    folder = Folder(tmp_path)
    if state is not None:
        folder.write_bytes("build.json", state)
    with pytest.raises(WebbodyError, match="holds no build"):
        BuildRecords(folder)
