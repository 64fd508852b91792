"""Pictures as prompt, learned words and weights of words: equal to diffusers called directly."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.catalogue import AddOn, Model, Source
from brushwork_schemas.errors import ModelNotHere, ModelUnavailable
from brushwork_schemas.kinds.generation.text_to_image import TextToImageRequest
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.families.diffusion.loading import load
from brushwork_workers.interface import FoundAddOn, Handler, LoadSpec
from brushwork_workers.models.recognition import recognise
from compel import Compel, ReturnedEmbeddingsType
from diffusers import DiffusionPipeline
from PIL import Image

from tests.checkpoints import lora
from tests.checkpoints.adapters import save_ip_adapter, save_textual_inversion, with_dense_tokens
from tests.desks import PlainDesk
from tests.gathering import batcher, together
from tests.tiny_models import stable_diffusion
from tests.tiny_pipelines import stable_diffusion_xl

pytestmark = [
    pytest.mark.filterwarnings("ignore:Already found a `peft_config` attribute:UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:diffusers.*"),
]
MAKE: dict[str, Callable[[], Any]] = {
    "stable-diffusion": stable_diffusion,
    "stable-diffusion-xl": stable_diffusion_xl,
}
FAMILIES = tuple(MAKE)
ASKED: dict[str, Any] = {
    "prompt": "a red circle",
    "width": 32,
    "height": 32,
    "num_inference_steps": 2,
    "guidance_scale": 3.0,
    "seed": 5,
}
TOKEN = "<toy>"
# Half a step of 8 bits, and a thousandth of the range.
CLOSE = 0.5 + 0.255
DESK = PlainDesk()
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 40, 3), dtype=np.uint8))
PICTURES = [DESK.give(NOISE), DESK.give(Image.new("RGB", (64, 32), "red"))]


@dataclass(frozen=True)
class Job:
    """A job: what it asks for, and how diffusers is called for it."""

    asked: Mapping[str, Any]
    direct: Callable[[Any, Path], Mapping[str, Any]]


def pictures(*choices: tuple[str, float, list[int]]) -> Job:
    def direct(pipeline: Any, folder: Path) -> Mapping[str, Any]:
        files = [str(folder / name) for name, _, _ in choices]
        pipeline.load_ip_adapter(files, subfolder="", weight_name=["adapter.safetensors"] * len(files))
        pipeline.set_ip_adapter_scale([weight for _, weight, _ in choices])
        given = [[DESK.picture(PICTURES[each]) for each in shown] for _, _, shown in choices]
        return {"prompt": ASKED["prompt"], "ip_adapter_image": given}

    asked = [
        {"name": name, "weight": weight, "images": [PICTURES[each] for each in shown]}
        for name, weight, shown in choices
    ]
    return Job({"ip_adapters": asked}, direct)


def _plain(pipeline: Any, folder: Path) -> Mapping[str, Any]:
    return {"prompt": ASKED["prompt"]}


def _with_lora(pipeline: Any, folder: Path) -> Mapping[str, Any]:
    pipeline.load_lora_weights(folder / "lora", adapter_name="lora")
    return pictures(("first", 0.8, [0])).direct(pipeline, folder)


def _learned(pipeline: Any, folder: Path) -> Mapping[str, Any]:
    vectors = _vectors(folder)
    pipeline.load_textual_inversion(vectors[0], token=TOKEN)
    if hasattr(pipeline, "tokenizer_2"):
        pipeline.load_textual_inversion(
            vectors[-1], token=TOKEN, tokenizer=pipeline.tokenizer_2, text_encoder=pipeline.text_encoder_2
        )
    return {"prompt": f"a {TOKEN} circle"}


def _vectors(folder: Path) -> list[torch.Tensor]:
    from safetensors.torch import load_file

    loaded = load_file(folder / "words" / "learned_embeds.safetensors")
    return [loaded[name] for name in sorted(loaded, key=lambda name: name.endswith("g"))]


def weighted(asked: str, written: str, plain: str, negative: str = "", negative_written: str = "") -> Job:
    """A prompt in A1111's syntax and in compel's own."""

    def direct(pipeline: Any, folder: Path) -> Mapping[str, Any]:
        is_xl = hasattr(pipeline, "tokenizer_2")
        kind = ReturnedEmbeddingsType.PENULTIMATE_HIDDEN_STATES_NON_NORMALIZED
        more = {"returned_embeddings_type": kind} if is_xl else {}
        ends = ("", "_2") if is_xl else ("",)
        encoders = [
            Compel(getattr(pipeline, f"tokenizer{end}"), getattr(pipeline, f"text_encoder{end}"), **more)
            for end in ends
        ]
        positive, other = (
            torch.cat([encoder(text) for encoder in encoders], dim=-1) for text in (written, negative_written)
        )
        given = {"prompt_embeds": positive, "negative_prompt_embeds": other}
        if is_xl:
            _, _, pooled, negative_pooled = pipeline.encode_prompt(plain, negative_prompt=negative or None)
            given |= {"pooled_prompt_embeds": pooled, "negative_pooled_prompt_embeds": negative_pooled}
            if not negative:
                given["negative_prompt_embeds"] = torch.zeros_like(positive)
        return given

    return Job({"prompt": asked, "negative_prompt": negative, "prompt_weighting": True}, direct)


JOBS = {
    "plain": Job({}, _plain),
    "one": pictures(("first", 0.6, [0])),
    "two pictures": pictures(("first", 1.0, [0, 1])),
    "plus": pictures(("plus", 0.7, [1])),
    "two adapters": pictures(("first", 0.7, [1]), ("second", 0.4, [0, 1])),
    "with a LoRA": Job({**pictures(("first", 0.8, [0])).asked, "loras": [{"name": "lora"}]}, _with_lora),
    "words": Job({"prompt": f"a {TOKEN} circle"}, _learned),
    "weights": weighted("a (red:3.9) [circle]", "a (red)3.9 (circle)0.9090909090909091", "a red circle"),
}


@cache
def folder_of(family: str, root: Path) -> Path:
    folder = root / family
    pipeline = with_dense_tokens(MAKE[family]())
    pipeline.save_pretrained(folder / "model")
    save_ip_adapter(folder / "first", pipeline.unet, 1)
    save_ip_adapter(folder / "second", pipeline.unet, 2)
    save_ip_adapter(folder / "plus", pipeline.unet, 3, plus=True)
    names = ["emb_params"] if family == "stable-diffusion" else ["clip_l", "clip_g"]
    save_textual_inversion(folder / "words", dict.fromkeys(names, 2))
    lora.save(folder / "lora", with_dense_tokens(MAKE[family]()), seed=1)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("conditioning")
    return lambda family: folder_of(family, root)


def handler(folder: Path, calls: ModelExecutor | None = None, **changes: Any) -> Handler:
    family = folder.name

    def found(name: str, sort: str, **more: Any) -> tuple[str, FoundAddOn]:
        entry = AddOn.model_validate(
            {"name": name, "type": sort, "family": family, "source": Source(folder=folder / name), **more}
        )
        return name, FoundAddOn(entry, folder / name)

    model = Model(name="tiny", family=family, source=Source(folder=folder / "model"))
    calls = calls or SerialExecutor()
    spec = LoadSpec(model, folder / "model", torch.device("cpu"), torch.float32, calls, ("text-to-image",))
    adapters = [found(name, "ip-adapter") for name in ("first", "second", "plus")]
    more = [found("words", "textual-inversion", token=TOKEN), found("lora", "lora")]
    known = {"add_ons": dict([*adapters, *more]), **changes}
    return load(replace(spec, **known)).handlers["text-to-image"]


def pixels(of: Handler, asked: Mapping[str, Any], desk: PlainDesk = DESK) -> np.ndarray:
    made = of.perform(TextToImageRequest.model_validate({**ASKED, **asked}), desk)
    return np.stack([np.asarray(image.pil(), dtype=float) for image in made["images"]])


def by_diffusers(folder: Path, job: Job, **changes: Any) -> np.ndarray:
    pipeline: Any = DiffusionPipeline.from_pretrained(folder / "model")
    pipeline.set_progress_bar_config(disable=True)
    asked = {name: value for name, value in {**ASKED, **changes}.items() if name not in ("seed", "prompt")}
    with torch.no_grad():
        given = job.direct(pipeline, folder)
        made = pipeline(**asked, **given, generator=torch.Generator().manual_seed(5), output_type="np")
    return np.asarray(made.images) * 255


@pytest.mark.parametrize("family", FAMILIES)
def test_each_job_is_equal_to_diffusers_alone_and_beside_seven_others(
    family: str, folder: Callable[[str], Path]
) -> None:
    expected = [by_diffusers(folder(family), job) for job in JOBS.values()]
    alone = handler(folder(family))
    before = pixels(alone, {})
    for name, job, right in zip(JOBS, JOBS.values(), expected, strict=True):
        made = pixels(alone, job.asked)
        assert abs(made - right).max() <= CLOSE, name
        assert name == "plain" or abs(made - before).max() > 2, name
    # After all of them, a job without any has the same bytes.
    assert (pixels(alone, {}) == before).all()
    with batcher() as calls:
        shared = handler(folder(family), calls)
        jobs = [lambda job=job: pixels(shared, job.asked) for job in JOBS.values()]  # type: ignore[misc]
        for made, right, name in zip(together(calls, jobs), expected, JOBS, strict=True):
            assert abs(made - right).max() <= CLOSE, name


def test_weights_of_the_negative_prompt_and_breaks_and_long_prompts(folder: Callable[[str], Path]) -> None:
    place = folder("stable-diffusion")
    both = weighted("a (red:0.3) circle", "a (red)0.3 circle", "", "(blue:1.5)", "(blue)1.5")
    assert abs(pixels(handler(place), both.asked) - by_diffusers(place, both)).max() <= CLOSE

    def broken(pipeline: Any, folder: Path) -> Mapping[str, Any]:
        encoder = Compel(pipeline.tokenizer, pipeline.text_encoder)
        parts = torch.cat([encoder("a red"), encoder("(circle)1.2")], dim=1)
        return {"prompt_embeds": parts, "negative_prompt_embeds": torch.cat([encoder("")] * 2, dim=1)}

    job = Job({"prompt": "a red BREAK (circle:1.2)", "prompt_weighting": True}, broken)
    assert abs(pixels(handler(place), job.asked) - by_diffusers(place, job)).max() <= CLOSE
    # One token for each letter: 75 fit. Without weights, the chunks are those of a plain prompt.
    of = handler(place)
    plain, in_brackets = "ab" * 60, "ab" * 30 + "(" + "ab" * 30 + ":1.0)"
    assert (
        pixels(of, {"prompt": plain}) == pixels(of, {"prompt": in_brackets, "prompt_weighting": True})
    ).all()
    heavier = pixels(of, {"prompt": "ab" * 45 + "(" + "ab" * 15 + ":1.5)", "prompt_weighting": True})
    assert abs(heavier - pixels(of, {"prompt": plain})).max() > 2


def test_brackets_are_plain_text_unless_weights_are_asked_for(folder: Callable[[str], Path]) -> None:
    place, desk = folder("stable-diffusion"), PlainDesk()
    job = Job({"prompt": "a (red:1.4) circle"}, lambda *_: {"prompt": "a (red:1.4) circle"})
    assert abs(pixels(handler(place), job.asked, desk) - by_diffusers(place, job)).max() <= CLOSE
    assert [warning.code for warning in desk.warnings] == ["weights_plain"]
    desk = PlainDesk()
    pixels(handler(place), {"prompt": "a (red) circle"}, desk)
    assert desk.warnings == []


def test_guidance_that_is_off_and_several_results(folder: Callable[[str], Path]) -> None:
    place, job = folder("stable-diffusion"), JOBS["one"]
    of = handler(place)
    off = by_diffusers(place, job, guidance_scale=1.0)
    assert abs(pixels(of, {**job.asked, "guidance_scale": 1.0}) - off).max() <= CLOSE
    two = pixels(of, {**job.asked, "num_images_per_prompt": 2})
    assert abs(two[:1] - by_diffusers(place, job)).max() <= CLOSE
    assert abs(two[1:] - pixels(of, {**job.asked, "seed": 6})).max() <= 1


def test_an_adapter_of_weight_0_has_no_effect_and_says_so(folder: Callable[[str], Path]) -> None:
    of, desk = handler(folder("stable-diffusion")), PlainDesk()
    asked = {"ip_adapters": [{"name": "first", "weight": 0.0, "images": [PICTURES[0]]}]}
    assert (pixels(of, asked, desk) == pixels(of, {})).all()
    assert [warning.code for warning in desk.warnings] == ["ip_adapter_off"]


def test_what_is_not_here_or_does_not_fit_is_said(folder: Callable[[str], Path], tmp_path: Path) -> None:
    place = folder("stable-diffusion")
    entry = AddOn(
        name="lost", type="textual-inversion", family="stable-diffusion", source=Source(folder=tmp_path)
    )
    of = handler(place, absent_add_ons=(entry,))
    with pytest.raises(ModelNotHere, match="lost") as error:
        pixels(of, {"prompt": "a LOST circle"})
    assert error.value.field == "prompt"
    with pytest.raises(ModelNotHere, match="none") as error:
        pixels(of, {"ip_adapters": [{"name": "none", "images": PICTURES}]})
    assert error.value.field == "ip_adapters"
    other = save_ip_adapter(tmp_path / "xl", with_dense_tokens(stable_diffusion_xl()).unet, 1)
    wrong = AddOn(name="xl", type="ip-adapter", family="stable-diffusion", source=Source(folder=other))
    of = handler(place, add_ons={"xl": FoundAddOn(wrong, other)})
    before = pixels(of, {})
    with pytest.raises(ModelUnavailable, match="does not fit"):
        pixels(of, {"ip_adapters": [{"name": "xl", "images": PICTURES}]})
    assert (pixels(of, {}) == before).all()


@pytest.mark.parametrize(
    ("tensors", "token"),
    [
        ({TOKEN: 1}, TOKEN),
        ({TOKEN: None}, TOKEN),
        ({"emb_params": 3}, "words"),
        ({"*": 2}, "words"),
        # diffusers finds only the first vector of a token with capital letters.
        ({"<toy>": 1}, "<Toy>"),
    ],
)
def test_the_layouts_of_textual_inversions(
    tensors: dict[str, Any], token: str, folder: Callable[[str], Path], tmp_path: Path
) -> None:
    place = folder("stable-diffusion")
    made = save_textual_inversion(tmp_path / "words", tensors)
    entry = AddOn(
        name="words",
        type="textual-inversion",
        family="stable-diffusion",
        source=Source(folder=made),
        token=token,
    )
    of = handler(place, add_ons={"words": FoundAddOn(entry, made)})

    def direct(pipeline: Any, folder: Path) -> Mapping[str, Any]:
        from safetensors.torch import load_file

        [vectors] = load_file(made / "learned_embeds.safetensors").values()
        pipeline.load_textual_inversion(vectors, token=token)
        return {"prompt": f"a {token}s circle"}

    job = Job({"prompt": f"a {token}s circle"}, direct)
    assert abs(pixels(of, job.asked) - by_diffusers(place, job)).max() <= CLOSE


def test_models_add_recognises_adapters(tmp_path: Path) -> None:
    words = save_textual_inversion(tmp_path / "words", {TOKEN: 2})
    found = recognise("toy", Source(folder=words), entry_type="textual-inversion", family="stable-diffusion")
    assert found.table["token"] == TOKEN
    nameless = save_textual_inversion(tmp_path / "nameless", {"emb_params": 2})
    file = Source(file=nameless / "learned_embeds.safetensors")
    found = recognise("toy", file, entry_type="textual-inversion", family="stable-diffusion")
    assert isinstance(found.entry, AddOn)
    assert found.entry.prompt_token == "toy"
    look = save_ip_adapter(tmp_path / "look", with_dense_tokens(stable_diffusion()).unet, 1)
    more = {"weight_name": "adapter.safetensors"}
    found = recognise(
        "look", Source(folder=look), entry_type="ip-adapter", family="stable-diffusion", more=more
    )
    assert found.table["weight_name"] == "adapter.safetensors"
    wrong = {**more, "image_encoder": "other"}
    with pytest.raises(ModelUnavailable, match=r"other/config\.json is missing"):
        recognise("look", Source(folder=look), entry_type="ip-adapter", family="stable-diffusion", more=wrong)
