"""The rows of text lists that need no names: a URL a line, or `index label url`."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from webbody.manifest.arrays import int_array
from webbody.manifest.lines import BLANK, LineBlock, problem_column

#: Index and label may stand before the URL, both integers; a URL may contain blanks.
_LINE = r"^(?:[0-9]+[ \t]+(?P<name>-?[0-9]+)[ \t]+)?(?P<url>[^\r\n]*)$"
_BLANKS = " \t\f\v\r\n"


@dataclass(frozen=True)
class UrlLines:
    """How a line of such a list becomes a row."""

    def parse(self, block: LineBlock) -> pa.RecordBatch:
        """A row for each line: lines (1), url, name (a label, or ""), sha256 (null), problem."""
        texts, problems = block.texts()
        texts = pc.utf8_trim(texts, _BLANKS)
        for line in np.flatnonzero(pc.equal(texts, "").to_numpy(zero_copy_only=False)).tolist():
            problems.setdefault(line, BLANK)
        found = pc.extract_regex(texts, _LINE)
        return pa.record_batch(
            {
                "lines": int_array(np.ones(len(texts), np.int64)),
                "url": pc.struct_field(found, "url"),
                "name": pc.struct_field(found, "name"),
                "sha256": pa.nulls(len(texts), pa.string()),
                "problem": problem_column(problems, len(texts)),
            }
        )
