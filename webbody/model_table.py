"""The model files that a build can use by name: family, licence, where they come from, digest."""

from dataclasses import dataclass
from pathlib import Path

from webbody import model_contracts as contracts
from webbody.model_contracts import Contract

PERSONS, FACE_DETECTOR, FACE_EMBEDDER, KEYPOINTS, SEGMENTATION = (
    "persons",
    "face-detector",
    "face-embedder",
    "keypoints",
    "segmentation",
)

#: File endings that each backend reads.
SUFFIXES = {
    PERSONS: (".pt", ".onnx", ".engine", ".torchscript"),
    FACE_DETECTOR: (".onnx",),
    FACE_EMBEDDER: (".pt", ".pth", ".safetensors", ".onnx"),
    KEYPOINTS: (".onnx", ".safetensors", ".pth", ".pt"),  # of rtmlib; of Sapiens
    SEGMENTATION: (".safetensors", ".pth", ".pt"),  # of Sapiens
}


@dataclass(frozen=True)
class Licence:
    """The licence of a model's weights; permissive: it asks only that the authors are named."""

    name: str
    permissive: bool


@dataclass(frozen=True)
class ModelFile:
    """A model that a backend knows by name.

    `source` is the URL from which it is fetched; `file` its base name in the cache (for a pack of
    insightface `pack/file`). contract: that of its family. input_size: width and height in pixels
    where the file differs from its family. size, sha256: of the file in the cache, as published or
    as several public projects that pin the file agree; None: not known.
    """

    name: str
    backend: str
    source: str
    file: str
    licence: Licence
    contract: Contract | None
    input_size: tuple[int, int] | None = None
    size: int | None = None
    sha256: str | None = None


_APACHE = Licence("Apache-2.0", True)
_MIT = Licence("MIT", True)
_AGPL = Licence("AGPL-3.0 (ultralytics)", False)
_NON_COMMERCIAL = Licence("non-commercial research only (insightface)", False)
_WEBFACE = Licence("see CVLFace; trained on WebFace12M, research only", False)
_UNKNOWN = Licence("unknown", False)

_ULTRALYTICS = "https://github.com/ultralytics/assets/releases/download/v8.4.0/"
_INSIGHTFACE = "https://github.com/deepinsight/insightface/releases/download/model-zoo/"
_MMPOSE = "https://download.openmmlab.com/mmpose/v1/projects/"
_OPENCV = "https://huggingface.co/opencv/face_detection_yunet/resolve/main"
_AURA = "https://huggingface.co/fal/AuraFace-v1/resolve/main"
_CVLFACE = "https://huggingface.co/minchul/cvlface_adaface_vit_base_kprpe_webface12m"

#: Size and sha256 of files as many public projects pin them; the same file has several names.
_SCRFD_10G = (16_923_827, "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91")
_SCRFD_500M = (2_524_817, "5e4447f50245bbd7966bd6c0fa52938c61474a04ec7def48753668a9d8b4ea3a")
_W600K_R50 = (174_383_860, "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43")
_W600K_MBF = (13_616_099, "9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f")
_GLINTR100 = (260_665_334, "4ab1d6435d639628a6f3e5008dd4f929edf4c4124b1a7169e1048f9fef534cdf")
_YOLOV8N_POSE = (6_832_633, "c6fa93dd1ee4a2c18c900a45c1d864a1c6f7aba75d84f91648a30b7fb641d212")
_YOLOV8N = (6_549_796, "f59b3d833e2ff32e194b5bb8e08d211dc7c5bdf144b90d2c8412c47ccfc83b36")
_KPRPE = (None, "04b4bee1de7cefa9e97900f8449fca906d8afbab2029bd39cc5049d33e927ed9")
_AURAFACE = (260_694_151, "a7933ea5330113b01c9b60351d8f4c33003f145d8470ac5f0e52ee2effe25c60")
_YUNET = (232_589, "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4")
_RTMLIB = {  # of the ONNX file within the archive
    "rtmpose-m-256x192": (
        54_330_655, "5c0a4bf67953e6d2ac43ce15e77dc9d5d354ae18430a47d2c5963a7bc5683e3c",
    ),
    "rtmpose-s-256x192": (
        None, "9aeb635b83f86aea45cf45d85798f7eba1a162de8e0d721c44e54fe5eebaf47d",
    ),
    "dwpose-l-384x288": (
        134_399_323, "8cfecfc2226d8e14b510c2fd28442226c518b4d60690535753187877411d4005",
    ),
    "yolox-tiny-416x416": (
        None, "ceb11c07298f95c50d7c5abeb906d03340c85f23aa79e3e66966e7fb6c307250",
    ),
    "yolox-m-640x640": (
        101_400_344, "3dea6513388889f0fff4b77bf7a26013600321b9eb9ceb0e9a400a82572f5f23",
    ),
    "yolox-x-640x640": (
        None, "8e9ea96a176bd48501eaaa77216e49ee30794d2f8ba80c7b9862beca4ea972da",
    ),
    "rtmo-s-640x640": (
        39_617_685, "d0703d40d19f3921da51ae725402d5fdae4d2478c7442072d3101bd396f370d8",
    ),
}  # fmt: skip
_NOT_KNOWN = (None, None)

