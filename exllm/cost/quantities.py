"""What is billed beside the token counts of `Usage`."""

from __future__ import annotations

import msgspec


class Quantities(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """Things that a call used and that its `Usage` has no place for; all 0 unless said.

    The token counts here are parts of the usage's counts, not more of them: `cached_audio_tokens` of
    `cached_input_tokens`, `image_output_tokens` of `output_tokens`.
    """

    requests: int = 1
    images: int = 0  # made
    input_images: int = 0
    input_seconds: float = 0.0  # of audio heard
    output_seconds: float = 0.0  # of audio or video made
    input_video_seconds: float = 0.0
    input_characters: int = 0
    output_characters: int = 0
    pages: int = 0
    annotated_pages: int = 0
    queries: int = 0  # of search and rerank models
    map_searches: int = 0
    file_searches: int = 0
    code_sessions: int = 0
    text_messages: int = 0
    cached_audio_tokens: int = 0
    cached_image_tokens: int = 0
    image_input_tokens: int = 0
    image_output_tokens: int = 0
    video_input_tokens: int = 0
    video_output_tokens: int = 0
    citation_tokens: int = 0
    cache_write_12h_tokens: int = 0


NONE = Quantities()
