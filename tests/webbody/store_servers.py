"""Servers on loopback that speak as Google's and Azure's stores do; S3's is in benchmarks."""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

#: Azurite, Microsoft's own emulator (npm install -g azurite), where it is installed.
AZURITE = shutil.which("azurite-blob")
#: The account that every Azurite has, as its documentation says.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class StoreServer:
    """url: a bucket in it. environment: for whoever uses it. log: a line for each request."""

    def __init__(self, url: str, environment: dict[str, str], log: Path) -> None:
        self.url, self.environment, self.log = url, environment, log


@contextmanager
def google(log: Path):
    """A store as Google's. It ignores conditions of writes."""
    port = _free_port()
    command = [
        sys.executable, "-m", "gcp_storage_emulator", "start", "--host", "127.0.0.1",
        "--port", f"{port}", "--in-memory", "--default-bucket", "bucket",
    ]  # fmt: skip
    environment = {
        "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}",
        # Which kind of bucket it is would be asked of Google.
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        "NO_GCE_CHECK": "true",  # nor credentials of the machine it would run on
    }
    with _running(command, port, log):
        yield StoreServer("gs://bucket", environment, log)


@contextmanager
def azure(log: Path):
    """Azurite, with a container of the name `bucket`."""
    port = _free_port()
    command = [
        AZURITE, "--inMemoryPersistence", "--blobHost", "127.0.0.1", "--blobPort", f"{port}",
        "--skipApiVersionCheck", "--disableTelemetry",
    ]  # fmt: skip
    text = (
        f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};"
        f"BlobEndpoint=http://127.0.0.1:{port}/{_ACCOUNT};"
    )
    environment = {"AZURE_STORAGE_CONNECTION_STRING": text}
    with _running(command, port, log):
        create = "import adlfs; adlfs.AzureBlobFileSystem().mkdir('bucket')"
        subprocess.run([sys.executable, "-c", create], env=os.environ | environment, check=True)
        yield StoreServer("az://bucket", environment, log)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str], port: int, log: Path):
    with log.open("wb") as file:
        server = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert server.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait()
