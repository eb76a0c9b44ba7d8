"""Takedowns of a finished build: gone everywhere, and everything else as it was."""

import datetime
import json
import shutil
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from command_line import run
from release_of_build import make_release

from pipelines.base.stage import run_shard
from pipelines.build import build
from pipelines.inspection.status import status
from pipelines.stages.plan import Plan
from pipelines.takedown.absence import check_absence
from pipelines.takedown.surgery import apply
from pipelines.takedown.targets import TakedownRequest, entries_of
from webbody.build_records import BuildRecords
from webbody.commit import read_record
from webbody.config import PlanSettings, load
from webbody.errors import NothingKept
from webbody.manifest import Manifest
from webbody.removals import RemovalLists, Removals, lists_in
from webbody.shards import read_members
from webbody.storage import Folder

DAY = datetime.date(2026, 1, 1)


@pytest.fixture
def out(demo, tmp_path):
    shutil.copytree(demo.out, tmp_path / "copy")
    return tmp_path / "copy"


def packed(out) -> dict[str, dict[str, bytes]]:
    """The members of all samples by key."""
    found: dict[str, dict[str, bytes]] = {}
    for path in sorted((out / "pack").glob("*.tar")):
        with path.open("rb") as file:
            for member, data in read_members(file):
                key, _, ending = member.partition(".")
                found.setdefault(key, {})[ending] = data
    return found


def person_of(sample: dict[str, bytes]) -> int:
    return int(sample["cls"])


def rows(out, name):
    return pq.read_table(out / name).to_pylist()


def some_person(out) -> int:
    """A person with several samples in a split that others are in, too."""
    people = [row for row in rows(out, "split/people.parquet") if row["split"] == "train"]
    return max(people, key=lambda row: row["images"])["person"]


def test_a_person_is_gone_and_all_others_are_as_they_were(demo, out, in_process, tmp_path):
    before, person = packed(out), some_person(out)
    people = rows(out, "identities/people.parquet")
    names = next(row["names"] for row in people if row["person"] == person)
    told = run("takedown", out, "--person", str(person), "--reason", "request", "--check")
    assert told[0] == 0, told
    assert "packed samples removed" in told[1] and "Absent: none of" in told[1]

    after = packed(out)
    own = {key for key, sample in before.items() if person_of(sample) == person}
    assert own and set(after) == set(before) - own
    assert all(after[key] == before[key] for key in after)
    urls = {json.loads(before[key]["json"])["url"] for key in own}
    for path in out.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(url.encode() in data for url in urls), path
            assert not any(name.encode() in data for name in names), path
    assert not list((out / "plan").glob("*.lookup"))  # it would know hashes of their addresses
    # The records are valid: complete, and nothing to do.
    assert status(str(out)).complete
    result = build(demo.settings(out))
    assert result.complete and result.ran == 0
    assert result.outcomes["takedown"] == sum(
        row["name"] in names for row in rows(demo.web, "manifest.parquet")
    )
    assert sum(result.outcomes.values()) == result.rows
    # A build from the beginning with the list leaves them out as well.
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    shutil.copy(out / "removals.parquet", fresh)
    result = build(demo.settings(fresh))
    assert result.complete
    assert not urls & {json.loads(s["json"])["url"] for s in packed(fresh).values()}


def test_the_tables_agree_with_each_other(out):
    person = some_person(out)
    run("takedown", out, "--person", str(person))
    folder = Folder(out)
    records = BuildRecords(folder)
    for stage in records.build["stages"]:
        shards = ("all",) if records.build["stages"][stage]["is_global"] else records.shards
        for shard in records.packs if stage == "pack" else shards:
            record = records.need(stage, shard)
            for name, output in record.outputs.items():
                assert folder.size(f"{stage}/{name}") == output.bytes
    for shard in records.shards:
        for stage in ("download", "persons"):
            with (out / stage / f"{shard}.tar").open("rb") as file:
                members = {name.split(".")[0] for name, _ in read_members(file)}
            kept = [r for r in rows(out, f"{stage}/{shard}.parquet") if r["outcome"] is None]
            assert members == {row.get("crop", row["key"]) for row in kept}
        ledger = read_record(folder, "ledger", shard).counts
        assert ledger["in"] == len(rows(out, f"plan/{shard}.parquet"))
        assert ledger.get("kept", 0) == ledger["out"]
    counted = {row["person"]: row["images"] for row in rows(out, "split/people.parquet")}
    split = [rows(out, f"split/{path.name}") for path in out.glob("split/t*-*.parquet")]
    samples = [row for some in split for row in some]
    assert sum(counted.values()) == len(samples) == len(packed(out))
    assert person not in counted


def test_by_url_by_domain_and_by_digest(out, demo, in_process):
    first, second = list(packed(out).items())[:2]
    url = json.loads(first[1]["json"])["url"]
    digest = json.loads(second[1]["json"])["sha256"]
    assert run("takedown", out, "--url", url, "--sha256", digest)[0] == 0
    left = packed(out)
    assert first[0] not in left and second[0] not in left
    assert build(demo.settings(out)).ran == 0
    assert run("takedown", out, "--domain", "127.0.0.1")[0] == 0
    assert packed(out) == {}
    # Nobody is left: the build is at its end, and says so.
    with pytest.raises(NothingKept, match=r"rows taken down, and none is left to build"):
        build(demo.settings(out))
    assert status(str(out)).complete
    # Nor among the rows that never were any, here or in a plan that is made anew.
    assert run("takedown", out, "--check")[0] == 0
    rejected = rows(out, "plan/rejected.parquet")
    assert any(row["outcome"].startswith("manifest:") for row in rejected)
    assert not any("127.0.0.1" in (row["url"] or "") for row in rejected)
    removals = lists_in(Folder(out))
    with Manifest(str(demo.web / "manifest.parquet")) as manifest:
        again = Plan(PlanSettings(), manifest, removals)
        counts = run_shard(again, Folder(out.parent / "again"), "all", "f", {}).counts
    assert counts["out"] == 0
    rejected = rows(out.parent / "again", "plan/rejected.parquet")
    assert len(rejected) == counts["in"]
    assert not any("127.0.0.1" in (row["url"] or "") for row in rejected)


