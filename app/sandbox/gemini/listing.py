"""The lists of models and voices."""

from app.sandbox.exchange import Call
from app.sandbox.gemini.catalogue import FEMALE, INPUT_LIMIT, MODELS, OUTPUT_LIMIT, VOICES
from app.sandbox.gemini.wire import authorize
from app.sandbox.tasks import JsonObject


async def models(call: Call) -> JsonObject:
    """The speech models."""
    authorize(call)
    call.obey()
    return {
        "models": [
            {
                "name": f"models/{name}",
                "version": "001",
                "displayName": name,
                "inputTokenLimit": INPUT_LIMIT,
                "outputTokenLimit": OUTPUT_LIMIT,
                "supportedGenerationMethods": ["countTokens", "generateContent"],
            }
            for name in MODELS
        ]
    }


async def voices(call: Call) -> JsonObject:
    """The prebuilt voices."""
    authorize(call)
    call.obey()
    return {
        "voices": [
            {
                "id": name,
                "type": "prebuilt",
                "display_name": name,
                "gender": "female" if name in FEMALE else "male",
                "language_code": "en-US",
            }
            for name in VOICES.values()
        ],
        "next_page_token": None,
    }
