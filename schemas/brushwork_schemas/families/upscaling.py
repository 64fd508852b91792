"""Families of models that upscale pictures."""

from brushwork_schemas.families.family import Family

FAMILIES = (
    Family(
        name="stable-diffusion-upscale",
        library="diffusers",
        loader="brushwork_workers.families.upscaling.diffusion_upscaler:load",
        classes=("StableDiffusionUpscalePipeline",),
        kinds=("image-upscaling",),
        accepts=(
            *("prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "noise_level", "seed"),
            "acceleration",
        ),
        defaults={"num_inference_steps": 50, "guidance_scale": 9.0, "noise_level": 20},
    ),
    Family(
        name="swin2sr",
        library="transformers",
        loader="brushwork_workers.families.upscaling.swin2sr:load",
        classes=("Swin2SRForImageSuperResolution",),
        kinds=("image-upscaling",),
    ),
)
