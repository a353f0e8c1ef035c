"""Token counts of the Realtime API, in our words.

Source: https://developers.openai.com/api/reference/resources/realtime/server-events#response.done
"""

from __future__ import annotations

from exllm.providers.openai_realtime_events import Fields, count, object_in
from exllm.types.usage import Usage


def usage_of(counts: Fields) -> Usage | None:
    """The counts of one response or transcription; None where there are none.

    Input includes cached tokens, and both sides all modalities, as the API has it.
    """
    used, made = count(counts, "input_tokens"), count(counts, "output_tokens")
    if used is None and made is None:
        return None
    given = object_in(counts, "input_token_details")
    cached = object_in(given, "cached_tokens_details")
    answered = object_in(counts, "output_token_details")
    total = count(counts, "total_tokens")
    return Usage(
        input_tokens=used,
        output_tokens=made,
        total_tokens=used + made if total is None and used is not None and made is not None else total,
        cached_input_tokens=count(given, "cached_tokens"),
        reasoning_tokens=count(answered, "reasoning_tokens"),
        audio_input_tokens=count(given, "audio_tokens"),
        audio_output_tokens=count(answered, "audio_tokens"),
        image_tokens=count(given, "image_tokens"),
        cached_audio_tokens=count(cached, "audio_tokens"),
        cached_image_tokens=count(cached, "image_tokens"),
        provenance="reported",
    )
