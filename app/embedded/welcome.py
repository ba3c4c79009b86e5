"""What a person sees once everything answers: addresses, keys, and lines to paste."""

import sys
from pathlib import Path

from app.catalog.loader import load_catalog
from app.config import Settings
from app.embedded.announcement import Stack
from app.embedded.stack import providers_without_key
from app.services.costs import defaults_below_cost

NAMES = {"kie": "KIE.ai", "openrouter": "OpenRouter", "gemini": "Gemini", "whisper": "the Whisper host"}

WELCOME = """\

  phaya is up, after {took_s:.1f} s. Ctrl-C stops it.

  API        {api_url}
  Admin key  {admin_key}
  Demo key   {demo_key}   (10,000 credits to begin with)
  Upstreams  {upstreams}
  Data       {data}   (logs of every part in {data}/logs)
{below_cost}
  Watch it work:

    {demo}

  Or paste this, which makes a picture, and a video of the picture:

    API={api_url}/api/v1
    ask() {{ curl -s -H 'Authorization: Bearer {demo_key}' -H 'Content-Type: application/json' "$@"; }}
    value() {{ grep -o "\\"$1\\": *\\"[^\\"]*" | grep -o '[^"]*$'; }}
    JOB=$(ask $API/text-to-image/generate -d '{{"prompt": "A lighthouse at dusk"}}' | value job_id)
    until PICTURE=$(ask $API/text-to-image/status/$JOB | value image_url); do sleep 1; done; echo $PICTURE
    JOB=$(ask $API/image-to-video/create -d '{{"image_url": "'$PICTURE'", "zoom": {{}}}}' | value job_id)
    until VIDEO=$(ask $API/image-to-video/status/$JOB | value video_url); do sleep 1; done; echo $VIDEO
"""


def welcome(stack: Stack, data: Path, settings: Settings, *, took_s: float) -> str:
    """The text."""
    return WELCOME.format(
        took_s=took_s,
        api_url=stack.api_url,
        admin_key=stack.admin_key,
        demo_key=stack.demo_key,
        upstreams=_upstreams(stack, settings),
        data=data,
        below_cost=_below_cost(settings),
        demo=_demo(data),
    )


def _upstreams(stack: Stack, settings: Settings) -> str:
    missing = [NAMES[provider] for provider in providers_without_key(settings)]
    if not missing:
        return "your keys for all of them"
    names = " and ".join(filter(None, [", ".join(missing[:-1]), missing[-1]]))
    if stack.sandbox_url:
        return f"{stack.sandbox_url} stands in for {names} (no key is set)"
    return f"none for {names} (no key is set, and no sandbox is wanted)"


def _below_cost(settings: Settings) -> str:
    """Which services lose money with every job, by their default rates; nothing where there are none."""
    below = defaults_below_cost(settings, load_catalog())
    if not below:
        return ""
    names = ", ".join(f"{service} ({' '.join(rates)})" for service, rates in below.items())
    return f"\n  Below cost, by the default rates and the providers' lists: {names}.\n  See `phaya report`.\n"


def _demo(data: Path) -> str:
    """How to call the demo from where the person is."""
    here, script = Path.cwd(), Path(sys.executable).with_name("phaya")
    phaya = f"{sys.executable} -m app.cli"
    if script.exists():
        phaya = str(script.relative_to(here) if script.is_relative_to(here) else script)
    return f"{phaya} demo" if data == here / ".phaya" else f"{phaya} demo --data {data}"
