"""The few-step denoiser: a fifth of the other's size, four steps, no guidance.

It is trained at the four timesteps alone that a run of four trailing steps visits, with the prompt always
there: the whole net is spent on what is asked of it, and a picture costs 4 small passes instead of 24.
"""

from pathlib import Path

from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

from recipes.pocket import curve, gang
from recipes.pocket.denoiser import BATCH, WATCHED, build, few_timesteps, make_loss, pool_of
from recipes.pocket.device import device, placed
from recipes.pocket.judging import painted
from recipes.pocket.parts import Parts
from recipes.pocket.training import Loop, Plan, TimeBudget

STEPS = 4
WIDTHS = (40, 80)


def pipeline(out: Path) -> StableDiffusionPipeline:
    """The stock pipeline around the few-step denoiser trained into `out`."""
    unet = UNet2DConditionModel.from_pretrained(out / "turbo-unet")
    return Parts.load(out).pipeline(placed(unet).eval())


def train(out: Path, budget: TimeBudget) -> bool:
    """Trains the few-step denoiser into `out / "turbo-unet"`."""
    parts, unet = Parts.load(out), build(WIDTHS, norm_groups=8)
    unet.set_attn_processor(AttnProcessor())
    unet = placed(unet)
    loop = Loop({"unet": unet}, Plan(budget, 2e-3, average=0.9995, hold=0.3), out / "turbo")

    def watch() -> None:
        average = build(WIDTHS, norm_groups=8)
        average.load_state_dict(loop.averages["unet"])
        average.eval().save_pretrained(out / "turbo-unet", max_shard_size="12MB")
        one, two = (painted(pipeline(out), count, WATCHED, 3300, STEPS, 1.0) for count in (1, 2))
        samples = loop.step * BATCH[device().type] * gang.size()
        curve.note(out, "turbo", loop.spent_s / 60, samples, (one, two))

    loss = make_loss(unet, parts, pool_of(parts, out), few_timesteps, unconditional=0.0)
    finished = loop.run(loss, watch, watch_every_s=240.0)
    if finished and gang.place() == 0:
        watch()
    return finished
