"""Who decodes here, and for which tenant: known wherever in a call a picture is decoded."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from brushwork_core.media.decoders.decoder import Decoder, in_process

_TENANT: ContextVar[str | None] = ContextVar("decoding tenant", default=None)
_DECODER: ContextVar[Decoder | None] = ContextVar("decoder", default=None)


@contextmanager
def on_behalf_of(tenant: str | None, decoder: Decoder | None = None) -> Iterator[None]:
    """Name the tenant whose pictures are decoded inside of the `with` block, in this thread or task.

    Args:
        tenant: Tenants take turns. None for callers that are not told apart.
        decoder: What decodes where no other decoder is given; None for this process.
    """
    tenant_before, decoder_before = _TENANT.set(tenant), _DECODER.set(decoder)
    try:
        yield
    finally:
        _DECODER.reset(decoder_before)
        _TENANT.reset(tenant_before)


def current_tenant() -> str | None:
    """Return the tenant whose pictures are decoded now."""
    return _TENANT.get()


def current_decoder() -> Decoder:
    """Return what decodes here."""
    return _DECODER.get() or in_process()
