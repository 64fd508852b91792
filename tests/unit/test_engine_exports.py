"""Real exports: modules of tiny models in ONNX Runtime and OpenVINO compute what they compute in torch.

One model of diffusers is exported in every run. With `--thorough`, models of every family are.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from brushwork_schemas.catalogue import Model, Source
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.engines import model_export
from brushwork_workers.engines.attached_engines import AttachedEngines
from brushwork_workers.engines.engine_store import EngineStore
from brushwork_workers.engines.exported_model import ExportedModel
from brushwork_workers.engines.model_engines import ModelEngines, order_for
from brushwork_workers.engines.model_export import ExportOrder, export_model
from brushwork_workers.families.loaders import Loaders
from brushwork_workers.interface import LoadedModules, LoadSpec
from brushwork_workers.model_cache.model_loader import ModelLoader
from torch import Tensor, nn

from tests.every_model import CAPTIONERS, CLASSIFIERS, SEGMENTERS
from tests.tiny_models import save_stable_diffusion

ENGINES = ("onnxruntime", "openvino")


def entry(folder: Path, family: str, **options: Any) -> Model:
    return Model(name="tiny", family=family, source=Source(folder=folder), **options)


class Network(nn.Module):
    """A convolution and a timestep, as small as an export can be."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, sample: Tensor, timestep: Tensor) -> tuple[Tensor]:
        return (self.convolution(sample).relu() * timestep.float().reshape(-1, 1, 1, 1),)


class Handler:
    """Calls the network once with a black picture."""

    def __init__(self, network: nn.Module, spec: LoadSpec) -> None:
        self._network = network
        self._spec = spec

    def warm_up(self) -> None:
        black = torch.zeros(1, 3, 8, 8)
        self._spec.model_executor.call(self._spec.options, self._network, black, torch.tensor(3))

    def perform(self, request: Any, context: Any) -> dict[str, Any]:
        return {}


