"""`webbody doctor`: each check's bad case, and the report as a whole."""

import os
import socket
import ssl
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.command_line import run
from webbody.cli.people import demo_models
from webbody.config import BuildConfig
from webbody.doctor import disk, hardware, model_files, network, ray_start, software
from webbody.doctor.diagnosis import OK, PROBLEM, SKIPPED, WARNING, Diagnosis, examine
from webbody.libraries import Library


def states(lines) -> list[str]:
    return [line.state for line in lines]


def only(lines) -> Diagnosis:
    (line,) = lines
    return line


@pytest.mark.parametrize(
    ("running", "system", "expected"),
    [
        ((3, 11, 0), "Linux", [OK, OK]),
        ((3, 13, 9), "Linux", [OK, OK]),
        ((3, 10, 4), "Linux", [PROBLEM, OK]),
        ((3, 14, 0), "Linux", [PROBLEM, OK]),
        ((3, 12, 0), "Darwin", [OK, WARNING]),
    ],
)
def test_python_and_system(running, system: str, expected: list[str]):
    assert states(software.python(running, system)) == expected


def test_a_library_that_is_missing_or_does_not_fit_is_named_with_the_command():
    found = [
        Library("numpy", "", ">=2", "2.4.0"),
        Library("ray", "build", ">=2.51", None),
        Library("pillow", "", ">=13", "11.0.0"),
    ]
    missing, old = software.bounds(found)
    assert missing.state == old.state == PROBLEM
    assert "not installed; webbody[build] needs >=2.51" in missing.found
    assert "pip install 'pillow>=13'" in old.advice and "safely" in old.advice
    assert states(software.bounds(found[:1])) == [OK]
    assert states(software.bounds([])) == [WARNING]


def test_distributions_of_opencv_of_several_versions_are_a_problem():
    same = {"opencv-python": "4.14.0.94", "opencv-python-headless": "4.14.0.94"}
    assert states(software.opencv(same)) == [OK]
    assert states(software.opencv({})) == [PROBLEM]
    line = only(software.opencv({**same, "opencv-contrib-python": "4.10.0.84"}))
    assert line.state == PROBLEM and "opencv-contrib-python 4.10.0.84" in line.found


def test_this_machines_ultralytics_loads_safely():
    assert states(software.safe_loading()) == [OK]


def test_cores_and_memory():
    assert states(hardware.cores(1)) == [WARNING]
    assert states(hardware.cores(8)) == [OK]
    assert [only(hardware.memory(free)).state for free in (1e9, 4e9, 32e9)] == [
        PROBLEM, WARNING, OK,
    ]  # fmt: skip
    assert 0 < float(only(hardware.memory()).found.split()[0]) < 1e5


def test_the_limit_on_open_files_is_held_against_the_connections():
    config = BuildConfig()
    assert states(hardware.open_files(config, 4096)) == [OK]
    config.resources.download.threads = 1000
    line = only(hardware.open_files(config, 1024))
    assert line.state == PROBLEM and "ulimit -n 4096" in line.advice
    assert states(hardware.open_files(config, -1)) == [OK]  # no limit


def test_a_gpu_that_is_asked_for_and_is_not_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    config = BuildConfig()
    assert next(hardware.gpu(config)).state == OK
    config.resources.device = "cuda"
    assert next(hardware.gpu(config)).state == PROBLEM
    assert states(hardware.onnx_runtime(True, ["CPUExecutionProvider"])) == [WARNING]
    assert states(hardware.onnx_runtime(False, ["CPUExecutionProvider"])) == [OK]


def test_room_on_the_disk_is_held_against_the_manifest(tmp_path: Path):
    out = str(tmp_path / "not" / "yet")
    assert states(disk.room(out, 1000, 50e9)) == [OK]
    assert states(disk.room(out, 1_000_000, 50e9)) == [WARNING]
    assert states(disk.room(out, 0, 1e9)) == [PROBLEM]
    assert states(disk.room("s3://bucket/data")) == [SKIPPED]
    assert not (tmp_path / "not").exists()


def test_a_folder_that_can_be_written(tmp_path: Path):
    assert states(disk.file_system(str(tmp_path / "new"))) == [OK]
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    assert states(disk.file_system(str(tmp_path / "file"))) == [PROBLEM]
    assert states(disk.file_system("/proc/x")) == [PROBLEM]

    def refused(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "replace", refused)  # as some network drives
    line = only(disk.file_system(str(tmp_path)))
    assert line.state == PROBLEM and "Operation not supported" in line.found


def test_model_files_that_are_here_missing_and_wrong(tmp_path: Path):
    config = BuildConfig.model_validate(demo_models())
    assert states(model_files.model_files(config)) == [OK] * 4
    config.faces.detector = "nothing.onnx"
    (tmp_path / "page.onnx").write_text("<html>")
    config.keypoints.model = str(tmp_path / "page.onnx")
    lines = {line.subject: line for line in model_files.model_files(config)}
    assert lines["faces.detector"].state == PROBLEM
    assert "damaged" in lines["keypoints.model"].found
    assert lines["persons.model"].state == OK and "sha256" in lines["persons.model"].found


