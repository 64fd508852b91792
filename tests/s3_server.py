"""An S3 server for the tests: moto's, in a process of its own, with a new bucket for each test."""

import secrets
import sys
from dataclasses import dataclass, field
from xml.etree import ElementTree

import httpx

from tests.servers import Server, free_port

REGION = "eu-central-1"
KEY = "testing"
# moto accepts every signature.
SECRET = "testing-secret"
_SIGNED = {
    "Authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/{REGION}/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
}


@dataclass(frozen=True)
class Bucket:
    """An empty bucket, and the environment with which obstore, boto3 and the AWS command line reach it."""

    name: str
    endpoint: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The value of BRUSHWORK_ARTIFACTS_URL. The files lie below a prefix, as in most installations."""
        return f"s3://{self.name}/pictures"

    def names(self) -> list[str]:
        """The names of all objects, in order."""
        listing = httpx.get(
            f"{self.endpoint}/{self.name}", params={"list-type": "2"}, timeout=10, headers=_SIGNED
        ).text
        return [key.text or "" for key in ElementTree.fromstring(listing).iter() if key.tag.endswith("}Key")]  # noqa: S314

    def read(self, name: str) -> bytes:
        """The bytes of an object."""
        return (
            httpx.get(f"{self.endpoint}/{self.name}/{name}", timeout=10, headers=_SIGNED)
            .raise_for_status()
            .content
        )

    def overwrite(self, name: str, data: bytes) -> None:
        """Replace the bytes of an object, or add one."""
        httpx.put(
            f"{self.endpoint}/{self.name}/{name}", content=data, timeout=10, headers=_SIGNED
        ).raise_for_status()

    def remove(self, name: str) -> None:
        """Delete an object."""
        httpx.delete(f"{self.endpoint}/{self.name}/{name}", timeout=10, headers=_SIGNED).raise_for_status()

    def remove_bucket(self) -> None:
        """Delete the bucket with all that is in it."""
        for name in self.names():
            self.remove(name)
        httpx.delete(f"{self.endpoint}/{self.name}", timeout=10, headers=_SIGNED).raise_for_status()


class S3Server(Server):
    """moto's S3: it keeps its buckets in memory, so a stopped server forgets them.

    A fault suite stops it with `freeze` (silent), or puts `tests/chaos/proxy.py` in front of it (refusing).
    """

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()

    @property
    def endpoint(self) -> str:
        """The value of AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.endpoint}/moto-api/", timeout=5).is_success
        except httpx.TransportError:
            return False

    def bucket(self, name: str = "", *, endpoint: str = "") -> Bucket:
        """Make an empty bucket.

        Args:
            name: Its name; empty for a new one.
            endpoint: The address in the bucket's environment, where a proxy stands before this server.
        """
        name = name or f"test-{secrets.token_hex(8)}"
        made = httpx.put(
            f"{self.endpoint}/{name}", timeout=10, headers=_SIGNED,
            content=f"<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint>"
            "</CreateBucketConfiguration>",
        )  # fmt: skip
        made.raise_for_status()
        return Bucket(name, self.endpoint, s3_environment(endpoint or self.endpoint))


def s3_environment(endpoint: str) -> dict[str, str]:
    """The environment of a process whose S3 server has this address."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ALLOW_HTTP": "true",
    }
