"""The few-step denoiser: a fifth of the size of the other one, four steps, no guidance.

It is trained only at the four timesteps of a run of four trailing steps, and always with the prompt. Its
whole capacity is used for these steps, and a picture needs 4 small passes instead of 24.
"""

from pathlib import Path

from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

from recipes.pocket.networks.denoiser import BATCH, NUM_EVALUATED, build, few_timesteps, make_loss, pool_of
from recipes.pocket.networks.judging import generation_accuracy
from recipes.pocket.networks.parts import Parts
from recipes.pocket.training import learning_curve, process_group
from recipes.pocket.training.device import device, on_device
from recipes.pocket.training.loop import Loop, Plan, TimeBudget

STEPS = 4
WIDTHS = (40, 80)


def pipeline(out: Path) -> StableDiffusionPipeline:
    """Return the standard pipeline with the few-step denoiser in `out`."""
    unet = UNet2DConditionModel.from_pretrained(out / "turbo-unet")
    return Parts.load(out).pipeline(on_device(unet).eval())


def train(out: Path, budget: TimeBudget) -> bool:
    """Train the few-step denoiser and save it to `out / "turbo-unet"`."""
    parts, unet = Parts.load(out), build(WIDTHS, norm_groups=8)
    unet.set_attn_processor(AttnProcessor())
    unet = on_device(unet)
    loop = Loop({"unet": unet}, Plan(budget, 2e-3, average=0.9995, hold=0.3), out / "turbo")

    def evaluate() -> None:
        average = build(WIDTHS, norm_groups=8)
        average.load_state_dict(loop.averages["unet"])
        average.eval().save_pretrained(out / "turbo-unet", max_shard_size="12MB")
        one, two = (
            generation_accuracy(pipeline(out), count, NUM_EVALUATED, 3300, STEPS, 1.0) for count in (1, 2)
        )
        samples = loop.step * BATCH[device().type] * process_group.world_size()
        learning_curve.note(out, "turbo", loop.spent_s / 60, samples, (one, two))

    loss = make_loss(unet, parts, pool_of(parts, out), few_timesteps, unconditional=0.0)
    finished = loop.run(loss, evaluate, evaluate_every_s=240.0)
    if finished and process_group.rank() == 0:
        evaluate()
    return finished
