"""Settings of what the files of new pictures say about themselves."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field


class MarkSettings(BaseModel):
    """Labels and parameters in the files of new pictures. Workers write them."""

    picture_labels: bool = Field(
        True, description="Whether files of new pictures say in their metadata that a model has made them."
    )
    aigc_producer: str | None = Field(
        None,
        max_length=200,
        description="Id of the provider for China's label AIGC (GB 45438-2025); by default that label is "
        "left out.",
    )
    embed_parameters: bool = Field(
        False,
        description="Whether files hold prompt, seed and the other parameters if a request says nothing.",
    )
    visible_label: Literal["on_request", "always"] = Field(
        "on_request",
        description="Whether new pictures have a visible label if a request asks for one, or always.",
    )
    visible_label_text: str = Field(
        "AI-generated AI生成", min_length=1, max_length=60, description="Text of the visible label."
    )
    visible_label_corner: Literal["top-left", "top-right", "bottom-left", "bottom-right"] = Field(
        "bottom-right", description="Corner of the visible label, unless a request names another."
    )
    visible_label_size: float = Field(
        0.05,
        ge=0.05,
        le=0.5,
        description="Height of the label's letters, as a share of the shorter side of the picture.",
    )
    visible_label_font: Path | None = Field(
        None,
        description="Font file for the label; by default one with Latin, Greek, Cyrillic, kana and the 3755 "
        "common Chinese characters of GB 2312.",
    )
