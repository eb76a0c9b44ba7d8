"""The pack stage: the final samples, white-letterboxed squares in WebDataset shards."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from model.prefetch import prefetch
from model.shard_samples import FOREGROUND
from pipelines.base.batches import batched
from pipelines.base.stage import ALL, Inputs, Outputs, Settings, Stage, committed
from pipelines.detection.sapiens_foreground import SapiensForeground, foreground
from webbody import skeleton
from webbody.config import WORKER, PackSettings, WorkerResources
from webbody.errors import WebbodyError
from webbody.geometry import on_letterbox
from webbody.images import RGB, decode, encode_jpeg, letterbox
from webbody.parquet_tables import read_parquet
from webbody.releases.format import SPLITS
from webbody.releases.writing import digest_of_shards
from webbody.shards import TarWriter, read_scattered
from webbody.storage import Folder

INDEX = "pack/index.json"
README = "pack/README.md"
#: The table of people that a split has, where it knows any.
PEOPLE = "people.parquet"
_ABOUT = """
Samples as WebDataset shards. The header says which files hold the pictures, for whoever reads or
uploads this folder as a data set; the tables beside the shards are records of how they were made.
"""
SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("person", pa.int64()),
        ("split", pa.string()),
        ("sha256", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
    ]
)


@dataclass(frozen=True)
class PackedSample:
    """A sample's members: the JPEG, the JSON, and the PNG of its foreground where it has one.

    square: the JPEG's pixels, kept until a foreground is found; size: width and height of the
    picture on it.
    """

    picture: bytes
    about: bytes
    square: RGB | None = None
    size: tuple[int, int] = (0, 0)
    foreground: bytes | None = None


class SamplePack(Stage[Settings]):
    """Writes one output shard, such as train-000000, from pictures of many source shards.

    The split's table says which samples it has, in which order, and where their pictures lie. A row
    of the index beside the tar says where a sample's final picture lies, and its sha256.
    """

    name = "pack"
    needs = ("split",)  # which holds the digests of the pictures that are read
    index: ClassVar[pa.Schema] = SCHEMA
    #: Samples in memory at the same time, so that the sources are read sequentially.
    window: ClassVar[int] = 2048

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        samples = inputs.table("split")
        tar = outputs.tar()
        index: list[dict[str, Any]] = []
        with ThreadPoolExecutor(self.resources.threads) as pool:
            for start in range(0, len(samples), self.window):
                rows = samples.slice(start, self.window).to_pylist()
                for row, sample in zip(rows, self._packed(rows, inputs, pool), strict=True):
                    key = row["sample"]
                    offset, length = tar.add(f"{key}.jpg", sample.picture)
                    if sample.foreground is not None:
                        tar.add(f"{key}.{FOREGROUND}", sample.foreground)
                    self.label(row, tar)
                    tar.add(f"{key}.json", sample.about)
                    digest = hashlib.sha256(sample.picture).hexdigest()
                    found = {"key": key, "sha256": digest, "offset": offset, "length": length}
                    index.append(row | found)
        table = pa.Table.from_pylist(index, self.index)
        outputs.table(table)
        return {"in": len(samples), "out": len(index), **self.count(table)}

    @abstractmethod
    def read(self, rows: list[dict[str, Any]], inputs: Inputs) -> Iterator[bytes]:
        """The bytes of the rows' pictures; rows are sorted by source and offset."""

    @abstractmethod
    def sample(self, row: Mapping[str, Any], data: bytes) -> PackedSample:
        """The sample of a row, whose picture has these bytes; called in threads."""

    def completed(self, samples: Iterable[PackedSample]) -> Iterable[PackedSample]:
        """The samples with what is found in whole batches."""
        return samples

    def label(self, row: Mapping[str, Any], tar: TarWriter) -> None:
        """Add what stands between the picture and the JSON."""

    def count(self, index: pa.Table) -> dict[str, int]:
        """Further counts for the record."""
        return {}

    def _packed(
        self, rows: list[dict[str, Any]], inputs: Inputs, pool: ThreadPoolExecutor
    ) -> list[PackedSample]:
        """Each row's sample; read source by source, in the order of the rows."""
        by_source = sorted(range(len(rows)), key=lambda i: (rows[i]["source"], rows[i]["offset"]))
        pictures = self.read([rows[i] for i in by_source], inputs)
        jobs = ((rows[i], data) for i, data in zip(by_source, pictures, strict=True))
        done = prefetch(pool, lambda job: self.sample(*job), jobs, 2 * self.resources.threads)
        packed = dict(zip(by_source, self.completed(done), strict=True))
        return [packed[i] for i in range(len(rows))]