_PACKS = {  # detector and ArcFace embedder of insightface's packs
    "buffalo_l": (("det_10g.onnx", _SCRFD_10G), ("w600k_r50.onnx", _W600K_R50)),
    "buffalo_m": (("det_2.5g.onnx", _NOT_KNOWN), ("w600k_r50.onnx", _W600K_R50)),
    "buffalo_s": (("det_500m.onnx", _SCRFD_500M), ("w600k_mbf.onnx", _W600K_MBF)),
    "antelopev2": (("scrfd_10g_bnkps.onnx", _SCRFD_10G), ("glintr100.onnx", _GLINTR100)),
}
_YOLOX_FILES = {
    "yolox-tiny-416x416": "yolox_tiny_8xb8-300e_humanart-6f3252f9",
    "yolox-m-640x640": "yolox_m_8xb8-300e_humanart-c2c7a14a",
    "yolox-x-640x640": "yolox_x_8xb8-300e_humanart-a39d44ed",
}
_RTMDET_FILES = {"rtmdet-m-640x640": "rtmdet_m_8xb32-100e_coco-obj365-person-235e8209"}
_RTMO_FILES = {
    "rtmo-s-640x640": "rtmo-s_8xb32-600e_body7-640x640-dac2bf74_20231211",
    "rtmo-m-640x640": "rtmo-m_16xb16-600e_body7-640x640-39e78cc4_20231211",
    "rtmo-l-640x640": "rtmo-l_16xb16-600e_body7-640x640-b37118ce_20231211",
}
_RTMPOSE_FILES = {
    "rtmpose-m-256x192": "rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504",
    "rtmpose-s-256x192": "rtmpose-s_simcc-body7_pt-body7_420e-256x192-acd4a1ef_20230504",
}
_DWPOSE_FILES = {
    "dwpose-l-256x192": "rtmpose-l_simcc-ucoco_dw-ucoco_270e-256x192-4d6dfc62_20230728",
    "dwpose-l-384x288": "rtmpose-l_simcc-ucoco_dw-ucoco_270e-384x288-2438fd99_20230728",
    "dwpose-m-256x192": "rtmpose-m_simcc-ucoco_dw-ucoco_270e-256x192-c8b76419_20230728",
}
_RTMW_FILES = {
    "rtmw-l-256x192": "rtmw-dw-x-l_simcc-cocktail14_270e-256x192_20231122",
    "rtmw-l-384x288": "rtmw-dw-x-l_simcc-cocktail14_270e-384x288_20231122",
    "rtmw-m-256x192": "rtmw-dw-l-m_simcc-cocktail14_270e-256x192_20231122",
}


