"""A finished build that is corrected: only what is touched is made again, and it stays so."""

import datetime
import json
import shutil
from collections import Counter

import pyarrow.parquet as pq
import pytest
from command_line import one_sentence, run

from pipelines.build import build
from pipelines.corrections.correction import Verdict
from pipelines.corrections.corrector import Corrector
from pipelines.corrections.told import known_to
from pipelines.inspection.explain import explain
from pipelines.inspection.status import status
from pipelines.release.finished import FinishedBuild
from pipelines.takedown.surgery import apply
from pipelines.takedown.targets import TakedownRequest, entries_of
from webbody.build_records import BuildRecords
from webbody.errors import WebbodyError
from webbody.removals import RemovalLists, Removals, read_removals
from webbody.shards import read_members
from webbody.storage import Folder


@pytest.fixture
def out(demo, tmp_path, in_process):
    shutil.copytree(demo.out, tmp_path / "copy")
    assert build(demo.settings(tmp_path / "copy")).complete  # its configuration names the copy
    return tmp_path / "copy"


def labels(out):
    """crop -> the row of identities."""
    found = {}
    for path in sorted((out / "identities").glob("[0-9a-f]" * 8 + ".parquet")):
        found |= {row["crop"]: row for row in pq.read_table(path).to_pylist()}
    return found


def of_outcome(out, start):
    return sorted(
        crop for crop, row in labels(out).items() if (row["outcome"] or "").startswith(start)
    )


def downloads(out):
    """The rows of the downloads that have a picture."""
    paths = (out / "download").glob("[0-9a-f]" * 8 + ".parquet")
    rows = [row for path in paths for row in pq.read_table(path).to_pylist()]
    return [row for row in rows if row["sha256"]]


def only_ones(out, crops):
    """Those whose picture has no second file with equal bytes, of which one alone is kept."""
    digest = {row["key"]: row["sha256"] for row in downloads(out)}
    count = Counter(digest.values())
    return [crop for crop in crops if count[digest[crop.rpartition("-")[0]]] == 1]


def kept(out):
    return sorted(crop for crop, row in labels(out).items() if row["outcome"] is None)


def samples(out):
    """The key and all bytes of each packed sample."""
    found = {}
    for path in sorted((out / "pack").glob("*.tar")):
        with path.open("rb") as file:
            found |= dict(read_members(file))
    return found


def rebuilt(demo, out, *overrides):
    ran = []
    result = build(
        demo.settings(out, *overrides),
        lambda event: event.kind == "done" and ran.append((event.stage, event.shard)),
    )
    assert result.complete
    return ran


def test_only_what_is_touched_is_made_again(demo, out):
    copies = " ".join(row["outcome"] or "" for row in labels(out).values())
    before = samples(out)
    bad = next(crop for crop in kept(out) if crop not in copies)  # else a copy takes its place
    sample = labels(out)[bad]["sample"]
    one = Corrector(out, "ann").of_pictures(Verdict.BAD_PICTURE, [bad], "blurred")[0]
    assert "1 correction waits" in status(str(out)).waiting
    ran = rebuilt(demo, out)
    assert {stage for stage, _ in ran} == {"identities", "keypoints", "split", "pack", "ledger"}
    assert len([shard for stage, shard in ran if stage == "keypoints"]) == 1
    after = samples(out)
    gone = {f"{sample}.{ending}" for ending in ("jpg", "json", "cls")}
    assert set(before) - set(after) <= gone and f"{sample}.jpg" not in after
    assert all(after[name] == before[name] for name in after)
    assert not status(str(out)).waiting
    (story,) = explain(str(out), bad)
    assert story.outcome == "corrected:bad-picture"
    assert "ann" in str(story.steps) and "blurred" in str(story.steps)
    assert known_to(BuildRecords(Folder(out)))[one.id].rows == 1
    assert rebuilt(demo, out) == []


def test_taken_back_everything_is_as_it_was(demo, out):
    before = samples(out)
    corrector = Corrector(out)
    one = corrector.of_pictures(Verdict.NOT_THIS_PERSON, [kept(out)[0]])[0]
    rebuilt(demo, out)
    assert samples(out) != before
    corrector.undo([one.id])
    rebuilt(demo, out)
    assert samples(out) == before
    assert not (out / "identities/corrections.parquet").exists()


