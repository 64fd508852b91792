"""One gateway for the quick form of all attacks: it may open few files, and its limits are short."""

from collections.abc import Iterator

import pytest

from tests.attacks.attacked import Attacked, attacked
from tests.receivers import SECRET

QUICK = {
    "BRUSHWORK_WEBHOOK_SECRET": SECRET,
    "BRUSHWORK_WEBHOOK_PRIVATE": "true",
    "BRUSHWORK_HEAD_TIMEOUT_S": "1",
    "BRUSHWORK_BODY_TIMEOUT_S": "1",
    "BRUSHWORK_ANSWER_TIMEOUT_S": "1",
}


@pytest.fixture(scope="session")
def attacked_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """A gateway process with keys of an innocent and of an attacking tenant."""
    folder = tmp_path_factory.mktemp("attacked")
    with attacked(folder, max_files=256, environment=QUICK) as gateway:
        yield gateway
