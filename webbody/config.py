"""The configuration of a build: every setting, its default and its meaning.

A section per stage holds what changes that stage's output and therefore goes into its fingerprint;
`resources` holds what only changes speed. Parameters follow the paper (section 3.4, B.6, C.2) and
the authors' scripts; where these differ from a library's habit the field says so.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from webbody.errors import WebbodyError

#: Where the settings lie that ship with the package.
PRESETS = Path(__file__).parent / "presets"

_Config = TypeVar("_Config", bound=BaseModel)


class Section(BaseModel):
    """Settings that belong together. `renamed` tells the present name of a setting's old one."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)
    renamed: ClassVar[Mapping[str, str]] = {}


#: A model file: a name that the backend's library knows, or a path. Fingerprinted by content.
ModelFile = Annotated[str, Field(json_schema_extra={"model_file": True})]
Unit = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class Plan(Section):
    """Cutting the manifest into shards; a name never straddles two of them."""

    rows_per_shard: Count = Field(5000, description="rows a shard has on average")


class Download(Section):
    """Fetching the images; safe by default."""

    timeout: float = Field(
        20, gt=0, description="seconds without any byte before a connection is given up"
    )
    deadline: float = Field(
        60, gt=0, description="seconds in total for one URL, all redirects and retries"
    )
    retries: int = Field(
        1, ge=0, description="further tries after a failure that can pass (5xx, 429, time-out)"
    )
    max_bytes: int = Field(50_000_000, gt=0, description="larger bodies are cut off and rejected")
    max_pixels: int = Field(
        100_000_000, gt=0, description="larger images are rejected before they are decoded"
    )
    min_side: int = Field(
        32, ge=1, description="images with a shorter side than this (pixels) are rejected"
    )
    max_redirects: int = Field(
        5, ge=0, description="redirects that are followed, each one checked anew"
    )
    opt_out: tuple[str, ...] = Field(
        ("noai", "noimageai", "noindex", "noimageindex"),
        description="X-Robots-Tag directives to honour, and tdm-reservation; [] ignores them",
    )
    user_agent: str = Field(
        "webbody", description="token in the User-Agent that opt-outs can address"
    )
    allow_private: tuple[str, ...] = Field(
        (), description="hosts on loopback or private addresses that may be fetched, e.g. 127.0.0.1"
    )
    per_domain: Count = Field(8, description="requests at the same time to one host")
    verify: Literal["keep", "reject"] = Field(
        "keep",
        description="when the manifest's sha256 does not match: keep and mark, or reject",
    )


class Persons(Section):
    """Person boxes and native-resolution crops."""

    model: ModelFile = Field(
        "yolov8n-pose.pt",
        description="name of `webbody models list`; or path of an ultralytics model (.pt, or its "
        ".onnx, .engine, .torchscript) or of an RTMDet, YOLOX or RTMO ONNX file",
    )
    family: Literal["rtmdet", "yolox", "rtmo"] | None = Field(
        None, description="of an ONNX file given by path whose outputs fit several"
    )
    confidence: Unit | None = Field(
        None,
        description="detections below are dropped; null: the detector family's own, 0.7 for YOLO "
        "(`webbody models list`)",
    )
    iou: Unit = Field(
        0.7, description="of two boxes with more overlap (intersection over union) one is dropped"
    )
    image_size: int = Field(
        640, ge=32, description="side in pixels at which the detector sees the image"
    )
    padding: float = Field(
        0.05, ge=0, le=1, description="margin around a box, as a share of its width and height"
    )
    max_persons: Count = Field(6, description="largest persons of an image that go on")
    min_side: int = Field(
        32, ge=1, description="crops with a shorter side than this (pixels) are dropped"
    )


class Faces(Section):
    """Face detection in the upper body of each crop, alignment and embedding."""

    detector: ModelFile = Field(
        "buffalo_l", description="insightface pack name, or path of a RetinaFace / SCRFD ONNX file"
    )
    detector_size: int = Field(
        640, ge=64, description="side in pixels of the detector's canvas (multiple of 32)"
    )
    embedder: ModelFile = Field(
        "cvlface_kprpe_vit_base_webface12m.pt",
        description="path of a KP-RPE ViT (CVLFace layout) or of an ArcFace ONNX file",
    )
    min_score: Unit | None = Field(
        None,
        description="detection score below which a face is not trusted; null: the detector "
        "family's own, 0.5 for SCRFD (`webbody models list`)",
    )
    min_size: float = Field(
        16, ge=1, description="longer side of the face box in pixels below which it is dropped"
    )


