"""How the tokens of a text are found: by search, or by drawing."""

from dataclasses import dataclass

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.image_to_text import ImageToTextRequest


@dataclass(frozen=True)
class Decoding:
    """How texts are found. Jobs share runs only where it is equal; their seeds are told apart.

    Args:
        max_new_tokens: Longest text.
        num_beams: Beams of the search; 1 is greedy.
        num_return_sequences: Texts for each picture.
        do_sample: Draw the tokens.
        temperature: Of drawing; None is the model's own.
        top_p: Likewise.
    """

    max_new_tokens: int
    num_beams: int = 1
    num_return_sequences: int = 1
    do_sample: bool = False
    temperature: float | None = None
    top_p: float | None = None

    @classmethod
    def of(cls, request: ImageToTextRequest, room: int) -> "Decoding":
        """What a request asks for.

        Args:
            request: A complete one.
            room: Tokens that the model has places for, after those it begins with.

        Raises:
            InvalidRequest: There is no place left.
        """
        if room < 1:
            raise InvalidRequest(
                "prompt: it leaves this model no room for a caption.", field="prompt", hint="Shorten it."
            )
        return cls(
            max_new_tokens=min(room, request.max_new_tokens or room),
            num_beams=request.num_beams or 1,
            num_return_sequences=request.num_return_sequences,
            do_sample=request.do_sample,
            temperature=request.temperature,
            top_p=request.top_p,
        )
