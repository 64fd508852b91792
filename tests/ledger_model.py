"""What the ledger should hold and answer, in plain Python: the other side of the random walk."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import chain, zip_longest

from brushwork_core.ledger.attempts import OWN_ERROR
from brushwork_schemas.states import JobState


@dataclass
class ModelJob:
    """One job."""

    max_attempts: int
    tenant: str = ""
    is_told: bool = False
    state: JobState = JobState.QUEUED
    fence: int = 0
    attempt: int = 0
    worker: str | None = None
    withdrawn: bool = False
    lease_left_s: float = 0.0
    dispatched: bool = False
    paused: bool = False
    avoids: str | None = None
    overdue: bool = False
    suspicion: str | None = None
    performing: bool = False
    results: list[int] = field(default_factory=list)

    def is_held(self, age: int) -> bool:
        """Whether the attempt of `age` fences ago is the one that runs."""
        return self.state is JobState.RUNNING and age == 0

    def may_start(self) -> bool:
        return self.state is JobState.QUEUED and not self.paused and not self.overdue

    def waits(self) -> bool:
        """Whether it is to get a message."""
        return self.may_start() and not self.dispatched

    def end(self, state: JobState) -> None:
        self.state, self.performing = state, False

    def requeue(self, *, charged: bool = True) -> None:
        self.state, self.worker = JobState.QUEUED, None
        self.performing = self.dispatched = False
        self.fence += 1
        self.attempt -= not charged


class LedgerModel:
    """All jobs, in the order of their submission."""

    def __init__(self) -> None:
        self.jobs: dict[str, ModelJob] = {}

    def running(self, worker: str | None = None) -> dict[str, ModelJob]:
        return {
            job_id: job
            for job_id, job in self.jobs.items()
            if job.state is JobState.RUNNING and worker in (None, job.worker)
        }

    def waiting(self) -> dict[str, ModelJob]:
        return {job_id: job for job_id, job in self.jobs.items() if job.waits()}

    def submit(self, job_id: str, job: ModelJob) -> None:
        job.dispatched = job.dispatched and not self.waiting()
        self.jobs[job_id] = job

    def claim(self, job: ModelJob, worker: str, lease_s: float) -> bool:
        if not job.may_start() or job.avoids == worker:
            job.dispatched = job.dispatched and job.state is not JobState.QUEUED
            return False
        job.state, job.worker, job.lease_left_s = JobState.RUNNING, worker, lease_s
        job.performing = job.suspicion is None
        job.fence += 1
        job.attempt += 1
        return True

    def give_back(self, job: ModelJob, *, charged: bool) -> None:
        if job.withdrawn:
            job.end(JobState.CANCELED)
        elif charged and job.attempt >= job.max_attempts:
            job.end(JobState.FAILED)
        else:
            job.requeue(charged=charged)

    def dispatch(self, limit: int, after: str | None) -> list[str]:
        """The ids whose turn it is."""
        waiting = self.waiting()
        names = sorted({job.tenant for job in waiting.values()})
        later = [name for name in names if after is None or name > after]
        tenants = [*later, *(name for name in names if name not in later)][:limit]
        share = -(-limit // len(tenants)) if tenants else 0
        turns = [
            [job_id for job_id, job in waiting.items() if job.tenant == name][:share] for name in tenants
        ]
        chosen = [job_id for job_id in chain.from_iterable(zip_longest(*turns)) if job_id][:limit]
        for job_id in chosen:
            self.jobs[job_id].dispatched = True
        return chosen

    def expire_queued(self) -> set[str]:
        late = {job_id for job_id, job in self.jobs.items() if job.state is JobState.QUEUED and job.overdue}
        for job_id in late:
            self.jobs[job_id].end(JobState.EXPIRED)
        return late

    def reap(self, beating: Collection[str], dead: Collection[str]) -> dict[str, set[str]]:
        """What becomes of the lost jobs: the names of `Reaped`, and ids."""
        running = self.running()
        silent = {job.worker for job in running.values() if job.lease_left_s <= 0}
        gone = silent - set(beating) | set(dead)
        lost = {job_id: job for job_id, job in running.items() if job.lease_left_s <= 0 or job.worker in gone}
        num_performing = Counter(job.worker for job in lost.values() if job.performing)
        fates: dict[str, set[str]] = {
            name: set() for name in ("queued", "failed", "canceled", "expired", "suspects")
        }
        cleared = []
        for job_id, job in lost.items():
            is_only_one, before = num_performing[job.worker] == 1, job.suspicion
            for name in self._lose(job, job.worker in gone, is_only_one):
                if name == "guilty" and before not in (None, OWN_ERROR):
                    cleared.append((before, job_id))
                elif name != "guilty":
                    fates[name].add(job_id)
        for suspicion, guilty in cleared:
            self._clear(suspicion, guilty)
        return fates

    def _lose(self, job: ModelJob, is_gone: bool, is_only_one: bool) -> Iterator[str]:
        """Move one lost job; what it is counted among."""
        if job.withdrawn or job.overdue:
            job.end(JobState.CANCELED if job.withdrawn else JobState.EXPIRED)
            yield job.state.value
        elif is_gone and not job.performing:
            job.requeue(charged=False)
            yield "queued"
        elif is_gone and not is_only_one:
            job.suspicion = job.worker
            job.requeue(charged=False)
            yield from ("queued", "suspects")
        else:
            if is_gone:
                yield "guilty"
            if job.attempt >= job.max_attempts:
                job.end(JobState.FAILED)
                yield "failed"
            else:
                job.suspicion = job.worker if is_gone else job.suspicion
                job.requeue()
                yield "queued"

    def _clear(self, suspicion: str | None, guilty: str) -> None:
        for job_id, job in self.jobs.items():
            if job.state is JobState.QUEUED and job.suspicion == suspicion and job_id != guilty:
                job.suspicion = None
