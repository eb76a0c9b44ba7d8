"""Face detectors of three families: their decoding, and the channels that their networks get."""

import warnings

import cv2
import numpy as np
import pytest
import torch
from magenta_detector import SIDE as MAGENTA
from magenta_detector import Magenta
from magenta_detector import export as export_scrfd

from pipelines.detection import families
from pipelines.detection.face_detection import FaceDetector
from webbody import model_contracts as contracts

SIDE = 160
STRIDES = (8, 16, 32)
RED, BLUE = (np.zeros((SIDE, SIDE, 3), np.uint8) for _ in range(2))
RED[..., 0] = BLUE[..., 2] = 255


class YuNet(torch.nn.Module):
    """Three faces, whose class is the first channel's mean; constants of YuNet's twelve outputs."""

    def __init__(self) -> None:
        super().__init__()
        rng = np.random.default_rng(0)
        self.constants: dict[str, torch.Tensor] = {}
        for stride in STRIDES:
            count = (SIDE // stride) ** 2
            obj = np.zeros((1, count, 1), np.float32)
            place = {8: 87, 16: 54, 32: 22}[stride]  # one face a grid
            obj[0, place] = 0.95 - stride / 200
            made = {
                "cls": np.ones((1, count, 1)),
                "obj": obj,
                "bbox": rng.normal(0, 0.3, (1, count, 4)),
                "kps": rng.normal(0, 2, (1, count, 10)),
            }
            for kind, values in made.items():
                self.constants[f"{kind}_{stride}"] = torch.from_numpy(values).float()

    def forward(self, image):
        share = image[:, :1].mean((2, 3)).reshape(1, 1, 1) / 255
        return tuple(
            self.constants[f"{kind}_{stride}"] * (share if kind == "cls" else share * 0 + 1)
            for kind in ("cls", "obj", "bbox", "kps")
            for stride in STRIDES
        )


def export(path, network, names) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constants are meant to be constants
        torch.onnx.export(
            network, (torch.zeros(1, 3, SIDE, SIDE),), str(path), input_names=["input"],
            output_names=names, opset_version=13, dynamo=False,
        )  # fmt: skip
    return str(path)


@pytest.fixture(scope="module")
def yunet(tmp_path_factory) -> str:
    names = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES]
    return export(tmp_path_factory.mktemp("models") / "yunet.onnx", YuNet(), names)


def test_yunet_is_decoded_as_opencv_decodes_it(yunet):
    library = cv2.FaceDetectorYN.create(yunet, "", (SIDE, SIDE))
    assert library.getScoreThreshold() == pytest.approx(contracts.YUNET.threshold)
    library.setScoreThreshold(0.3)
    theirs = library.detect(np.ascontiguousarray(BLUE[..., ::-1]))[1]  # OpenCV takes BGR
    ours = FaceDetector(yunet, SIDE, 0.3, "cpu", 1)([BLUE])[0]
    assert len(ours.scores) == len(theirs) == 3
    np.testing.assert_allclose(ours.scores, theirs[:, 14], atol=1e-4)
    corners = theirs[:, :4].copy()
    corners[:, 2:] += corners[:, :2]
    np.testing.assert_allclose(ours.boxes, corners, atol=0.01)
    np.testing.assert_allclose(ours.landmarks.reshape(-1, 10), theirs[:, 4:14], atol=0.01)


def test_yunets_network_gets_blue_first(yunet):
    assert families.face_detector(yunet) is contracts.YUNET
    detector = FaceDetector(yunet, SIDE, 0.3, "cpu", 1)
    assert detector.canvas == (SIDE, SIDE)  # the file takes no other
    red, blue = detector([RED]), detector([BLUE])
    assert len(red[0].boxes) == 0 and len(blue[0].boxes) == 3


class RetinaFace(torch.nn.Module):
    """One face at BOX with landmarks at MARKS, encoded for an anchor of its own."""

    BOX, MARKS = (30.0, 40.0, 50.0, 66.0), np.arange(10.0).reshape(5, 2) + 35

    def __init__(self, softmax: bool) -> None:
        super().__init__()
        counts = [(SIDE // stride) ** 2 * 2 for stride in STRIDES]
        self.count, self.softmax = sum(counts), softmax
        # Stride 8, cell (5, 6), its second anchor of 32 px, whose centre is (44, 52).
        self.row, centre, side = (6 * (SIDE // 8) + 5) * 2 + 1, np.array([44.0, 52.0]), 32.0
        x1, y1, x2, y2 = self.BOX
        middle, sides = np.array([(x1 + x2) / 2, (y1 + y2) / 2]), np.array([x2 - x1, y2 - y1])
        box = np.concatenate([(middle - centre) / (0.1 * side), np.log(sides / side) / 0.2])
        self.box = torch.zeros(1, self.count, 4)
        self.box[0, self.row] = torch.from_numpy(box)
        self.mark = torch.zeros(1, self.count, 10)
        self.mark[0, self.row] = torch.from_numpy(((self.MARKS - centre) / (0.1 * side)).ravel())
        self.only = torch.zeros(1, self.count, 1)
        self.only[0, self.row] = 1

    def forward(self, image):
        # The mean of the first channel is 255 - 104 or -104 after its own mean is taken off.
        face = torch.sigmoid(image[:, 0].mean() * 0.04).reshape(1, 1, 1) * self.only
        classes = torch.cat([1 - face, face], 2)
        if not self.softmax:
            classes = torch.log(classes + 1e-9)
        return self.box + face * 0, classes, self.mark + face * 0


@pytest.mark.parametrize("softmax", [True, False])
def test_the_papers_detector_is_decoded_and_asked_for_its_own_threshold(tmp_path, softmax):
    path = export(tmp_path / "r50.onnx", RetinaFace(softmax), ["bbox", "confidence", "landmark"])
    contract = families.face_detector(path)
    assert contract is contracts.RETINAFACE_R50
    assert families.threshold(contract, None, "faces.min_score") == 0.95
    detector = FaceDetector(path, SIDE, 0.5, "cpu", 1)
    red, blue = detector([RED])[0], detector([BLUE])[0]
    assert len(red.boxes) == 0 and len(blue.boxes) == 1  # blue comes first
    np.testing.assert_allclose(blue.boxes, [RetinaFace.BOX], atol=0.01)
    np.testing.assert_allclose(blue.landmarks[0], RetinaFace.MARKS, atol=0.01)
    np.testing.assert_allclose(blue.scores, [1 / (1 + np.exp(-151 * 0.04))], atol=1e-4)


class Red(Magenta):
    """Faces are squares that are red in the network's first channel and in no other."""

    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            weights = torch.tensor([2.0, -1.0, -1.0]).reshape(1, 3, 1, 1) / (4 * MAGENTA**2)
            self.kernel.copy_(weights.repeat(2, 1, MAGENTA, MAGENTA))


def test_scrfds_network_gets_red_first(tmp_path):
    detector = FaceDetector(export_scrfd(tmp_path / "red.onnx", network=Red()), 160, 0.3, "cpu", 1)
    found = []
    for channel in (0, 2):
        picture = np.full((SIDE, SIDE, 3), 90, np.uint8)
        picture[68:92, 76:100] = 0
        picture[68:92, 76:100, channel] = 255
        found.append(len(detector([picture])[0].boxes))
    assert found[0] >= 1 and found[1] == 0
