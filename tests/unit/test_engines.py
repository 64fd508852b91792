"""Modules that an engine runs in place of torch: which calls it gets, what refuses it, how it is stored."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import ModelUnavailable
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.engines import engine as engine_module
from brushwork_workers.engines.comparison import difference
from brushwork_workers.engines.compiled_engine import MAX_FORMS, compile_module
from brushwork_workers.engines.engine import check_installed
from brushwork_workers.engines.engine_forward import EngineForward, ModuleEngine
from brushwork_workers.engines.engine_store import EngineStore, ExportFailed
from brushwork_workers.engines.exported_model import ExportedModel, ExportedModule
from brushwork_workers.engines.model_engines import ModelEngines
from brushwork_workers.engines.model_export import ExportOrder
from brushwork_workers.engines.module_arguments import ModuleArguments, NotExportable
from brushwork_workers.execution.engines_used import EnginesUsed
from brushwork_workers.families.loaders import Loaders
from brushwork_workers.model_cache.model_loader import ModelLoader
from pydantic import ValidationError
from torch import Tensor, nn

from tests.stops import Going
from tests.tiny_models import save_classifier

EXECUTORS: list[Callable[[], ModelExecutor]] = [SerialExecutor, lambda: Batcher(8, 2**20)]


def entry(folder: Path, family: str = "torchvision-classifier", **options: Any) -> Model:
    return Model(name="tiny", family=family, source=Source(folder=folder), **options)


class Denoiser(nn.Module):
    """Adds the timestep, as the denoisers of diffusers take it: without axes, or one for each row."""

    def forward(self, sample: Tensor, timestep: Tensor, scale: float = 1.0) -> dict[str, Any]:
        return {"sample": sample * scale + timestep.float().reshape(-1, 1, 1, 1), "cache": None}


class FakeEngine:
    """Computes what `Denoiser` does, with an error."""

    def __init__(self, error: float = 0.0) -> None:
        self.error = error
        self.calls: list[Sequence[Tensor]] = []

    def run(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        self.calls.append(tensors)
        sample, timestep = tensors
        assert timestep.shape == (len(sample),)
        return [sample + timestep.reshape(-1, 1, 1, 1) + self.error]


def attached(
    engine: FakeEngine, value_format: torch.dtype = torch.float32, precision: str = "float32"
) -> nn.Module:
    module = Denoiser()
    form = ModuleArguments.of((torch.zeros(2, 1, 4, 4), torch.tensor(1)), {}).form
    in_engine = ModuleEngine(engine, "fake", precision, form, value_format)

    def find(arguments: ModuleArguments) -> ModuleEngine | None:
        return in_engine if arguments.form == form else None

    module.__dict__["forward"] = EngineForward(module, "unet", "tiny", find)
    return module


class TestWhichCallsAnEngineRuns:
    def test_a_timestep_alone_and_one_for_each_row_are_one_form(self) -> None:
        engine = FakeEngine()
        module, sample = attached(engine), torch.rand(2, 1, 4, 4)
        answers = [
            module(sample, timestep)["sample"]
            for timestep in (torch.tensor(3), torch.tensor([3.0, 3.0]), torch.tensor(3, dtype=torch.float64))
        ]
        assert all(torch.equal(answer, sample + 3) for answer in answers)
        assert len(engine.calls) == 3

    def test_the_structure_of_the_answer_is_torch_s(self) -> None:
        module = attached(FakeEngine())
        module(torch.rand(2, 1, 4, 4), torch.tensor(3))
        assert module(torch.rand(3, 1, 4, 4), torch.tensor(3))["cache"] is None

    @pytest.mark.parametrize(
        ("args", "kwargs"),
        [
            ((torch.zeros(2, 1, 4, 4), torch.tensor(1)), {"scale": 2.0}),
            ((torch.zeros(2, 1, 4, 4, dtype=torch.float64), torch.tensor(1)), {}),
            ((torch.zeros(2, 4, 4), torch.tensor(1)), {}),
            ((torch.zeros(2, 1, 4, 4),), {"timestep": torch.tensor(1)}),
            ((torch.zeros(2, 1, 4, 4), torch.zeros(1, 1)), {}),
        ],
    )
    def test_calls_of_another_form_run_in_torch(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        engine = FakeEngine()
        answer = attached(engine)(*args, **kwargs)
        assert torch.equal(answer["sample"], Denoiser()(*args, **kwargs)["sample"])
        assert engine.calls == []

    def test_fractions_are_not_rounded_for_a_module_that_takes_whole_numbers(self) -> None:
        engine = FakeEngine()
        answer = attached(engine, torch.int64)(torch.zeros(2, 1, 4, 4), torch.tensor(0.5))
        assert float(answer["sample"].max()) == 0.5
        assert engine.calls == []

    def test_a_cache_among_the_arguments_cannot_be_exported(self) -> None:
        with pytest.raises(NotExportable, match="object"):
            ModuleArguments.of((torch.zeros(2, 3), object()), {})

    @pytest.mark.parametrize("executor", EXECUTORS)
    def test_active_adapters_run_in_torch_and_the_result_says_so(
        self, executor: Callable[[], ModelExecutor]
    ) -> None:
        class Choice:
            def __init__(self, *, is_neutral: bool) -> None:
                self.is_neutral = is_neutral

            def activate(self, module: Any) -> None:
                pass

        engine, calls, used = FakeEngine(), executor(), {}
        module, arguments = attached(engine), (torch.zeros(2, 1, 4, 4), torch.tensor(1))
        try:
            for is_neutral in (True, False):
                used[is_neutral] = EnginesUsed()
                options = CallOptions(adapters=Choice(is_neutral=is_neutral))
                with calls.job(Going(), on_engines=used[is_neutral].add):
                    calls.call(options, module, *arguments)
                    calls.call(options, module, *arguments)
        finally:
            calls.close()
        assert len(engine.calls) == 2
        assert used[True].by_module == {"unet": "fake"}
        assert used[False].by_module == {"unet": "torch"}
        assert used[True].has("fake")
        assert not used[False].has("fake")

    def test_rows_of_several_jobs_get_their_own_answers(self) -> None:
        engine, calls = FakeEngine(), Batcher(8, 2**20)
        module = attached(engine)
        samples = [torch.rand(2, 1, 4, 4) for _ in range(6)]

        def job(index: int) -> Tensor:
            with calls.job(Going()):
                found: Tensor = calls.call(CallOptions(), module, samples[index], torch.tensor(index))[
                    "sample"
                ]
                return found

        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(job, range(6)))
        calls.close()
        assert all(torch.equal(answer, samples[index] + index) for index, answer in enumerate(answers))


class TestComparison:
    def test_a_wrong_engine_is_refused_and_the_log_says_why(self, caplog: pytest.LogCaptureFixture) -> None:
        engine = FakeEngine(error=0.01)
        module, sample = attached(engine), torch.zeros(2, 1, 4, 4)
        with caplog.at_level(logging.WARNING):
            answers = [module(sample, torch.tensor(1))["sample"] for _ in range(3)]
        assert all(torch.equal(answer, sample + 1) for answer in answers)
        assert len(engine.calls) == 1
        assert "differs from torch by 0.01, more than 0.0001; torch runs them" in caplog.text

    def test_each_new_size_is_compared(self) -> None:
        engine = FakeEngine()
        module = attached(engine)
        module(torch.zeros(3, 1, 4, 4), torch.tensor(1))
        engine.error = 1.0
        # Sizes that were compared are not compared again.
        assert float(module(torch.zeros(4, 1, 4, 4), torch.tensor(1))["sample"].max()) == 2.0
        for shape in [(5, 1, 4, 4), (1, 1, 4, 4), (2, 1, 5, 4), (2, 1, 4, 5)]:
            assert float(module(torch.zeros(shape), torch.tensor(1))["sample"].max()) == 1.0
        assert not module.forward.is_served  # type: ignore[union-attr]

    def test_an_engine_that_raises_fails_no_job(self, caplog: pytest.LogCaptureFixture) -> None:
        engine = FakeEngine()
        module = attached(engine)
        module(torch.zeros(2, 1, 4, 4), torch.tensor(1))
        engine.run = None  # type: ignore[assignment, method-assign]
        with caplog.at_level(logging.WARNING):
            assert float(module(torch.zeros(2, 1, 4, 4), torch.tensor(1))["sample"].max()) == 1.0
        assert "it raised TypeError" in caplog.text

    @pytest.mark.parametrize(
        ("expected", "found", "precision", "distance"),
        [
            ([0.0, 1.0], [0.0, 1.5], "float32", 0.5),
            ([0.0, 10.0], [0.0, 15.0], "float32", 0.5),
            ([3.0, 4.0], [3.0, 4.5], "bfloat16", 0.1),
            ([float("-inf"), 1.0], [float("-inf"), 1.0], "float32", 0.0),
            ([float("nan"), 1.0], [float("nan"), 1.0], "float32", 0.0),
            ([1.0, 1.0], [float("nan"), 1.0], "float32", float("inf")),
            ([1.0, 1.0], [float("inf"), 1.0], "bfloat16", float("inf")),
            ([1.0, 1.0], [1.0], "float32", float("inf")),
        ],
    )
    def test_the_difference(
        self, expected: list[float], found: list[float], precision: str, distance: float
    ) -> None:
        given = difference([torch.tensor(expected)], [torch.tensor(found)], precision)
        assert given == pytest.approx(distance, rel=1e-5)


class TestStore:
    def written(self, calls: list[Path]) -> Callable[[ExportOrder, Path], None]:
        def export(order: ExportOrder, target: Path) -> None:
            calls.append(target)
            ExportedModel(order.model.engine, order.precision).write(target)

        return export

    def test_workers_that_need_a_model_at_once_export_it_once(self, tmp_path: Path) -> None:
        exports: list[Path] = []
        order = ExportOrder(
            entry(save_classifier(tmp_path / "m"), engine="onnxruntime"), tmp_path / "m", "float32"
        )
        with ThreadPoolExecutor(4) as pool:
            stores = [EngineStore(tmp_path / "engines", self.written(exports)) for _ in range(4)]
            found = list(pool.map(lambda store: store.get(order), stores))
        assert len(exports) == 1
        assert {each.engine for each in found} == {"onnxruntime"}

    def test_what_it_depends_on_is_part_of_its_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store, folder = EngineStore(tmp_path / "engines", self.written([])), save_classifier(tmp_path / "m")
        model = entry(folder, engine="onnxruntime")

        def name(model: Model = model, precision: str = "float32") -> str:
            return store.folder(ExportOrder(model, folder, precision)).name

        names = [name(), name(precision="int8"), name(entry(folder, engine="openvino"))]
        with monkeypatch.context() as patch:
            patch.setattr("brushwork_workers.engines.engine_store.versions", lambda: {"torch": "1.0"})
            names.append(name())
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
        names.append(name())
        assert len(set(names)) == len(names)
        # Not the name of the entry, nor what does not change the model.
        assert name() == name(model.model_copy(update={"name": "other", "max_batch": 2}))

    def test_an_export_without_a_manifest_leaves_nothing(self, tmp_path: Path) -> None:
        store = EngineStore(tmp_path / "engines", lambda order, target: None)
        order = ExportOrder(
            entry(save_classifier(tmp_path / "m"), engine="openvino"), tmp_path / "m", "float32"
        )
        with pytest.raises(ExportFailed):
            store.get(order)
        assert not store.folder(order).exists()


class TestEntry:
    def test_a_missing_extra_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(engine_module.PACKAGES, "openvino", ("openvino", "no_such_package"))
        with pytest.raises(ModelUnavailable, match="no_such_package") as caught:
            check_installed(entry(tmp_path, engine="openvino"))
        assert caught.value.hint == "Run: pip install 'brushwork[openvino]'"
        assert caught.value.field == "engine"

    @pytest.mark.parametrize(
        ("options", "field"),
        [
            ({"engine_precision": "bfloat16"}, "engine_precision"),
            ({"engine": "onnxruntime", "engine_precision": "bfloat16"}, "engine_precision"),
            ({"engine": "openvino", "engine_precision": "int8"}, "engine_precision"),
            ({"engine": "openvino", "dtype": "bfloat16"}, "dtype"),
            ({"engine": "openvino", "quantization": "int8_weight_only"}, "quantization"),
            ({"engine": "onnxruntime", "placement": "model_offload"}, "placement"),
            ({"engine": "onnxruntime", "compile": True}, "compile"),
            ({"engine": "tensorrt"}, "engine"),
        ],
    )
    def test_what_does_not_fit_an_engine_is_refused(
        self, tmp_path: Path, options: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(ValidationError, match=field):
            entry(tmp_path, **options)

    def test_another_device_than_a_cpu_is_torch_s(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        engines = ModelEngines(EngineStore(tmp_path, lambda order, target: None))
        model = entry(tmp_path, engine="onnxruntime")
        with caplog.at_level(logging.WARNING):
            assert engines.prepare(model, tmp_path, torch.device("cuda"), SerialExecutor()) is None
        assert 'Set placement = "cpu"' in caplog.text

    def test_a_failed_export_leaves_the_model_to_torch(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        def export(order: ExportOrder, target: Path) -> None:
            raise MemoryError("no memory")

        engines = ModelEngines(EngineStore(tmp_path / "engines", export))
        loader = ModelLoader(Loaders(), torch.device("cpu"), SerialExecutor(), engines=engines)
        with caplog.at_level(logging.WARNING):
            loaded = loader.load(entry(save_classifier(tmp_path / "m"), engine="onnxruntime"))
        assert loaded.engine == "torch"
        assert "torch runs it, because its export failed: MemoryError: no memory" in caplog.text

    def test_the_summary_names_what_torch_runs(self) -> None:
        modules = (ExportedModule("unet", "f", "unet.onnx"), ExportedModule("vae.decoder", reason="a loop"))
        assert (
            ExportedModel("openvino", "bfloat16", modules).summary()
            == "openvino bfloat16: unet; vae.decoder: torch (a loop)"
        )


class TestCompilation:
    def compiled(self, shapes: list[tuple[int, ...]], error: float = 0.0) -> nn.Module:
        """A denoiser that a stand-in of torch.compile runs, which notes the shapes that it is given."""

        def compiler(function: Callable[..., Any], *, dynamic: bool, mode: str | None) -> Callable[..., Any]:
            assert (dynamic, mode) == (False, None)

            def run(*tensors: Tensor) -> tuple[Tensor, ...]:
                shapes.append(tuple(tensors[0].shape))
                return tuple(answer + error for answer in function(*tensors))

            return run

        module = Denoiser()
        compile_module(module, entry(Path("m"), compile=True), torch.float32, compiler)
        return module

    def test_rows_are_filled_up_so_that_few_shapes_are_compiled(self) -> None:
        shapes: list[tuple[int, ...]] = []
        module = self.compiled(shapes)
        for rows in (1, 2, 3, 4, 5, 6, 7, 8):
            sample, timestep = torch.rand(rows, 1, 4, 4), torch.arange(rows)
            answer = module(sample, timestep)["sample"]
            assert torch.equal(answer, Denoiser()(sample, timestep)["sample"])
        assert {shape[0] for shape in shapes} == {1, 2, 4, 8}

    def test_a_wrong_compilation_is_refused(self, caplog: pytest.LogCaptureFixture) -> None:
        module, sample = self.compiled([], error=0.1), torch.zeros(2, 1, 4, 4)
        with caplog.at_level(logging.WARNING):
            assert [float(module(sample, torch.tensor(1))["sample"].max()) for _ in range(2)] == [1.0, 1.0]
        assert "torch.compile does not run Denoiser" in caplog.text

    def test_few_forms_are_compiled(self) -> None:
        shapes: list[tuple[int, ...]] = []
        module = self.compiled(shapes)
        for scale in range(MAX_FORMS + 2):
            module(torch.zeros(2, 1, 4, 4), torch.tensor(1), scale=float(scale))
        assert len(shapes) == MAX_FORMS