class Clusters(Section):
    """DBSCAN over the faces of a name; the largest cluster is the person."""

    eps: float = Field(
        0.7, gt=0, le=2, description="distance 1 - cosine at which two faces are linked"
    )
    min_samples: Count = Field(
        2, description="faces (itself included) a core point needs within eps"
    )
    min_images: Count = Field(2, description="a name with fewer images in its cluster is dropped")


class Identities(Section):
    """Cross-name cleaning, leaked validation people, duplicates. Similarities are cosines."""

    similar: float = Field(
        0.7, ge=-1, le=1, description="two names above this are one person and merged"
    )
    ambiguous: float = Field(
        0.6, ge=-1, le=1, description="between this and `similar` the smaller name is dropped"
    )
    leak: float = Field(
        0.7, ge=-1, le=1, description="people above this to a gallery identity are dropped"
    )
    duplicate: float = Field(
        0.9, ge=-1, le=1, description="of two faces of a person above this the later is dropped"
    )
    near_copy: int = Field(
        6,
        ge=-1,
        le=63,
        description="of two photos of a person whose perceptual hashes differ in no more bits (of "
        "64) the later is dropped; -1: never",
    )
    min_images: Count = Field(2, description="people with fewer images left are dropped")
    galleries: tuple[str, ...] = Field(
        (),
        description="files of `webbody gallery`: validation people who must not be in the data",
    )


class Keypoints(Section):
    """19 keypoints of each kept crop."""

    model: ModelFile = Field(
        "rtmw-l-256x192",
        description="rtmlib whole-body model name, URL or path of a SimCC ONNX file",
    )
    input_size: tuple[Count, Count] | None = Field(
        None, description="width and height of the model's input; null reads them from the file"
    )
    beta: float | None = Field(
        None,
        gt=0,
        description="factor of the softmax in the model's training loss (RTMPose 10, RTMW 1); null "
        "takes the known model's, or tells it from the file's outputs",
    )
    min_score: Unit = Field(
        0.3, description="points whose confidence (0 to 1, for every model) is below are absent"
    )


class Split(Section):
    """Training and test people, and the global shuffle into output shards.

    The paper's test set (C.2) is 4,000 people with 30 to 150 images, 30 to 70 of which show lower
    body or limbs while the face is not fully visible; the authors' script excludes these bounds.
    """

    test_people: int = Field(4000, ge=0, description="people drawn for the test set, with `seed`")
    test_images: tuple[int, int] = Field(
        (31, 149), description="least and most images of a test person"
    )
    test_body_images: tuple[int, int] = Field(
        (31, 69),
        description="of these, images that show body or limbs while the face is not fully visible",
    )
    seed: int = Field(0, ge=0, description="of the draw of test people and of the global shuffle")
    samples_per_shard: Count = Field(5000, description="samples that an output shard has at most")


class Pack(Section):
    """The final samples: white-letterboxed squares in WebDataset shards."""

    size: int = Field(384, ge=32, description="side of the final image in pixels")
    quality: int = Field(90, ge=1, le=100, description="JPEG quality of the final image")


class StageResources(Section):
    """What one stage may use; changes speed, never results."""

    workers: tuple[int, int] = Field((1, 2), description="least and most worker processes")
    cpus: float = Field(
        0.5, ge=0, description="CPUs that Ray reserves for a worker (fractions allowed)"
    )
    gpus: float = Field(0, ge=0, description="GPUs that Ray reserves for a worker")
    batch: Count = Field(32, description="items in one call of the model")
    threads: Count = Field(
        1, description="threads of a worker (connections at a time for download)"
    )


