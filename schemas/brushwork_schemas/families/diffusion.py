"""Families of diffusers pipelines that generate pictures from prompts."""

from brushwork_schemas.families.family import Family

GENERATION = ("text-to-image", "image-to-image", "inpainting")
_SHARED = ("negative_prompt", "scheduler", "loras", "controlnet", "acceleration")
_OF_UNETS = ("ip_adapters", "prompt_weighting")
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

FAMILIES = (
    Family(
        name="stable-diffusion",
        library="diffusers",
        loader="brushwork_workers.families.diffusion.loading:load",
        classes=(
            "StableDiffusionPipeline",
            "StableDiffusionImg2ImgPipeline",
            "StableDiffusionInpaintPipeline",
        ),
        kinds=GENERATION,
        accepts=(*_SHARED, "clip_skip", *_OF_UNETS),
        defaults={
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
        name="stable-diffusion-xl",
        library="diffusers",
        loader="brushwork_workers.families.diffusion.loading:load",
        classes=(
            "StableDiffusionXLPipeline",
            "StableDiffusionXLImg2ImgPipeline",
            "StableDiffusionXLInpaintPipeline",
        ),
        kinds=GENERATION,
        accepts=(*_SHARED, "clip_skip", *_OF_UNETS),
        defaults={
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
        name="stable-diffusion-3",
        library="diffusers",
        loader="brushwork_workers.families.diffusion.loading:load",
        classes=("StableDiffusion3Pipeline",),
        kinds=GENERATION,
        accepts=(*_SHARED, "clip_skip"),
        defaults={
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
        name="flux",
        library="diffusers",
        loader="brushwork_workers.families.diffusion.loading:load",
        classes=("FluxPipeline",),
        kinds=GENERATION,
        accepts=("scheduler", "loras", "controlnet", "acceleration"),
        defaults={
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
        name="pixart-sigma",
        library="diffusers",
        loader="brushwork_workers.families.diffusion.loading:load",
        classes=("PixArtSigmaPipeline",),
        kinds=("text-to-image",),
        accepts=("negative_prompt", "scheduler", "acceleration"),
        defaults={"width": 1024, "height": 1024, "num_inference_steps": 20, "guidance_scale": 4.5},
        multiple_of=16,
        schedulers=_OF_NOISE,
        needs=("sentencepiece", "protobuf"),
    ),
    Family(
        name="sana",
        library="diffusers",
        loader="brushwork_workers.families.diffusion.loading:load",
        classes=("SanaPipeline",),
        kinds=("text-to-image",),
        accepts=_SHARED,
        defaults={"width": 1024, "height": 1024, "num_inference_steps": 20, "guidance_scale": 4.5},
        multiple_of=32,
        schedulers=_OF_FLOW,
    ),
    Family(
        name="qwen-image",
        library="diffusers",
        loader="brushwork_workers.families.diffusion.loading:load",
        classes=("QwenImagePipeline",),
        kinds=GENERATION,
        accepts=_SHARED,
        defaults={
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
    # Every other pipeline of diffusers. What one can do is described in the catalogue entry of each model.
    Family(
        name="diffusers",
        library="diffusers",
        loader="brushwork_workers.families.diffusion.loading:load",
        classes=("*Pipeline",),
        kinds=(*GENERATION, "image-editing", "text-to-video", "image-to-video"),
        is_described=True,
    ),
)
