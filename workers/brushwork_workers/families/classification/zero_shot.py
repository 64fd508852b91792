"""Zero-shot image classification: compare a picture with labels that the caller names.

The models are CLIP (Radford et al., 2021) and SigLIP (Zhai et al., 2023). The picture and the labels are
encoded in separate calls. Pictures of several jobs can then share a batch although their labels differ, and
so can labels.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from brushwork_schemas.warnings import result_warning
from PIL import Image
from torch import Tensor
from torch.nn import functional
from transformers import AutoModel

from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.explanations.gradients import ScoreGradients
from brushwork_workers.families.classification.embedding_cache import EmbeddingCache
from brushwork_workers.families.classification.explaining import (
    DifferentiableClassifier,
    ExplainableClassifier,
    explained,
    only_pixels,
)
from brushwork_workers.families.classification.ranking import best
from brushwork_workers.families.finite import check_finite
from brushwork_workers.families.pretrained import PictureProcessor, pretrained, tokenizer
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec

CACHED_LABELS = 4096
# Labels are encoded in calls of at most this many rows, so that a batch has room for calls of several jobs.
LABELS_PER_CALL = 32
# Sentences are padded to a multiple of this many tokens, because only calls of equal length share a batch.
TOKEN_MULTIPLE = 8


def load(spec: LoadSpec) -> LoadedModules:
    """Load the model as a handler of image classification."""
    network = pretrained(AutoModel, spec)
    # The methods that the handler calls run these two.
    encoders = {"vision_model": network.vision_model, "text_model": network.text_model}
    return LoadedModules({"image-classification": ZeroShot(spec, network)}, [network], encoders)


class ZeroShot:
    """Handles image classification with an image encoder and a text encoder.

    Args:
        spec: The model that is loaded.
        network: The loaded network.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        self._name = spec.model.name
        self._pictures = PictureProcessor(spec)
        self._tokenizer = tokenizer(spec)
        self._device = spec.device
        # SigLIP was trained with a bias and with sentences of one length, and scores each label
        # independently.
        self._is_siglip = hasattr(network, "logit_bias")
        self._max_tokens = int(network.config.text_config.max_position_embeddings)
        self._scale = float(network.logit_scale.detach().exp())
        self._bias = float(network.logit_bias.detach()) if self._is_siglip else 0.0
        options = replace(spec.options, part="pictures", pixels_per_row=self._pictures.pixels)
        self._image = ModuleProxy(network, spec.model_executor, options, ("get_image_features",))
        self._model_executor = spec.model_executor
        self._gradients = ScoreGradients(
            self._name,
            network,
            lambda pixels: _normalised(network.get_image_features(pixel_values=pixels).pooler_output),
            spec.model_executor,
            options,
        )
        options = replace(spec.options, part="labels")
        self._text = ModuleProxy(network, spec.model_executor, options, ("get_text_features",))
        self._embedding_cache = EmbeddingCache(CACHED_LABELS)

    def warm_up(self) -> None:
        """Compare a black picture with two labels."""
        self._scores(Image.new("RGB", (64, 64)), self._encoded(["black", "white"], without_cache=True))

    def perform(self, request: ImageClassificationRequest, context: JobContext) -> dict[str, Any]:
        """Return the `top_k` best of the labels.

        The probabilities of CLIP add up to 1 over the labels. Those of SigLIP are independent of each other.
        """
        labels, template = request.candidate_labels or (), request.hypothesis_template or "{}"
        sentences = [template.replace("{}", label) for label in labels]
        self._note_cut_labels(sentences, context)
        text = self._encoded(sentences, without_cache=request.deterministic)
        if request.explain is not None:
            return explained(self._explainable(labels, text), request, context)
        return {
            "predictions": best(self._scores(context.picture(request.image), text), labels, request, context)
        }

    def _explainable(self, labels: Sequence[str], text: Tensor) -> ExplainableClassifier:
        return ExplainableClassifier(
            labels,
            lambda picture: self._scores(picture, text),
            self._model_executor,
            DifferentiableClassifier(
                self._gradients,
                lambda picture: only_pixels(self._pictures(picture), self._name),
                lambda index: text[index] * self._scale,
            ),
        )

    def _note_cut_labels(self, sentences: Sequence[str], context: JobContext) -> None:
        for ids in self._tokenizer(list(sentences))["input_ids"]:
            if (left_out := len(ids) - self._max_tokens) > 0:
                counts = {"used": self._max_tokens, "left_out": left_out}
                context.warn(
                    result_warning("prompt_cut", "candidate_labels", encoder="text_encoder", **counts)
                )

    def _scores(self, picture: Image.Image, text: Tensor) -> Tensor:
        """Return the score of each sentence: [sentences], 0 to 1, float32 on the CPU.

        Args:
            picture: The picture.
            text: The embeddings of the sentences: [sentences, features].
        """
        image = self._checked(self._image.get_image_features(**self._pictures(picture)), "image encoder")
        logits = (text @ image.T).squeeze(1) * self._scale + self._bias
        return torch.sigmoid(logits) if self._is_siglip else logits.softmax(dim=0)

    def _encoded(self, sentences: Sequence[str], *, without_cache: bool) -> Tensor:
        """Return the embedding of each sentence: [sentences, features], float32 on the CPU."""
        known = {} if without_cache else self._embedding_cache.get_many(sentences)
        missing = [sentence for sentence in dict.fromkeys(sentences) if sentence not in known]
        for start in range(0, len(missing), LABELS_PER_CALL):
            known |= self._embeddings(missing[start : start + LABELS_PER_CALL])
        if not without_cache:
            self._embedding_cache.put_many({sentence: known[sentence] for sentence in missing})
        return torch.stack([known[sentence] for sentence in sentences])

    def _embeddings(self, sentences: list[str]) -> dict[str, Tensor]:
        length = self._max_tokens if self._is_siglip else self._length(sentences)
        tokens = self._tokenizer(
            sentences, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )
        features = self._text.get_text_features(**tokens.to(self._device))
        embeddings = self._checked(features, "text encoder")
        # Clones, because a view would keep the tensor of the whole batch in memory.
        return {sentence: row.clone() for sentence, row in zip(sentences, embeddings, strict=True)}

    def _length(self, sentences: list[str]) -> int:
        tokens = self._tokenizer(sentences, truncation=True, max_length=self._max_tokens)["input_ids"]
        longest = max(len(sentence) for sentence in tokens)
        return min(-(-longest // TOKEN_MULTIPLE) * TOKEN_MULTIPLE, self._max_tokens)

    def _checked(self, features: Any, part: str) -> Tensor:
        """Return the rows scaled to length 1: [rows, features], float32 on the CPU."""
        rows: Tensor = features.pooler_output.float().cpu()
        check_finite(rows, model=self._name, part=part, module=self._image._module)
        return _normalised(rows)


def _normalised(rows: Tensor) -> Tensor:
    """Return rows scaled to length 1, in float32."""
    return functional.normalize(rows.float(), dim=-1)
