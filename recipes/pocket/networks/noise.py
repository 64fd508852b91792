"""The noise schedule of the latents, for training and as the default of the pipeline."""

from diffusers.schedulers.scheduling_ddim import DDIMScheduler


def build_scheduler() -> DDIMScheduler:
    """Build the DDIM scheduler: v-prediction, zero terminal SNR, trailing steps."""
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
