"""Reading a release from a folder, from https or from the Hugging Face hub, a row group at a time.

Whatever is read was compared with the digests of release.json first: nothing of a damaged or
altered file is handed on.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

import pyarrow as pa

from webbody.errors import WebbodyError
from webbody.parquet_tables import open_parquet, read_batches
from webbody.releases.format import (
    GROUP_ROWS,
    RELEASE_FILE,
    SCHEMA,
    DataFile,
    ReleaseInfo,
    check_columns,
    read_info,
    split_of,
)
from webbody.scratch import scratch_folder
from webbody.storage import Folder

_BLOCK = 1 << 20
T = TypeVar("T")


class Release:
    """A release for reading, opened by `Release.read`.

    Attributes:
        folder: Where the release lies.
        info: The content of its release.json.
    """

    def __init__(self, folder: Folder, info: ReleaseInfo) -> None:
        self.folder, self.info = folder, info

    @classmethod
    def read(cls, url: str | os.PathLike[str]) -> "Release":
        """Open a release.

        Args:
            url: Its folder: a path, or an fsspec URL such as https://... or hf://datasets/...

        Returns:
            The release; its data files are checked when they are read.

        Raises:
            WebbodyError: There is no release, or it cannot be read; it says why.
        """
        place = str(url).rstrip("/").removesuffix(f"/{RELEASE_FILE}")
        folder = _reached(place, lambda: Folder(place))
        try:
            data = _reached(place, lambda: folder.read(RELEASE_FILE))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise WebbodyError(
                f"{place}: is no release, as there is no {RELEASE_FILE} in it; check the address."
            ) from error
        return cls(folder, read_info(data, f"{place}/{RELEASE_FILE}"))

    @property
    def files(self) -> Mapping[str, DataFile]:
        """The data files by name, in order."""
        return dict(sorted(self.info.files.items()))

    def tables(
        self,
        columns: Sequence[str] | None = None,
        splits: Sequence[str] | None = None,
        files: Sequence[str] | None = None,
    ) -> Iterator[pa.Table]:
        """Read the samples, at most GROUP_ROWS at a time, in the order of the release.

        Args:
            columns: Columns of SCHEMA, by default all.
            splits: Such as ("train",), by default all.
            files: Names of data files, by default all.

        Yields:
            Tables with these columns.

        Raises:
            WebbodyError: A file is missing, changed, has other columns, or rows of another split
                than its name says; it names the file.
        """
        names = list(columns if columns is not None else SCHEMA.names)
        for name in self.files:
            selected = files is None or name in files
            if selected and (splits is None or split_of(name) in splits):
                with self.open(name) as file:
                    yield from self._groups(name, file, names)

    def _groups(self, name: str, file: IO[bytes], columns: list[str]) -> Iterator[pa.Table]:
        where = self.folder.path(name)
        try:
            parquet = open_parquet(file)
            check_columns(parquet.schema_arrow, where)
            rows = parquet.metadata.num_rows
            read = list(dict.fromkeys([*columns, "split"]))
            for batch in read_batches(file, GROUP_ROWS, read):
                others = set(batch.column("split").unique().to_pylist()) - {split_of(name)}
                if others:
                    raise WebbodyError(
                        f"{where}: has rows of the split {others.pop()}, and only rows of "
                        f"{split_of(name)} may be in it; fetch the release again."
                    )
                yield pa.Table.from_batches([batch]).select(columns)
        except (pa.ArrowException, OSError) as error:
            raise WebbodyError(f"{where}: is no Parquet file that can be read.") from error
        if rows != self.info.files[name].rows:
            raise WebbodyError(
                f"{where}: has {rows} rows, and {RELEASE_FILE} says {self.info.files[name].rows}."
            )

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a data file after checking its sha256; a remote one is copied first.

        Args:
            name: Of the file, such as data/train-00000.parquet.

        Yields:
            The file, to be read.

        Raises:
            WebbodyError: The file is missing or changed.
        """
        where = self.folder.path(name)
        with scratch_folder("release") as temporary:
            path = Path(where)
            try:
                if not self.folder.local:
                    path = Path(temporary) / "data.parquet"
                    _reached(where, lambda: self.folder.fs.get_file(where, str(path)))
                if path.exists() and not path.is_file():  # a pipe would be waited for
                    raise WebbodyError(f"{where}: is no file; fetch the release again.")
                file = path.open("rb")
            except FileNotFoundError as error:
                raise WebbodyError(
                    f"{where}: is missing, and {RELEASE_FILE} lists it; fetch the release again."
                ) from error
            except OSError as error:
                raise WebbodyError(
                    f"{where}: cannot be read ({error.strerror or error}); fetch the release again."
                ) from error
            with file:
                if file_sha256(file) != self.info.files[name].sha256:
                    raise WebbodyError(
                        f"{where}: is not the file that {RELEASE_FILE} lists, as its sha256 is "
                        "another; fetch it again."
                    )
                file.seek(0)
                yield file


def file_sha256(file: IO[bytes]) -> str:
    """Digest of a file from where it stands to its end."""
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def _reached(place: str, ask: Callable[[], T]) -> T:
    """What storage answers; its errors, which each library has of its own, become a sentence."""
    try:
        return ask()
    except (FileNotFoundError, NotADirectoryError, WebbodyError):
        raise
    except ImportError as error:
        raise WebbodyError(
            f"{place}: cannot be reached without a library ({error}); install it, or "
            "`pip install 'webbody[release]'`."
        ) from error
    except Exception as error:
        raise WebbodyError(f"{place}: cannot be read ({type(error).__name__}: {error}).") from error
