"""Uploads that would be something else to whoever opens them: refused, or kept as what their bytes are."""

import socket
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.examples import make_file
from tests.security.odd_files import archive, png, zeros
from tests.stack import NO_CERTIFICATES, Client, Stack

FORM = {"Content-Type": "multipart/form-data; boundary=cut"}
PICTURE = make_file(".png")
SCRIPT = b"<script>alert(document.domain)</script>"


@pytest.fixture(scope="module")
def client(stack: Stack) -> Client:
    """Who uploads."""
    return stack.client()


def upload(client: Client, name: str, content: bytes, claimed: str = "image/png") -> httpx.Response:
    return client.http.post("/api/v1/media/upload", files={"file": (name, content, claimed)})


def raw(client: Client, *lines: bytes, content: bytes = PICTURE) -> httpx.Response:
    """A form of one part, with its header written by hand."""
    body = b"\r\n".join([b"--cut", *lines, b"", content, b"--cut--", b""])
    return client.http.post("/api/v1/media/upload", headers=FORM, content=body)


NO_MEDIA: Mapping[str, tuple[str, bytes, str]] = {
    "a page called a picture": ("a.png", b"<!doctype html>" + SCRIPT, "image/png"),
    "a page": ("a.html", b"<!doctype html>" + SCRIPT, "text/html"),
    "a drawing with a script": ("a.svg", b"<svg>" + SCRIPT + b"</svg>", "image/svg+xml"),
    "a program": ("a.mp4", b"\x7fELF" + bytes(100), "video/mp4"),
    "an archive": ("a.jpg", archive(), "image/jpeg"),
    "a playlist": ("a.mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "video/mp4"),
    "a document": ("a.pdf", b"%PDF-1.7\n/JS (app.alert(1))", "application/pdf"),
    "a style sheet": ("a.png", b"body{background:url(http://example.com/)}", "image/png"),
    "an animation in Flash": ("a.gif", b"CWS\x0a" + bytes(50), "image/gif"),
    "nothing": ("a.png", b"", "image/png"),
    "a bomb of pixels": ("a.png", png(30_000, 30_000, zeros(10)), "image/png"),
    "a header without a picture": ("a.png", b"\x89PNG\r\n\x1a\n" + SCRIPT, "image/png"),
    "a script in the dress of a GIF": ("a.gif", b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)", "image/gif"),
}


@pytest.mark.escape("upload")
@pytest.mark.parametrize("case", NO_MEDIA)
def test_what_is_no_medium_is_refused(client: Client, case: str) -> None:
    answer = upload(client, *NO_MEDIA[case])

    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")
    assert answer.json()["detail"][0]["type"] == "file_refused"


def comment(text: bytes) -> bytes:
    """A PNG with a comment."""
    return png(8, 8, zlib.compress(bytes(8 * 25)), (b"tEXt", b"Comment\0" + text))


TWO_FACED: Mapping[str, tuple[str, bytes, str]] = {
    "a picture that claims to be a page": ("a.html", PICTURE, "text/html"),
    "a picture with a script in its comment": ("a.png", comment(SCRIPT), "image/png"),
    "a picture with a page behind it": ("a.htm", PICTURE + SCRIPT, "image/png"),
    "a picture with an archive behind it": ("a.jar", PICTURE + archive(), "application/java-archive"),
    "a picture called a script": ("a.js", PICTURE, "text/javascript"),
}


@pytest.mark.escape("upload")
@pytest.mark.parametrize("case", TWO_FACED)
def test_a_picture_is_served_as_a_picture_alone(client: Client, case: str) -> None:
    told = upload(client, *TWO_FACED[case]).json()

    served = httpx.get(told["url"], trust_env=False, verify=NO_CERTIFICATES)

    assert told["content_type"] == served.headers["content-type"] == "image/png"
    assert Path(told["url"]).suffix == ".png"
    assert served.headers["x-content-type-options"] == "nosniff"
    assert served.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


HEADERS: Mapping[str, tuple[bytes, ...]] = {
    "a way up": (b'Content-Disposition: form-data; name="file"; filename="../../../etc/cron.d/a.png"',),
    "an absolute way": (b'Content-Disposition: form-data; name="file"; filename="/etc/passwd"',),
    "a header in the name": (b'Content-Disposition: form-data; name="file"; filename="a%0d%0aSet-Cookie: b=c.png"',),
    "a NUL in the name": (b'Content-Disposition: form-data; name="file"; filename="a.png\0.html"',),
    "a name that turns around": ('Content-Disposition: form-data; name="file"; filename="a\u202egnp.html"'.encode(),),
    "a name in another alphabet": (b"Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''%2e%2e%2fa.png",),
    "a name that is a tag": (b'Content-Disposition: form-data; name="file"; filename="<img src=x onerror=alert(1)>"',),
    "an encoding": (
        b'Content-Disposition: form-data; name="file"; filename="a.png"', b"Content-Transfer-Encoding: base64"
    ),
}


@pytest.mark.escape("upload")
@pytest.mark.parametrize("case", HEADERS)
def test_a_name_is_no_more_than_a_name(stack: Stack, client: Client, case: str) -> None:
    answer = raw(client, *HEADERS[case])

    if answer.status_code != 200:
        assert answer.status_code in (400, 422)
        return
    told = answer.json()
    served = httpx.get(told["url"], trust_env=False, verify=NO_CERTIFICATES)
    assert (served.status_code, served.content) == (200, PICTURE)
    assert "set-cookie" not in served.headers
    assert not set("/\\\0\r\n\u202e<>") & set(told["filename"])
    assert told["filename"] not in {path.name for path in Path(stack.settings.storage_dir).rglob("*")}


@pytest.mark.escape("upload")
def test_a_length_that_lies_is_not_waited_for(stack: Stack, client: Client) -> None:
    url = urlsplit(stack.api_url)
    with socket.create_connection((str(url.hostname), url.port or 0), timeout=10) as connection:
        head = ["POST /api/v1/media/upload HTTP/1.1", "Host: x", f"Authorization: Bearer {client.secret}",
                f"Content-Type: {FORM['Content-Type']}", f"Content-Length: {2**40}", "", ""]
        connection.sendall("\r\n".join(head).encode())

        assert connection.recv(100).startswith(b"HTTP/1.1 413")


@pytest.mark.escape("upload")
def test_a_header_that_lies_about_the_size_is_not_believed(client: Client) -> None:
    content = PICTURE.replace(struct.pack(">II", 480, 640), struct.pack(">II", 4, 4))

    assert upload(client, "a.png", content).status_code == 422
