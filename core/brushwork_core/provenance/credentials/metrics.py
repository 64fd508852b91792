"""Metrics of signing: until when the certificate is valid, and what became of pictures."""

from collections.abc import Iterator

from brushwork_schemas.errors import BrushworkError
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from brushwork_core.provenance.credentials.output_signer import OutputSigner


class SigningMetrics(Collector):
    """Collects the metrics of a signer.

    Args:
        signer: Signs the pictures of this process.
    """

    def __init__(self, signer: OutputSigner) -> None:
        self._signer = signer

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; the time only if a certificate can be used."""
        pictures = CounterMetricFamily(
            "brushwork_signed_pictures",
            "Pictures that were to be signed: signed, stored unsigned, or failed.",
            labels=["outcome"],
        )
        for outcome, number in self._signer.counts().items():
            pictures.add_metric([outcome], number)
        yield pictures
        expiry = GaugeMetricFamily(
            "brushwork_certificate_expiry_timestamp_seconds",
            "When the certificate that signs pictures expires; 0 if it cannot be used.",
        )
        if self._signer.is_configured:
            expiry.add_metric([], self._expiry())
        yield expiry

    def _expiry(self) -> float:
        try:
            return self._signer.expires_at()
        # A missing file, or a package that is not installed: the worker goes on, and the log has the reason.
        except BrushworkError:
            return 0.0
