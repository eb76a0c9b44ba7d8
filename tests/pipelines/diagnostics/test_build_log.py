"""What a build leaves in build.log: of stages, of workers, and of its end."""

import shutil

import pytest

from pipelines.build import build
from pipelines.diagnostics.build_log import build_log, log_event
from pipelines.engine.worker import Event
from tests.command_line import run
from webbody.errors import WebbodyError
from webbody.storage import Folder


def test_the_demos_log_has_every_shard_of_every_stage_and_the_outcomes(demo):
    text = (demo.out / "build.log").read_text()
    for record in demo.out.glob("*/*.json"):
        if record.name != "index.json":
            assert f"{record.parent.name}/{record.stem}: done in " in text
    assert "ended: complete: " in text and f"kept {demo.result.outcomes['kept']}" in text


def test_a_failure_in_a_worker_comes_back_with_its_traceback(demo, in_process, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(demo.out, out)
    (out / "build.log").unlink()
    victim = next(iter(out.glob("download/*.tar")))
    victim.write_bytes(b"\xff" * victim.stat().st_size)
    (out / "persons" / f"{victim.stem}.json").unlink()
    assert not build(demo.settings(out)).complete
    text = (out / "build.log").read_text()
    assert f"ERROR pipelines.diagnostics.build_log: persons/{victim.stem}: failed: " in text
    assert "ended: incomplete, 1 shards failed" in text


@pytest.mark.parametrize("kind", ["note", "warning"])
def test_what_the_terminal_tells_besides_is_in_the_log(tmp_path, kind):
    with build_log(Folder(tmp_path), "list.csv") as begin:
        begin()
        log_event(Event("ray", "", kind, message="Ray was lost:\x1b[2J it is started again."))
    line = (tmp_path / "build.log").read_text().splitlines()[-1]
    assert "ray: " in line and "it is started again." in line and "\x1b" not in line


def test_a_refused_build_leaves_no_log(demo, tmp_path):
    config = demo.settings(tmp_path / "new", f"persons.model={tmp_path}/none.pt")
    with pytest.raises(WebbodyError):
        build(config)
    assert not (tmp_path / "new").exists()
    size = (demo.out / "build.log").stat().st_size
    other = demo.settings(demo.out)
    other.manifest = str(tmp_path / "other.csv")
    (tmp_path / "other.csv").write_text("url,name\nhttp://a/1.jpg,x\n")
    with pytest.raises(WebbodyError, match="another manifest"):
        build(other)
    assert (demo.out / "build.log").stat().st_size == size


def test_verbose_shows_it_and_plain_commands_do_not(demo, tmp_path):
    import yaml

    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(demo.config.model_dump(mode="json")))
    code, output, error = run("build", "--config", file)
    assert code == 0 and error == ""
    code, verbose, error = run("build", "--config", file, "--verbose")
    assert code == 0 and verbose == output
    assert "ended: complete" in error
