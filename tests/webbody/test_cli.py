"""The command line as a user meets it: help, dry runs, and errors of one sentence."""

import yaml

from tests.command_line import one_sentence, run
from webbody import __version__
from webbody.config import BuildConfig


def test_help_and_version():
    code, out, _ = run("--help")
    assert code == 0
    for command in ("build", "status", "explain", "models", "demo", "config", "gallery", "report"):
        assert command in out
        assert run(command, "--help")[0] == 0
    assert run("--version")[1].strip() == f"webbody {__version__}"


def test_config_prints_what_it_would_use(tmp_path):
    code, out, _ = run("config", "--set", "persons.confidence=0.61")
    assert code == 0
    assert BuildConfig.model_validate(yaml.safe_load(out)).persons.confidence == 0.61


def test_models_list_shows_licences():
    code, out, _ = run("models", "list")
    assert code == 0
    assert "AGPL-3.0" in out
    assert "non-commercial" in out


def test_a_dry_run_counts_and_writes_nothing(tmp_path):
    manifest = tmp_path / "m.csv"
    rows = [f"http://a/{i}.jpg,name {i % 7}" for i in range(50)]
    manifest.write_text("url,name\n" + "\n".join([*rows, rows[0], ",x"]) + "\n")
    code, out, _ = run("build", "--manifest", manifest, "--out", tmp_path / "out", "--plan")
    assert code == 0
    assert "52" in out
    assert "manifest:duplicate" in out
    assert "7 names" in out
    assert not (tmp_path / "out").exists()


def test_errors_are_one_sentence_and_exit_code_2(tmp_path, monkeypatch):
    good = tmp_path / "good.csv"
    good.write_text("url,name\nhttp://a/1.jpg,Ann\n")
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    columns = tmp_path / "columns.csv"
    columns.write_text("a,b\n1,2\n")
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(b"<html>not found</html>")
    monkeypatch.setenv("WEBBODY_CACHE", str(tmp_path / "cache"))
    out = ("--out", tmp_path / "out")
    (tmp_path / "no").mkdir()
    cases = [
        (("build",), "--manifest"),
        (("build", "--manifest", good), "--out"),
        (("build", "--manifest", tmp_path / "none.csv", *out), "does not exist"),
        (("build", "--manifest", tmp_path, *out), "columns.csv: lacks the columns"),
        (("build", "--manifest", tmp_path / "no", *out), "is a folder without any list"),
        (("build", "--manifest", empty, *out), "is empty"),
        (("build", "--manifest", columns, *out), "lacks the columns"),
        (("build", "--manifest", good, *out, "--set", "x.y=1"), "no such setting"),
        (("build", "--manifest", good, *out, "--config", tmp_path / "c.yaml"), "cannot be read"),
        (("build", "--manifest", good, *out, "--set", f"persons.model={damaged}"), "damaged.pt"),
        (("build", "--manifest", good, *out, "--set", "persons.model=nothing.pt"), "nothing.pt"),
        (("status", tmp_path / "none"), "holds no build"),
        (("explain", tmp_path / "none", "x"), "holds no build"),
        (("models", "fetch", "nonsense"), "no such model"),
        (("calibrate",), "--demo"),
        (("gallery", tmp_path / "none", "--out", tmp_path / "g", "--name", "x"), "none"),
    ]
    for arguments, expected in cases:
        code, _, error = run(*arguments)
        assert code == 2, arguments
        assert one_sentence(error), (arguments, error)
        assert expected in error, (arguments, error)
    assert not (tmp_path / "out").exists()


def test_a_library_name_that_cannot_be_fetched_says_where_to_put_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("WEBBODY_CACHE", str(tmp_path / "cache"))
    good = tmp_path / "good.csv"
    good.write_text("url,name\nhttp://a/1.jpg,Ann\n")
    # Offline, wherever the test runs: nobody listens at this proxy.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    code, _, error = run("build", "--manifest", good, "--out", tmp_path / "out")
    assert code == 2
    assert one_sentence(error)
    assert "yolov8n-pose.pt" in error
    assert "https://" in error
    assert str(tmp_path / "cache") in error
