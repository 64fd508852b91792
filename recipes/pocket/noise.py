"""The noise schedule of the latents, in training and as the pipeline's default."""

from diffusers.schedulers.scheduling_ddim import DDIMScheduler


def build_scheduler() -> DDIMScheduler:
    """DDIM's: v-prediction, zero terminal SNR, trailing steps."""
    scheduler: DDIMScheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )
    return scheduler
