"""What each family of models was trained to see, and what its numbers mean.

One contract per family, read by the stages: what reaches the network (order of the colour channels,
mean, spread), what a score says and on which scale, from which score on it is trusted where a
setting says nothing, what comes out. Facts are from the model's own public configuration, which
`source` names; they are facts about the family, whoever trained the file.
"""

from dataclasses import dataclass
from typing import Literal

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Contract:
    """The contract of a model family.

    colours, mean, std: the channels that the *network* gets, in this order, as
    (value 0..255 - mean) / std. score: what the score of a detection or of a keypoint says; scale:
    its least and largest value (None: the family gives no score). threshold: the score that the
    family's own users ask for, and by whom; None where there is nothing to ask. input_size: usual
    width and height of the input in pixels, None where a file takes any. output: what comes out;
    keypoints, width: how many points or numbers, None where the file itself says it. beta: for
    SimCC, the factor on the logits before the softmax, as in the loss of the training.
    """

    family: str
    colours: Literal["RGB", "BGR"]
    mean: Triple
    std: Triple
    score: str
    scale: tuple[float, float] | None
    threshold: float | None
    threshold_source: str
    input_size: tuple[int, int] | None
    output: str
    source: str
    keypoints: int | None = None
    width: int | None = None
    beta: float | None = None

    def facts(self, input_size: tuple[int, int] | None) -> dict[str, str]:
        """The contract in words; input_size: of a file that differs from its family."""
        sides = input_size or self.input_size
        out = {
            "family": self.family,
            "colours": f"{self.colours}, mean {_numbers(self.mean)}, std {_numbers(self.std)}",
            "input": f"{sides[0]} x {sides[1]} px" if sides else "any size",
            "output": self.output,
            "score": self.score
            + (f" (from {self.scale[0]:g} to {self.scale[1]:g})" if self.scale else ""),
            "threshold": self.threshold_source
            if self.threshold is None
            else f"{self.threshold:g}: {self.threshold_source}",
        }
        if self.beta is not None:
            out["beta"] = f"{self.beta:g}"
        out["source"] = self.source
        return {key: value for key, value in out.items() if value}

    def accepts(self, threshold: float) -> bool:
        """Whether a threshold lies on the score's scale."""
        return self.scale is not None and self.scale[0] <= threshold <= self.scale[1]


def _numbers(values: Triple) -> str:
    one = set(values)
    return f"{values[0]:g}" if len(one) == 1 else " ".join(f"{value:g}" for value in values)


def _all(value: float) -> Triple:
    return (value, value, value)


_IMAGENET_RGB = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
_IMAGENET_BGR = ((103.53, 116.28, 123.675), (57.375, 57.12, 58.395))
_UNIT = (0.0, 1.0)
_AUTHORS = "SapiensID's scripts, which use yolov8n-pose (ultralytics' own default is 0.25)"

YOLO_POSE = Contract(
    "yolo-pose", "RGB", _all(0), _all(255),
    "sigmoid of the class person, and of each point being labelled", _UNIT, 0.7, _AUTHORS,
    (640, 640), "boxes and 17 keypoints in COCO's order",
    "ultralytics: cfg/models/v8/yolov8-pose.yaml, engine/predictor.py (takes BGR, turns to RGB)",
    keypoints=17,
)  # fmt: skip
YOLO_DETECT = Contract(
    "yolo-detect", "RGB", _all(0), _all(255),
    "sigmoid of the class person", _UNIT, 0.7, _AUTHORS,
    (640, 640), "boxes",
    "ultralytics: cfg/models/v8/yolov8.yaml, engine/predictor.py (takes BGR, turns to RGB)",
    keypoints=0,
)  # fmt: skip
RTMDET = Contract(
    "rtmdet", "BGR", *_IMAGENET_BGR,
    "sigmoid of the class person, trained as the overlap with the truth (quality focal loss)",
    _UNIT, 0.3, "rtmlib's RTMDet and mmpose's demos (--bbox-thr)",
    (640, 640), "boxes",
    "mmdetection: configs/rtmdet/rtmdet_l_8xb32-300e_coco.py (bgr_to_rgb=False); mmpose: "
    "projects/rtmpose/rtmdet/person/rtmdet_m_640-8xb32_coco-person.py",
    keypoints=0,
)  # fmt: skip
YOLOX = Contract(
    "yolox", "BGR", _all(0), _all(1),
    "objectness times class probability", _UNIT, 0.3,
    "rtmlib's YOLOX for files that hold their own suppression, as the published ones do",
    (640, 640), "boxes",
    "mmpose: projects/rtmpose/yolox/humanart/yolox_s_8xb8-300e_humanart.py (no normalisation, no "
    "change of channels)",
    keypoints=0,
)  # fmt: skip
RTMO = Contract(
    "rtmo", "BGR", _all(0), _all(1),
    "sigmoid of the class person, and of each point being visible", _UNIT, 0.7, "rtmlib's RTMO",
    (640, 640), "boxes and 17 keypoints in COCO's order",
    "mmpose: configs/body_2d_keypoint/rtmo/body7/rtmo-s_8xb32-600e_body7-640x640.py (mean 0, "
    "std 1, no change of channels; test_cfg suppresses above an overlap of 0.65)",
    keypoints=17,
)  # fmt: skip