def load(spec: LoadSpec) -> LoadedModules:
    network = Network().eval()
    return LoadedModules({"image-classification": Handler(network, spec)}, [network])


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network, exported once: both engines read the same file."""
    folder = tmp_path_factory.mktemp("network")
    model = entry(folder, "image-classifier", engine="onnxruntime")
    export_model(ExportOrder(model, folder, "float32"), load, folder)
    return folder


@pytest.mark.parametrize("engine", ENGINES)
def test_alone_and_in_a_batch_of_any_size_it_computes_what_torch_does(exported: Path, engine: str) -> None:
    found = ExportedModel.read(exported)
    assert [(module.name, module.reason) for module in found.modules] == [("network", "")]
    network, stock = Network().eval(), Network().eval()
    engines = AttachedEngines("tiny", exported, ExportedModel(engine, "float32", found.modules), 1)
    engines.attach({"network": network})
    sample = torch.randn(7, 3, 12, 20, generator=torch.Generator().manual_seed(1))
    timestep = torch.arange(7)
    with torch.no_grad():
        expected = stock(sample, timestep)[0]
        for _ in range(2):
            assert (network(sample, timestep)[0] - expected).abs().max() < 1e-5
            rows = [network(sample[index : index + 1], timestep[index])[0] for index in range(7)]
            assert (torch.cat(rows) - expected).abs().max() < 1e-5
    forward: Any = network.forward
    assert forward.is_served


def test_weights_that_an_engine_has_are_freed_and_torch_can_still_run(exported: Path) -> None:
    network, stock = Network().eval(), Network().eval()
    engines = AttachedEngines("tiny", exported, ExportedModel.read(exported), 1)
    engines.attach({"network": network})
    before = engines.size_bytes
    sample, timestep = torch.rand(1, 3, 8, 8), torch.tensor(3)
    with torch.no_grad():
        engines.free_weights()
        # Nothing has been compared yet.
        assert engines.size_bytes == before
        network(sample, timestep)
        engines.free_weights()
        assert engines.size_bytes == before - 4 * (4 * 3 * 3 * 3 + 4)
        # Another form: torch runs it, with the weights of the file.
        doubled = sample.double(), timestep
        with pytest.raises(RuntimeError):
            network(*doubled)
        assert torch.equal(network(sample[0], timestep)[0], stock(sample[0], timestep)[0])


def test_a_wrong_export_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exported: Path
) -> None:
    class Wrong:
        def run(self, tensors: Any) -> list[Tensor]:
            return [torch.zeros(len(tensors[0]), 4, 8, 8)]

    def copy(module: Any, arguments: Any, file: Path) -> None:
        file.write_bytes((exported / "network.onnx").read_bytes())

    monkeypatch.setattr(model_export, "export", copy)
    monkeypatch.setattr(model_export, "open_engine", lambda *given: Wrong())
    model = entry(tmp_path, "image-classifier", engine="onnxruntime")
    (network,) = export_model(ExportOrder(model, tmp_path, "float32"), load, tmp_path).modules
    assert network.file == ""
    assert network.reason.startswith("it differs from torch by")


def test_a_module_that_cannot_be_exported_is_left_to_torch(tmp_path: Path) -> None:
    class Random(Network):
        def forward(self, sample: Tensor, timestep: Tensor) -> tuple[Tensor]:
            if float(sample.sum()) > 1:
                return (sample,)
            return super().forward(sample, timestep)

    def load_random(spec: LoadSpec) -> LoadedModules:
        network = Random().eval()
        return LoadedModules({"image-classification": Handler(network, spec)}, [network])

    model = entry(tmp_path, "image-classifier", engine="onnxruntime")
    (network,) = export_model(ExportOrder(model, tmp_path, "float32"), load_random, tmp_path).modules
    assert network.file == ""
    assert network.reason


def exporting(order: ExportOrder, target: Path) -> None:
    export_model(order, Loaders()[order.model.family], target)


@pytest.fixture
def only_thorough(thorough: bool) -> None:
    if not thorough:
        pytest.skip("exports take seconds each: only with --thorough")


@pytest.mark.usefixtures("only_thorough")
class TestEveryFamily:
    @pytest.mark.parametrize("engine", ENGINES)
    def test_pictures(self, tmp_path: Path, engine: str) -> None:
        folder = save_stable_diffusion(tmp_path / "m")
        sides = {"width": 32, "height": 32}
        model = entry(folder, "stable-diffusion", engine=engine, defaults=sides)
        store = EngineStore(tmp_path / "engines", exporting)
        loader = ModelLoader(Loaders(), torch.device("cpu"), SerialExecutor(), engines=ModelEngines(store))
        loaded = loader.load(model)
        assert loaded.engine == engine
        found = store.find(order_for(model, folder))
        assert found is not None
        assert {module.name: module.reason for module in found.modules} == dict.fromkeys(
            ("unet", "text_encoder", "vae.encoder", "vae.decoder"), ""
        )

    @pytest.mark.parametrize("name", [*CLASSIFIERS, *SEGMENTERS, *CAPTIONERS])
    def test_vision(self, tmp_path: Path, name: str) -> None:
        family, save = {**CLASSIFIERS, **SEGMENTERS, **CAPTIONERS}[name]
        save(tmp_path / "m")
        model = entry(tmp_path / "m", family, engine="onnxruntime")
        store = EngineStore(tmp_path / "engines", exporting)
        loader = ModelLoader(Loaders(), torch.device("cpu"), SerialExecutor(), engines=ModelEngines(store))
        loader.load(model)
        found = store.find(order_for(model, tmp_path / "m"))
        assert found is not None
        refused = {module.name: module.reason for module in found.modules if module.reason}
        assert refused == {} or name in NOT_EXPORTED, refused

    def test_two_processes_export_once(self, tmp_path: Path) -> None:
        folder = save_stable_diffusion(tmp_path / "m")
        program = (
            "import sys, json; from pathlib import Path; from brushwork_schemas.catalogue import Model\n"
            "from brushwork_workers.engines.engine_store import EngineStore\n"
            "from brushwork_workers.engines.model_export import ExportOrder\n"
            "from brushwork_workers.process.engine_export import export_in_process\n"
            "given = json.loads(sys.argv[1]); made = []\n"
            "def export(order, target):\n    made.append(1); export_in_process(order, target)\n"
            "store = EngineStore(Path(given['root']), export)\n"
            "store.get(ExportOrder(Model.model_validate(given['model']), Path(given['folder']), 'float32'))\n"
            "print(len(made))"
        )
        model = entry(folder, "stable-diffusion", engine="onnxruntime", defaults={"width": 32, "height": 32})
        given = {"root": str(tmp_path / "e"), "folder": str(folder), "model": model.model_dump(mode="json")}
        command = [sys.executable, "-c", program, json.dumps(given)]
        started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        assert sorted(process.communicate()[0].strip() for process in started) == ["0", "1"]


NOT_EXPORTED: frozenset[str] = frozenset()
