"""What can be wrong with the artifact store. None of it is the fault of a caller or of a job.

    ServiceUnreachable
    ├── StoreUnreachable        no answer: name, connection, timeout, or the server has an error itself
    ├── StoreFull               the disk is full, or the quota is used up
    ├── StoreReadOnly           the folder or the bucket can only be read
    └── ServiceMisconfigured
        └── StoreMisconfigured  the same settings will be refused again
            ├── BucketMissing   the bucket or container does not exist
            ├── StoreDenied     no credentials, wrong ones, or a permission is missing
            └── WrongRegion     the bucket is in another region

Not in this list is a file that is missing: `ArtifactMissing`.
"""

from brushwork_schemas.errors import ServiceMisconfigured, ServiceUnreachable

# The setting that these errors are about.
SETTING = "artifacts_url"


class StoreUnreachable(ServiceUnreachable):
    """The artifact store does not answer, or answers with an error of its own."""


class StoreFull(ServiceUnreachable):
    """The disk of the artifact store is full, or its quota is used up."""

    code = "store_full"
    fault = "operator"


class StoreReadOnly(ServiceUnreachable):
    """The artifact store can be read and not written."""

    code = "store_read_only"
    fault = "operator"


class StoreMisconfigured(ServiceMisconfigured):
    """The artifact store cannot be used with these settings."""

    code = "store_misconfigured"


class BucketMissing(StoreMisconfigured):
    """The bucket or container of the artifact store does not exist."""

    code = "bucket_missing"


class StoreDenied(StoreMisconfigured):
    """The artifact store refuses the credentials, or they lack a permission."""

    code = "store_denied"


class WrongRegion(StoreMisconfigured):
    """The bucket of the artifact store is in another region."""

    code = "wrong_region"
