"""Lists of several files: folders, patterns, files by name; which line of which file a row is."""

import gzip
import json
import random

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import one_sentence, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webbody.config import load
from webbody.errors import WebbodyError
from webbody.manifest import Manifest, ManifestLayout
from webbody.manifest_forms import as_one_text


def csv_file(path, *rows):
    """A CSV list of rows (url, name)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("url,name\n" + "".join(f"{url},{name}\n" for url, name in rows))
    return path


def parquet_file(path, *rows, **columns):
    table = {"url": [url for url, _ in rows], "name": [name for _, name in rows], **columns}
    pq.write_table(pa.table(table), path)
    return path


def urls(text, **options):
    """URLs of the usable rows, in order."""
    with Manifest(str(text), **options) as manifest:
        return [url for batch in manifest.usable() for url in batch["url"].to_pylist()]


def rejected(text):
    """File, line, running number and outcome of each row that cannot be used."""
    with Manifest(str(text)) as manifest:
        found = []
        for batch in manifest.rejected():
            files, lines = manifest.parts.places(batch["row"])
            found += zip(
                files.to_pylist(),
                lines.to_pylist(),
                batch["row"].to_pylist(),
                batch["outcome"].to_pylist(),
                strict=True,
            )
    return found


@pytest.fixture
def parts(tmp_path):
    """A folder as Spark leaves it: b.csv has a row without a name on line 3."""
    folder = tmp_path / "parts"
    csv_file(folder / "b.csv", ("http://b/1", "Ann"), ("http://b/2", ""), ("http://b/3", "Bo"))
    csv_file(folder / "a.csv", ("http://a/1", "Ann"))
    csv_file(folder / "c.csv")
    packed = gzip.compress(b"url,name\nftp://d,Ann\n\nhttp://d/1,Ann\n")
    (folder / "d.csv.gz").write_bytes(packed)
    for name in ("_SUCCESS", ".a.csv.crc", ".hidden.csv", "_metadata.csv"):
        (folder / name).write_bytes(b"nothing")
    return folder


def test_a_folder_is_its_lists_sorted_by_name(parts):
    for text in (parts, f"{parts}/", f"file://{parts}"):
        assert urls(text) == ["http://a/1", "http://b/1", "http://b/3", "http://d/1"]
    with Manifest(str(parts)) as manifest:
        assert manifest.parts.notes == []


def test_a_row_is_told_by_its_file_and_line(parts):
    assert rejected(parts) == [
        ("b.csv", 3, 5, "manifest:no-name"),
        ("d.csv.gz", 2, 9, "manifest:bad-url"),
        ("d.csv.gz", 3, 10, "manifest:blank-line"),
    ]
    code, said, _ = run("manifest", "validate", parts)
    assert code == 0 and "4 files, 11 lines, 4 of them headers" in said
    assert "b.csv, line 3" in said and "d.csv.gz, line 2: not an http" in said


def test_a_single_file_has_lines_alone(tmp_path):
    path = csv_file(tmp_path / "a.csv", ("http://a/1", ""))
    assert rejected(path) == [(None, 2, 2, "manifest:no-name")]


def test_what_is_no_list_is_not_read_and_told(parts):
    (parts / "README.md").write_text("about")
    (parts / "part-00000").write_text("0 1 http://e/1\n")
    csv_file(parts / "more" / "e.csv", ("http://e/1", "Ann"))
    with Manifest(str(parts)) as manifest:
        (files, folders) = manifest.parts.notes
    assert "2 files end as no list does and are not read: README.md, part-00000" in files
    assert "1 folder in it is not read" in folders
    code, said, _ = run("manifest", "stats", parts)
    assert code == 0 and "README.md" in said


def test_a_pattern_is_one_only_where_it_says_so(tmp_path):
    for name in ("part-1", "part-2", "part-[12]", "other"):
        csv_file(tmp_path / f"{name}.csv", (f"http://{name[:4]}/{len(name)}", name))
    assert urls(f"glob:{tmp_path}/part-?.csv") == ["http://part/6"] * 2
    assert urls(f"glob:{tmp_path}/part-[12].csv") == ["http://part/6"] * 2
    assert urls(f"{tmp_path}/part-[12].csv") == ["http://part/9"]
    assert urls(f"glob:{tmp_path}/**/other.csv") == ["http://othe/5"]
    csv_file(tmp_path / "glob:x.csv", ("http://x/1", "Ann"))
    with pytest.raises(WebbodyError, match="matches no file"):
        urls(f"glob:{tmp_path}/nothing-*.csv")


def test_paths_that_begin_like_a_form_are_given_with_their_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("glob:a*.csv", "list:a.csv", "@a.csv"):
        csv_file(tmp_path / name, (f"http://a/{len(name)}", "Ann"))
        assert urls(f"./{name}") == [f"http://a/{len(name)}"]


def test_files_that_match_are_read_whatever_they_end_with(tmp_path):
    for number in range(3):
        (tmp_path / f"part-0000{number}").write_text(f"{number} 7 http://a/{number}\n")
    (tmp_path / "_part-00009").write_text("x")
    assert urls(f"glob:{tmp_path}/*part-*") == ["http://a/0", "http://a/1", "http://a/2"]


def test_files_by_name_keep_their_order_and_may_differ_in_format(tmp_path):
    one = csv_file(tmp_path / "z.csv", ("http://z/1", "Ann"))
    two = parquet_file(tmp_path / "a.parquet", ("http://a/1", "Ann"))
    (tmp_path / "m.jsonl").write_text('{"url": "http://m/1", "name": "Ann"}\n')
    paths = [str(one), str(two), str(tmp_path / "m.jsonl")]
    expected = ["http://z/1", "http://a/1", "http://m/1"]
    assert urls(as_one_text(paths)) == expected
    names = tmp_path / "files.txt"
    names.write_bytes(b"\xef\xbb\xbfz.csv\r\n\r\n" + f"{two}\r\nm.jsonl\r\n".encode())
    assert urls(f"@{names}") == expected
    code, said, _ = run("manifest", "validate", *paths, "--json")
    assert code == 0 and json.loads(said)["accepted"] == 3


def test_settings_take_lists_of_files(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("manifest: [a.csv, 'b c.csv']\n")
    settings = load(config)
    assert settings.manifest == 'list:["a.csv", "b c.csv"]'
    assert load(None, ["manifest=[a.csv]"]).manifest == "a.csv"
    settings.manifest = ["x", "y"]
    assert settings.manifest == 'list:["x", "y"]'
    assert load(None, [f"manifest={settings.manifest}"]).manifest == settings.manifest
    for wrong in ("manifest=[1, 2]", "manifest={a: b}"):
        with pytest.raises(WebbodyError, match="manifest"):
            load(None, [wrong])


@pytest.mark.parametrize("protocol", ["memory", "file"])
def test_folders_and_patterns_on_other_stores(tmp_path, protocol):
    base = f"memory://{tmp_path.name}" if protocol == "memory" else f"file://{tmp_path}"
    fs, root = fsspec.core.url_to_fs(base)
    for name in ("b", "a"):
        with fs.open(f"{root}/{name}.csv", "wb") as file:
            file.write(f"url,name\nhttp://{name}/1,Ann\n,Ann\n".encode())
    expected = ["http://a/1", "http://b/1"]
    assert urls(base) == urls(f"{base}/") == urls(f"glob:{base}/*.csv") == expected
    assert urls(f'list:["{base}/b.csv", "{base}/a.csv"]') == expected[::-1]
    with fs.open(f"{root}/files.list", "wb") as file:
        file.write(b"a.csv\nb.csv\n")
    assert urls(f"@{base}/files.list") == expected
    assert [row[:2] for row in rejected(f"glob:{base}/*.csv")] == [("a.csv", 3), ("b.csv", 3)]


@pytest.mark.parametrize(
    ("content", "text", "said"),
    [
        ({}, "parts", "is a folder without any list"),
        ({"README.md": b"x"}, "parts", "without any list in it.*README.md"),
        ({"a.csv": b"url,name\nhttp://a,b\n", "b.csv": b""}, "parts", r"parts/b\.csv is empty"),
        ({"a.csv": b"url,name\nhttp://a,b\n", "b.csv": b"x\n"}, "parts", r"parts/b\.csv: lacks"),
        ({"a.csv": b"url,name\nhttp://a,b\n", "b.parquet": b"PAR1"}, "parts", r"b\.parquet"),
        (
            {"a.csv": b"url,name\n", "b.txt": b"0 1 http://a\n"},
            "parts",
            r"b\.txt: is text, but a\.csv is csv",
        ),
        ({"a.csv.gz": gzip.compress(b"url,name\n" * 9)[:-9]}, "parts", "uncompressed"),
        ({}, "glob:parts/*", "matches no file"),
        ({}, "glob:https://a/*", "the web has no folders"),
        ({}, "list:[", "is no list of files"),
        ({}, "list:[]", "is no list of files"),
        ({"a.csv": b"url,name\n"}, 'list:["parts/a.csv", "parts/../parts/a.csv"]', "named twice"),
        ({}, 'list:["parts"]', "parts is a folder"),
        ({}, 'list:["none.csv"]', "none.csv does not exist"),
        ({}, "@none", "none cannot be read"),
        ({"files": b"\n\n"}, "@parts/files", "names no file"),
        ({"files": b"a.csv\n"}, "@parts/files", "a.csv does not exist"),
        ({"files": b"a\xff.csv\n"}, "@parts/files", "line 1"),
    ],
)
def test_what_cannot_be_a_list_is_one_sentence(tmp_path, monkeypatch, content, text, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts").mkdir()
    for name, data in content.items():
        (tmp_path / "parts" / name).write_bytes(data)
    code, _, error = run("manifest", "validate", text)
    assert code == 2 and one_sentence(error)
    with pytest.raises(WebbodyError, match=said), Manifest(text) as manifest:
        for _ in manifest.rows():
            pass


def test_a_link_that_leads_nowhere_is_not_passed_over(parts):
    (parts / "e.csv").symlink_to(parts / "gone.csv")
    with pytest.raises(WebbodyError, match=r"e\.csv does not exist"):
        urls(parts)


def test_columns_that_are_kept_are_those_of_all_files(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    parquet_file(folder / "a.parquet", ("http://a/1", "Ann"), size=pa.array([1], pa.int64()))
    parquet_file(folder / "b.parquet", ("http://b/1", "Ann"), size=pa.array([2], pa.int32()))
    out = tmp_path / "out.parquet"
    assert run("manifest", "import", folder, "--keep", "*", "-o", out)[0] == 0
    assert pq.read_table(out)["size"].to_pylist() == [1, 2]
    parquet_file(folder / "c.parquet", ("http://c/1", "Ann"), size=["x"])
    code, _, error = run("manifest", "import", folder, "--keep", "*", "-o", out)
    assert code == 2 and one_sentence(error) and "column size has type string" in error
    parquet_file(folder / "c.parquet", ("http://c/1", "Ann"))
    code, _, error = run("manifest", "import", folder, "--keep", "*", "-o", out)
    assert code == 2 and one_sentence(error) and "differ from those of a.parquet in size" in error
    parquet_file(folder / "c.parquet", ("http://c/1", "Ann"), sha256=["ab" * 32])
    assert run("manifest", "import", folder, "-o", out)[0] == 0
    assert pq.read_table(out)["sha256"].to_pylist() == [None, None, "ab" * 32]


def test_nothing_that_is_read_is_replaced(parts):
    (parts / "x.parquet").write_bytes(b"")
    source = f"glob:{parts}/a.csv"
    code, _, error = run("manifest", "import", source, "-o", parts / "x.parquet")
    assert code == 0, error
    source = f"glob:{parts}/x.p*"
    code, _, error = run("manifest", "sample", source, "--names", 1, "-o", parts / "x.parquet")
    assert code == 2 and "is what is read" in error


def test_rejected_lines_of_an_import_name_their_file(parts, tmp_path):
    out = tmp_path / "out.parquet"
    assert run("manifest", "import", parts, "-o", out)[0] == 0
    found = pq.read_table(tmp_path / "out.rejected.parquet").to_pylist()
    assert [(row["file"], row["line"]) for row in found] == [
        ("b.csv", 3), ("d.csv.gz", 2), ("d.csv.gz", 3),
    ]  # fmt: skip


def test_the_digest_covers_names_order_and_bytes(tmp_path):
    def digest(text):
        with Manifest(str(text)) as manifest:
            return manifest.parts.digest().sha256

    a = csv_file(tmp_path / "parts" / "a.csv", ("http://a/1", "Ann"))
    b = csv_file(tmp_path / "parts" / "b.csv", ("http://b/1", "Ann"))
    seen = {digest(tmp_path / "parts"), digest(f'list:["{b}", "{a}"]')}
    assert digest(f"glob:{tmp_path}/parts/*") == digest(tmp_path / "parts")
    (tmp_path / "parts").rename(tmp_path / "moved")
    assert digest(tmp_path / "moved") in seen
    b = tmp_path / "moved" / "b.csv"
    b.rename(b.with_name("c.csv"))
    seen.add(digest(tmp_path / "moved"))
    csv_file(tmp_path / "moved" / "c.csv", ("http://b/2", "Ann"))
    seen.add(digest(tmp_path / "moved"))
    csv_file(tmp_path / "moved" / "d.csv", ("http://d/1", "Ann"))
    seen.add(digest(tmp_path / "moved"))
    assert len(seen) == 5


def test_signatures_and_passwords_are_no_part_of_what_is_kept(tmp_path):
    from webbody.manifest.files import list_files

    text = as_one_text(["https://u:pw@a/x.csv?sig=5ecret&part=1", "https://a/x.csv?part=2"])
    files = list_files(text)
    assert "5ecret" not in files.where + "".join(files.names)
    assert "pw" not in files.where + "".join(files.names)
    assert len(set(files.names)) == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=5), seed=st.integers(0, 5))
def test_parts_of_a_list_say_what_the_whole_says(tmp_path_factory, sizes, seed):
    """However a list is cut into files, the same rows are used, and each row is told its place."""
    folder, rng = tmp_path_factory.mktemp("parts"), random.Random(seed)
    whole, expected = [], []
    for number, size in enumerate(sizes):
        lines = [
            rng.choice([f"http://a/{number}/{line},Ann\n", ",Ann\n", "\n", '"x\n'])
            for line in range(size)
        ]
        (folder / f"{number}.csv").write_text("url,name\n" + "".join(lines))
        whole += lines
        expected += [
            (f"{number}.csv", line)
            for line, text in enumerate(lines, 2)
            if not text.startswith("http")
        ]
    (folder / "whole.txt").write_text("url,name\n" + "".join(whole))
    one = urls(folder / "whole.txt", layout=ManifestLayout(format="csv"))
    assert urls(f"glob:{folder}/*.csv") == one
    found = rejected(f"glob:{folder}/*.csv")
    assert [row[:2] for row in found] == expected
    numbers = [row[2] for row in found]
    assert numbers == sorted(set(numbers))
