"""Codes are stable: programs compare them, so a changed or doubled one breaks a caller."""

import inspect

import pytest
from brushwork_core.ledger import STALLED, WORKER_LOST
from brushwork_schemas import errors
from brushwork_schemas.errors import BrushworkError, InvalidRequest, store
from brushwork_schemas.job import JobError

CODES = {
    "BrushworkError": ("internal", "machine"),
    "RequestError": ("bad_request", "caller"),
    "InvalidRequest": ("invalid_request", "caller"),
    "JobNotEnded": ("job_not_ended", "caller"),
    "UnknownKind": ("unknown_kind", "caller"),
    "UnknownModel": ("unknown_model", "caller"),
    "InvalidDataset": ("invalid_dataset", "caller"),
    "InvalidImage": ("invalid_image", "caller"),
    "AddressRefused": ("address_refused", "caller"),
    "IdempotencyConflict": ("idempotency_conflict", "caller"),
    "JobNotFound": ("job_not_found", "caller"),
    "FileNotFound": ("file_not_found", "caller"),
    "KeyNotFound": ("key_not_found", "caller"),
    "RouteNotFound": ("not_found", "caller"),
    "MethodNotAllowed": ("method_not_allowed", "caller"),
    "UnsupportedMediaType": ("unsupported_media_type", "caller"),
    "RangeNotSatisfiable": ("range_not_satisfiable", "caller"),
    "HeadersTooLarge": ("request_header_fields_too_large", "caller"),
    "PayloadTooLarge": ("payload_too_large", "caller"),
    "Unauthorized": ("unauthorized", "caller"),
    "Forbidden": ("forbidden", "caller"),
    "Postponed": ("postponed", "caller"),
    "RateLimited": ("rate_limited", "caller"),
    "BudgetExceeded": ("budget_exceeded", "caller"),
    "QueueFull": ("queue_full", "caller"),
    "EventNotFound": ("event_not_found", "caller"),
    "NotFinite": ("not_finite", "operator"),
    "JobFailed": ("job_failed", "machine"),
    "WaitTimeout": ("wait_timeout", "caller"),
    "MachineError": ("machine_error", "machine"),
    "ModelUnavailable": ("model_unavailable", "operator"),
    "ModelNotHere": ("model_not_here", "operator"),
    "ModelFileMissing": ("model_file_missing", "operator"),
    "HashMismatch": ("hash_mismatch", "operator"),
    "PickledWeights": ("pickled_weights", "operator"),
    "RemoteCode": ("remote_code", "operator"),
    "UnknownModelClass": ("unknown_model_class", "operator"),
    "ModelTooLarge": ("model_too_large", "operator"),
    "ArtifactMissing": ("artifact_missing", "machine"),
    "DeviceFailed": ("device_failed", "machine"),
    "OutOfMemory": ("out_of_memory", "machine"),
    "ServiceUnreachable": ("service_unreachable", "machine"),
    "ServiceMisconfigured": ("service_misconfigured", "operator"),
    "StoreFull": ("store_full", "operator"),
    "StoreReadOnly": ("store_read_only", "operator"),
    "StoreMisconfigured": ("store_misconfigured", "operator"),
    "BucketMissing": ("bucket_missing", "operator"),
    "StoreDenied": ("store_denied", "operator"),
    "WrongRegion": ("wrong_region", "operator"),
    "SigningFailed": ("signing_failed", "machine"),
    "CertificateUnusable": ("certificate_unusable", "operator"),
    "TooManyStreams": ("too_many_streams", "machine"),
    "TooManyConnections": ("too_many_connections", "machine"),
    "TooManyUploads": ("too_many_uploads", "machine"),
    "RequestTimeout": ("request_timeout", "caller"),
    "QuotaExceeded": ("quota_exceeded", "caller"),
    "MissingExtra": ("missing_extra", "operator"),
    "PluginFailed": ("plugin_failed", "operator"),
    "PolicyRefused": ("policy_refused", "caller"),
    "PolicyFailed": ("policy_failed", "operator"),
    "ResultHeld": ("result_held", "machine"),
    "JobStopped": ("stopped", "machine"),
}
# `StoreUnreachable` has the code of its parent: programs know it.
TYPES = {
    name: found
    for module in (errors, store)
    for name, found in inspect.getmembers(module, inspect.isclass)
    if issubclass(found, BrushworkError) and found is not store.StoreUnreachable
}


@pytest.mark.parametrize("name", CODES)
def test_a_code_never_changes(name: str) -> None:
    assert (TYPES[name].code, TYPES[name].fault) == CODES[name]


def test_each_error_has_a_code_of_its_own_that_is_written_down_here() -> None:
    assert TYPES.keys() == CODES.keys()
    stored = {WORKER_LOST.code, STALLED.code}
    assert len({code for code, _ in CODES.values()} | stored) == len(CODES) + len(stored)


def test_each_error_stands_in_the_tree_at_the_top() -> None:
    tree = f"{errors.__doc__} {store.__doc__}"
    assert [name for name in TYPES if name not in tree] == []


def test_an_error_says_what_happened_and_then_what_to_do() -> None:
    error = InvalidRequest("width: it was 65.", field="width", hint="Send 64.")
    assert str(error) == "width: it was 65. Send 64."
    assert str(InvalidRequest("width: it was 65.")) == "width: it was 65."


def test_an_error_is_stored_whole() -> None:
    stored = JobError.of(InvalidRequest("It was 65.", field="width", hint="Send 64."))
    assert stored.model_dump() == {
        "code": "invalid_request",
        "message": "It was 65.",
        "fault": "caller",
        "field": "width",
        "hint": "Send 64.",
        "template": None,
        "parameters": {},
        "hint_template": None,
        "hint_parameters": {},
        "errors": (
            {
                "field": "width",
                "message": "It was 65.",
                "hint": "Send 64.",
                "code": "invalid_request",
                "index": None,
                "template": None,
                "parameters": {},
                "hint_template": None,
                "hint_parameters": {},
            },
        ),
    }
