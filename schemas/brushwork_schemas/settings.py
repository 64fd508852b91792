"""What can be set: by `BRUSHWORK_...` in the environment, or by the `brushwork.env` of `brushwork up`."""

import os
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

DATA_DIR = Path("brushwork-data")
ENV_FILE = "brushwork.env"


def data_dir() -> Path:
    """Where `brushwork up` keeps everything: `BRUSHWORK_DATA`, else `./brushwork-data`."""
    return Path(os.environ.get("BRUSHWORK_DATA") or DATA_DIR)


class Settings(BaseSettings):
    """Addresses and bounds. Arguments win over the environment, the environment over `brushwork.env`."""

    model_config = SettingsConfigDict(env_prefix="BRUSHWORK_", extra="ignore", frozen=True)

    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="Broker: redis://, rediss:// or sentinel://.",
    )
    database_url: SecretStr = Field(
        SecretStr("sqlite:///brushwork-data/ledger.sqlite3"),
        description="Ledger: sqlite:///file or postgresql+psycopg://user:password@host/name.",
    )
    artifacts_url: str = Field("brushwork-data/artifacts", description="A folder, or s3://bucket/prefix.")
    catalogue: Path | None = Field(None, description="TOML file whose models are added to the packaged ones.")
    models: str | None = Field(
        None,
        description="Names, comma-separated: a worker loads only these; by default all of its kinds.",
    )
    image_addresses: bool = Field(
        False, description="Whether a client may fetch pictures by http(s) address."
    )

    device: str = Field("auto", description="torch device: auto, cpu, cuda, cuda:1, mps.")
    lease_s: float = Field(12.0, gt=0, description="A worker silent for so long loses its jobs.")
    heartbeat_s: float = Field(2.0, gt=0, description="Seconds between renewals of all leases of a worker.")
    sweep_s: float = Field(3.0, gt=0, description="Seconds between looks for lost jobs and lost messages.")
    redispatch_after_s: float = Field(
        10.0, gt=0, description="A queued job is published again at the earliest after so long."
    )
    max_attempts: int = Field(3, ge=1, le=100, description="Runs of a job before it ends as worker_lost.")
    grace_s: float = Field(30.0, ge=0, description="A stopping worker waits so long for its running jobs.")
    publish_timeout_s: float = Field(2.0, gt=0, description="Submit waits for Redis at most about so long.")

    @classmethod
    def load(cls, **overrides: Any) -> "Settings":
        """Settings of this process; an override that is None counts as not given."""
        env_file = data_dir() / ENV_FILE
        given = {name: value for name, value in overrides.items() if value is not None}
        return cls(_env_file=env_file if env_file.is_file() else None, **given)
