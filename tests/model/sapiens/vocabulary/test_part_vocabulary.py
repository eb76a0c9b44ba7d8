"""Body-part vocabularies: sides, weights, and what is no class."""

import numpy as np
import pytest

from model.sapiens.vocabulary import part_vocabulary
from model.sapiens.vocabulary.parts import IGNORED
from webbody.errors import WebbodyError


@pytest.mark.parametrize("count", [28, 20])
def test_sides_change_places_and_the_rest_stays(count):
    vocabulary = part_vocabulary(count)
    assert len(vocabulary) == len(set(vocabulary.names)) == len(vocabulary.weights) == count
    for at, name in enumerate(vocabulary.names):
        swapped = name.replace("Left_", "R_").replace("Right_", "Left_").replace("R_", "Right_")
        assert vocabulary.names[vocabulary.flip[at]] == swapped
    assert (vocabulary.flip[count:] == np.arange(count, 256)).all()
    assert vocabulary.flip[IGNORED] == IGNORED


def test_the_published_swaps():
    # Of the authors' training configurations (github.com/facebookresearch/sapiens).
    assert part_vocabulary(28).flip[4:12].tolist() == list(range(13, 21))
    assert part_vocabulary(28).flip[12] == 12
    assert part_vocabulary(20).flip[14:20].tolist() == [15, 14, 17, 16, 19, 18]


def test_the_published_weights():
    # In the order of the classes.
    weights = ".1,10,3,2,4,4,2,2,6,10,3,3,1,4,4,2,2,6,10,3,3,1,1,10,10,10,10,10"
    assert part_vocabulary(28).weights.tolist() == pytest.approx([*map(float, weights.split(","))])
    weights = ".1,1.5,1,1.5,1.5,.8,1.2,1,1.5,.8,1.2,1.5,1.5,.7,1,1,1,1,1.5,1.5"
    assert part_vocabulary(20).weights.tolist() == pytest.approx([*map(float, weights.split(","))])


def test_another_number_is_told_with_the_known_ones():
    with pytest.raises(WebbodyError, match="29 body parts: known are those of 20 and 28 classes"):
        part_vocabulary(29)
