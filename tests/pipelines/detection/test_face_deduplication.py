from pipelines.detection.face_deduplication import OUTCOME, deduplicate


def crop(name, box, outcome=None):
    return {"crop": name, "key": name.split("-")[0], "outcome": outcome, "box": box}


def outcomes(rows):
    return {row["crop"]: row["outcome"] for row in rows}


def test_the_largest_crop_keeps_a_shared_face():
    # The same face in the photo, seen from two crops with different origins.
    rows = [
        crop("a-0", [50, 50, 90, 90]),
        crop("a-1", [10, 10, 50, 50]),
        crop("b-0", [10, 10, 50, 50]),
    ]
    persons = {
        "a-0": {"area": [0, 0, 150, 150]},
        "a-1": {"area": [40, 40, 200, 300]},
        "b-0": {"area": [40, 40, 100, 100]},
    }
    deduplicate(rows, persons)
    assert outcomes(rows) == {"a-0": OUTCOME, "a-1": None, "b-0": None}
    assert rows[0]["detail"] == "the face of a-1"


def test_two_faces_of_a_photo_stay_with_their_persons():
    rows = [crop("a-0", [0, 0, 40, 40]), crop("a-1", [60, 0, 100, 40])]
    persons = {name: {"area": [0, 0, 100, 100]} for name in ("a-0", "a-1")}
    deduplicate(rows, persons)
    assert outcomes(rows) == {"a-0": None, "a-1": None}


def test_rejected_faces_claim_nothing_and_ties_go_by_name():
    box = [0, 0, 40, 40]
    rows = [crop("a-0", box, "face:low-score"), crop("a-1", box), crop("a-2", box)]
    persons = {f"a-{i}": {"area": [0, 0, 100, 100]} for i in range(3)}
    deduplicate(rows, persons)
    assert outcomes(rows) == {"a-0": "face:low-score", "a-1": None, "a-2": OUTCOME}
