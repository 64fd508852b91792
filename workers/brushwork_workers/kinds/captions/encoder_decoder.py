"""Captions: an encoder-decoder of transformers that looks at a picture and writes a sentence."""

from dataclasses import replace
from typing import Any, cast

import torch
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.requests import ImageToTextRequest
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer, VisionEncoderDecoderModel

from brushwork_workers.batching.terms import Terms
from brushwork_workers.calls import DirectCalls, StandIn
from brushwork_workers.desk import Desk
from brushwork_workers.served import Loaded, Place


def load(place: Place) -> Loaded:
    """The model, for its one kind."""
    performer = ImageToText(place)
    return Loaded({"image-to-text": performer}, [performer._network])


class ImageToText:
    """A loaded captioner.

    A model that writes several languages has a token for each in its vocabulary, `<|en|>` or `<|zh|>`, with
    which a caption in it begins.

    Args:
        place: Which model, from where, onto what.
    """

    def __init__(self, place: Place) -> None:
        network = VisionEncoderDecoderModel.from_pretrained(
            place.folder, dtype=place.dtype, use_safetensors=True, local_files_only=True
        )
        # A cast, for transformers' own annotation of `to` has lost its first argument.
        self._network = cast(Any, network).to(place.device).eval()
        # Else transformers warns of it at every caption: each says how long it may be.
        self._network.generation_config.max_length = None
        pixels = self._network.encoder.config.image_size**2
        terms = replace(place.terms, part="network", pixels_per_row=pixels)
        self._writer = StandIn(self._network, place.calls, terms, ("generate",))
        # Every method of a fast tokenizer may set the padding that another thread's call is about to use.
        self._tokenizer = StandIn(
            AutoTokenizer.from_pretrained(place.folder, local_files_only=True),
            DirectCalls(),
            Terms(part="tokenizer"),
            methods=None,
        )
        self._processor = AutoImageProcessor.from_pretrained(place.folder, local_files_only=True)

    def warm_up(self) -> None:
        """Caption a black picture."""
        self._caption(Image.new("RGB", (64, 64)), self._start("en", ""), max_new_tokens=4)

    def perform(self, request: ImageToTextRequest, desk: Desk) -> dict[str, Any]:
        """The caption of one picture, by greedy decoding."""
        start = self._start(request.language, request.prompt)
        picture = desk.picture(request.image)
        return {"generated_text": self._caption(picture, start, request.max_new_tokens)}

    def _start(self, language: str, prompt: str) -> list[int]:
        """The tokens that the caption begins with."""
        token = self._tokenizer.get_vocab().get(f"<|{language}|>")
        if token is None and language != "en":
            raise InvalidRequest(f"language: this model does not write {language!r}.", field="language")
        start = [self._network.generation_config.decoder_start_token_id if token is None else token]
        if prompt:
            start += self._tokenizer(prompt, add_special_tokens=False)["input_ids"]
        return start

    def _room(self, start: list[int], max_new_tokens: int | None) -> int:
        """How many tokens may follow `start`: what was asked for, and no more than the decoder has places."""
        room: int = self._network.decoder.config.max_position_embeddings - len(start)
        if room < 1:
            raise InvalidRequest("prompt: it leaves this model no room for a caption.", field="prompt")
        return min(room, max_new_tokens or room)

    def _caption(self, picture: Image.Image, start: list[int], max_new_tokens: int | None) -> str:
        pixels = self._processor(picture, return_tensors="pt")["pixel_values"]
        written = self._writer.generate(
            pixels.to(self._network.device, self._network.dtype),
            decoder_input_ids=torch.tensor([start], device=self._network.device),
            # Else transformers would put the model's own start token before ours.
            decoder_start_token_id=start[0],
            max_new_tokens=self._room(start, max_new_tokens),
            do_sample=False,
            num_beams=1,
        )
        text: str = self._tokenizer.decode(written[0], skip_special_tokens=True)
        return text.strip()
