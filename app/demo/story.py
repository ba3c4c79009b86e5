"""What the demo shows, step by step."""

import time
from decimal import Decimal
from pathlib import Path

import click

from app.demo.client import Answer, Client, connected

PICTURE = Path(__file__).parent / "lighthouse.jpg"
LABEL_WIDTH = 42
VIDEO = {"duration": 5, "zoom": {"mode": "top_right", "speed": 0.01, "max_scale": 2}}
PROMPT = "A lighthouse at dusk, a sailing boat, long waves"
QUESTION = "In one sentence: what is a lighthouse for?"


def tell(api_url: str, key: str) -> None:
    """Upload, video, picture, chat, and the bill. Raises ClickException with one sentence when a step fails."""
    with connected(api_url, key) as client:
        before = client.balance()
        began = time.monotonic()
        upload = client.upload(PICTURE)
        click.echo(f"{'Uploaded a picture':{LABEL_WIDTH}}{time.monotonic() - began:.1f} s")
        video = _watch(
            client, "A video of it (Ken Burns, by FFmpeg)", "image-to-video", "create", {"image_url": upload, **VIDEO}
        )
        picture = _watch(client, "A picture from words", "text-to-image", "generate", {"prompt": PROMPT})
        chat_credits = _chat(client)
        after = client.balance()

        click.echo()
        _show("Your picture", upload, client.describe(upload))
        _show("Video", video["video_url"], f"{client.describe(video['video_url'])}, {_amount(video['credits_used'])}")
        _show(
            "Picture",
            picture["image_url"],
            f"{client.describe(picture['image_url'])}, {_amount(picture['credits_used'])}",
        )
        _show("Chat", "", _amount(chat_credits))
        click.echo()
        click.echo(f"  Balance  {before:,f} before, {after:,f} after: {_amount(before - after)} spent")


def _watch(client: Client, label: str, service: str, verb: str, body: dict[str, object]) -> Answer:
    """Run a job under a progress bar; answers its last status."""
    status: Answer = {}
    with click.progressbar(length=100, label=f"{label:{LABEL_WIDTH - 1}}", show_eta=False, width=30) as bar:
        for status in client.run_job(service, verb, body):
            done = 100 if status["status"].lower() == "completed" else status["progress"] or 0
            bar.update(max(0, int(done) - bar.pos))
    return status


def _chat(client: Client) -> Decimal:
    """Ask, show the answer as it comes, and answer what it cost."""
    click.echo(f"\n  You   {QUESTION}\n  Chat  ", nl=False)
    credits = Decimal(0)
    for chunk in client.ask(QUESTION):
        credits = Decimal(chunk.get("credits_used") or credits)
        for choice in chunk["choices"]:
            click.echo(choice["delta"].get("content", ""), nl=False)
    click.echo()
    return credits


def _show(name: str, url: str, rest: str) -> None:
    click.echo(f"  {name:13}{url}  ({rest})" if url else f"  {name:13}{rest}")


def _amount(credits: Decimal) -> str:
    return f"{Decimal(credits).normalize():,f} credits"
