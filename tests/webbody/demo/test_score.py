"""The score, on a web and a build of a few rows whose figures are known by hand."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from webbody.commit import Output, Record
from webbody.demo.scoring.score import print_score, score, write_score
from webbody.demo.scoring.score_table import EXPLAINED
from webbody.demo.website.truth import TRUTH
from webbody.demo.website.web import NAMES
from webbody.errors import WebbodyError
from webbody.manifest import sample_key
from webbody.storage import Folder

ANN, CID, DAN, STRANGER = 1, 2, 9, 5
LEFT = [10.0, 20.0, 110.0, 120.0]  # a box of 100 x 100 px: a point may be 10 px off
RIGHT = [200.0, 20.0, 300.0, 120.0]
POINTS = [[15.0 + 4 * i, 30.0 + 4 * i, 2.0] for i in range(19)]


def figure(identity: int, box=LEFT, visible=0.5, face=True) -> dict:
    shift = box[0] - LEFT[0]
    return {
        "identity": identity,
        "box": box,
        "visible": visible,
        "keypoints": [v for x, y, flag in POINTS for v in (x + shift, y, flag)],
        "face_box": [box[0] + 30, 25.0, box[0] + 60, 65.0] if face else None,
        "face_visible": 1.0 if face else None,
    }


def row(url, name, identity, *figures, kind="right", expected="fetched", **more) -> dict:
    values = {"kind": kind, "scene": "half", "behaviour": "plain", "encoding": "plain"}
    shows = expected == "fetched" and any(f["identity"] == identity for f in figures)
    keep = shows and not more.get("leak") and not {"duplicate_of", "near_duplicate_of"} & set(more)
    return {
        **values, "url": url, "name": name, "identity": identity, "expected": expected,
        "leak": False, "shows": shows, "keep": keep, "figures": list(figures), **more,
    }  # fmt: skip


#: Ann and Bea are one person; Dan is a validation person.
TRUTH_ROWS = [
    row("u0", "Ann", ANN, figure(ANN)),
    row("u1", "Ann", ANN, figure(ANN), duplicate_of=0),
    row("u2", "Ann", ANN, figure(ANN), near_duplicate_of=0),
    row("u3", "Bea", ANN, figure(ANN)),
    row("u4", "Cid", CID, figure(CID), figure(STRANGER, RIGHT)),
    row("u5", "Dan", DAN, figure(DAN), leak=True),
    row("u6", "Cid", CID, expected="download:http-404", behaviour="missing"),
    row("u7", "Cid", CID, figure(STRANGER, visible=0.1), kind="wrong"),
    row("u0", "Ann", ANN, figure(ANN), kind="repeated", expected="manifest:duplicate"),
    row(None, "Ann", None, kind="bad", expected="manifest:no-url"),
]


def detection(url, name, index=0, box=LEFT, face=True, person=None, points_off=0.0) -> dict:
    return {
        "key": sample_key(url, name), "index": index, "box": box, "face": face, "person": person,
        "points_off": points_off,
    }  # fmt: skip


#: A build without a fault: one sample of each image that should be kept.
PERFECT = [
    detection("u0", "Ann", person=0),
    detection("u1", "Ann"),
    detection("u2", "Ann"),
    detection("u3", "Bea", person=0),
    detection("u4", "Cid", person=1),
    detection("u4", "Cid", 1, RIGHT),
    detection("u5", "Dan"),
]
MERGED = [["Ann", "Bea"], ["Cid"]]


@pytest.fixture
def web(tmp_path):
    folder = tmp_path / "web"
    folder.mkdir()
    rows = [{"row": index, **values} for index, values in enumerate(TRUTH_ROWS)]
    pq.write_table(pa.Table.from_pylist(rows, TRUTH), folder / "truth.parquet")
    names = [
        {"name": name, "identity": identity, "leaked": identity == DAN}
        for name, identity in (("Ann", ANN), ("Bea", ANN), ("Cid", CID), ("Dan", DAN))
    ]
    pq.write_table(pa.Table.from_pylist(names, NAMES), folder / "names.parquet")
    return folder


@pytest.fixture
def build(tmp_path):
    def write(
        detections=PERFECT,
        people=MERGED,
        outcomes=(),
        rejected=("manifest:duplicate", "manifest:no-url"),
    ):
        folder = Folder(tmp_path / "out")
        folder.write_bytes("build.json", b'{"manifest": "list.csv"}')
        rows = [
            {"row": 8 + i, "url": TRUTH_ROWS[8 + i]["url"], "name": "Ann", "outcome": outcome}
            for i, outcome in enumerate(rejected)
        ]
        _commit(folder, "plan", "all", {"rejected.parquet": rows, "aa.parquet": []})
        persons, faces, split = [], [], []
        for found in detections:
            x1, y1, x2, y2 = found["box"]
            crop = {"crop": f"{found['key']}-{found['index']}", "key": found["key"]}
            area = [int(x1) - 5, int(y1) - 5, int(x2) + 5, int(y2) + 5]
            persons.append({**crop, "outcome": None, "box": found["box"], "area": area})
            face = [35.0, 10.0, 65.0, 50.0]  # in the crop, where the truth has it
            faces.append({**crop, "outcome": None if found["face"] else "face:none", "box": face})
            if found["person"] is not None:
                off = found["points_off"] - (LEFT[0] - 5)
                points = [v for x, y, _ in POINTS for v in (x + off, y - (LEFT[1] - 5), 1.0)]
                split.append({**crop, "person": found["person"], "keypoints": points})
        for key in {sample_key("u7", "Cid")}:
            persons.append(
                {"crop": key, "key": key, "outcome": "person:none", "box": None, "area": None}
            )
        kept = {sample["key"] for sample in split}
        special = {"u6": "download:http-404", **dict(outcomes)}
        ledger = []
        for values in TRUTH_ROWS[:8]:
            key = sample_key(values["url"], values["name"])
            lost = special.get(values["url"], "cluster:noise")
            ledger.append({"key": key, "outcome": "kept" if key in kept else lost})
        _commit(folder, "persons", "aa", {"aa.parquet": persons})
        _commit(folder, "faces", "aa", {"aa.parquet": faces})
        _commit(folder, "ledger", "aa", {"aa.parquet": ledger})
        _commit(folder, "split", "all", {"train-000000.parquet": split, "people.parquet": []})
        known = [{"person": i, "names": names, "outcome": None} for i, names in enumerate(people)]
        _commit(folder, "identities", "all", {"people.parquet": known})
        return folder.url

    return write


def test_a_faultless_build(web, build):
    result = score(build(), web)
    shares = {key: tuple(part) for key, part in result["counted"].items()}
    assert shares == {
        "person_recall": (7, 7),
        "person_precision": (7, 7),
        "face_recall": (7, 7),
        "keypoint_pck": (3 * 19, 3 * 19),
        "identity_purity": (3, 3),
        "identity_recall": (3, 3),
        "merges_right": (1, 1),
        "merges_wrong": (0, 1),
        "leaks_left": (0, 1),
        "exact_duplicates_found": (1, 1),
        "near_duplicates_found": (1, 1),
        "outcomes_right": (3, 3),
    }
    assert result["outcomes_add_up"]
    assert result["rows"] == 10
    assert result["outcomes"] == {
        "cluster:noise": 4, "download:http-404": 1, "kept": 3,
        "manifest:duplicate": 1, "manifest:no-url": 1,
    }  # fmt: skip
    assert result["outcomes_wrong"] == []
    assert result["lost"] == {}


def test_missed_invented_and_excused_persons(web, build):
    nobody = [400.0, 400.0, 500.0, 500.0]
    lesser = detection("u7", "Cid")  # a tenth visible: neither due nor wrong
    found = [*PERFECT[:5], lesser, detection("u3", "Bea", 1, nobody)]
    result = score(build(found), web)
    # Row u5 has no detection and is no longer among the searched photos here; u4 lost its stranger.
    assert result["counted"]["person_recall"] == [5, 6]
    assert result["counted"]["person_precision"] == [5, 6]


def test_a_second_box_on_one_person_is_invented(web, build):
    result = score(build([*PERFECT, detection("u3", "Bea", 1, [12.0, 20.0, 112.0, 120.0])]), web)
    assert result["counted"]["person_precision"][1] == 8
    assert result["counted"]["person_precision"][0] == 7


def test_missed_faces_and_displaced_points(web, build):
    found = [
        detection("u0", "Ann", person=0, points_off=9.0),
        detection("u3", "Bea", person=0, points_off=11.0),
        detection("u4", "Cid", face=False),
    ]
    result = score(build(found), web)
    assert result["counted"]["face_recall"] == [2, 3]
    assert result["counted"]["keypoint_pck"] == [19, 38]


def test_the_wrong_crop_of_a_photo_is_impure_and_not_recalled(web, build):
    found = [*PERFECT[:4], detection("u4", "Cid"), detection("u4", "Cid", 1, RIGHT, person=0)]
    result = score(build(found), web)
    assert result["counted"]["identity_purity"] == [2, 3]
    assert result["counted"]["identity_recall"] == [2, 3]
    assert result["lost"] == {"kept": 1}


def test_whom_a_loose_box_shows_is_told_by_the_face_in_it(web, build):
    loose = [10.0, 20.0, 110.0, 360.0]  # an IoU of 0.29 with Bea's and Cid's box, around their face
    bea, cid = detection("u3", "Bea", box=loose), detection("u4", "Cid", box=loose)
    found = [*PERFECT[:3], {**bea, "person": 0}, {**cid, "person": 0}]
    result = score(build(found), web)
    assert result["counted"]["person_recall"] == [3, 6]
    assert result["counted"]["identity_purity"] == [2, 3]
    assert result["counted"]["identity_recall"] == [2, 3]
    faceless = [*PERFECT[:3], {**bea, "person": 0, "face": False}]
    assert score(build(faceless), web)["counted"]["identity_purity"] == [1, 2]


def test_what_the_lost_images_died_of(web, build):
    copied = {"u3": "identity:duplicate-of:0a-0", "u4": "cluster:noise"}
    result = score(build(PERFECT[:1], outcomes=copied.items()), web)
    assert result["counted"]["identity_recall"] == [1, 3]
    assert result["lost"] == {"identity:duplicate": 1, "cluster:noise": 1}
    text = io.StringIO()
    print_score(result, Console(file=text, width=120))
    assert "lost: 1 identity:duplicate, 1 cluster:noise." in text.getvalue()


def test_any_copy_of_an_image_may_be_the_one_that_stays(web, build):
    found = [detection("u0", "Ann"), detection("u1", "Ann", person=0), *PERFECT[2:]]
    result = score(build(found), web)
    assert result["counted"]["identity_recall"][0] == 3
    assert result["exact_duplicates_found"] == 1
    assert result["near_duplicates_found"] == 1


def test_copies_that_are_left(web, build):
    found = [PERFECT[0], *(detection(url, "Ann", person=0) for url in ("u1", "u2")), *PERFECT[3:]]
    result = score(build(found), web)
    assert result["exact_duplicates_found"] == 0
    assert result["counted"]["exact_duplicates_found"] == [0, 1]
    assert result["near_duplicates_found"] == 0
    assert result["counted"]["near_duplicates_found"] == [0, 1]


def test_merges_and_leaks(web, build):
    found = [*PERFECT[:6], detection("u5", "Dan", person=2)]
    result = score(build(found, people=[["Ann", "Cid"], ["Bea"], ["Dan"]]), web)
    assert result["counted"]["merges_right"] == [0, 1]
    assert result["counted"]["merges_wrong"] == [1, 1]
    assert result["counted"]["leaks_left"] == [1, 1]


def test_unexpected_outcomes_are_shown(web, build):
    result = score(build(outcomes={"u6": "download:timeout"}.items()), web)
    assert result["counted"]["outcomes_right"] == [2, 3]
    assert result["outcomes_wrong"][0]["outcome"] == "download:timeout"
    assert result["outcomes_wrong"][0]["expected"] == "download:http-404"


def test_a_lost_row_does_not_add_up(web, build):
    assert not score(build(rejected=("manifest:duplicate",)), web)["outcomes_add_up"]


def test_an_unfinished_build_is_told(web, build, tmp_path):
    out = build()
    (tmp_path / "out/ledger/aa.json").unlink()
    with pytest.raises(WebbodyError, match=r"ledger/aa\.json"):
        score(out, web)


def test_the_score_is_written_and_printed(web, build, tmp_path):
    out = build()
    result = write_score(out, web)
    assert json.loads((tmp_path / "out/score.json").read_text()) == result
    write_score(out, web, tmp_path / "elsewhere.json")
    assert json.loads((tmp_path / "elsewhere.json").read_text()) == result == score(out, web)
    text = io.StringIO()
    print_score(result, Console(file=text, width=120))
    for title, meaning in EXPLAINED.values():
        assert title in text.getvalue()
        assert meaning.split(" (")[0][:30] in text.getvalue()
    assert "100.0 %" in text.getvalue()
    assert "10 manifest rows" in text.getvalue()


_SCHEMAS = {
    "rejected.parquet": [
        ("row", pa.int64()), ("url", pa.string()), ("name", pa.string()), ("outcome", pa.string()),
    ],
}  # fmt: skip


def _commit(folder: Folder, stage: str, shard: str, tables: dict[str, list[dict]]) -> None:
    outputs = {}
    for name, rows in tables.items():
        schema = pa.schema(_SCHEMAS[name]) if name in _SCHEMAS else None
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema), file)
        folder.write_bytes(f"{stage}/{name}", file.getvalue())
        outputs[name] = Output("", len(file.getvalue()))
    record = Record(stage, shard, "", {}, outputs)
    folder.write_bytes(f"{stage}/{shard}.json", record.to_json())
