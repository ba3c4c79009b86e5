"""Callbacks of the KIE stand-in: what arrives, how often, when, and signed with what."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace

from app.sandbox.server import running
from tests.sandbox.driving import FAST, Client, Connect, Mailbox, until


def test_a_callback_is_the_querys_answer_in_another_envelope(client: Client, mailbox: Mailbox) -> None:
    task_id = client.task(callback=mailbox.url)
    until(lambda: mailbox.letters)
    body = mailbox.letters[0].body

    assert (body["code"], body["msg"]) == (200, "Playground task completed successfully.")
    assert body["data"] == client.finished(task_id)
    assert "x-webhook-signature" not in mailbox.letters[0].headers


def test_a_failure_is_called_back_with_501(client: Client, mailbox: Mailbox) -> None:
    client.task(prompt="[[sandbox:fail]]", callback=mailbox.url)
    until(lambda: mailbox.letters)
    body = mailbox.letters[0].body

    assert (body["code"], body["data"]["state"], body["data"]["failCode"]) == (501, "fail", "500")


def test_an_unanswered_callback_is_sent_again_three_times(client: Client, mailbox: Mailbox) -> None:
    mailbox.answers = [500, 500, 500, 500, 500]
    task_id = client.task(callback=mailbox.url)

    def attempts() -> list[str]:
        query = {"task_id": task_id, "route": "callback"}
        return [asked["answer"] for asked in client.control("GET", "requests", params=query)["requests"]]

    until(lambda: len(attempts()) == 4)

    assert attempts() == ["500"] * 4
    assert len(mailbox.letters) == 4


def test_a_signature_covers_the_task_and_the_time(connect: Connect, mailbox: Mailbox) -> None:
    with running(replace(FAST, hmac_key="secret")) as url:
        task_id = connect(url).task(callback=mailbox.url)
        until(lambda: mailbox.letters)
    headers = mailbox.letters[0].headers
    mac = hmac.new(b"secret", f"{task_id}.{headers['x-webhook-timestamp']}".encode(), hashlib.sha256)

    assert headers["x-webhook-signature"] == base64.b64encode(mac.digest()).decode()


def test_a_callback_can_be_left_out_doubled_and_late(client: Client, mailbox: Mailbox) -> None:
    quiet = client.task(prompt="[[sandbox:no-callback]]", callback=mailbox.url)
    late = client.task(prompt="[[sandbox:late-callback=0.2]]", callback=mailbox.url)
    double = client.task(prompt="[[sandbox:duplicate-callback]]", callback=mailbox.url)
    until(lambda: len(mailbox.letters) == 3)
    order = [letter.body["data"]["taskId"] for letter in mailbox.letters]

    assert order == [double, double, late]
    assert client.finished(quiet)["state"] == "success"


def test_a_forged_callback_claims_anothers_file_at_once(client: Client, mailbox: Mailbox) -> None:
    task_id = client.task(prompt="[[sandbox:fail]] [[sandbox:forged-callback]]", callback=mailbox.url)
    until(lambda: len(mailbox.letters) == 2)
    forged, real = (letter.body for letter in mailbox.letters)

    assert forged["data"]["taskId"] == real["data"]["taskId"] == task_id
    assert (forged["code"], real["code"]) == (200, 501)
    assert json.loads(forged["data"]["resultJson"])["resultUrls"][0].startswith("https://forged.invalid/")
