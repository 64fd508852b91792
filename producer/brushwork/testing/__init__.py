"""Clients for a backend's own tests: no Redis, no database, no model. See docs/testing.md."""

from brushwork.testing.fake_client import FakeAsyncClient, FakeClient

__all__ = ["FakeAsyncClient", "FakeClient"]
