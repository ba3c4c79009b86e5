"""The jobs API of the KIE stand-in, over HTTP."""

import io
import json
import re
from typing import Any

import pytest
from PIL import Image

from app.sandbox.config import BROKE_KEY, INVALID_KEY, SandboxConfig
from app.sandbox.server import running
from tests.sandbox.driving import Client, Connect, fetch, until

INPUT = "https://a.example/b.png"


def picture(url: str) -> Image.Image:
    response = fetch(url)
    assert response.status_code == 200
    image = Image.open(io.BytesIO(response.content))
    image.load()
    assert response.headers["content-type"] == Image.MIME[str(image.format)]
    return image


def test_a_create_answers_with_two_equal_ids(client: Client) -> None:
    answer = client.create()

    assert answer["msg"] == "success"
    assert re.fullmatch(r"[0-9a-f]{32}", answer["data"]["taskId"])
    assert answer["data"] == {"taskId": answer["data"]["taskId"], "recordId": answer["data"]["taskId"]}


def test_a_task_goes_through_its_states_in_order(client: Client) -> None:
    task_id = client.task(prompt="[[sandbox:slow=0.5]]")
    seen: list[str] = []

    def look() -> bool:
        data = client.record(task_id)["data"]
        seen.append(data["state"])
        assert (data["resultJson"] != "") == (data["state"] == "success")
        return seen[-1] == "success"

    until(look)

    assert list(dict.fromkeys(seen)) == ["waiting", "queuing", "generating", "success"]


def test_a_finished_record_has_every_field(client: Client) -> None:
    record = client.finished(client.task(callback="http://127.0.0.1:1/hook"))
    param = json.loads(record["param"])

    assert json.loads(param["input"]) == {"prompt": "a red mug", "aspect_ratio": "1:1"}
    assert param["callBackUrl"] == "http://127.0.0.1:1/hook"
    assert record["failCode"] is None
    assert record["creditsConsumed"] == 0.8
    assert record["completeTime"] - record["createTime"] == 40


def test_the_picture_has_the_asked_ratio_and_its_url_wants_no_key(client: Client) -> None:
    urls = client.result_urls(client.task(aspect_ratio="9:16"))

    image = picture(urls[0])

    assert (image.format, round(image.width / image.height, 2)) == ("PNG", 0.56)
    assert len(image.getcolors(1 << 20) or []) > 50


@pytest.mark.parametrize(
    ("model", "values", "file", "credits"),
    [
        ("seedream/5-lite-text-to-image", {"quality": "basic"}, ("PNG", 2048, 2048), 5.5),
        ("seedream/5-lite-image-to-image", {"quality": "high", "image_urls": [INPUT]}, ("PNG", 3072, 3072), 5.5),
        ("nano-banana-2", {}, ("JPEG", 1024, 1024), 8),
        ("nano-banana-2", {"resolution": "4K", "output_format": "png"}, ("PNG", 4096, 4096), 18),
        ("gpt-image-2-text-to-image", {"resolution": "2K", "aspect_ratio": "16:9"}, ("PNG", 2736, 1536), 10),
        ("gpt-image-2-image-to-image", {"input_urls": [INPUT]}, ("PNG", 1024, 1024), 6),
    ],
)
def test_every_picture_model(
    client: Client, model: str, values: dict[str, Any], file: tuple[str, int, int], credits: float
) -> None:
    task_id = client.task(model, **values)

    image = picture(client.result_urls(task_id)[0])

    assert (image.format, *image.size) == file
    assert client.finished(task_id)["creditsConsumed"] == credits


@pytest.mark.parametrize(
    ("model", "values", "complaint"),
    [
        ("z-image", {"prompt": ""}, "prompt: This field is required"),
        ("z-image", {"prompt": "a" * 1001}, "prompt: must have 0 to 1000 characters"),
        ("z-image", {"aspect_ratio": "2:3"}, "aspect_ratio: must be one of"),
        ("z-image", {"nsfw_checker": "yes"}, "nsfw_checker: must be a boolean"),
        ("seedream/5-lite-image-to-image", {"quality": "basic"}, "image_urls: This field is required"),
        ("nano-banana-2", {"image_input": ["file:///etc/passwd"]}, "image_input: must be http(s) URLs"),
        ("nano-banana-2", {"image_input": [INPUT] * 15}, "image_input: must have 0 to 14 items"),
        ("gpt-image-2-text-to-image", {"resolution": "4K"}, "aspect_ratio 1:1 is not available at 4K"),
    ],
)
def test_a_wrong_input_is_refused_with_code_500_in_http_200(
    client: Client, model: str, values: dict[str, Any], complaint: str
) -> None:
    answer = client.create(model, **values)

    assert (answer["code"], answer["data"]) == (500, None)
    assert complaint in answer["msg"]


def test_an_unknown_model(client: Client) -> None:
    assert client.create("z-image-9") == {
        "code": 422, "msg": "The page does not exist or is not published", "data": None,
    }


def test_an_unknown_task_and_no_task(client: Client) -> None:
    assert client.record("f" * 32)["msg"] == "recordInfo is null"
    assert client.kie("GET", "jobs/recordInfo")["code"] == 400


def test_another_keys_task_is_unknown(client: Client, connect: Connect) -> None:
    task_id = client.task()

    assert connect(client.url).record(task_id)["code"] == 422


def test_keys(client: Client, connect: Connect) -> None:
    bare = fetch(f"{client.url}/kie/api/v1/jobs/createTask", "POST")

    assert bare.json() == {"code": 401, "msg": "You do not have access permissions", "data": None}
    assert connect(client.url, INVALID_KEY).create()["code"] == 401
    assert connect(client.url, BROKE_KEY).create() == {"code": 402, "msg": "Credits insufficient", "data": None}


def test_a_body_that_is_not_json(client: Client) -> None:
    assert client.kie("POST", "jobs/createTask", content=b"{")["code"] == 400


def test_credits_go_down_by_what_succeeds(client: Client) -> None:
    before = client.kie("GET", "chat/credit")["data"]
    client.task()
    client.task(prompt="[[sandbox:cost=2.25]]")
    failing = client.task(prompt="[[sandbox:fail]]")

    assert round(before - client.kie("GET", "chat/credit")["data"], 6) == 3.05
    assert client.finished(failing)["creditsConsumed"] == 0


def test_creates_and_queries_over_the_rate_are_refused(connect: Connect) -> None:
    with running(SandboxConfig()) as url:
        client = connect(url)
        codes = [client.create()["code"] for _ in range(21)]
        queries = [client.record("f" * 32)["code"] for _ in range(11)]

        assert codes == [200] * 20 + [429]
        assert queries == [422] * 10 + [429]
        assert connect(url).create()["code"] == 200


def test_a_download_link_for_our_own_files_alone(client: Client) -> None:
    url = client.result_urls(client.task())[0]

    ours = client.kie("POST", "common/download-url", json={"url": url})
    foreign = client.kie("POST", "common/download-url", json={"url": "https://elsewhere.example/files/1/0.png"})

    assert picture(ours["data"]).size == (1024, 1024)
    assert foreign["code"] == 422


def test_real_http_statuses_when_asked_for(connect: Connect) -> None:
    with running(SandboxConfig(real_http_statuses=True)) as url:
        response = connect(url).http.post("/kie/api/v1/jobs/createTask", json={"model": "none"})

    assert (response.status_code, response.json()["code"]) == (422, 422)


def test_there_is_no_cancel_route(client: Client) -> None:
    assert client.http.post("/kie/api/v1/jobs/cancelTask").status_code == 404