def test_a_model_that_is_not_here_is_not_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("WEBBODY_CACHE", str(tmp_path))
    monkeypatch.setattr("webbody.model_fetching.download", lambda *_: pytest.fail("fetched"))
    first, *_ = model_files.model_files(BuildConfig())
    assert first.state == WARNING and "AGPL" in first.found and "models fetch" in first.advice


def test_hosts_are_names_once_each():
    urls = ["https://a.example/1", "http://A.example:8080/2", "http://127.0.0.1/x", "http://[::1]/"]
    assert network.hosts_of([*urls, "http://[broken/"]) == ["a.example"]
    many = [f"https://{number}.example/" for number in range(500)]
    assert len(set(network.hosts_of(many))) == 100


def test_names_are_resolved_and_their_rate_is_told():
    hosts = [f"{number}.example" for number in range(40)]
    assert states(network.names(hosts, lambda host: None)) == [OK]
    assert states(network.names([])) == [SKIPPED]

    def gone(host: str) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    line = only(network.names(hosts, gone))
    assert line.state == PROBLEM and "offline" in line.advice
    line = only(network.names(hosts, lambda host: time.sleep(1.2)))
    assert line.state == WARNING and "caching resolver" in line.advice


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(network, "_DNS_SECONDS", 0.2)
    began = time.monotonic()
    assert states(network.names(["a.example"], lambda host: time.sleep(3))) == [PROBLEM]
    assert time.monotonic() - began < 2


def test_no_certificates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "empty"))
    assert states(network.certificates()) == [PROBLEM]


def test_proxies_are_told():
    assert states(network.proxies({})) == [OK]
    line = only(network.proxies({"HTTPS_PROXY": "http://name:secret@proxy:3128"}))
    assert line.state == WARNING and "https_proxy" in line.found and "secret" not in line.found


def test_a_clock_that_was_never_set():
    assert states(network.clock(0)) == [PROBLEM]
    assert states(network.clock()) == [OK]


def test_one_host_is_asked_and_its_clock_compared():
    now = time.time()
    assert states(network.one_host(["a.example"], lambda _: formatdate(now))) == [OK, OK]
    assert states(network.one_host(["a.example"], lambda _: formatdate(now - 9e5))) == [OK, WARNING]
    assert states(network.one_host(["a.example"], lambda _: None)) == [OK]
    assert states(network.one_host([])) == [SKIPPED]

    def untrusted(host: str) -> str:
        raise ssl.SSLCertVerificationError("self-signed certificate")

    line = only(network.one_host(["a.example", "b.example"], untrusted))
    assert line.state == WARNING and "self-signed" in line.found and "b.example" in line.found


def test_a_host_of_the_manifest_at_a_private_address_is_not_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("asked"))
    line = only(network.one_host(["localhost"]))
    assert line.state == WARNING and "private address" in line.found


def test_shared_memory():
    assert states(ray_start.shared_memory(64e6)) == [WARNING]
    assert states(ray_start.shared_memory(2e9)) == [OK]


@pytest.mark.parametrize(
    ("program", "state", "found"),
    [
        ("pass", OK, "a local Ray can be used"),
        ("raise OSError('no port')", PROBLEM, "OSError: no port"),
        ("import time; time.sleep(60)", PROBLEM, "no start within 2 s"),
    ],
)
def test_ray_starts_in_a_process_of_its_own(program: str, state: str, found: str):
    line = only(ray_start.ray_start(None, 2, program))
    assert line.state == state and found in line.found


def test_a_check_that_hangs_or_fails_is_a_warning():
    def hangs():
        time.sleep(5)
        yield Diagnosis(OK, "x", "")

    def fails():
        yield Diagnosis(OK, "x", "")
        raise ValueError("unforeseen\nmore")

    began = time.monotonic()
    line = only(examine("x", hangs, 0.1))
    assert line.state == WARNING and "no answer" in line.found and time.monotonic() - began < 3
    line = only(examine("x", fails, 5))
    assert line.state == WARNING and "unforeseen" in line.found and "more" not in line.found


def test_the_command_tells_problems_and_its_exit_code(tmp_path: Path):
    (tmp_path / "list.csv").write_text("url,name\nhttp://127.0.0.1:9/a.jpg,Ann\n")
    words = ["doctor", "--no-ray", "--manifest", tmp_path / "list.csv"]
    code, told, error = run(*words, "--out", tmp_path / "data")
    assert code == 0, told + error
    assert "manifest: 1 rows" in told and "0 problems" in told and "DNS: no host names" in told
    code, told, _ = run(*words, "--out", tmp_path / "list.csv")
    assert code == 1 and "problem  write" in told and "->" in told
    code, told, _ = run("doctor", "--no-ray", "--manifest", tmp_path / "absent.csv")
    assert code == 1 and "does not exist" in told
    assert not (tmp_path / "data").exists()


def test_libraries_that_are_missing_are_told_by_the_checkup_itself():
    """Who installed webbody without its extras asks the doctor first."""
    program = (
        "import sys\n"
        "sys.modules |= dict.fromkeys(['duckdb', 'cv2', 'ray', 'ultralytics', 'onnxruntime'])\n"
        "from webbody.config import BuildConfig\n"
        "from webbody.doctor.checkup import checkup\n"
        "print(next(iter(checkup(BuildConfig(), start_ray=False))).subject)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "Python\n", done.stderr
