"""The model files that a build can use by name: licence, where they come from, what they are."""

from dataclasses import dataclass
from pathlib import Path

PERSONS, FACE_DETECTOR, FACE_EMBEDDER, KEYPOINTS = (
    "persons",
    "face-detector",
    "face-embedder",
    "keypoints",
)

#: File endings that each backend reads.
SUFFIXES = {
    PERSONS: (".pt",),
    FACE_DETECTOR: (".onnx",),
    FACE_EMBEDDER: (".pt", ".pth", ".safetensors", ".onnx"),
    KEYPOINTS: (".onnx",),
}


@dataclass(frozen=True)
class ModelFile:
    """A model that a backend knows by name.

    `source` is the URL from which it is fetched; `file` its base name in the cache (for a pack of
    insightface `pack/file`).
    """

    name: str
    backend: str
    source: str
    file: str
    licence: str


_ULTRALYTICS = "https://github.com/ultralytics/assets/releases/download/v8.4.0/"
_INSIGHTFACE = "https://github.com/deepinsight/insightface/releases/download/model-zoo/"
_MMPOSE = "https://download.openmmlab.com/mmpose/v1/projects/"
_CVLFACE = "https://huggingface.co/minchul/cvlface_adaface_vit_base_kprpe_webface12m"

_PACKS = {  # detector and ArcFace embedder of insightface's packs
    "buffalo_l": ("det_10g.onnx", "w600k_r50.onnx"),
    "buffalo_m": ("det_2.5g.onnx", "w600k_r50.onnx"),
    "buffalo_s": ("det_500m.onnx", "w600k_mbf.onnx"),
    "antelopev2": ("scrfd_10g_bnkps.onnx", "glintr100.onnx"),
}
_BODY, _WHOLE_BODY = "rtmposev1/onnx_sdk", "rtmw/onnx_sdk"
_RTMLIB = {
    "rtmw-l-256x192": f"{_WHOLE_BODY}/rtmw-dw-x-l_simcc-cocktail14_270e-256x192_20231122",
    "rtmw-l-384x288": f"{_WHOLE_BODY}/rtmw-dw-x-l_simcc-cocktail14_270e-384x288_20231122",
    "rtmw-m-256x192": f"{_WHOLE_BODY}/rtmw-dw-l-m_simcc-cocktail14_270e-256x192_20231122",
    "rtmpose-m-256x192": f"{_BODY}/rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504",
    "rtmpose-s-256x192": f"{_BODY}/rtmpose-s_simcc-body7_pt-body7_420e-256x192-acd4a1ef_20230504",
}
_NON_COMMERCIAL = "non-commercial research only (insightface)"

KNOWN: tuple[ModelFile, ...] = (
    *(
        ModelFile(name, PERSONS, _ULTRALYTICS + name, name, "AGPL-3.0 (ultralytics)")
        for name in (f"yolov8{size}-pose.pt" for size in "nsmlx")
    ),
    *(
        ModelFile(pack, backend, f"{_INSIGHTFACE}{pack}.zip", f"{pack}/{file}", _NON_COMMERCIAL)
        for backend, index in ((FACE_DETECTOR, 0), (FACE_EMBEDDER, 1))
        for pack, file in ((pack, files[index]) for pack, files in _PACKS.items())
    ),
    ModelFile(
        "cvlface_kprpe_vit_base_webface12m.pt",
        FACE_EMBEDDER,
        f"{_CVLFACE}/resolve/main/pretrained_model/model.pt",
        "cvlface_kprpe_vit_base_webface12m.pt",
        "see CVLFace; trained on WebFace12M, research only",
    ),
    *(
        ModelFile(name, KEYPOINTS, f"{_MMPOSE}{path}.zip", f"{Path(path).name}.onnx", "Apache-2.0")
        for name, path in _RTMLIB.items()
    ),
)


def find(name: str, backend: str) -> ModelFile | None:
    """The table's entry of a name; a URL of an rtmlib model is one too."""
    for model in KNOWN:
        if model.backend == backend and model.name == name:
            return model
    if backend == KEYPOINTS and name.startswith("https://") and name.endswith((".zip", ".onnx")):
        return ModelFile(name, backend, name, Path(name).name.split(".")[0] + ".onnx", "unknown")
    return None
