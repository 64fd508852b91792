"""The decoding method of a text: greedy, beam search or sampling."""

from dataclasses import dataclass

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.image_to_text import ImageToTextRequest


@dataclass(frozen=True)
class Decoding:
    """The decoding method of texts. Jobs share a batch only if their methods are equal; seeds may differ.

    Args:
        max_new_tokens: The most tokens of a text, at least 1.
        num_beams: The beams of a beam search; 1 for greedy search or sampling.
        num_return_sequences: Texts per picture, at least 1.
        do_sample: Whether tokens are sampled.
        temperature: The temperature of sampling; None for the default of the model.
        top_p: The probability mass of nucleus sampling, 0 to 1; None for the default of the model.
    """

    max_new_tokens: int
    num_beams: int = 1
    num_return_sequences: int = 1
    do_sample: bool = False
    temperature: float | None = None
    top_p: float | None = None

    @classmethod
    def of(cls, request: ImageToTextRequest, max_new_tokens: int) -> "Decoding":
        """Return the decoding method that a request asks for.

        Args:
            request: A complete request.
            max_new_tokens: The tokens that the model can still add after the prompt.

        Raises:
            InvalidRequest: The prompt is so long that the model cannot add a token.
        """
        if max_new_tokens < 1:
            raise InvalidRequest(
                "prompt: too long for this model, no token is left for the caption.",
                field="prompt",
                hint="Shorten the prompt.",
            )
        return cls(
            max_new_tokens=min(max_new_tokens, request.max_new_tokens or max_new_tokens),
            num_beams=request.num_beams or 1,
            num_return_sequences=request.num_return_sequences,
            do_sample=request.do_sample,
            temperature=request.temperature,
            top_p=request.top_p,
        )