SCRFD = Contract(
    "scrfd", "RGB", _all(127.5), _all(128),
    "sigmoid, trained as the overlap with the truth (quality focal loss): plain faces reach 0.6 "
    "to 0.88", _UNIT, 0.5, "insightface: det_thresh of model_zoo/scrfd.py and of FaceAnalysis",
    (640, 640), "face boxes and 5 landmarks",
    "insightface: model_zoo/scrfd.py (takes BGR and swaps); "
    "detection/scrfd/configs/scrfd/scrfd_2.5g_bnkps.py (to_rgb=True)",
    keypoints=5,
)  # fmt: skip
YUNET = Contract(
    "yunet", "BGR", _all(0), _all(1),
    "root of class times objectness, each a sigmoid", _UNIT, 0.9,
    "OpenCV: the default of FaceDetectorYN.create",
    (640, 640), "face boxes and 5 landmarks",
    "OpenCV: modules/objdetect/src/face_detect.cpp (no normalisation, no change of channels); "
    "opencv_zoo: models/face_detection_yunet",
    keypoints=5,
)  # fmt: skip
RETINAFACE_R50 = Contract(
    "retinaface-r50", "BGR", (104.0, 117.0, 123.0), _all(1),
    "softmax over face and background: plain faces reach 0.99", _UNIT, 0.95,
    "SapiensID's scripts (face quality)",
    None, "face boxes and 5 landmarks",
    "biubug6/Pytorch_Retinaface: detect.py, data/config.py (cfg_re50)",
    keypoints=5,
)  # fmt: skip

ARCFACE = Contract(
    "arcface", "RGB", _all(127.5), _all(127.5),
    "none: cosine of two features; thresholds come from `webbody calibrate`", None, None, "",
    (112, 112), "a feature, not normalised, of the file's own width (mostly 512)",
    "insightface: model_zoo/arcface_onnx.py (takes BGR and swaps; files that hold Sub and Mul "
    "normalise by themselves)",
)  # fmt: skip
KPRPE_VIT = Contract(
    "kprpe-vit", "RGB", _all(127.5), _all(127.5),
    "none: cosine of two features; thresholds come from `webbody calibrate`", None, None, "",
    (112, 112), "a feature, not normalised, of 512 numbers",
    "CVLFace: model card of minchul/cvlface_adaface_vit_base_kprpe_webface12m (RGB, mean and std "
    "0.5 of values 0..1; the five landmarks are a second input)",
    width=512,
)  # fmt: skip

_SIMCC = "logits along x and y; the confidence is the softmax mass of beta times these at the peak"
_SIMCC_SETTING = "keypoints.min_score, the same for every family"
RTMPOSE = Contract(
    "rtmpose", "RGB", *_IMAGENET_RGB, _SIMCC, _UNIT, None, _SIMCC_SETTING,
    (192, 256), "SimCC of 17 keypoints in COCO's order, 2 bins a pixel",
    "mmpose: configs/body_2d_keypoint/rtmpose/body8/rtmpose-m_8xb256-420e_body8-256x192.py "
    "(bgr_to_rgb=True, KLDiscretLoss beta=10)",
    keypoints=17, beta=10.0,
)  # fmt: skip
RTMW = Contract(
    "rtmw", "RGB", *_IMAGENET_RGB, _SIMCC, _UNIT, None, _SIMCC_SETTING,
    (192, 256), "SimCC of COCO-WholeBody's 133 keypoints, 2 bins a pixel",
    "mmpose: configs/wholebody_2d_keypoint/rtmpose/cocktail14/"
    "rtmw-{m,l}_8xb1024-270e_cocktail14-256x192.py (bgr_to_rgb=True, beta=1, label_beta=10)",
    keypoints=133, beta=1.0,
)  # fmt: skip
DWPOSE = Contract(
    "dwpose", "RGB", *_IMAGENET_RGB, _SIMCC, _UNIT, None, _SIMCC_SETTING,
    (288, 384), "SimCC of COCO-WholeBody's 133 keypoints, 2 bins a pixel",
    "mmpose: configs/wholebody_2d_keypoint/rtmpose/ubody/"
    "rtmpose-l_8xb32-270e_coco-ubody-wholebody-384x288.py, from which dwpose/ubody/s2_dis is "
    "distilled (bgr_to_rgb=True, beta=10)",
    keypoints=133, beta=10.0,
)  # fmt: skip

SAPIENS_POSE = Contract(
    "sapiens-pose", "RGB", *_IMAGENET_RGB, "height of the heatmap's peak, cut to 1", _UNIT, None,
    _SIMCC_SETTING, (768, 1024), "heatmaps of 17, 133 or 308 keypoints, a quarter of the input",
    "facebookresearch/sapiens: pose/configs/sapiens_pose (bgr_to_rgb=True, UDPHeatmap sigma=6; "
    "targets have a height of 1)",
)  # fmt: skip

#: Every family by its name.
FAMILIES = {
    contract.family: contract
    for contract in (
        YOLO_POSE, YOLO_DETECT, RTMDET, YOLOX, RTMO, SCRFD, YUNET, RETINAFACE_R50,
        ARCFACE, KPRPE_VIT, RTMPOSE, RTMW, DWPOSE, SAPIENS_POSE,
    )
}  # fmt: skip
