"""The speech models and their voices."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, kw_only=True)
class Model:
    """One speech model; prices in USD for a million tokens. `dialect` 38 reads speech metadata and makes WAV."""

    dialect: int
    mime: str
    text_in: Decimal
    audio_out: Decimal
    streams: bool = True

    @property
    def makes_wav(self) -> bool:
        return self.dialect >= 38


MIME_25 = "audio/L16;codec=pcm;rate=24000"
MIME_31 = "audio/l16; rate=24000; channels=1"

MODELS = {
    "gemini-2.5-flash-preview-tts": Model(
        dialect=25, mime=MIME_25, text_in=Decimal("0.50"), audio_out=Decimal(10), streams=False
    ),
    "gemini-2.5-pro-preview-tts": Model(
        dialect=25, mime=MIME_25, text_in=Decimal(1), audio_out=Decimal(20), streams=False
    ),
    "gemini-3.1-flash-tts-preview": Model(dialect=31, mime=MIME_31, text_in=Decimal(1), audio_out=Decimal(20)),
    "gemini-3.8-flash-tts": Model(dialect=38, mime=MIME_31, text_in=Decimal("0.50"), audio_out=Decimal(9)),
    "gemini-3.8-flash-lite-tts": Model(dialect=38, mime=MIME_31, text_in=Decimal("0.50"), audio_out=Decimal(6)),
}
INPUT_LIMIT = 8_192
OUTPUT_LIMIT = 16_384

FEMALE = (
    "Zephyr", "Kore", "Leda", "Aoede", "Callirrhoe", "Autonoe", "Despina", "Erinome", "Laomedeia", "Achernar",
    "Gacrux", "Pulcherrima", "Vindemiatrix", "Sulafat",
)
MALE = (
    "Puck", "Charon", "Fenrir", "Orus", "Enceladus", "Iapetus", "Umbriel", "Algieba", "Algenib", "Rasalgethi",
    "Alnilam", "Schedar", "Achird", "Zubenelgenubi", "Sadachbia", "Sadaltager",
)
VOICES = {name.lower(): name for name in sorted(FEMALE + MALE)}
DEFAULT_VOICE = "Zephyr"
