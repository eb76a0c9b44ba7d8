"""Several processes that want to write in one folder at the same moment."""

import subprocess
import sys

CONTENDER = """
import sys
import fsspec
from webbody.errors import WebbodyError
from webbody.lease import Lease
from webbody.storage import Folder

lease = Lease(Folder(sys.argv[1]), beat=0.5)
lease._folder.size("x")  # everything is imported and connected
print("ready", flush=True)
sys.stdin.readline()
try:
    lease.take()
    print("taken", flush=True)
except WebbodyError as error:
    print("refused" if "is being written by" in str(error) else error, flush=True)
sys.stdin.readline()
"""


def contend(url, count):
    """What becomes of contenders for a folder that come at once."""
    command = [sys.executable, "-c", CONTENDER, url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(count)]
    try:
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * count
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        return sorted(process.stdout.readline().strip() for process in processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
