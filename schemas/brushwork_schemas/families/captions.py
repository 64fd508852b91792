"""Families of models that describe pictures."""

from brushwork_schemas.families.family import Family

_DECODING = ("num_beams", "num_return_sequences", "do_sample", "temperature", "top_p", "seed")

FAMILIES = (
    Family(
        name="vision-encoder-decoder",
        library="transformers",
        loader="brushwork_workers.families.captions.encoder_decoder:load",
        classes=("VisionEncoderDecoderModel",),
        kinds=("image-to-text",),
        accepts=("prompt", *_DECODING),
    ),
    Family(
        name="blip",
        library="transformers",
        loader="brushwork_workers.families.captions.blip:load",
        classes=("BlipForConditionalGeneration",),
        kinds=("image-to-text",),
        accepts=("prompt", *_DECODING),
        defaults={"max_new_tokens": 50},
    ),
    Family(
        name="git",
        library="transformers",
        loader="brushwork_workers.families.captions.git:load",
        classes=("GitForCausalLM",),
        kinds=("image-to-text",),
        accepts=_DECODING,
        defaults={"max_new_tokens": 50},
    ),
    Family(
        name="florence-2",
        library="transformers",
        loader="brushwork_workers.families.captions.florence:load",
        classes=("Florence2ForConditionalGeneration",),
        kinds=("image-to-text",),
        accepts=("prompt", *_DECODING),
        defaults={"prompt": "<CAPTION>", "max_new_tokens": 256, "num_beams": 3},
    ),
    Family(
        name="image-text-to-text",
        library="transformers",
        loader="brushwork_workers.families.captions.chat:load",
        classes=("Idefics3ForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration"),
        kinds=("image-to-text",),
        accepts=("prompt", *_DECODING),
        defaults={"prompt": "Describe this image in one sentence.", "max_new_tokens": 128},
    ),
)