class Pack(SamplePack[PackSettings]):
    """Packs crops of people as white-letterboxed squares.

    A sample has the members `<key>.jpg`, `<key>.cls` (the person's id) and `<key>.json` (see
    `sample_json`), and `<key>.foreground.png` where a model for it is set; its key tells of the
    picture alone (`webbody.sample_keys`).
    """

    version = 2  # keys without names

    def __init__(self, settings: PackSettings, resources: WorkerResources = WORKER) -> None:
        super().__init__(settings, resources)
        self._foreground = foreground(settings, resources)

    def read(self, rows: list[dict[str, Any]], inputs: Inputs) -> Iterator[bytes]:
        return read_crops(rows, inputs)

    def label(self, row: Mapping[str, Any], tar: TarWriter) -> None:
        tar.add(f"{row['sample']}.cls", str(row["person"]).encode())

    def count(self, index: pa.Table) -> dict[str, int]:
        return {"people": len(index["person"].unique())}

    def sample(self, row: Mapping[str, Any], data: bytes) -> PackedSample:
        image = decode(data, row["crop_width"] * row["crop_height"])
        square, scale, left, top = letterbox(image, self.settings.size)
        if (final := row["packed_keypoints"]) is not None:
            points = np.array(final, np.float32).reshape(skeleton.COUNT, 3)
        else:
            points = np.array(row["keypoints"], np.float32).reshape(skeleton.COUNT, 3)
            points = skeleton.clean(on_letterbox(points, scale, left, top))
        packed = PackedSample(encode_jpeg(square, self.settings.quality), sample_json(row, points))
        if self._foreground is None:
            return packed
        return replace(packed, square=square, size=(image.shape[1], image.shape[0]))

    def completed(self, samples: Iterable[PackedSample]) -> Iterable[PackedSample]:
        if self._foreground is None:
            return samples
        return _with_foregrounds(samples, self._foreground, self.resources.batch)


def _with_foregrounds(
    samples: Iterable[PackedSample], find: SapiensForeground, batch: int
) -> Iterator[PackedSample]:
    """The samples with their foregrounds, and without the squares in which these are found."""
    for together in batched(samples, batch):
        squares = [sample.square for sample in together if sample.square is not None]
        found = find(squares, [sample.size for sample in together])
        for sample, mask in zip(together, found, strict=True):
            yield replace(sample, square=None, foreground=mask)


def read_crops(rows: list[dict[str, Any]], inputs: Inputs) -> Iterator[bytes]:
    """The crops' bytes; rows are sorted by source, so that one tar is open at a time.

    Raises WebbodyError where a crop is not the one that the split assigned.
    """
    places = [(f"{row['source']}.tar", row["offset"], row["length"]) for row in rows]
    for row, data in zip(rows, read_scattered(inputs.folder, places), strict=True):
        if hashlib.blake2b(data, digest_size=10).hexdigest() != row["digest"]:
            raise WebbodyError(
                f"{row['source']}.tar has changed ({row['crop']} is another picture); remove "
                "the file and build again."
            )
        yield data


def sample_json(row: Mapping[str, Any], keypoints: np.ndarray) -> bytes:
    """The sample's description: no name, no feature, no face box.

    box: the crop's rectangle, xyxy in fractions of the upright original, whose size is width and
    height. keypoints: (19, 3) x, y in pixels of the final image, and visibility.
    """
    sample = {
        "key": row["sample"],
        "person": row["person"],
        "split": row["split"],
        "url": row["url"],
        "sha256": row["sha256"],
        "box": [round(float(value), 6) for value in row["box"]],
        "width": row["image_width"],
        "height": row["image_height"],
        "keypoints": [[round(float(value), 2) for value in point] for point in keypoints],
    }
    return json.dumps(sample, ensure_ascii=False, separators=(",", ":")).encode()


def write_index(folder: Folder) -> None:
    """Write pack/index.json, and what makes the folder one of pictures for `load_dataset`.

    Raises WebbodyError where an output shard has not been committed.
    """
    index = index_of(folder)
    _write_readme(folder, json.loads(index)["splits"])
    folder.update_bytes(INDEX, index)


def _write_readme(folder: Folder, splits: Mapping[str, Any]) -> None:
    """Write a README with the files of each split; a user's own README is kept."""
    lines = [f"  - {{split: {name}, path: {name}-*.tar}}\n" for name in SPLITS if name in splits]
    configs = ["configs:\n- config_name: default\n  data_files:\n", *lines] if lines else []
    page = f"---\n{''.join(configs)}---\n{_ABOUT}".encode()
    try:
        present = folder.read(README)
    except FileNotFoundError:
        present = _ABOUT.encode()
    if present != page and present.endswith(_ABOUT.encode()):
        folder.write_bytes(README, page)


def index_of(folder: Folder) -> bytes:
    """The index that the commit records ask for: splits, their shards, samples and any people.

    Raises WebbodyError where an output shard has not been committed.
    """
    split = committed(folder, "split", ALL)
    people: list[str] | None = None
    if PEOPLE in split.outputs:
        with folder.open(f"split/{PEOPLE}") as file:
            people = read_parquet(file, columns=["split"])["split"].to_pylist()
    splits: dict[str, Any] = {}
    for name in sorted(split.outputs):
        kind, dash, _ = name.partition("-")
        if not dash:
            continue
        shard = name.removesuffix(".parquet")
        record = committed(folder, "pack", shard)
        tar = record.outputs[f"{shard}.tar"]
        entry = splits.setdefault(
            kind,
            {
                "samples": 0,
                **({} if people is None else {"people": people.count(kind)}),
                "bytes": 0,
                "shards": [],
            },
        )
        entry["samples"] += record.counts["out"]
        entry["bytes"] += tar.bytes
        entry["shards"].append(
            {
                "name": f"{shard}.tar",
                "samples": record.counts["out"],
                **({} if people is None else {"people": record.counts["people"]}),
                "bytes": tar.bytes,
                "sha256": tar.sha256,
            }
        )
    digests = [shard["sha256"] for split in splits.values() for shard in split["shards"]]
    index = {
        "format": "webdataset",
        "digest": digest_of_shards(digests),  # of the whole data set, for papers to name
        "splits": splits,
    }
    return (json.dumps(index, indent=1, sort_keys=True) + "\n").encode()