class Resources(Section):
    """How the work is spread; none of it changes the output."""

    ray_address: str | None = Field(
        None, description="address of a Ray cluster; none starts a local Ray"
    )
    cpus: int | None = Field(None, ge=1, description="CPUs of the local Ray (default: all)")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where models run")
    retries: int = Field(2, ge=0, description="further tries for a shard whose worker process died")
    let_go: bool = Field(
        False, description="remove downloaded images and crops once all their consumers committed"
    )
    download: StageResources = StageResources(threads=32, cpus=0.25)
    persons: StageResources = StageResources()
    faces: StageResources = StageResources()
    clusters: StageResources = StageResources(workers=(1, 4), cpus=0.25)
    identities: StageResources = StageResources(workers=(1, 1), cpus=1)
    keypoints: StageResources = StageResources()
    split: StageResources = StageResources(workers=(1, 1), cpus=1)
    pack: StageResources = StageResources(workers=(1, 4))
    ledger: StageResources = StageResources(workers=(1, 4), cpus=0.25)


class BuildConfig(Section):
    """Everything a build needs; `webbody config` prints it with the descriptions."""

    manifest: str = Field(
        "", description="URL list: Parquet, CSV, JSON Lines or the authors' text list"
    )
    out: str = Field("", description="output folder: a path or an fsspec URL shared by all workers")
    plan: Plan = Plan()
    download: Download = Download()
    persons: Persons = Persons()
    faces: Faces = Faces()
    clusters: Clusters = Clusters()
    identities: Identities = Identities()
    keypoints: Keypoints = Keypoints()
    split: Split = Split()
    pack: Pack = Pack()
    resources: Resources = Resources()


def load(
    file: str | Path | None = None,
    overrides: Sequence[str] = (),
    base: dict[str, Any] | None = None,
) -> BuildConfig:
    """A build's configuration: see `load_as`."""
    return load_as(BuildConfig, file, overrides, base)


def load_as(
    kind: type[_Config],
    file: str | Path | None = None,
    overrides: Sequence[str] = (),
    base: dict[str, Any] | None = None,
    listed_by: str = "webbody config",
) -> _Config:
    """Read a YAML file over the defaults, then apply `section.key=value` overrides.

    `base` is a mapping below the file (a preset); `listed_by` the command that lists the settings,
    for the message of an error. Raises WebbodyError for an unknown key, a wrong
    value or an unreadable file, naming the key.
    """
    values: dict[str, Any] = dict(base or {})
    if file is not None:
        values = merge(values, read_yaml(Path(file)))
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise WebbodyError(
                f"--set {text}: write it as section.key=value, for example persons.confidence=0.6."
            )
        try:
            parsed = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise WebbodyError(
                f"--set {text}: the value is no valid YAML ({_first_line(error)})."
            ) from error
        for part in reversed(key.split(".")):
            parsed = {part: parsed}
        values = merge(values, parsed)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        what = problem["msg"]
        if problem["type"] == "extra_forbidden":
            now = _present_name(kind, problem["loc"])
            what = f"is now called {now}" if now else "there is no such setting"
        source = file or "configuration"
        raise WebbodyError(
            f"{source}: {where}: {what}; `{listed_by}` lists every setting."
        ) from error


def _present_name(kind: type[BaseModel], place: Sequence[str | int]) -> str:
    """The name that a setting at `place` bears now; "" where it never was one."""
    *sections, name = (str(part) for part in place)
    at: Any = kind
    for section in sections:
        field = at.model_fields.get(section) if hasattr(at, "model_fields") else None
        at = field.annotation if field else None
    now = getattr(at, "renamed", {}).get(name, "")
    return ".".join([*sections, now]) if now else ""


def read_preset(kind: str, name: str) -> dict[str, Any]:
    """The settings of a preset that ships, of `build` or `train`; WebbodyError for another name."""
    file = PRESETS / f"{kind}-{name}.yaml"
    if not file.is_file():
        known = sorted(path.stem.partition("-")[2] for path in PRESETS.glob(f"{kind}-*.yaml"))
        raise WebbodyError(
            f"--preset {name}: there is no such preset; there are {', '.join(known)}."
        )
    return read_yaml(file)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping; WebbodyError where it is missing or something else."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WebbodyError(f"{path}: cannot be read ({error.strerror}); check the path.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise WebbodyError(f"{path}: is no valid YAML ({_first_line(error)}).") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise WebbodyError(f"{path}: holds a {type(values).__name__}, not sections with settings.")
    return values


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`, section by section."""
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        out[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return out


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
