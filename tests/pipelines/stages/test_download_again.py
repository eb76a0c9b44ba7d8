"""A download that runs again asks only for what it must, and writes what a fresh one would."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile_server import jpeg
from made_stages import with_settings
from made_tables import put, run, table

from pipelines.stages.download import Download
from webbody.storage import Folder

SHARD = "00000000"


class Shard:
    """A shard of pictures on a server, downloaded again and again under other settings."""

    def __init__(self, folder: Folder, server, count: int = 12) -> None:
        self.folder, self.server = folder, server
        self.paths = [f"/{number}" for number in range(count)]
        for number in range(count):
            server.routes[f"/{number}"] = lambda it, n=number: it.reply(200, jpeg(n, 64 + n))

    def download(self, folder: Folder | None = None, **options) -> dict[str, str | None]:
        """Outcomes by path; `asked` has the requests that this took."""
        folder = folder or self.folder
        put(
            folder,
            "plan",
            SHARD,
            key=pa.array([f"{path:>020}".replace("/", "a") for path in self.paths], pa.string()),
            url=pa.array([self.server.url(path) for path in self.paths], pa.string()),
            name=pa.array(["somebody"] * len(self.paths), pa.string()),
            sha256=pa.nulls(len(self.paths), pa.string()),
        )
        before = dict(self.server.hits)
        quick = {"timeout": 5, "deadline": 5, "retries": 0, "threads": 4, "outage": 0}
        local = {"allow_private": ("127.0.0.1",), "robots": "ignore", "tdmrep": "ignore"}
        stage = with_settings(Download, **{**quick, **local, "ai_txt": "ignore", **options})
        self.record = run(stage, folder, SHARD)
        self.asked = {
            path: hits - before.get(path, 0)
            for path, hits in self.server.hits.items()
            if hits > before.get(path, 0)
        }
        rows = table(folder, f"download/{SHARD}.parquet").to_pylist()
        return {row["url"].removeprefix(self.server.url("")): row["outcome"] for row in rows}

    def files(self, folder: Folder | None = None) -> list[bytes]:
        folder = folder or self.folder
        return [folder.read(f"download/{SHARD}.{kind}") for kind in ("tar", "parquet")]

    def afresh(self, tmp_path, **options) -> list[bytes]:
        """What a download into an empty folder writes."""
        folder = Folder(tmp_path / "afresh")
        self.download(folder, **options)
        return self.files(folder)


@pytest.fixture
def shard(server, tmp_path):
    return Shard(Folder(tmp_path / "out"), server)


def fail(shard: Shard, number: int, status: int) -> None:
    shard.server.routes[f"/{number}"] = lambda it: it.reply(status)


def mend(shard: Shard, number: int, *headers: str) -> None:
    body = jpeg(number, 64 + number)
    shard.server.routes[f"/{number}"] = lambda it: it.reply(200, body, *headers)


def test_nothing_is_asked_twice(shard):
    fail(shard, 3, 503)
    shard.download()
    written = shard.files()
    outcomes = shard.download(timeout=9, retries=3, user_agent="another")
    assert shard.asked == {}
    assert outcomes["/3"] == "download:http-503"
    assert shard.files() == written


@pytest.mark.parametrize(
    ("retry", "again"),
    [
        (("passing",), {"/3", "/4"}),
        (("download:http-404",), {"/5"}),
        (("passing", "download:http-404"), {"/3", "/4", "/5"}),
        (("older than 1h",), set()),
        (("older than 0m",), {"/3", "/4", "/5", "/6"}),
        (("passing, older than 1d",), set()),
    ],
)
def test_a_retry_asks_exactly_what_it_names(shard, tmp_path, retry, again):
    for number, status in ((3, 503), (4, 429), (5, 404), (6, 410)):
        fail(shard, number, status)
    shard.server.routes["/7"] = lambda it: it.reply(200, jpeg(7), "X-Robots-Tag: noai")
    shard.download()
    for number in range(3, 7):
        mend(shard, number)
    outcomes = shard.download(retry=retry)
    assert shard.asked == dict.fromkeys(again, 1)
    assert {path for path, outcome in outcomes.items() if outcome is None} == (
        {path for path in shard.paths if path not in ("/3", "/4", "/5", "/6", "/7")} | again
    )
    if len(again) == 4:
        assert shard.files() == shard.afresh(tmp_path)


def test_tries_and_times_are_remembered(shard):
    fail(shard, 3, 503)
    shard.download()
    shard.download(retry=("passing",))
    said = table(shard.folder, f"download/{SHARD}.answers.parquet").to_pylist()
    assert [row["tries"] for row in said] == [1, 1, 1, 2] + [1] * 8
    assert all(datetime.now(UTC) - row["tried"] < timedelta(minutes=1) for row in said)


@pytest.mark.parametrize(
    ("first", "then", "changed"),
    [
        # Stricter: what is there is judged without a fetch.
        ({"opt_out": ("noai",)}, {"opt_out": ("noai", "noindex")}, {"/2": "download:opt-out"}),
        ({}, {"min_side": 200}, {"/0": "image:too-small", "/11": "image:too-small"}),
        ({}, {"max_pixels": 64 * 48}, {"/1": "image:too-large"}),
    ],
)
def test_stricter_rules_reach_what_is_there(shard, tmp_path, first, then, changed):
    mend(shard, 2, "X-Robots-Tag: noindex")
    shard.download(**first)
    outcomes = shard.download(**first | then)
    assert shard.asked == {}
    assert changed.items() <= outcomes.items()
    assert shard.files() == shard.afresh(tmp_path, **first | then)


@pytest.mark.parametrize(
    ("first", "then", "asked"),
    [
        ({"opt_out": ("noai", "noindex")}, {"opt_out": ("noai",)}, {"/2"}),
        ({"max_pixels": 65 * 48}, {"max_pixels": 67 * 48}, {f"/{n}" for n in range(3, 12)}),
        ({"max_pixels": 65 * 48}, {"max_pixels": 60 * 48}, set()),
        ({"user_agent": "abot"}, {"user_agent": "bbot"}, {"/4"}),
    ],
)
def test_looser_rules_ask_for_what_they_let_pass(shard, tmp_path, first, then, asked):
    mend(shard, 2, "X-Robots-Tag: noindex")
    mend(shard, 4, "X-Robots-Tag: abot: noai")
    shard.download(**first)
    shard.download(**first | then)
    assert shard.asked.keys() == asked
    assert shard.files() == shard.afresh(tmp_path, **first | then)


def test_only_new_rows_of_a_changed_list_are_fetched(shard, tmp_path):
    shard.download()
    shard.paths = ["/new", *shard.paths[3:]]
    shard.server.routes["/new"] = lambda it: it.reply(200, jpeg(50))
    shard.download()
    assert shard.asked == {"/new": 1}
    assert shard.files() == shard.afresh(tmp_path)


def test_pictures_that_were_evicted_are_fetched_where_they_are_needed(shard, tmp_path):
    fail(shard, 3, 503)
    shard.download()
    written = shard.files()
    evicted = shard.record.__class__(**{**vars(shard.record), "evicted": (f"{SHARD}.tar",)})
    shard.folder.write_bytes(f"download/{SHARD}.json", evicted.to_json())
    shard.folder.remove(f"download/{SHARD}.tar")
    shard.download(timeout=9, opt_out=("noai",))
    assert shard.asked == {}
    assert shard.record.evicted == (f"{SHARD}.tar",)
    assert shard.record.outputs[f"{SHARD}.tar"].bytes == len(written[0])
    mend(shard, 3)
    shard.download(retry=("passing",))
    assert shard.files() == shard.afresh(tmp_path)


def test_without_what_servers_said_pictures_are_fetched_anew(shard, tmp_path):
    mend(shard, 2, "X-Robots-Tag: noindex")
    shard.download(opt_out=("noai",))
    shard.folder.remove(f"download/{SHARD}.answers.parquet")
    shard.download(opt_out=("noai", "noindex"))
    assert len(shard.asked) == 12
    assert shard.files() == shard.afresh(tmp_path, opt_out=("noai", "noindex"))


def test_a_damaged_picture_is_not_carried_on(shard):
    shard.download()
    tar = bytearray(shard.files()[0])
    tar[600] ^= 1
    with shard.folder.write(f"download/{SHARD}.tar") as file:
        file.write(tar)
    with pytest.raises(Exception, match="webbody verify --repair"):
        shard.download(max_pixels=74 * 48)


def test_the_answers_tell_by_which_settings(shard):
    shard.download(max_bytes=77_000)
    with shard.folder.open(f"download/{SHARD}.answers.parquet") as file:
        assert b"77000" in pq.read_schema(file).metadata[b"webbody.rules"]
