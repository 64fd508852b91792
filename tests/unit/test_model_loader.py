"""From a catalogue entry to a loaded model: its size before and after, what is asked to be done with it."""

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from brushwork_core.settings.machine import machine_memory
from brushwork_schemas.catalogue import AddOn, Model, Source
from brushwork_schemas.errors import BrushworkError, DeviceFailed, ModelNotHere, ModelUnavailable, OutOfMemory
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.device.selection import model_budget
from brushwork_workers.families.loaders import Loaders
from brushwork_workers.interface import LoadedModules, LoadSpec
from brushwork_workers.model_cache import tuning
from brushwork_workers.model_cache.cpu_cache import CpuCache
from brushwork_workers.model_cache.footprint import estimated_bytes, module_bytes
from brushwork_workers.model_cache.load_backoff import FIRST_PAUSE_S, LONGEST_PAUSE_S, LoadBackoff
from brushwork_workers.model_cache.loaded_model import LoadedModel
from brushwork_workers.model_cache.model_loader import ModelLoader
from safetensors.torch import save_file
from torch import nn

from tests.tiny_models import save_captioner, save_classifier, save_stable_diffusion

CPU = torch.device("cpu")


def entry(folder: Path, family: str = "torchvision-classifier", **options: Any) -> Model:
    return Model(name="tiny", family=family, source=Source(folder=folder), **options)


def loader(load: Callable[[LoadSpec], LoadedModules] | None = None, **options: Any) -> ModelLoader:
    loaders = Loaders() if load is None else dict.fromkeys(Loaders(), load)
    return ModelLoader(loaders, CPU, SerialExecutor(), **options)


class TestSize:
    def test_integers_stay_and_other_numbers_are_counted_in_their_new_format(self, tmp_path: Path) -> None:
        tensors = {
            "whole": torch.zeros(10),
            "half": torch.zeros(10, dtype=torch.bfloat16),
            "counts": torch.zeros(10, dtype=torch.int64),
        }
        save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
        files = [tmp_path / "model.safetensors"]
        assert estimated_bytes(files, torch.float32) == 40 + 40 + 80
        assert estimated_bytes(files, torch.float16) == 20 + 20 + 80

    def test_what_two_modules_share_counts_once(self) -> None:
        shared = nn.Linear(4, 4, bias=False)
        tied = nn.Sequential(shared, nn.Linear(4, 1, bias=False))
        assert module_bytes([shared, tied]) == 4 * (16 + 4)
        assert module_bytes([]) == 0

    @pytest.mark.parametrize(
        ("save", "family"),
        [(save_classifier, "torchvision-classifier"), (save_stable_diffusion, "stable-diffusion")],
    )
    def test_what_the_files_say_is_what_it_takes(
        self, tmp_path: Path, save: Callable[[Path], Path], family: str
    ) -> None:
        sides = {"width": 32, "height": 32} if family == "stable-diffusion" else {}
        model = entry(save(tmp_path), family, defaults=sides)
        said = loader().size_bytes(model)
        served = loader().load(model)
        assert said == pytest.approx(served.size_bytes, rel=0.01)
        assert served.size_bytes == module_bytes(served.modules) > 100_000

    def test_whose_modules_take_turns_takes_as_much_as_the_largest(self, tmp_path: Path) -> None:
        folder = save_stable_diffusion(tmp_path)
        sizes = [estimated_bytes([file], torch.float32) for file in folder.glob("*/*.safetensors")]
        model = entry(folder, "stable-diffusion", placement="model_offload")
        assert loader().size_bytes(model) == max(sizes) < sum(sizes)

    def test_the_catalogue_may_know_better(self, tmp_path: Path) -> None:
        assert loader().size_bytes(entry(save_classifier(tmp_path), memory_bytes=5)) == 5

    def test_what_is_built_of_no_file_has_no_size_before(self) -> None:
        model = Model(name="net", family="classifier-training", source=Source(architecture="simple_cnn"))
        assert loader().size_bytes(model) == 0

    def test_what_is_not_here_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(ModelNotHere):
            loader().size_bytes(entry(tmp_path / "nowhere"))