def _ultralytics() -> list[ModelFile]:
    found = []
    for name, contract in (
        *((f"yolov8{size}-pose.pt", contracts.YOLO_POSE) for size in "nsmlx"),
        *((f"yolov8{size}.pt", contracts.YOLO_DETECT) for size in "nsmlx"),
    ):
        known = {"yolov8n-pose.pt": _YOLOV8N_POSE, "yolov8n.pt": _YOLOV8N}.get(name, _NOT_KNOWN)
        found.append(
            ModelFile(name, PERSONS, _ULTRALYTICS + name, name, _AGPL, contract, None, *known)
        )
    return found


def _insightface() -> list[ModelFile]:
    found = []
    for index, backend, contract in (
        (0, FACE_DETECTOR, contracts.SCRFD),
        (1, FACE_EMBEDDER, contracts.ARCFACE),
    ):
        for pack, files in _PACKS.items():
            file, known = files[index]
            source = f"{_INSIGHTFACE}{pack}.zip"
            found.append(
                ModelFile(
                    pack, backend, source, f"{pack}/{file}", _NON_COMMERCIAL, contract, None, *known
                )
            )
    return found


def _rtmlib(
    files: dict[str, str], folder: str, backend: str, contract: Contract
) -> list[ModelFile]:
    """Files of mmpose as rtmlib fetches them: names by height x width.

    The digits in the files' names are of the checkpoint, not of the ONNX file.
    """
    found = []
    for name, file in files.items():
        height, width = map(int, name.rsplit("-", 1)[1].split("x"))
        place, source = f"{file}.onnx", f"{_MMPOSE}{folder}/onnx_sdk/{file}.zip"
        size, known = (width, height), _RTMLIB.get(name, _NOT_KNOWN)
        found.append(ModelFile(name, backend, source, place, _APACHE, contract, size, *known))
    return found


KNOWN: tuple[ModelFile, ...] = (
    *_ultralytics(),
    *_rtmlib(_YOLOX_FILES, "rtmposev1", PERSONS, contracts.YOLOX),
    *_rtmlib(_RTMDET_FILES, "rtmposev1", PERSONS, contracts.RTMDET),
    *_rtmlib(_RTMO_FILES, "rtmo", PERSONS, contracts.RTMO),
    *_insightface(),
    ModelFile(
        "yunet-2023mar",
        FACE_DETECTOR,
        f"{_OPENCV}/face_detection_yunet_2023mar.onnx",
        "face_detection_yunet_2023mar.onnx",
        _MIT,
        contracts.YUNET,
        None,
        *_YUNET,
    ),
    ModelFile(
        "auraface-v1",
        FACE_EMBEDDER,
        f"{_AURA}/glintr100.onnx",
        "auraface_v1_glintr100.onnx",
        _APACHE,
        contracts.ARCFACE,
        None,
        *_AURAFACE,
    ),
    ModelFile(
        "cvlface_kprpe_vit_base_webface12m.pt",
        FACE_EMBEDDER,
        f"{_CVLFACE}/resolve/main/pretrained_model/model.pt",
        "cvlface_kprpe_vit_base_webface12m.pt",
        _WEBFACE,
        contracts.KPRPE_VIT,
        None,
        *_KPRPE,
    ),
    *_rtmlib(_RTMW_FILES, "rtmw", KEYPOINTS, contracts.RTMW),
    *_rtmlib(_RTMPOSE_FILES, "rtmposev1", KEYPOINTS, contracts.RTMPOSE),
    *_rtmlib(_DWPOSE_FILES, "rtmposev1", KEYPOINTS, contracts.DWPOSE),
)


def find(name: str, backend: str) -> ModelFile | None:
    """The table's entry of a name; a URL of an rtmlib model is one too, of an unknown family."""
    for model in KNOWN:
        if model.backend == backend and model.name == name:
            return model
    if backend == KEYPOINTS and name.startswith("https://") and name.endswith((".zip", ".onnx")):
        file = Path(name).name.split(".")[0] + ".onnx"
        same = next((model for model in KNOWN if model.source == name), None)
        return same or ModelFile(name, backend, name, file, _UNKNOWN, None)
    return None
