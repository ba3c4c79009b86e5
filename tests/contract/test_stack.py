"""The whole of it once: a request goes in, a picture comes out, and the money is right."""

import io
import time
from decimal import Decimal
from typing import Any

import httpx
from PIL import Image

from tests.stack import NO_CERTIFICATES, Client, Stack


def finished(client: Client, path: str) -> dict[str, Any]:
    """The status answer once the job has ended."""
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        status: dict[str, Any] = client.http.get(path).json()
        if status["completed_at"] is not None:
            return status
        time.sleep(0.02)
    raise AssertionError(f"still {status['status']}")


def test_a_picture_is_made_stored_and_paid_for_once(stack: Stack) -> None:
    client = stack.client(credits="2")

    created = client.http.post("/api/v1/text-to-image/generate", json={"prompt": "a boat", "aspect_ratio": "16:9"})
    ended = finished(client, f"/api/v1/text-to-image/status/{created.json()['job_id']}")

    assert created.json()["credits_used"] == ended["credits_used"] == 1.0
    assert ended["status"] == "COMPLETED"
    picture = Image.open(io.BytesIO(httpx.get(ended["image_url"], trust_env=False, verify=NO_CERTIFICATES).content))
    assert round(picture.width / picture.height, 1) == 1.8
    assert [entry.amount for entry in stack.entries(client)] == [Decimal(-1)]


def test_a_failure_gives_it_all_back(stack: Stack) -> None:
    client = stack.client(credits="2")

    created = client.http.post("/api/v1/text-to-image/generate", json={"prompt": "a boat [[sandbox:fail]]"})
    ended = finished(client, f"/api/v1/text-to-image/status/{created.json()['job_id']}")

    assert (ended["status"], ended["credits_used"], ended["image_url"]) == ("FAILED", 0, None)
    assert [entry.amount for entry in stack.entries(client)] == [Decimal(-1), Decimal(1)]
