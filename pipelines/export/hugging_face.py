"""A data set of Hugging Face: Parquet files with pictures and typed features, and a card."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import pyarrow as pa
import yaml

from pipelines.export.columns import MEANINGS, schema_of, table_of
from pipelines.export.samples import PackedPicture
from pipelines.export.table import RowGroups
from pipelines.export.writer import ExportContent, SampleWriter
from webbody.plain_text import counted
from webbody.storage import Folder

README = "README.md"
#: Rows of a group, as the hub's viewer likes them.
_ROWS = 100
_IMAGE = pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
_CARD = """
# {title}

{samples}{people}, exported from a finished build by webbody. Pictures are as they were packed.

{columns}

This is personal data, and using it to tell people apart is biometric processing in many laws. What
is taken down from the build later is still in this copy: export it again.
"""


class HuggingFaceWriter(SampleWriter):
    """`data/SPLIT-00000-of-00002.parquet`, one for each shard, and `README.md`, the card."""

    has_files = False

    def __init__(self, folder: Folder, content: ExportContent, files: ExitStack) -> None:
        super().__init__(folder, content, files)
        self._columns = schema_of(content)
        features = {field.name: _feature(field.type) for field in self._columns}
        features["image"] = {"_type": "Image"}
        told = {"huggingface": json.dumps({"info": {"features": features}})}
        self._schema = pa.schema([_IMAGE, *self._columns]).with_metadata(told)
        self._shard = ""
        self._open: RowGroups | None = None
        self._closing = files.enter_context(ExitStack())
        self._samples = dict.fromkeys(content.splits, 0)
        self._people: set[int | None] = set()

    def add(self, sample: PackedPicture) -> None:
        if sample.shard != self._shard or self._open is None:
            self._close()
            shards = self.content.splits[sample.split]
            place = f"{shards.index(sample.shard):05d}-of-{len(shards):05d}"
            name = f"data/{sample.split}-{place}.parquet"
            self._shard = sample.shard
            self._open = RowGroups(
                self.folder, name, self._schema, _ROWS, self._rows, self._closing
            )
        self._open.add(sample)
        self._samples[sample.split] += 1
        self._people.add(sample.person)

    def _rows(self, samples: Sequence[PackedPicture]) -> pa.Table:
        pictures = [{"bytes": one.picture, "path": f"{one.key}.jpg"} for one in samples]
        columns = table_of(samples, self._columns).columns
        return pa.table([pa.array(pictures, _IMAGE.type), *columns], self._schema)

    def _close(self) -> None:
        """The file of a shard gets its name."""
        if self._open is not None:
            self._open.flush()
            self._closing.close()

    def finish(self) -> None:
        self._close()
        self.folder.write_bytes(README, self._card().encode())

    def _card(self) -> str:
        there = [split for split, count in self._samples.items() if count]
        files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in there]
        header: dict[str, Any] = {
            "task_categories": ["image-feature-extraction"],
            "tags": ["human-recognition", "webbody"],
            "configs": [{"config_name": "default", "data_files": files}],
        }
        people = f" of {len(self._people):,} people" if self.content.has_people else ""
        card = _CARD.format(
            title=", ".join(f"{split}: {self._samples[split]:,}" for split in there),
            samples=counted(sum(self._samples.values()), "sample"),
            people=people,
            columns="\n".join(f"- `{name}`: {MEANINGS[name]}" for name in self._columns.names),
        )
        return f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n{card}"


def _feature(kind: pa.DataType) -> Mapping[str, Any]:
    """A column's type in the words of `datasets`."""
    if pa.types.is_fixed_size_list(kind):
        return {
            "feature": _feature(kind.value_type), "length": kind.list_size, "_type": "List",
        }  # fmt: skip
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    return {"dtype": "float32" if kind == pa.float32() else str(kind), "_type": "Value"}
