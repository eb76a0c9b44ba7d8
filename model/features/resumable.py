"""A feature file that is made part by part, so that a kill costs at most one part.

While it is made, `<out>.parts/` beside it holds how its features are made and the committed parts.
A part's name depends on its content: an existing part is reused, one of other content never is.
At the end the parts are streamed into one file and removed.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from model.features.extract import Features
from model.features.feature_file import BadFeatures, info_of, schema, to_table, with_info
from model.features.samples import Sample
from webbody.errors import WebbodyError
from webbody.json_text import parse_json

if TYPE_CHECKING:
    from webbody.storage import Folder

#: Rows that are written at once; 16 MB of the largest features.
ROWS = 1024
_INFO = "info.json"
#: Raw features hardly repeat: a dictionary of them would only cost.
_COMPACT: dict[str, Any] = {"compression": "zstd", "use_dictionary": ["source", "split", "outcome"]}


class OtherFeatures(WebbodyError):
    """Existing features were made with other settings, named in `differs` (empty: all differ)."""

    def __init__(self, differs: list[str]) -> None:
        super().__init__(f"made with other {', '.join(differs)}" if differs else "something else")
        self.differs = differs


@dataclass(frozen=True)
class ExtractionUnit:
    """The unit of commits: a shard, or some pictures.

    name: a file name that depends on the content. samples: reads them when the unit is processed.
    """

    name: str
    samples: Callable[[], Iterable[Sample]]


@dataclass(frozen=True)
class ExtractionSummary:
    """Contents of a file: features, pictures without one by outcome; parts made now and before.

    blind: features of pictures without a visible keypoint, which a SapiensID cannot tell from each
    other. whole: features of pictures in which no person was found.
    """

    features: int
    blind: int
    whole: int
    outcomes: dict[str, int]
    made: int
    before: int


def make_features(
    parts: Sequence[ExtractionUnit],
    extract: Callable[[Iterable[Sample]], Iterator[Features]],
    folder: "Folder",
    out: str,
    info: Mapping[str, Any],
    *,
    feature_dim: int,
    dtype: str = "float32",
    replace: bool = False,
    progress: Callable[[int, int], None] = lambda rows, parts: None,
) -> ExtractionSummary:
    """Make the file `out` of a folder from parts, those excepted that are there already.

    info: how features are made (JSON); all but `checkpoint`, the place of the weights, must be that
    of the parts, and of the file, that are there: OtherFeatures is raised where it is not, unless
    `replace` lets them go. progress: called with the rows made, and the parts that are there.
    """
    columns = schema(feature_dim, dtype)
    # Parts with other columns cannot be joined to one file.
    settings: dict[str, Any] = json.loads(json.dumps({**info, "columns": columns.names}))
    names = [part.name for part in parts]
    content = hashlib.blake2b("\n".join(names).encode(), digest_size=16).hexdigest()
    kept = f"{out}.parts"
    old = _file_info(folder, out)
    if _same(old, settings, replace) and old is not None and old.get("content") == content:
        _remove(folder, kept)
        return ExtractionSummary(*_counted(folder, out), made=0, before=len(parts))
    if not _same(_parts_info(folder, kept), settings, replace):
        _remove(folder, kept)
        text = json.dumps(settings, indent=1) + "\n"
        folder.write_bytes(f"{kept}/{_INFO}", text.encode())
    there = {name for name in names if folder.size(f"{kept}/{name}.parquet") is not None}
    rows, before = 0, len(there)
    for part in parts:
        if part.name in there:
            continue
        with (
            folder.write(f"{kept}/{part.name}.parquet") as file,
            pq.ParquetWriter(file, columns, **_COMPACT) as writer,
        ):
            for table in _tables(extract(part.samples()), columns, dtype):
                writer.write_table(table)
                rows += len(table)
                progress(rows, len(there))
        there.add(part.name)
        progress(rows, len(there))
    _join(folder, out, names, with_info(columns, {**settings, "content": content}))
    _remove(folder, kept)
    return ExtractionSummary(*_counted(folder, out), made=len(there) - before, before=before)


def _same(old: Mapping[str, Any] | None, settings: Mapping[str, Any], replace: bool) -> bool:
    """Whether what is there was made in this way; OtherFeatures if not and it must stay."""
    if old is None:
        return False
    ours = [name for name in settings if name != "checkpoint"]
    differs = [name for name in ours if old.get(name) != settings[name]]
    if differs and not replace:
        raise OtherFeatures(differs if old else [])
    return not differs


def _file_info(folder: "Folder", out: str) -> dict[str, Any] | None:
    """How a file's features were made; {} for another kind of file, None where there is none."""
    if folder.size(out) is None:
        return None
    try:
        with folder.open(out) as file:
            return info_of(pq.read_schema(file))
    except (BadFeatures, pa.ArrowInvalid):
        return {}


def _parts_info(folder: "Folder", kept: str) -> dict[str, Any] | None:
    """How the parts that are there are made; None where there are none."""
    try:
        info: dict[str, Any] = parse_json(folder.read(f"{kept}/{_INFO}"))
        return info
    except (FileNotFoundError, ValueError):
        return None


def _tables(blocks: Iterable[Features], columns: pa.Schema, dtype: str) -> Iterator[pa.Table]:
    """Tables of about ROWS rows."""
    waiting: list[pa.Table] = []
    for block in blocks:
        waiting.append(to_table(block, columns, dtype))
        if sum(map(len, waiting)) >= ROWS:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


def _join(folder: "Folder", out: str, names: Sequence[str], columns: pa.Schema) -> None:
    """Stream the parts into one file, some rows at a time."""
    with folder.write(out) as file, pq.ParquetWriter(file, columns, **_COMPACT) as writer:
        for name in names:
            with folder.open(f"{out}.parts/{name}.parquet") as part:
                table = pq.ParquetFile(part, pre_buffer=False)
                for group in range(table.num_row_groups):
                    writer.write_table(table.read_row_group(group, use_threads=False))


def _counted(folder: "Folder", out: str) -> tuple[int, int, int, dict[str, int]]:
    """Features in a file, those without visible keypoints, of whole pictures; other outcomes."""
    outcomes: Counter[str | None] = Counter()
    blind = whole = 0
    with folder.open(out) as file:
        columns = ["visible", "whole", "outcome"]
        for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(
            columns=columns, use_threads=False
        ):
            outcomes.update(batch["outcome"].to_pylist())
            blind += batch["visible"].to_pylist().count(0)
            whole += batch["whole"].true_count
    named = {str(name): count for name, count in outcomes.most_common() if name is not None}
    return outcomes[None], blind, whole, named


def _remove(folder: "Folder", kept: str) -> None:
    with suppress(FileNotFoundError):
        folder.fs.rm(folder.path(kept), recursive=True)
