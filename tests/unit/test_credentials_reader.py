"""An independent reader agrees with ours: manifests of every kind and format, chains, and what is wrong."""

from pathlib import Path

from brushwork_core.provenance.credentials.ingredients import Ingredient
from brushwork_core.provenance.credentials.kept import kept_credentials
from brushwork_core.provenance.credentials.signer import Signer
from brushwork_core.provenance.facts import DigitalSource

from tests import signing_identities as signing
from tests.credentials_reader import read_independently
from tests.signing_identities import FORMATS, encoded, generated, made_from, named, operator

KINDS = {
    "text-to-image": (generated(), ["c2pa.created"]),
    "image-to-image": (
        made_from("image-to-image", DigitalSource.COMPOSITE, "image", "control_image"),
        ["c2pa.opened", "c2pa.edited"],
    ),
    "inpainting": (
        made_from("inpainting", DigitalSource.COMPOSITE, "image", "mask_image"),
        ["c2pa.opened", "c2pa.edited"],
    ),
    "diffusion upscaling": (
        made_from("image-upscaling", DigitalSource.COMPOSITE, "image"),
        ["c2pa.opened", "c2pa.resized", "c2pa.edited"],
    ),
    "Swin2SR": (
        made_from("image-upscaling", DigitalSource.ENHANCED, "image"),
        ["c2pa.opened", "c2pa.resized", "c2pa.enhanced"],
    ),
}


def test_every_kind_and_format_is_valid(tmp_path: Path) -> None:
    cases = [(kind, name) for kind in KINDS for name in FORMATS]
    inputs = {role: encoded("PNG") for role in ("image", "mask_image", "control_image")}
    pictures = [signing.signed(encoded(name), FORMATS[name], KINDS[kind][0], inputs) for kind, name in cases]
    for (kind, name), told in zip(cases, read_independently(tmp_path, pictures), strict=True):
        assert told["is_valid"], (kind, name, told)
        assert [each["actions"] for each in told["manifests"]] == [KINDS[kind][1]]


def test_a_chain_of_three_jobs(tmp_path: Path) -> None:
    first = signing.signed(encoded("PNG"), "image/png", generated())
    painted, larger = KINDS["inpainting"][0], KINDS["Swin2SR"][0]
    inputs = {"image": first, "mask_image": encoded("PNG")}
    second = signing.signed(encoded("PNG"), "image/png", painted, inputs)
    last = [signing.signed(encoded(name), FORMATS[name], larger, {"image": second}) for name in FORMATS]
    for told in read_independently(tmp_path, last):
        assert told["is_valid"]
        assert [each["actions"] for each in told["manifests"]] == [
            ["c2pa.created"],
            ["c2pa.opened", "c2pa.edited"],
            ["c2pa.opened", "c2pa.resized", "c2pa.enhanced"],
        ]


def test_credentials_of_others_are_kept(tmp_path: Path) -> None:
    plain, private = (
        signing.signed_by_camera(encoded("JPEG", side=128), private=private) for private in (False, True)
    )
    facts = KINDS["Swin2SR"][0]
    outputs = [
        Signer(operator()).sign(
            encoded("PNG"),
            "image/png",
            facts,
            {named("image"): Ingredient(encoded("PNG"), "image/png", kept_credentials(each))},
        )
        for each in (plain, private)
    ]
    kept, redacted = read_independently(tmp_path, outputs)
    assert kept["is_valid"]
    assert [each["actions"] for each in kept["manifests"]] == [["c2pa.created"], KINDS["Swin2SR"][1]]
    # It knows no redaction: it misses the five parts, and finds nothing else.
    assert redacted["problems"] == ["assertion.missing"] * 5


def test_what_is_wrong_is_found(tmp_path: Path) -> None:
    signed = signing.signed(encoded("JPEG"), "image/jpeg", generated("stock-model"))
    pixel = signed[:-50] + bytes([signed[-50] ^ 1]) + signed[-49:]
    claim = signed.replace(b"stock-model", b"other-model")
    expired, _ = signing.with_expired_certificate()
    changed, forged, late = read_independently(tmp_path, [pixel, claim, expired])
    assert changed["problems"] == ["assertion.dataHash.mismatch"]
    assert "assertion.hashedURI.mismatch" in forged["problems"]
    assert not late["is_valid"]
