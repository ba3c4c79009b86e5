"""The upload host of the KIE stand-in."""

import base64
from typing import Any

import pytest

from app.sandbox.config import INVALID_KEY
from tests.sandbox.driving import Client, Connect, fetch

FILE = b"\x89PNG not really"


def upload(client: Client, kind: str, **more: Any) -> dict[str, Any]:
    response = client.http.post(f"/kie/api/file-{kind}-upload", **more)
    assert response.status_code == 200, response.text
    return dict(response.json())


def test_a_file_by_multipart(client: Client) -> None:
    answer = upload(client, "stream", files={"file": ("ref.png", FILE)}, data={"uploadPath": "images/in"})
    data = answer["data"]
    response = fetch(data["downloadUrl"])

    assert (answer["success"], answer["code"], data["success"]) == (True, 200, True)
    assert (data["fileName"], data["fileSize"], data["mimeType"]) == ("ref.png", len(FILE), "image/png")
    assert data["filePath"] == "kieai/images/in/ref.png"
    assert (response.content, response.headers["content-type"]) == (FILE, "image/png")


def test_a_file_as_base64_with_a_range_of_it_read(client: Client) -> None:
    encoded = "data:image/png;base64," + base64.b64encode(FILE).decode()
    body = {"base64Data": encoded, "uploadPath": "images", "fileName": "b.png"}
    url = upload(client, "base64", json=body)["data"]["downloadUrl"]

    response = fetch(url, range="bytes=0-3")

    assert (response.status_code, response.content) == (206, FILE[:4])


def test_a_file_by_url_from_this_sandbox_alone(client: Client) -> None:
    url = upload(client, "stream", files={"file": ("c.png", FILE)}, data={"uploadPath": "x"})["data"]["downloadUrl"]

    again = upload(client, "url", json={"fileUrl": url, "uploadPath": "y"})
    foreign = upload(client, "url", json={"fileUrl": "http://127.0.0.1:1/a.png", "uploadPath": "y"})

    assert again["data"]["filePath"] == "kieai/y/c.png"
    assert (foreign["success"], foreign["code"]) == (False, 500)


def test_a_path_cannot_leave_the_folder(client: Client) -> None:
    body = {"base64Data": "eA==", "uploadPath": "../../etc", "fileName": "../passwd"}
    answer = upload(client, "base64", json=body)

    assert answer["data"]["filePath"] == "kieai/file/file/etc/-passwd"
    assert client.http.get("/files/uploads/%2e%2e/books.jsonl").status_code == 404


@pytest.mark.parametrize(
    ("kind", "more", "message"),
    [
        ("stream", {"files": {"file": ("a.png", FILE)}}, "Missing required parameter: uploadPath"),
        ("stream", {"data": {"uploadPath": "x"}}, "Missing required parameter: file"),
        ("base64", {"json": {"base64Data": "!", "uploadPath": "x"}},
         "Base64 decoding failed: Invalid Base64 format"),
    ],
)
def test_what_is_refused(client: Client, kind: str, more: dict[str, Any], message: str) -> None:
    answer = upload(client, kind, **more)

    assert answer == {"success": False, "code": 400, "msg": message, "data": None}


def test_a_bad_key(client: Client, connect: Connect) -> None:
    answer = upload(connect(client.url, INVALID_KEY), "url", json={})

    assert (answer["code"], answer["msg"]) == (401, "Authentication failed: Invalid API Key")
