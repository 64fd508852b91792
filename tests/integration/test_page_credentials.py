"""The badge of a job with several pictures: each says its own, and what is equal stands once."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Completion, Ledger
from brushwork_core.provenance.credentials.signer import Signer
from brushwork_core.settings.settings import Settings
from starlette.testclient import TestClient

from tests.gateways import gateway, settings_at
from tests.jobs import claimed, new_job, result_of
from tests.signing_identities import encoded, generated, stranger

pytestmark = pytest.mark.one_database("the page is the same on both")
Shown = Callable[[Sequence[bytes]], str]


@pytest.fixture
def shown(sqlite_url: str, tmp_path: Path) -> Iterator[Shown]:
    """The page of a job that has made these pictures."""
    own = settings_at(sqlite_url, tmp_path)
    with gateway(own) as http:
        yield lambda files: page_of(http, own, files)


def page_of(http: TestClient, own: Settings, files: Sequence[bytes]) -> str:
    database = Database(own.database_url.get_secret_value())
    store = ArtifactStore(own.artifacts_url)
    made = [store.put_picture(data) for data in files]
    ledger = Ledger(database, lease_s=600)
    ledger.submit([new_job("job")])
    result = {**result_of(1), "images": [each.model_dump(mode="json") for each in made]}
    result["seeds"] = list(range(len(files)))
    end = Completion("job", claimed(ledger, "job").fence, result, tuple(made))
    ledger.complete_many([end])
    database.close()
    return http.get("/jobs/job").text


def signed(number: int, side: int = 16) -> bytes:
    """A signed picture, each of another size."""
    return Signer(stranger()).sign(encoded("PNG", side=side + number), "image/png", generated())


def tampered() -> bytes:
    """A signed picture with the pixels of another one."""
    data, other = signed(1), encoded("PNG", (200, 90, 30), side=17)
    return data[: data.index(b"IDAT") - 4] + other[other.index(b"IDAT") - 4 :]


def badge(page: str) -> str:
    found = re.search(r'<details class="credentials".*?</details>', page, re.DOTALL)
    return found[0] if found else ""


def test_what_is_equal_of_all_pictures_stands_once(shown: Shown) -> None:
    page = shown([signed(0), signed(1), signed(2)])
    assert badge(page).count("<h3") == 0
    assert badge(page).count('<ol class="history">') == 1
    for number in (1, 2, 3):
        assert f'href="#credentials-{number}"' in page
        assert f'id="credentials-{number}"' in badge(page)


def test_pictures_that_differ_stand_for_themselves(shown: Shown) -> None:
    page = shown([signed(0), encoded("PNG", side=30), signed(2), tampered()])
    found = badge(page)
    assert "they differ by picture" in found
    assert len(re.findall("<h3", found)) == 3
    assert "Picture 1</span>, <span" in found
    assert "This picture says nothing" in found
    assert "the picture was changed after it was signed" in found
    assert 'href="#credentials-2"' not in page
    assert 'class="mark is-tampered" href="#credentials-4"' in page


def test_one_picture_has_no_numbers(shown: Shown) -> None:
    page = shown([signed(0)])
    assert badge(page).count("<h3") == 0
    assert 'class="mark' not in page


def test_pictures_that_say_nothing_have_no_badge(shown: Shown) -> None:
    page = shown([encoded("PNG", side=16), encoded("PNG", side=17)])
    assert badge(page) == ""
    assert 'class="mark' not in page
