"""Copies of a pipeline for each job, which share its weights and nothing that a job changes."""

from brushwork_workers.families.diffusion.pipeline_copies.job_copies import PipelineCopies

__all__ = ["PipelineCopies"]
