"""Families of models: what each can be asked, known from the class names in its files."""

from brushwork_schemas.families.family import Family

GENERATION = ("text-to-image", "image-to-image", "inpainting")
_SHARED = ("negative_prompt", "scheduler", "loras", "controlnet")
# Classes of diffusers that work with a family's pipelines: tried, each of them, on tiny models.
_OF_FLOW = (
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "DEISMultistepScheduler",
    "UniPCMultistepScheduler",
)
# Flux and Qwen-Image say which noise levels they want, which only these two listen to.
_OF_GIVEN_SIGMAS = ("FlowMatchEulerDiscreteScheduler", "UniPCMultistepScheduler")
_OF_NOISE = (
    "DDIMScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "UniPCMultistepScheduler",
)
_DECODING = ("num_beams", "num_return_sequences", "do_sample", "temperature", "top_p", "seed")


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            "stable-diffusion",
            "diffusers",
            (
                "StableDiffusionPipeline",
                "StableDiffusionImg2ImgPipeline",
                "StableDiffusionInpaintPipeline",
            ),
            GENERATION,
            (*_SHARED, "clip_skip"),
            {
                "width": 512,
                "height": 512,
                "num_inference_steps": 30,
                "guidance_scale": 7.5,
                "image-to-image": {"strength": 0.8},
                "inpainting": {"strength": 1.0},
            },
            schedulers=_OF_NOISE,
        ),
        Family(
            "stable-diffusion-xl",
            "diffusers",
            (
                "StableDiffusionXLPipeline",
                "StableDiffusionXLImg2ImgPipeline",
                "StableDiffusionXLInpaintPipeline",
            ),
            GENERATION,
            (*_SHARED, "clip_skip"),
            {
                "width": 1024,
                "height": 1024,
                "num_inference_steps": 30,
                "guidance_scale": 5.0,
                "image-to-image": {"strength": 0.3},
                "inpainting": {"strength": 0.9999},
            },
            schedulers=_OF_NOISE,
        ),
        Family(
            "stable-diffusion-3",
            "diffusers",
            ("StableDiffusion3Pipeline",),
            GENERATION,
            (*_SHARED, "clip_skip"),
            {
                "width": 1024,
                "height": 1024,
                "num_inference_steps": 28,
                "guidance_scale": 7.0,
                "image-to-image": {"strength": 0.6},
                "inpainting": {"strength": 0.6},
            },
            multiple_of=16,
            schedulers=_OF_FLOW,
        ),
        Family(
            "flux",
            "diffusers",
            ("FluxPipeline",),
            GENERATION,
            ("scheduler", "loras", "controlnet"),
            {
                "width": 1024,
                "height": 1024,
                "num_inference_steps": 28,
                "guidance_scale": 3.5,
                "image-to-image": {"strength": 0.6},
                "inpainting": {"strength": 0.6},
            },
            multiple_of=16,
            schedulers=_OF_GIVEN_SIGMAS,
        ),
        Family(
            "pixart-sigma",
            "diffusers",
            ("PixArtSigmaPipeline",),
            ("text-to-image",),
            ("negative_prompt", "scheduler"),
            {"width": 1024, "height": 1024, "num_inference_steps": 20, "guidance_scale": 4.5},
            multiple_of=16,
            schedulers=_OF_NOISE,
            needs=("sentencepiece", "protobuf"),
        ),
        Family(
            "sana",
            "diffusers",
            ("SanaPipeline",),
            ("text-to-image",),
            _SHARED,
            {"width": 1024, "height": 1024, "num_inference_steps": 20, "guidance_scale": 4.5},
            multiple_of=32,
            schedulers=_OF_FLOW,
        ),
        Family(
            "qwen-image",
            "diffusers",
            ("QwenImagePipeline",),
            GENERATION,
            _SHARED,
            {
                "width": 1024,
                "height": 1024,
                "num_inference_steps": 50,
                "guidance_scale": 4.0,
                "image-to-image": {"strength": 0.6},
                "inpainting": {"strength": 0.6},
            },
            multiple_of=16,
            schedulers=_OF_GIVEN_SIGMAS,
        ),
        Family(
            "stable-diffusion-upscale",
            "diffusers",
            ("StableDiffusionUpscalePipeline",),
            ("image-upscaling",),
            ("prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "noise_level", "seed"),
            {"num_inference_steps": 50, "guidance_scale": 9.0, "noise_level": 20},
        ),
        Family(
            "swin2sr",
            "transformers",
            ("Swin2SRForImageSuperResolution",),
            ("image-upscaling",),
        ),
        Family(
            "vision-encoder-decoder",
            "transformers",
            ("VisionEncoderDecoderModel",),
            ("image-to-text",),
            ("prompt", *_DECODING),
        ),
        Family(
            "blip",
            "transformers",
            ("BlipForConditionalGeneration",),
            ("image-to-text",),
            ("prompt", *_DECODING),
            {"max_new_tokens": 50},
        ),
        Family(
            "git",
            "transformers",
            ("GitForCausalLM",),
            ("image-to-text",),
            _DECODING,
            {"max_new_tokens": 50},
        ),
        Family(
            "florence-2",
            "transformers",
            ("Florence2ForConditionalGeneration",),
            ("image-to-text",),
            ("prompt", *_DECODING),
            {"prompt": "<CAPTION>", "max_new_tokens": 256, "num_beams": 3},
        ),
        Family(
            "image-text-to-text",
            "transformers",
            ("Idefics3ForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration"),
            ("image-to-text",),
            ("prompt", *_DECODING),
            {"prompt": "Describe this image in one sentence.", "max_new_tokens": 128},
        ),
        # Any class that ends so; `family_of` asks for the ending.
        Family("image-classifier", "transformers", ("*ForImageClassification",), ("image-classification",)),
        Family(
            "clip",
            "transformers",
            ("CLIPModel",),
            ("image-classification",),
            ("candidate_labels", "hypothesis_template"),
            {"hypothesis_template": "This is a photo of {}."},
            requires=(("candidate_labels",),),
        ),
        Family(
            "siglip",
            "transformers",
            ("SiglipModel", "Siglip2Model"),
            ("image-classification",),
            ("candidate_labels", "hypothesis_template"),
            {"hypothesis_template": "This is a photo of {}."},
            requires=(("candidate_labels",),),
        ),
        Family(
            "semantic-segmenter",
            "transformers",
            ("*ForSemanticSegmentation",),
            ("image-segmentation",),
        ),
        Family(
            "universal-segmenter",
            "transformers",
            ("Mask2FormerForUniversalSegmentation", "MaskFormerForInstanceSegmentation"),
            ("image-segmentation",),
            ("task", "threshold"),
            {"task": "semantic"},
            needs=("scipy",),
        ),
        Family(
            "oneformer",
            "transformers",
            ("OneFormerForUniversalSegmentation",),
            ("image-segmentation",),
            ("task", "threshold"),
            {"task": "semantic"},
            needs=("scipy",),
        ),
        Family(
            "sam-2",
            "transformers",
            # Published checkpoints name the class for videos, of which the one for pictures is a part.
            ("Sam2Model", "Sam2VideoModel"),
            ("image-segmentation",),
            ("points", "boxes"),
            requires=(("points", "boxes"),),
        ),
        Family("torchvision-classifier", "torchvision", (), ("image-classification",)),
        Family("torchvision-segmenter", "torchvision", (), ("image-segmentation",)),
        Family(
            "classifier-training", "brushwork", (), ("image-classification-training",), ("freeze_backbone",)
        ),
        Family("trained-classifier", "brushwork", (), ("image-classification",)),
    )
}


def family_of(class_name: str) -> Family | None:
    """The family whose checkpoints name that class; None where none does."""
    for family in FAMILIES.values():
        for known in family.classes:
            if class_name == known or (known[0] == "*" and class_name.endswith(known[1:])):
                return family
    return None
