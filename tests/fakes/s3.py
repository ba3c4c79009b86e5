"""An S3 server (moto) as a process of its own, on a free port."""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

BUCKET = "files"
START_TIMEOUT_S = 30


@contextmanager
def running_s3() -> Iterator[str]:
    """Its endpoint; it holds one empty bucket, BUCKET, and ends with the block."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            endpoint = wait_for_endpoint(process, Path(log.name))
            httpx.put(f"{endpoint}/{BUCKET}").raise_for_status()
            yield endpoint
        finally:
            process.kill()
            process.wait()


def wait_for_endpoint(process: subprocess.Popen[bytes], log: Path) -> str:
    """The address that the server names in its log once it listens: it alone knows the port it got."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        if named := re.search(r"http://127\.0\.0\.1:\d+", log.read_text()):
            return named.group()
        time.sleep(0.02)
    raise RuntimeError(f"The S3 server did not start: {log.read_text()}")
