"""China's label in metadata: the JSON object `AIGC` of GB 45438-2025, appendix E."""

import json

NAMESPACE = "http://www.tc260.org.cn/ns/AIGC/1.0/"
# "1": the content is generated or synthesized. "2" and "3" are for services that only pass files on.
IS_GENERATED = "1"


def aigc_label(producer: str, pixels_sha256: str) -> str:
    """Return the label of a picture as JSON.

    Args:
        producer: Id of the provider that generates content.
        pixels_sha256: Name of the pixels. It is the id of the content, so equal pixels have equal labels, and
            the label tells neither a time nor a job.
    """
    label = {
        "Label": IS_GENERATED,
        "ContentProducer": producer,
        "ProduceID": pixels_sha256,
        # For signatures and for services that pass the file on, which write their own values.
        "ReservedCode1": "",
        "ContentPropagator": "",
        "PropagateID": "",
        "ReservedCode2": "",
    }
    return json.dumps(label, ensure_ascii=False, separators=(",", ":"))
