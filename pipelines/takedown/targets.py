"""From a takedown request to entries of a list of removals."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow.compute as pc

from pipelines.takedown.matching import planned_files, rows_of_table
from webbody.build_records import read_build
from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.removals import NO_REMOVALS, RemovalLists, Scope
from webbody.storage import Folder
from webbody.url_grammar import domain_of, is_suffix, is_url

#: A stage that only builds of whole photos have.
_QUALITY = "quality"

Entries = list[tuple[Scope, str | int]]


def person_id(text: str) -> int:
    """A person's id, as it stands in samples; WebbodyError for what is none."""
    if not (text.isascii() and text.isdecimal() and int(text) < 1 << 63):
        raise WebbodyError(f"--person {text}: is no person's id, which is a whole number.")
    return int(text)


@dataclass
class TakedownRequest:
    """A request to remove any of these.

    certain: whether a domain may be one below which anybody registers names, such as org.
    """

    urls: Sequence[str] = ()
    domains: Sequence[str] = ()
    sha256: Sequence[str] = ()
    people: Sequence[int] = ()
    crops: Sequence[str] = field(default_factory=tuple)  # working keys, found by a photo
    certain: bool = False

    def check(self) -> None:
        """Raise a WebbodyError for what can be no URL, domain or digest."""
        for url in self.urls:
            if not is_url(url):
                raise WebbodyError(f"--url {url}: is no http or https URL.")
        for domain in self.domains:
            if not (host := domain_of(domain)):
                raise WebbodyError(
                    f"--domain {domain}: is no domain; write it as example.org, without http://."
                )
            if is_suffix(host) and not self.certain:
                raise WebbodyError(
                    f"--domain {domain}: is the end of all sites that are registered below "
                    f"{host}; name a site, or add --yes to remove them all."
                )
        for digest in self.sha256:
            if len(digest) != 64 or set(digest.lower()) - set("0123456789abcdef"):
                raise WebbodyError(f"--sha256 {digest}: is no sha256, which has 64 hex digits.")

    def entries(self) -> Entries:
        """The entries that it makes by itself; a WebbodyError for what is none."""
        self.check()
        out: Entries = [("url", url) for url in self.urls]
        out += [("domain", domain_of(domain)) for domain in self.domains]
        out += [("sha256", digest.lower()) for digest in self.sha256]
        return [*out, *(("person", person) for person in self.people)]


def entries_of(
    folder: Folder, request: TakedownRequest, listed: RemovalLists = NO_REMOVALS
) -> Entries:
    """The entries that a request makes in the list of a build folder.

    A person stands there by id; by the URLs, digests and keys of the kept pictures, so that other
    rows, other addresses and what was derived from the samples are found, too; and by the names,
    which stay in the folder, so that further pictures under them are not built. Raises WebbodyError
    where a person is not there, and not `listed` as one who was.
    """
    out = request.entries()
    people, found = set(request.people), set()
    crops = set(request.crops)
    for shard in planned_files(folder) if people or crops else ():
        rows = _samples(folder, shard)
        download = rows_of_table(folder, f"download/{shard}.parquet", "key", "url", "sha256")
        about = {key: (url, digest) for key, url, digest in download}
        for crop, key, sample, person in rows:
            if person in people or crop in crops:
                found.add(person)
                url, digest = about.get(key, (None, None))
                out += [("url", url)] if url else []
                out += [("sha256", digest)] if digest else []
                out += [("sample", sample)] if sample else []
        for crop, key, *_ in rows_of_table(folder, f"faces/{shard}.parquet", "crop", "key"):
            if crop in crops:  # a face that was not kept
                url, digest = about.get(key, (None, None))
                out += [("url", url)] if url else []
                out += [("sha256", digest)] if digest else []
    if people and _QUALITY in ((read_build(folder) or {}).get("stages") or ()):
        raise WebbodyError(
            f"--person {min(people)}: {folder.url} holds whole photos and knows no people; use "
            "--url, --domain or --sha256."
        )
    missing = {one for one in people - found if not listed.contains(person=one)}
    if missing:
        raise WebbodyError(
            f"--person {min(missing)}: there is no such person in {folder.url}; ids stand in the "
            "samples' .cls and in `webbody explain`."
        )
    for person, names in _names(folder):
        out += [("name", name) for name in names] if person in people else []
    return list(dict.fromkeys(out))


def _samples(folder: Folder, shard: str) -> list[tuple[str, str, str | None, int | None]]:
    """crop, key, packed key and person of the rows that have one."""
    if folder.size(f"identities/{shard}.parquet") is not None:
        columns = ("crop", "key", "sample", "person")
        return rows_of_table(folder, f"identities/{shard}.parquet", *columns)
    plan = rows_of_table(folder, f"plan/{shard}.parquet", "key", "person")
    return [(key, key, key, person) for key, person in plan]


def _names(folder: Folder) -> list[tuple[int, list[str]]]:
    if folder.size("identities/people.parquet") is None:
        return []
    with folder.open("identities/people.parquet") as file:
        table = read_parquet(file, columns=["person", "names"])
    table = table.filter(pc.is_valid(table["person"]))
    return list(zip(table["person"].to_pylist(), table["names"].to_pylist(), strict=True))