def test_pictures_are_kept_in_spite_of_every_stage(demo, out):
    """Of clusters, of identities, and of a person who resembles somebody of a gallery."""
    noise = [
        row["crop"]
        for path in sorted((out / "clusters").glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
        if row["outcome"] == "cluster:noise"
    ]
    wanted = [
        only_ones(out, found)[0]
        for found in (
            noise,
            of_outcome(out, "identity:duplicate-of"),
            of_outcome(out, "identity:leak"),
        )
    ]
    Corrector(out).of_pictures(Verdict.KEEP, wanted)
    rebuilt(demo, out)
    assert set(wanted) <= set(kept(out))
    packed = {name.split(".")[0] for name in samples(out)}
    assert {labels(out)[crop]["sample"] for crop in wanted} <= packed
    people = pq.read_table(out / "identities/people.parquet").to_pylist()
    alive = {row["person"]: row["images"] for row in people if row["outcome"] is None}
    leaked = labels(out)[wanted[2]]["person"]  # of this person these alone
    assert alive[leaked] == sum(labels(out)[crop]["person"] == leaked for crop in wanted)
    assert len(set(alive)) == len([row for row in people if row["person"] is not None])


def test_names_become_one_person_and_two_again(demo, out):
    people = [row for row in pq.read_table(out / "identities/people.parquet").to_pylist()
              if row["person"] is not None]  # fmt: skip
    first, second = sorted(people, key=lambda row: -row["images"])[:2]
    corrector = Corrector(out)
    corrector.of_people(Verdict.ONE_PERSON, first["names"], second["names"])
    rebuilt(demo, out)
    now = pq.read_table(out / "identities/people.parquet").to_pylist()
    (joined,) = [row for row in now if set(first["names"]) <= set(row["names"])]
    assert set(second["names"]) <= set(joined["names"])
    assert joined["person"] in (first["person"], second["person"])
    pairs = pq.read_table(out / "identities/pairs.parquet").to_pylist()
    assert "one-person" in {row["decision"] for row in pairs}
    corrector.of_people(Verdict.TWO_PEOPLE, first["names"], second["names"])  # the later one holds
    rebuilt(demo, out)
    now = {tuple(row["names"]): row["person"]
           for row in pq.read_table(out / "identities/people.parquet").to_pylist()}  # fmt: skip
    ids = now[tuple(first["names"])], now[tuple(second["names"])]
    assert joined["person"] in ids and len(set(ids)) == 2
    states = known_to(BuildRecords(Folder(out))).values()
    assert [one.state for one in states] == ["contradicted", "holds"]


def test_it_survives_other_thresholds_and_is_carried_to_another_build(demo, out, tmp_path):
    bad = kept(out)[:2]
    Corrector(out).of_pictures(Verdict.BAD_PICTURE, bad)
    rebuilt(demo, out, "clusters.eps=0.6", "identities.near_copy=8")
    assert set(of_outcome(out, "corrected:")) == set(bad)
    other = tmp_path / "other"
    shutil.copytree(demo.out, other)
    assert run("correct", other, "import", out)[0] == 0
    rebuilt(demo, other)
    assert set(of_outcome(other, "corrected:")) == set(bad)


def test_a_takedown_takes_the_correction_along(demo, out):
    bad = kept(out)[:2]
    corrector = Corrector(out)
    corrector.of_pictures(Verdict.BAD_PICTURE, bad)
    rebuilt(demo, out)
    folder = Folder(out)
    (story,) = explain(str(out), bad[0])
    request = TakedownRequest(urls=[story.url])
    own = Removals("0" * 64)
    entries = entries_of(folder, request, RemovalLists((own,)))
    listed = own.plus(datetime.date(2026, 1, 1), "request", entries)
    apply(folder, RemovalLists((listed,)), listed)
    left = corrector.journal.read()
    assert len(left) == 1 and not status(str(out)).waiting
    assert rebuilt(demo, out) == []  # nothing was touched but what was taken down
    assert of_outcome(out, "corrected:") == [bad[1]]


def test_a_release_waits_for_corrections_and_counts_them(demo, out):
    from pipelines.release.build_figures import build_figures

    Corrector(out).of_pictures(Verdict.BAD_PICTURE, kept(out)[:2])
    with pytest.raises(WebbodyError, match="2 corrections wait"):
        FinishedBuild.read(str(out))
    rebuilt(demo, out)
    figures = build_figures(FinishedBuild.read(str(out)))
    assert figures["corrections"] == {"bad-picture": 2}
    assert figures["outcomes"]["corrected:bad-picture"] == 2


def test_the_command_tells_what_is_wrong(out):
    for arguments, says in (
        (["nonsense"], "is none of"),
        (["keep"], "say of what"),
        (["keep", "0123456789abcdef0123-0"], "no crop of this build"),
        (["one-person", "a"], "said of two people"),
        (["one-person", "a", "b"], "neither a person's id nor a name"),
        (["undo", "0123456789abcdef"], "no correction that can be taken back"),
        (["one-person", "9" * 25, "b"], "neither a person's id nor a name"),
        (["one-person", "9" * 5000, "b"], "neither a person's id nor a name"),
        (["import", str(out)], "holds no corrections"),
    ):
        code, _, error = run("correct", out, *arguments)
        assert code == 2 and says in error and one_sentence(error), (arguments, error)
    assert not (out / "corrections").exists()
    assert "Nobody has corrected" in run("correct", out)[1]


def test_a_damaged_file_stops_the_build_early(demo, out):
    Corrector(out).of_pictures(Verdict.BAD_PICTURE, [kept(out)[0]])
    (path,) = (out / "corrections").iterdir()
    path.write_text(path.read_text()[:-20] + "\n")
    before = json.loads((out / "build.json").read_text())
    with pytest.raises(WebbodyError, match="line 1: is no correction"):
        build(demo.settings(out))
    assert json.loads((out / "build.json").read_text()) == before


def take_down(out, **what):
    folder = Folder(out)
    own = read_removals(folder) or Removals("0" * 64)
    entries = entries_of(folder, TakedownRequest(**what), RemovalLists((own,)))
    listed = own.plus(datetime.date(2026, 1, 1), "request", entries)
    return apply(folder, RemovalLists((listed,)), listed)


def test_reasons_and_other_builds_do_not_bring_back_what_was_taken_down(demo, out, tmp_path):
    """The name in the reason of another picture, an import from a build that still knows it, a
    damaged line: a takedown finds them all, also the second one."""
    bad, other = kept(out)[:2]
    (story,) = explain(str(out), bad)
    person = labels(out)[bad]["person"]
    names = {row["person"]: row["names"] for row in
             pq.read_table(out / "identities/people.parquet").to_pylist()}[person]  # fmt: skip
    other = next(c for c in kept(out) if labels(out)[c]["person"] != person)
    corrector = Corrector(out)
    corrector.of_pictures(Verdict.BAD_PICTURE, [bad], "a bad one")
    corrector.of_pictures(Verdict.BAD_PICTURE, [other], f"looks like {names[0]}")
    damaged = out / "corrections/0.jsonl"
    damaged.write_text('{"crops": ' + story.url + "\n")
    source = tmp_path / "source"
    shutil.copytree(out, source)
    (source / "corrections/0.jsonl").unlink()
    take_down(out, people=[person])
    text = "".join(path.read_text() for path in (out / "corrections").iterdir())
    assert names[0] not in text and story.url not in text
    assert len(corrector.journal.read()) == 1
    damaged.unlink(missing_ok=True)
    assert run("correct", out, "import", source)[0] == 0
    assert run("takedown", out, "--check")[0] == 0
    shutil.copy(next((source / "corrections").iterdir()), out / "corrections/copied.jsonl")
    assert run("takedown", out, "--check")[0] == 1
    assert run("takedown", out, "--person", person)[0] == 0
    assert run("takedown", out, "--check")[0] == 0


def test_a_correction_stays_with_equal_bytes_at_another_address(demo, out):
    rows = downloads(out)
    crops = {crop.rpartition("-")[0]: crop for crop in labels(out)}
    count = Counter(row["sha256"] for row in rows if row["key"] in crops)
    twice = [row for row in rows if row["key"] in crops and count[row["sha256"]] > 1]
    corrector = Corrector(out)
    corrector.of_pictures(Verdict.BAD_PICTURE, [crops[twice[0]["key"]]])
    same = [row for row in twice if row["sha256"] == twice[0]["sha256"]]
    take_down(out, urls=[same[0]["url"]])
    assert len(corrector.journal.read()) == (1 if same[0]["url"] != same[1]["url"] else 0)
    take_down(out, urls=[row["url"] for row in same])
    assert corrector.journal.read() == ()
