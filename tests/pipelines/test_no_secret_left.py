"""A build whose addresses hold secrets: nothing that it writes or prints has them."""

import io
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile_server import jpeg
from photo_shards import demo_model

from pipelines.evaluate.report import output
from pipelines.study import tables
from pipelines.study.figures import Point
from tests import command_line

PASSWORD, SIGNATURE = "pa55-w0rd", "51gn4tur3"
SETTINGS = [
    "download.allow_private=[127.0.0.1]", "download.retries=0",
    f"persons.model={demo_model('persons.pt')}", f"faces.detector={demo_model('faces.onnx')}",
    f"faces.embedder={demo_model('embedder.pt')}", "faces.detector_size=320",
    f"keypoints.model={demo_model('keypoints.onnx')}",
]  # fmt: skip


def clean(*texts: str | bytes) -> None:
    for text in texts:
        data = text if isinstance(text, bytes) else text.encode()
        for secret in (PASSWORD, SIGNATURE):
            assert secret.encode() not in data, data[:3000]


def run(*arguments: object) -> tuple[int, str]:
    code, out, error = command_line.run(*arguments)
    clean(out, error)
    assert "Traceback" not in error, error
    return code, out + error


@pytest.fixture
def base(server) -> str:
    port = server.server_address[1]
    return f"http://somebody:{PASSWORD}@127.0.0.1:{port}"


def test_a_build_from_a_signed_address(server, base, in_process, tmp_path):
    port = server.server_address[1]
    file = io.BytesIO()
    urls = [f"http://127.0.0.1:{port}/{i}.jpg" for i in range(6)]
    pq.write_table(pa.table({"url": urls, "name": ["Ann", "Bob"] * 3}), file)
    server.routes["/list.parquet"] = lambda it: it.reply(200, file.getvalue())
    server.routes["/0.jpg"] = lambda it: it.reply(200, jpeg(0))
    manifest = f"{base}/list.parquet?page=1&X-Amz-Signature={SIGNATURE}"
    out = tmp_path / "out"
    command = ["build", "-m", manifest, "-o", out, *(f"--set={one}" for one in SETTINGS)]
    code, said = run(*command, "--verbose")
    assert code == 3, said  # nobody is in the picture
    assert server.hits["/list.parquet"]
    # With another signature it is the same manifest.
    assert run(*(part.replace(SIGNATURE, SIGNATURE[::-1]) if part == manifest else part
                 for part in command))[0] == 3  # fmt: skip
    for other in (["status"], ["verify"], ["stats"], ["report"], ["verify", "--json"]):
        run(other[0], out, *other[1:])
    run("explain", out, urls[0])
    run(*command[:2], f"{base}/other.parquet?sig={SIGNATURE}", *command[3:])
    files = [path for path in out.rglob("*") if path.is_file()]
    assert {"build.json", "build.log"} <= {path.name for path in files}
    clean(*(path.read_bytes() for path in files), *(str(path) for path in files))
    assert (
        f"http://***@127.0.0.1:{port}/list.parquet?page=1&X-Amz-Signature=***"
        in (out / "build.json").read_text()
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "-m", "{}/gone.parquet?token={}", "-o", "out"],
        ["build", "-m", "{}/gone.parquet?token={}", "-o", "out", "--plan"],
        ["build", "-m", "list.csv", "-o", "nosuch://x:{}@host/out?sig={}"],
        ["build", "-m", "list.csv", "-o", "out", "--set", "download.retries={}?sig={}"],
        ["build", "-m", "list.csv", "-o", "out", "--set", "persons.model={}/a.pt?sig={}"],
        ["build", "-m", "{}/a.csv?token={}", "-m", "{}/b.csv?sig={}", "-o", "out"],
        ["manifest", "validate", "{}/gone.csv?token={}"],
        ["manifest", "validate", "{}/a.csv?token={}", "{}/b.csv?token={}"],
        ["manifest", "validate", "@{}/files.txt?token={}"],
        ["manifest", "validate", "glob:{}/*.csv?token={}"],
        ["manifest", "import", "{}/gone.csv?token={}", "m.parquet"],
        ["status", "{}/out?sig={}"],
        ["verify", "{}/out?sig={}"],
        ["explain", "{}/out?sig={}", "x"],
        ["stats", "{}/out?sig={}"],
        ["report", "{}/out?sig={}"],
        ["release", "{}/out?sig={}", "--out", "r"],
        ["gallery", "{}/people?sig={}", "--out", "g.parquet"],
        ["embed", "{}/pictures?sig={}", "--checkpoint", "c", "--out", "f.parquet"],
        ["train", "-d", "{}/out?sig={}", "-o", "run"],
    ],
    ids=lambda arguments: " ".join(re.sub(r"\W+", "-", part)[:12] for part in arguments[:4]),
)
def test_errors_of_signed_addresses(server, base, in_process, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    Path("list.csv").write_text("url,name\nhttp://127.0.0.1:1/a.jpg,Ann\n")
    filled = [
        part.format(PASSWORD, SIGNATURE) if part.startswith("nosuch") else
        part.format(base, SIGNATURE) for part in arguments
    ]  # fmt: skip
    code, said = run(*filled)
    assert code == 2, said
    clean(*(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()))


def test_figures_name_no_secret(tmp_path):
    model = f"https://somebody:{PASSWORD}@a.org/model?X-Amz-Signature={SIGNATURE}"
    points = [Point("s", model, "c", "lfw", "f", "rank1", 50.0)]
    names = tables.write(str(tmp_path / "study"), "s", points)
    assert len(names) == 3
    names = output.write(str(tmp_path / "evaluation"), [])
    assert "evaluation.json" in names
    texts = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    clean(*texts)
    assert sum(b"***" in text for text in texts) == 3
