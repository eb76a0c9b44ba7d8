import os
import subprocess
import sys

import pytest

from webbody.processes import Process, is_running, program, this_process, with_variable


def test_this_one_is_alive_and_comes_back_from_its_text():
    own = this_process()
    assert own.pid == os.getpid()
    assert own.is_alive
    assert Process.parse(str(own)) == own
    assert program(own.pid).startswith("python")


def test_another_process_with_the_same_number_is_not_it():
    own = this_process()
    assert not Process(own.namespace, own.pid, "1").is_alive


@pytest.mark.parametrize("text", ["", "1-2", "a-b-c", "1-2-3-4"])
def test_what_is_no_process(text):
    with pytest.raises(ValueError):
        Process.parse(text)


def test_processes_are_found_by_a_variable_until_they_end():
    environment = {**os.environ, "WEBBODY_TEST_MARK": "some value"}
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], env=environment, stdin=subprocess.PIPE
    )
    assert with_variable("WEBBODY_TEST_MARK") == {child.pid: "some value"}
    child.kill()
    while is_running(child.pid):
        pass
    assert with_variable("WEBBODY_TEST_MARK") == {}  # though nobody waited for it
    child.wait()
    child.stdin.close()
    assert program(child.pid) == ""
