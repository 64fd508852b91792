"""Jobs found again, whoever wrote them."""

from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger, WriteOutcome
from brushwork_core.queries.job_index import JobIndex

from tests.jobs import new_job, result_of


def test_a_result_of_a_newer_version_hides_no_other_job(database: Database, ledger: Ledger) -> None:
    ledger.submit([new_job("ours"), new_job("newer")])
    for job_id, result in {"ours": result_of(1), "newer": {"version": 9, "pages": ["x"]}}.items():
        claim = ledger.claim(job_id, "worker")
        assert claim is not None
        assert ledger.complete(job_id, claim.fence, result) is WriteOutcome.APPLIED
    found = {job.id: job.result for job in JobIndex(database).list()}
    assert found["ours"].seed == result_of(1)["seed"]
    assert found["newer"] == {"version": 9, "pages": ["x"]}
