"""How much is changed of a picture that a job begins with, and how large the result is."""

from typing import Any

import pytest
from brushwork_schemas.admission import admit
from brushwork_schemas.catalogue import Catalogue, Limits, Model, Source
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.generation.image_to_image import ImageToImageRequest
from brushwork_workers.families.diffusion.picture_size import picture_size

SHA256 = "a" * 64
DEFAULTS = {"width": 512, "height": 512}


def model(family: str = "stable-diffusion", **more: Any) -> Model:
    return Model(name="painter", family=family, source=Source(packaged="painter"), **more)


def size(given: tuple[int, int], of: Model | None = None, **asked: Any) -> tuple[int, int]:
    request = ImageToImageRequest(prompt="a star", image=SHA256, **asked)
    return picture_size(given, request, of or model(defaults=DEFAULTS))


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ((512, 512), (512, 512)),
        ((64, 64), (64, 64)),
        ((100, 60), (96, 56)),
        ((4000, 4000), (512, 512)),
        ((4000, 1000), (1024, 256)),
        ((1000, 999), (512, 504)),
        ((10000, 10), (2048, 16)),
        ((3, 3), (16, 16)),
    ],
    ids=str,
)
def test_it_keeps_its_proportions_within_the_area_that_the_model_knows(
    given: tuple[int, int], made: tuple[int, int]
) -> None:
    assert size(given) == made


def test_what_is_asked_for_is_what_it_becomes() -> None:
    assert size((100, 100), width=64, height=1024) == (64, 1024)


def test_the_other_side_follows_from_one() -> None:
    assert size((100, 50), width=1024) == (1024, 512)
    assert size((100, 50), height=1024) == (2048, 1024)


def test_the_other_side_stays_within_the_models_limit() -> None:
    assert size((100, 50), model(limits=Limits(max_side=256)), height=256) == (256, 256)


@pytest.mark.parametrize(
    ("family", "made"),
    [("flux", (96, 48)), ("stable-diffusion-3", (96, 48)), ("stable-diffusion", (104, 56))],
)
def test_both_sides_are_multiples_of_what_the_family_makes(family: str, made: tuple[int, int]) -> None:
    assert size((110, 60), model(family)) == made


def strength(**asked: Any) -> float | None:
    catalogue = Catalogue({"painter": model(defaults=DEFAULTS)})
    request = {"prompt": "a star", "image": SHA256, "mask_image": SHA256, **asked}
    made: float | None = admit("inpainting", request, catalogue).request.strength  # type: ignore[attr-defined]
    return made


def test_a_strength_that_leaves_no_step_is_refused_with_one_that_does() -> None:
    with pytest.raises(InvalidRequest, match=r"0\.3 of 3 steps rounds to 0 steps") as refused:
        strength(num_inference_steps=3, strength=0.3)
    assert refused.value.field == "strength"
    assert "at least 0.334, or at least 4 steps" in str(refused.value)
    assert strength(num_inference_steps=3, strength=0.334) == 0.334
    assert strength(num_inference_steps=4, strength=0.3) == 0.3


@pytest.mark.parametrize("tiny", [5e-324, 1e-310, 1e-6, 0.001])
def test_a_tiny_strength_is_not_answered_with_endless_steps(tiny: float) -> None:
    with pytest.raises(InvalidRequest, match="rounds to 0 steps") as refused:
        strength(num_inference_steps=3, strength=tiny)
    assert str(refused.value).endswith("Use at least 0.334.")


def test_the_models_own_strength_is_the_default() -> None:
    assert strength() == 1.0
