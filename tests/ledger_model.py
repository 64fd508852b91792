"""What the ledger should hold and answer, in plain Python: the other side of the random walk."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

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
    # By an older program, which has sent a message.
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

    def waits_for(self, worker: str) -> bool:
        """Whether it waits for its turn, and `worker` may have it."""
        return self.may_start() and not self.dispatched and self.avoids != worker

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

    def waiting(self, worker: str) -> dict[str, list[str]]:
        """The ids of the jobs that `worker` may have next, by tenant, the oldest first."""
        waiting: dict[str, list[str]] = {}
        for job_id, job in self.jobs.items():
            if job.waits_for(worker):
                waiting.setdefault(job.tenant, []).append(job_id)
        return waiting

    def submit(self, job_id: str, job: ModelJob) -> None:
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

    def claim_sent(self, job: ModelJob, worker: str, lease_s: float) -> bool:
        """By a message of an older program."""
        return job.dispatched and self.claim(job, worker, lease_s)

    def forget_messages(self) -> int:
        """Let all jobs with a message wait for their turn; their number."""
        sent = [job for job in self.jobs.values() if job.state is JobState.QUEUED and job.dispatched]
        for job in sent:
            job.dispatched = False
        return len(sent)

    def expect_claims(self, found: list[str], worker: str, limit: int, after: str | None) -> None:
        """Check whose jobs were claimed next.

        Each job goes to the tenant that runs the fewest (max-min fairness); of equals, to the one whose turn
        comes first. Each tenant's oldest go first.
        """
        waiting = self.waiting(worker)
        assert len(found) == min(limit, sum(map(len, waiting.values())))
        given = {name: [job_id for job_id in found if job_id in ids] for name, ids in waiting.items()}
        assert all(ids == waiting[name][: len(ids)] for name, ids in given.items())
        before = Counter(job.tenant for job in self.running().values())
        runs = {name: before[name] + len(ids) for name, ids in given.items()}
        for name, ids in given.items():
            for other in waiting:
                # Who got one did not run more than another who would have liked it.
                assert not ids or len(given[other]) == len(waiting[other]) or runs[name] - 1 <= runs[other]
        if limit == 1 and found and (after is not None or not self.running()):
            later = sorted(waiting, key=lambda name: (after is not None and name <= after, name))
            assert found[0] in waiting[min(later, key=lambda name: before[name])]

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
