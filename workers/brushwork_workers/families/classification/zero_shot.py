"""Labels that a caller names, compared with a picture.

By CLIP (Radford et al., 2021) or SigLIP (Zhai et al., 2023).
Picture and labels are encoded in calls of their own, so that pictures of several jobs share runs whatever
labels they come with, and labels share runs with those of others.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from PIL import Image
from torch import Tensor
from torch.nn import functional
from transformers import AutoModel

from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.families.classification.label_memory import LabelMemory
from brushwork_workers.families.classification.ranking import best
from brushwork_workers.families.pretrained import PictureProcessor, pretrained, tokenizer
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec

KEPT_LABELS = 4096
# So many rows a call: a run of several jobs then has room for their calls.
LABELS_A_CALL = 32
# Sentences are filled up to a multiple of so many tokens, for only calls of one length share a run.
TOKENS_STEP = 8


def load(spec: LoadSpec) -> LoadedModules:
    """The model, for its one kind."""
    network = pretrained(AutoModel, spec)
    return LoadedModules({"image-classification": ZeroShot(spec, network)}, [network])


class ZeroShot:
    """A loaded pair of encoders, one for pictures and one for words.

    Args:
        spec: Which model, from where, onto what.
        network: The model.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        self._pictures = PictureProcessor(spec)
        self._tokenizer = tokenizer(spec)
        self._device = spec.device
        # SigLIP was trained with a bias and sentences of one length, and asks of each label by itself.
        self._is_siglip = hasattr(network, "logit_bias")
        self._longest = int(network.config.text_config.max_position_embeddings)
        self._scale = float(network.logit_scale.exp())
        self._bias = float(network.logit_bias) if self._is_siglip else 0.0
        options = replace(spec.options, part="pictures", pixels_per_row=self._pictures.pixels)
        self._image = ModuleProxy(network, spec.model_executor, options, ("get_image_features",))
        options = replace(spec.options, part="labels")
        self._text = ModuleProxy(network, spec.model_executor, options, ("get_text_features",))
        self._memory = LabelMemory(KEPT_LABELS)

    def warm_up(self) -> None:
        """Compare a black picture with two labels."""
        self._scores(Image.new("RGB", (64, 64)), ["black", "white"], is_alone=True)

    def perform(self, request: ImageClassificationRequest, context: JobContext) -> dict[str, Any]:
        """The `top_k` best of the labels.

        CLIP's probabilities add up to 1 over the labels; SigLIP's are each label's own.
        """
        labels, template = request.candidate_labels or (), request.hypothesis_template or "{}"
        sentences = [template.replace("{}", label) for label in labels]
        scores = self._scores(context.picture(request.image), sentences, is_alone=request.deterministic)
        return {"predictions": best(scores, labels, request.top_k)}

    def _scores(self, picture: Image.Image, sentences: Sequence[str], *, is_alone: bool) -> Tensor:
        """[sentences], float32 on the CPU."""
        image = _normal(self._image.get_image_features(**self._pictures(picture)))
        known = {} if is_alone else self._memory.known(sentences)
        missing = [sentence for sentence in dict.fromkeys(sentences) if sentence not in known]
        for start in range(0, len(missing), LABELS_A_CALL):
            known |= self._embeddings(missing[start : start + LABELS_A_CALL])
        if not is_alone:
            self._memory.keep({sentence: known[sentence] for sentence in missing})
        text = torch.stack([known[sentence] for sentence in sentences])
        logits = (text @ image.T).squeeze(1) * self._scale + self._bias
        return torch.sigmoid(logits) if self._is_siglip else logits.softmax(dim=0)

    def _embeddings(self, sentences: list[str]) -> dict[str, Tensor]:
        length = self._longest if self._is_siglip else self._length(sentences)
        tokens = self._tokenizer(
            sentences, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )
        embeddings = _normal(self._text.get_text_features(**tokens.to(self._device)))
        # Copies: a view would keep the whole batch alive.
        return {sentence: row.clone() for sentence, row in zip(sentences, embeddings, strict=True)}

    def _length(self, sentences: list[str]) -> int:
        tokens = self._tokenizer(sentences, truncation=True, max_length=self._longest)["input_ids"]
        longest = max(len(sentence) for sentence in tokens)
        return min(-(-longest // TOKENS_STEP) * TOKENS_STEP, self._longest)


def _normal(features: Any) -> Tensor:
    """Rows of length 1: [rows, features], float32 on the CPU."""
    return functional.normalize(features.pooler_output.float().cpu(), dim=-1)
