"""Kind `text-to-image`: pictures from a prompt."""

from brushwork_schemas.kinds.generation import GenerationRequest, GenerationResult


class TextToImageRequest(GenerationRequest):
    """Make pictures from a prompt."""


class TextToImageResult(GenerationResult):
    """Pictures made from a prompt."""
