"""Captions: words broken into lines that fit the picture, and the ASS script that FFmpeg burns in.

Thai has no spaces and libass never wraps it, so lines are broken here, at words, by the width that is really drawn
(upstreams/whisper-and-thai-subtitles.md 9 to 12). The font is our own file: nothing depends on what a machine has.
"""

import shutil
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from PIL import ImageFont

from app.media.transcript import Span

FONT_FILE = "Sarabun-Bold.ttf"
FONT_FAMILY = "Sarabun"
# What ASS calls the size is ascent and descent together (OS/2 winAscent 1286, winDescent 567, of 1000 units an em).
EM_PER_SIZE = 1000 / 1853
# From one line to the next, in sizes: the size has room for three marks above a letter, which two lines can share.
LINE_STEP = 0.78
LINES_MOST = 2
# A pause this long ends a caption; nobody reads on over it.
PAUSE_S = 1.2
LINGER_S = 0.4
# Categories of Unicode: emoji, surrogates, private use, unassigned, control and format characters, line ends.
NOT_DRAWN = ("So", "Cs", "Co", "Cn", "Cc", "Cf", "Zl", "Zp")
POP = r"\fad(80,0)\fscx60\fscy60\t(0,100,\fscx112\fscy112)\t(100,180,\fscx100\fscy100)"

HEAD = """[Script Info]
ScriptType: v4.00+
PlayResX: {width}
PlayResY: {height}
WrapStyle: 2
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Caption,{family},{size},&H00FFFFFF,&H0000D7FF,&H00000000,&H80000000,-1,0,0,0,100,100,0,0,1,{outline},{shadow},2,\
{side},{side},{bottom},1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


@dataclass(frozen=True)
class Frame:
    """The picture's size in pixels and what follows from it."""

    width: int
    height: int

    @property
    def size(self) -> int:
        """The ASS font size: readable on a wide picture, not too wide on a tall one."""
        return max(12, round(min(self.height * 0.115, self.width * 0.14)))

    @property
    def side(self) -> int:
        return round(self.width * 0.06)

    @property
    def bottom(self) -> int:
        return round(self.height * (0.07 if self.width >= self.height else 0.18))

    @property
    def outline(self) -> int:
        return max(1, round(self.size / 18))

    @property
    def room(self) -> int:
        """Pixels that a line may take."""
        return self.width - 2 * (self.side + self.outline)


@dataclass(frozen=True)
class Caption:
    """Lines of words that are on the picture together, from `start` to `end` in seconds."""

    lines: tuple[tuple[Span, ...], ...]
    start: float
    end: float


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    with as_file(files("fontpkg_sarabun") / "files" / FONT_FILE) as path:
        return ImageFont.truetype(str(path), round(size * EM_PER_SIZE))


def lay_fonts(folder: Path) -> None:
    """Put the font where FFmpeg is told to look (`fontsdir`)."""
    folder.mkdir()
    with as_file(files("fontpkg_sarabun") / "files" / FONT_FILE) as path:
        shutil.copyfile(path, folder / FONT_FILE)


def drawable(text: str) -> str:
    """The text without what the font has no picture for (emoji, control characters)."""
    kept = (c for c in text if unicodedata.category(c) not in NOT_DRAWN)
    return "".join(kept)


def width_of(text: str, frame: Frame) -> float:
    """Pixels that a text takes when drawn."""
    # The shaper refuses a text with a line end in it.
    return float(_font(frame.size).getlength(drawable(text).rstrip()))


def lay_out(words: Sequence[Span], frame: Frame) -> list[Caption]:
    """Captions of at most two lines; a line holds what fits, and a long pause begins a new caption."""
    captions: list[Caption] = []
    for group in _groups(words):
        lines = list(_lines(group, frame))
        for first in range(0, len(lines), LINES_MOST):
            chosen = tuple(lines[first : first + LINES_MOST])
            captions.append(Caption(chosen, chosen[0][0].start, chosen[-1][-1].end))
    return captions


def lay_out_lines(lines: Sequence[Sequence[Span]], frame: Frame) -> list[Caption]:
    """The same for lines that are given; one that does not fit is broken all the same."""
    fitting = [part for line in lines for part in _lines(line, frame)]
    captions = []
    for first in range(0, len(fitting), LINES_MOST):
        chosen = tuple(fitting[first : first + LINES_MOST])
        captions.append(Caption(chosen, chosen[0][0].start, chosen[-1][-1].end))
    return captions