def test_a_newer_list_is_applied_by_the_next_build(demo, out, in_process):
    before, person = packed(out), some_person(out)
    folder = Folder(out)
    entries = entries_of(folder, TakedownRequest(people=[person]))
    Removals("cd" * 32).plus(DAY, "law", entries).write(folder)
    events = []
    result = build(demo.settings(out), events.append)
    assert result.complete and result.ran == 0  # nothing was fetched or made again
    assert any("taken down" in event.message for event in events if event.kind == "note")
    assert person not in {person_of(sample) for sample in packed(out).values()}
    assert len(packed(out)) < len(before)


@pytest.mark.parametrize("moment", [1, 2, 5, 20, 10_000])
def test_whenever_it_is_stopped_it_can_be_finished(out, monkeypatch, moment):
    person, before = some_person(out), packed(out)
    folder = Folder(out)
    listed = Removals("ef" * 32).plus(
        DAY,
        "request",
        entries_of(folder, TakedownRequest(people=[person])),
    )
    calls = 0
    real = Folder.move

    def move(self, name, to):
        nonlocal calls
        calls += 1
        if calls == moment:
            raise KeyboardInterrupt
        real(self, name, to)

    monkeypatch.setattr(Folder, "move", move)
    try:
        apply(folder, RemovalLists((listed,)), listed)
    except KeyboardInterrupt:
        monkeypatch.setattr(Folder, "move", real)
        apply(folder, RemovalLists((listed,)), listed)
    assert status(str(out)).complete
    left = packed(out)
    assert {person_of(sample) for sample in left.values()} == {
        person_of(sample) for sample in before.values()
    } - {person}
    assert not (out / ".takedown").exists()
    assert check_absence(folder, lists_in(folder)).proven


def test_what_remains_is_found(out):
    person = some_person(out)
    url = next(json.loads(s["json"])["url"] for s in packed(out).values() if person_of(s) == person)
    run("takedown", out, "--person", str(person))
    (out / "notes.txt").write_text(f"look at {url}, please")
    code, told = run("takedown", out, "--check")[:2]
    assert code == 1
    assert "notes.txt: holds 1 value of what was removed" in told


def test_an_address_is_found_in_any_spelling(out):
    sample = next(s for s in packed(out).values() if "é" in json.loads(s["json"])["url"])
    url = json.loads(sample["json"])["url"]
    other = quote(url, safe=":/?&=").replace("http://", "HTTP://user@") + "#top"
    code, told, _ = run("takedown", out, "--url", other)
    assert code == 0 and "1 row and" in told
    assert url not in {json.loads(s["json"])["url"] for s in packed(out).values()}
    (out / "notes.txt").write_text(f"look at {url}, please\n\n{other}")
    assert "notes.txt: holds 2 values" in run("takedown", out, "--check")[1]
    told = run("explain", out, other)
    assert told[0] == 0 and told[1].startswith("takedown") and "removed on request" in told[1]


def test_what_was_removed_before_is_told_so(out):
    person = some_person(out)
    assert run("takedown", out, "--person", str(person))[0] == 0
    before = (out / "removals.parquet").read_bytes()
    code, told, _ = run("takedown", out, "--person", str(person))
    assert code == 0 and "All of it was taken down before." in told
    assert (out / "removals.parquet").read_bytes() == before


def test_the_same_command_finishes_one_that_was_killed(out, monkeypatch):
    person, real, calls = some_person(out), Folder.move, []

    def move(self, name, to):
        calls.append(to)
        if len(calls) == 5:
            raise KeyboardInterrupt
        real(self, name, to)

    monkeypatch.setattr(Folder, "move", move)
    assert run("takedown", out, "--person", str(person))[0] == 130
    monkeypatch.setattr(Folder, "move", real)
    code, told, _ = run("takedown", out, "--person", str(person))
    assert code == 0, told
    assert status(str(out)).complete
    assert person not in {person_of(sample) for sample in packed(out).values()}


def test_a_third_folder_with_the_old_release_agrees(demo, out, in_process, tmp_path):
    release = make_release(demo.out, tmp_path / "r")
    person = some_person(out)
    run("takedown", out, "--person", str(person))
    lists_in(Folder(out)).lists[0].public().write(release)
    config = load(None, ["download.allow_private=[127.0.0.1]"])
    config.manifest, config.out = release.root, str(tmp_path / "third")
    assert build(config).complete
    assert packed(tmp_path / "third") == packed(out)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Say what to remove"),
        (("--person", "1"), "no such person"),
        (("--url", "ftp://x/y"), "no http or https URL"),
        (("--domain", "http://example.org"), "is no domain"),
        (("--domain", "org"), "add --yes to remove them all"),
        (("--person", "abc"), "is no person's id"),
        (("--person", str(1 << 64)), "is no person's id"),
        (("--sha256", "12"), "64 hex digits"),
        (("--url", "http://a/b", "--reason", "because"), "it is one of request"),
    ],
)
def test_what_is_wrong_is_told(out, arguments, says):
    code, *told = run("takedown", out, *arguments)
    assert code == 2
    assert says in "".join(map(str, told))
    assert not (out / "removals.parquet").exists()
