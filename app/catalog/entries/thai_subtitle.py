"""Subtitles burned into a film: heard by a Whisper host or timed from a script, drawn in Thai (contract 4.1)."""

import asyncio
import re
from pathlib import Path
from typing import Annotated, Literal

import ffmpeg
from pydantic import Field

from app.catalog.entries.transcribe import COSTS, RATES, by_minutes, cost_of_hearing, listen, minimum, require_sound
from app.catalog.model import (
    Example,
    Input,
    LocalWork,
    Made,
    MediaUrl,
    Metered,
    Service,
    ServiceRequest,
    Work,
    first_file,
    listed,
)
from app.catalog.vocabulary import Vocabulary
from app.errors import UnsupportedMedia
from app.media.captions import Caption, Frame, lay_fonts, lay_out, lay_out_lines, settle, write_script
from app.media.ffmpeg import AAC, H264, OnProgress, media_input, run
from app.media.formats import Kinds
from app.media.transcript import Span, Transcript, clean, time_characters, time_words

# Fixed ASCII names in the private folder: no path and no word of a user stands in the filter graph.
SCRIPT_FILE = "captions.ass"
FONTS_FOLDER = "fonts"


class ThaiSubtitleRequest(ServiceRequest):
    """A film to be subtitled."""

    media_url: MediaUrl
    script: Annotated[
        str | None,
        Field(max_length=10_000, description="What is said; | breaks a line, an empty line begins a new segment"),
    ] = None
    animation: Literal["none", "word_pop_fade"] = "none"
    timing_offset_ms: Annotated[int, Field(ge=-300, le=300)] = 0


def parse_script(script: str) -> list[list[str]]:
    """Segments of lines. The four characters `\\n\\n` typed literally count as an empty line (contract 4.1)."""
    blocks = re.split(r"\n\s*\n", script.replace("\r\n", "\n").replace("\\n\\n", "\n\n").replace("\\n", "\n"))
    segments = [
        [" ".join(line.split()) for line in re.split(r"[|\n]", clean(block)) if line.strip()] for block in blocks
    ]
    return [segment for segment in segments if segment]


def scripted(script: str, heard: Transcript, frame: Frame, *, duration_s: float) -> list[Caption]:
    """Captions of a known script, whose times come from what was heard."""
    segments = parse_script(script)
    text = "\n".join(line for segment in segments for line in segment)
    anchors = heard.fragments or heard.segments
    start = anchors[0].start if anchors else 0.0
    end = anchors[-1].end if anchors else duration_s
    times = time_characters(text, anchors, start=start, end=end)
    captions: list[Caption] = []
    offset = 0
    for segment in segments:
        lines = []
        for line in segment:
            letters = [Span(letter, *times[offset + at]) for at, letter in enumerate(line)]
            lines.append(time_words(line, letters, start=letters[0].start, end=letters[-1].end))
            offset += len(line) + 1
        captions += lay_out_lines(lines, frame)
    return captions


def heard_only(heard: Transcript, frame: Frame, *, duration_s: float) -> list[Caption]:
    """Captions of what was heard, a segment at a time, words timed by the fragments in it."""
    captions: list[Caption] = []
    for segment in heard.segments:
        inside = [span for span in heard.fragments if segment.start - 0.05 <= span.start <= segment.end]
        end = min(segment.end, duration_s)
        words = time_words(clean(segment.text), inside, start=min(segment.start, end), end=end)
        captions += lay_out(words, frame)
    return captions


async def subtitle(work: Work) -> Made:
    """Hear, time, lay out, burn in. Raises UnsupportedMedia where there is nothing to show."""
    request: ThaiSubtitleRequest = work.request
    (film,) = work.inputs["media_url"]
    media = film.media
    assert media.width is not None
    assert media.height is not None
    assert film.path is not None
    duration_s = media.duration_s or 1.0
    frame = Frame(media.width // 2 * 2, media.height // 2 * 2)
    heard = Transcript.of(await listen(work, language="th" if request.script else None))
    work.progress(50)
    if request.script and request.script.strip():
        captions = await asyncio.to_thread(scripted, request.script, heard, frame, duration_s=duration_s)
    else:
        captions = await asyncio.to_thread(heard_only, heard, frame, duration_s=duration_s)
    if not captions:
        raise UnsupportedMedia("No speech was found, and there is no script")
    captions = settle(captions, offset_s=request.timing_offset_ms / 1_000, duration_s=duration_s)
    script = write_script(captions, frame, pops=request.animation == "word_pop_fade")
    target = work.folder / "subtitled.mp4"
    await burn(
        film.path, target, script, frame, duration_s=duration_s, progress=lambda part: work.progress(50 + part / 2)
    )
    return Made(files=(target,))


async def burn(
    film: Path, target: Path, script: str, frame: Frame, *, duration_s: float, progress: OnProgress
) -> None:
    """Draw an ASS script on a film. Raises NotMade."""
    folder = target.parent
    (folder / SCRIPT_FILE).write_text(script, encoding="utf-8")
    lay_fonts(folder / FONTS_FOLDER)
    source = media_input(film)
    picture = (
        source.video.filter("scale", frame.width, frame.height)
        .filter("setsar", 1)
        .filter("ass", SCRIPT_FILE, shaping="complex", fontsdir=FONTS_FOLDER)
    )
    output = ffmpeg.output(picture, source.audio, f"file:{target}", f="mp4", **H264, **AAC)
    await run(output, work_dir=folder, duration_s=duration_s, time_limit_s=120 + duration_s * 4, on_progress=progress)


SERVICE = Service(
    id="thai-subtitle",
    title="Thai Subtitles",
    summary="Subtitles, heard or from a script, burned into the film.",
    group="media",
    verb="generate",
    request=ThaiSubtitleRequest,
    inputs=(Input("media_url", Kinds.VIDEO, check=require_sound),),
    metered=Metered("media_url", by_minutes),
    rates=RATES,
    costs=listed(COSTS),
    price=minimum,
    priced="For each minute of the film, rounded to two places, and never less than the minimum; debited at create.",
    run=LocalWork(subtitle, time_limit_s=3_600, needs="whisper", call_cost=cost_of_hearing),
    vocabulary=Vocabulary.UPPER,
    results=(first_file("video_url"),),
    result_kinds=Kinds.VIDEO,
    usual_s=30,
    deadline_s=7_200,
    examples=(
        Example({"media_url": "https://example.com/talk.mp4"}, credits="0.07"),
        Example({"media_url": "https://example.com/talk.mp4", "script": "สวัสดีครับ|ยินดีต้อนรับ\n\nวันนี้อากาศดี",
                 "animation": "word_pop_fade", "timing_offset_ms": 100}, credits="0.07"),
    ),
)
