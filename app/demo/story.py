"""What the demo shows, step by step."""

import math
import sys
import time
from decimal import Decimal
from pathlib import Path

import click

from app.demo.client import Answer, Client, connected

PICTURE = Path(__file__).parent / "lighthouse.jpg"
LABEL_WIDTH = 40
BAR_WIDTH = 30
USUAL_S = 2.0
MOVEMENT = {"duration": 5, "zoom": {"mode": "top_right", "speed": 0.0065, "max_scale": 2}}
PROMPT = "A lighthouse at dusk, a sailing boat, long waves"
QUESTION = "In one sentence: what is a lighthouse for?"


def tell(api_url: str, key: str) -> None:
    """Upload, video, picture, chat, and the bill. Raises ClickException with one sentence when a step fails."""
    with connected(api_url, key) as client:
        before = client.balance()
        upload = _upload(client)
        request = {"image_url": upload, **MOVEMENT}
        video = _watch(client, "A video of it (Ken Burns, by FFmpeg)", "image-to-video", "create", request)
        picture = _watch(client, "A picture from words", "text-to-image", "generate", {"prompt": PROMPT})
        chat_credits = _chat(client)
        after = client.balance()

        click.echo()
        _show("Upload", Decimal(0), upload, client.describe(upload))
        for name, job, url in (("Video", video, video["video_url"]), ("Picture", picture, picture["image_url"])):
            _show(name, job["credits_used"], url, client.describe(url))
        _show("Chat", chat_credits)
        click.echo(f"\n  Balance   {_amount(before)} before, {_amount(after)} after: {_amount(before - after)} spent")


def _upload(client: Client) -> str:
    began = time.monotonic()
    url = client.upload(PICTURE)
    _draw("A picture goes up", share=1, waited_s=time.monotonic() - began)
    return url


def _watch(client: Client, label: str, service: str, verb: str, body: dict[str, object]) -> Answer:
    """Run a job under a progress bar; answers its last status."""
    status: Answer = {}
    began = time.monotonic()
    for status in client.run_job(service, verb, body):
        waited_s = time.monotonic() - began
        _draw(label, share=_share(status, waited_s), waited_s=waited_s)
    return status


def _share(status: Answer, waited_s: float) -> float:
    """How much is done: what the server says, or where it does not know, ever slower towards the end."""
    if status["status"].lower() == "completed":
        return 1
    return min(0.99, (status["progress"] or 0) / 100 or 1 - math.exp(-waited_s / USUAL_S))


def _draw(label: str, *, share: float, waited_s: float) -> None:
    """One line that is drawn over itself until all is done; where nobody looks, only its end."""
    is_done, is_seen = share == 1, sys.stdout.isatty()
    if is_done or is_seen:
        bar = "#" * round(share * BAR_WIDTH)
        line = f"{label:{LABEL_WIDTH}}[{bar:.<{BAR_WIDTH}}] {share:4.0%} {waited_s:5.1f} s"
        click.echo(("\r" if is_seen else "") + line, nl=is_done)


def _chat(client: Client) -> Decimal:
    """Ask, show the answer as it comes, and answer what it cost."""
    click.echo(f"\n  You       {QUESTION}\n  Chat      ", nl=False)
    credits = Decimal(0)
    for chunk in client.ask(QUESTION):
        credits = Decimal(chunk.get("credits_used") or credits)
        for choice in chunk["choices"]:
            click.echo(choice["delta"].get("content") or "", nl=False)
    click.echo()
    return credits


def _show(name: str, credits: Decimal, *rest: str) -> None:
    click.echo("  ".join([f"  {name:8}", f"{_amount(credits):>8}", *rest]))


def _amount(credits: Decimal) -> str:
    """All its places, and two at the least."""
    exact = Decimal(credits).normalize()
    places = max(2, -int(exact.as_tuple().exponent))
    return f"{exact:,.{places}f}"