def _groups(words: Sequence[Span]) -> Iterator[list[Span]]:
    group: list[Span] = []
    for word in words:
        if group and word.start - group[-1].end > PAUSE_S:
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _lines(words: Sequence[Span], frame: Frame) -> Iterator[tuple[Span, ...]]:
    line: list[Span] = []
    for word in words:
        if line and width_of("".join(held.text for held in line) + word.text, frame) > frame.room:
            yield tuple(line)
            line = []
        line.append(word)
    if line:
        yield tuple(line)


def settle(captions: Sequence[Caption], *, offset_s: float, duration_s: float) -> list[Caption]:
    """Captions moved by the offset, kept inside the film, each lingering a little, none over the next."""
    moved = []
    for number, caption in enumerate(captions):
        following = captions[number + 1].start if number + 1 < len(captions) else duration_s - offset_s
        end = min(max(caption.end + LINGER_S, caption.start + LINGER_S), max(following, caption.end))
        end = min(end, following) if following > caption.start else end
        lines = tuple(
            tuple(
                Span(w.text, _within(w.start + offset_s, duration_s), _within(w.end + offset_s, duration_s))
                for w in line
            )
            for line in caption.lines
        )
        moved.append(Caption(lines, _within(caption.start + offset_s, duration_s), _within(end + offset_s, duration_s)))
    return [caption for caption in moved if caption.end > caption.start]


def _within(at: float, duration_s: float) -> float:
    return min(max(at, 0.0), duration_s)


def write_script(captions: Sequence[Caption], frame: Frame, *, pops: bool) -> str:
    """The ASS script. With `pops` each word pops up and fades in when it is spoken, at its own fixed place."""
    head = HEAD.format(
        width=frame.width,
        height=frame.height,
        family=FONT_FAMILY,
        size=frame.size,
        outline=frame.outline,
        shadow=max(1, frame.outline // 2),
        side=frame.side,
        bottom=frame.bottom,
    )
    draw = _popping if pops else _still
    return head + "".join(line for caption in captions for line in draw(caption, frame))


def _line_foot(caption: Caption, number: int, frame: Frame) -> int:
    below = len(caption.lines) - 1 - number
    return frame.height - frame.bottom - round(below * frame.size * LINE_STEP)


def _still(caption: Caption, frame: Frame) -> Iterator[str]:
    for number, line in enumerate(caption.lines):
        tags = rf"{{\an2\pos({frame.width / 2:.1f},{_line_foot(caption, number, frame)})}}"
        yield _event(caption.start, caption.end, tags + escaped("".join(word.text for word in line).strip()))


def _popping(caption: Caption, frame: Frame) -> Iterator[str]:
    for number, line in enumerate(caption.lines):
        y = _line_foot(caption, number, frame)
        whole = "".join(word.text for word in line).rstrip()
        left = (frame.width - width_of(whole, frame)) / 2
        before = ""
        for word in line:
            text = word.text.rstrip()
            middle = left + width_of(before, frame) + _trailing(before, frame) + width_of(text, frame) / 2
            before += word.text
            if word.start < caption.end:
                tags = rf"{{\an2\pos({middle:.1f},{y}){POP}}}"
                yield _event(max(word.start, caption.start), caption.end, tags + escaped(text))


def _trailing(text: str, frame: Frame) -> float:
    """The width of the spaces at the end, which `width_of` leaves out."""
    return float(_font(frame.size).getlength(" ")) * (len(text) - len(text.rstrip()))


def _event(start: float, end: float, text: str) -> str:
    return f"Dialogue: 0,{_clock(start)},{_clock(end)},Caption,,0,0,0,,{text}\n"


def _clock(at: float) -> str:
    hundredths = round(at * 100)
    minutes, rest = divmod(hundredths, 6_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest // 100:02}.{rest % 100:02}"


def escaped(text: str) -> str:
    """A user's text as ASS text: no tags, no commands, no line ends."""
    # A backslash begins a command, and ASS has no way to write one: a slash stands in for it.
    text = drawable(text).replace("\\", "/")
    return text.replace("{", r"\{").replace("}", r"\}")
