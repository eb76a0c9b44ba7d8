"""Keypoint vocabularies against what their names say, and against one another."""

import numpy as np
import pytest

from model.sapiens.vocabulary import keypoint_vocabulary, shared_points
from model.sapiens.vocabulary.keypoints import coco17_in_308
from webbody.errors import WebbodyError
from webbody.skeleton import NAMES, SAPIENS308, WHOLEBODY133

KNOWN = (17, 133, 308)


@pytest.mark.parametrize("count", KNOWN)
def test_mirroring_twice_changes_nothing(count):
    vocabulary = keypoint_vocabulary(count)
    assert len(vocabulary) == len(set(vocabulary.names)) == count
    assert (vocabulary.flip[vocabulary.flip] == np.arange(count)).all()


@pytest.mark.parametrize("count", KNOWN)
def test_points_of_a_side_change_sides_and_no_others_move(count):
    vocabulary = keypoint_vocabulary(count)
    for at, name in enumerate(vocabulary.names):
        other = vocabulary.names[vocabulary.flip[at]]
        if name.startswith("left_"):
            assert other == name.replace("left_", "right_")
        elif name.startswith(("r_", "l_")):
            # Two pairs of the ears' helix are joined by their place in the published table.
            assert name[0] != other[0]
            assert name[1:] == other[1:] or count == 308
        elif "_of_l_" in name or "_of_r_" in name:
            assert ("_of_l_" in name) == ("_of_r_" in other)


def test_the_middle_of_the_face_stays():
    wholebody = keypoint_vocabulary(133)
    stays = np.flatnonzero(wholebody.flip == np.arange(133))
    named = {wholebody.names[at] for at in stays}
    # iBUG's 68: chin, bridge and tip of the nose, septum, middles of the four lip lines.
    assert named == {"nose", *(f"face-{at}" for at in (8, 27, 28, 29, 30, 33, 51, 57, 62, 66))}


def test_mouth_corners_of_the_face_are_those_of_the_skeleton():
    wholebody = keypoint_vocabulary(133)
    left, right = WHOLEBODY133[NAMES.index("left_mouth")], WHOLEBODY133[NAMES.index("right_mouth")]
    assert wholebody.names[right] == "face-48"
    assert wholebody.flip[left] == right


@pytest.mark.parametrize("count", KNOWN)
def test_groups_cover_the_points(count):
    vocabulary = keypoint_vocabulary(count)
    parts = ("body", "foot", "face", "left_hand", "right_hand")
    in_parts = [vocabulary.groups[part] for part in parts if part in vocabulary.groups]
    together = np.concatenate(in_parts)
    assert len(together) == len(set(together.tolist()))
    assert len(vocabulary.groups["whole_body"]) == count
    extra = {"left_olecranon", "right_olecranon", "left_cubital_fossa", "right_cubital_fossa",
             "left_acromion", "right_acromion", "neck"}  # fmt: skip
    rest = {vocabulary.names[at] for at in set(range(count)) - set(together.tolist())}
    assert rest == (extra if count == 308 else set())


def test_left_groups_mirror_onto_right_ones():
    for count in (133, 308):
        vocabulary = keypoint_vocabulary(count)
        mirrored = sorted(vocabulary.flip[vocabulary.groups["left_hand"]])
        assert mirrored == sorted(vocabulary.groups["right_hand"])
        for part in ("body", "foot", "face"):
            assert sorted(vocabulary.flip[vocabulary.groups[part]]) == sorted(
                vocabulary.groups[part]
            )


def test_the_shared_points_bear_the_same_names():
    large, small = shared_points()
    assert len(large) == len(small) == 53
    first, second = keypoint_vocabulary(308), keypoint_vocabulary(133)
    assert [first.names[at] for at in large] == [second.names[at] for at in small]
    np.testing.assert_array_equal(first.sigmas[large], second.sigmas[small])
    # Their mirror images agree in both layouts.
    there = dict(zip(large.tolist(), small.tolist(), strict=True))
    assert [there[at] for at in first.flip[large]] == second.flip[small].tolist()


def test_cocos_points_are_found_in_all_three():
    coco = keypoint_vocabulary(17)
    assert keypoint_vocabulary(133).names[:17] == coco.names
    names = keypoint_vocabulary(308).names
    assert tuple(names[at] for at in coco17_in_308()) == coco.names
    assert coco17_in_308().tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 62, 41, 9, 10, 11, 12, 13, 14]


@pytest.mark.parametrize("count", KNOWN)
def test_our_skeleton_takes_the_points_of_its_names(count):
    vocabulary = keypoint_vocabulary(count)
    points = np.stack([np.arange(count), np.arange(count), np.ones(count)], 1)
    ours = vocabulary.to_skeleton(points)
    mouths = {"left_mouth": {133: 77, 308: 189}, "right_mouth": {133: 71, 308: 188}}
    for at, name in enumerate(NAMES):
        if name in mouths:
            expected = mouths[name].get(count)
            assert ours[at, 2] == (expected is not None)
        else:
            expected = vocabulary.names.index(name)
        if expected is not None:
            assert ours[at, 0] == expected
    assert vocabulary.names[0] == "nose"
    assert SAPIENS308[0] == 0


def test_the_halves_of_a_body():
    for count in KNOWN:
        vocabulary = keypoint_vocabulary(count)
        lower = {
            name for name, up in zip(vocabulary.names, vocabulary.upper, strict=True) if not up
        }
        assert len(lower) == (6 if count == 17 else 12)
        assert {"left_hip", "right_ankle"} <= lower
        assert (vocabulary.upper[vocabulary.flip] == vocabulary.upper).all()


def test_the_paper_counts_243_points_of_the_face():
    names = keypoint_vocabulary(308).names
    face = {names[at] for at in keypoint_vocabulary(308).groups["face"]}
    assert len(face | {"nose", "left_eye", "right_eye", "left_ear", "right_ear"}) == 243


def test_another_number_is_told_with_the_known_ones():
    with pytest.raises(WebbodyError, match=r"26 keypoints: known are those of 17, 133 and 308"):
        keypoint_vocabulary(26)


def test_nobody_changes_a_vocabulary():
    for count in KNOWN:
        vocabulary = keypoint_vocabulary(count)
        arrays = (vocabulary.flip, vocabulary.sigmas, vocabulary.upper, *vocabulary.groups.values())
        for array in arrays:
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0