class TestLoading:
    @pytest.mark.parametrize(
        ("save", "family", "defaults"),
        [
            (save_classifier, "torchvision-classifier", {}),
            (save_captioner, "vision-encoder-decoder", {"max_new_tokens": 4}),
            (save_stable_diffusion, "stable-diffusion", {"width": 32, "height": 32}),
        ],
    )
    def test_a_model_that_goes_leaves_nothing_behind(
        self, tmp_path: Path, save: Callable[[Path], Path], family: str, defaults: dict[str, Any]
    ) -> None:
        batcher = Batcher(max_rows=4, max_pixels=2**20)
        served = ModelLoader(Loaders(), CPU, batcher).load(entry(save(tmp_path), family, defaults=defaults))
        modules = [weakref.ref(module) for module in served.modules]
        del served
        gc.collect()
        assert [module() for module in modules] == [None] * len(modules) != []
        batcher.close()

    @pytest.mark.parametrize(
        ("raised", "told"),
        [
            (ValueError("of another shape"), ModelUnavailable),
            (MemoryError(), OutOfMemory),
            (torch.OutOfMemoryError("CUDA"), OutOfMemory),
            (torch.AcceleratorError("CUDA"), DeviceFailed),
        ],
        ids=lambda value: getattr(value, "__name__", type(value).__name__),
    )
    def test_the_files_fault_is_told_apart_from_the_device_s(
        self, tmp_path: Path, raised: BaseException, told: type[BrushworkError]
    ) -> None:
        def fail(place: LoadSpec) -> LoadedModules:
            raise raised

        with pytest.raises(told):
            loader(fail).load(entry(save_classifier(tmp_path)))

    def test_add_ons_of_the_family_are_found_and_missing_ones_left_out(self, tmp_path: Path) -> None:
        source = Source(folder=tmp_path)
        family = "stable-diffusion"
        add_ons = [
            AddOn(name=name, type="lora", family=of, source=source)
            for name, of in (("here", family), ("gone", family), ("other", "flux"))
        ]
        seen: list[LoadSpec] = []

        def find(wanted: Model | AddOn) -> Path:
            if wanted.name == "gone":
                raise ModelNotHere("gone")
            return tmp_path

        def load(place: LoadSpec) -> LoadedModules:
            seen.append(place)
            return LoadedModules({})

        loader(load, add_ons=add_ons, find=find).load(entry(save_classifier(tmp_path), family))
        assert [(found.entry.name, found.folder) for found in seen[0].add_ons.values()] == [
            ("here", tmp_path)
        ]


class TestTuning:
    def test_channels_last_is_for_convolutions(self, tmp_path: Path) -> None:
        modules = [nn.Sequential(nn.Conv2d(3, 4, 3)), nn.Linear(4, 4)]
        tuning.tune(entry(tmp_path, channels_last=True), modules)
        convolution = modules[0].get_parameter("0.weight")
        assert convolution.is_contiguous(memory_format=torch.channels_last)
        assert modules[1].get_parameter("weight").is_contiguous()

    def test_a_classifier_answers_alike_in_any_layout(self, tmp_path: Path) -> None:
        folder = save_classifier(tmp_path)
        picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        plain, tuned = (
            loader().load(entry(folder, channels_last=channels_last)).modules[0]
            for channels_last in (False, True)
        )
        with torch.no_grad():
            assert torch.allclose(plain(picture), tuned(picture), atol=1e-4)

    def test_only_the_largest_module_is_compiled(self, tmp_path: Path) -> None:
        modules = [nn.Linear(4, 4), nn.Linear(40, 40)]
        tuning.tune(entry(tmp_path, compile=True), modules)
        assert ["forward" in module.__dict__ for module in modules] == [False, True]

    def test_without_torchao_nothing_is_quantised(self, tmp_path: Path) -> None:
        with pytest.raises(ModelUnavailable, match="pip install torchao"):
            tuning.check(entry(tmp_path, quantization="int8_weight_only"))


class TestAttic:
    def served(self, tmp_path: Path, name: str, size_bytes: int) -> LoadedModel:
        model = entry(tmp_path).model_copy(update={"name": name})
        return LoadedModel(model, {}, "1", "cuda", "float32", 0.0, (nn.Linear(1, 1),), size_bytes)

    def test_what_was_kept_comes_back_and_is_not_there_twice(self, tmp_path: Path) -> None:
        cpu_cache = CpuCache(100, torch.device("meta"))
        kept = self.served(tmp_path, "a", 60)
        assert cpu_cache.put(kept)
        assert cpu_cache.size_bytes == 60
        assert (cpu_cache.take("b"), cpu_cache.size_bytes) == (None, 60)

    def test_the_first_that_came_makes_room(self, tmp_path: Path) -> None:
        cpu_cache = CpuCache(100, torch.device("meta"))
        for name in "ab":
            cpu_cache.put(self.served(tmp_path, name, 60))
        assert cpu_cache.size_bytes == 60
        assert cpu_cache.take("a") is None
        assert not cpu_cache.put(self.served(tmp_path, "c", 101))

    def test_on_the_cpu_there_is_none(self, tmp_path: Path) -> None:
        assert not CpuCache(100, CPU).put(self.served(tmp_path, "a", 60))


class TestRefusals:
    def test_a_pause_that_doubles_and_has_a_bound(self) -> None:
        now = [0.0]
        refusals = LoadBackoff(clock=lambda: now[0])
        pause_s = FIRST_PAUSE_S
        for _ in range(8):
            refusals.add("a", ModelUnavailable("damaged", field="source", hint="mend it"))
            now[0] += pause_s - 0.1
            with pytest.raises(ModelUnavailable, match="damaged mend it"):
                refusals.check("a")
            now[0] += 0.1
            refusals.check("a")
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        assert "a" in refusals
        refusals.clear("a")
        assert "a" not in refusals


class TestBudget:
    def test_half_the_memory_is_divided_among_the_workers_here(self) -> None:
        assert model_budget(CPU, 4) == machine_memory() // 2 // 4
        assert model_budget(CPU, 4, given_gb=1.5) == 3 * 2**29

    def test_a_container_has_what_it_is_given(self, tmp_path: Path) -> None:
        limit = tmp_path / "memory.max"
        limit.write_text("1048576\n")
        assert machine_memory(limit) == 2**20
        limit.write_text("max\n")
        assert machine_memory(limit) == machine_memory(tmp_path / "nowhere") > 2**30
