"""The pocket models' recipe: what grows, what is kept between pieces, and gates that stop it."""

import sys
from pathlib import Path

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from torch import nn

from recipes.pocket import shipping, train
from recipes.pocket.gates import GateResult
from recipes.pocket.networks.decoder import deepen, faint_weights
from recipes.pocket.networks.denoiser import few_timesteps, noisy_timesteps
from recipes.pocket.stages import PARTS, Stopped, run_all
from recipes.pocket.training import checkpoint, learning_curve
from recipes.pocket.training.loop import Loop, Plan, TimeBudget


def test_a_deepened_decoder_gives_the_same_pictures() -> None:
    torch.manual_seed(0)
    shallow = AutoencoderTiny(
        encoder_block_out_channels=(8,) * 4,
        decoder_block_out_channels=(8,) * 4,
        num_encoder_blocks=(0, 1, 1, 1),
        num_decoder_blocks=(2, 1, 1, 0),
        latent_channels=4,
    )
    latents = torch.randn(2, 4, 8, 8)
    deep = deepen(shallow, (4, 3, 1, 0))
    with torch.no_grad():
        assert torch.equal(deep.decoder(latents), shallow.decoder(latents))
    assert len(deep.decoder.layers) == len(shallow.decoder.layers) + 4


def test_a_small_or_faint_object_weighs_more_than_a_large_and_clear_one() -> None:
    pictures = -torch.ones(4, 3, 64, 64)
    pictures[0, :, 30:32, 30:32] = 1.0
    pictures[1, :, 20:38, 20:38] = 0.0
    pictures[2, :, 20:38, 20:38] = 1.0
    pictures[3, :, 8:56, 8:56] = 1.0
    tiny, faint, clear, large = faint_weights(pictures).flatten().tolist()
    assert (tiny, large) == pytest.approx((8.0, 0.4))
    assert faint == pytest.approx(2 * clear) == pytest.approx(0.08 / (18 * 18 / 64**2))


def test_timesteps_are_dense_where_a_prompt_decides() -> None:
    torch.manual_seed(0)
    steps = noisy_timesteps(6000)
    assert 0 <= int(steps.min()) <= int(steps.max()) == 999
    assert (steps == 999).float().mean() > 1 / 7
    few = few_timesteps(1000)
    assert set(few.tolist()) == {999, 749, 499, 249}
    assert (few == 999).sum() > (few == 249).sum()


def state(value: float) -> dict[str, object]:
    return {"step": 3, "modules": {"a": {"w": torch.full((5,), value)}}, "rates": [0.5, {"t": torch.ones(2)}]}


def test_a_training_state_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "part"
    assert checkpoint.load(folder) is None
    checkpoint.save(state(1.0), folder)
    checkpoint.save(state(2.0), folder)
    read = checkpoint.load(folder)
    assert read is not None
    assert read["step"] == 3
    assert read["modules"]["a"]["w"].tolist() == [2.0] * 5
    assert read["rates"][1]["t"].tolist() == [1.0, 1.0]
    assert [file.name for file in tmp_path.iterdir()] == ["part"]


def test_the_older_state_counts_where_writing_was_cut_off(tmp_path: Path) -> None:
    folder = tmp_path / "part"
    checkpoint.save(state(1.0), folder)
    folder.rename(tmp_path / "part.old")
    read = checkpoint.load(folder)
    assert read is not None
    assert read["modules"]["a"]["w"].tolist() == [1.0] * 5


def test_no_file_of_a_state_is_large(tmp_path: Path) -> None:
    checkpoint.save({"many": [torch.zeros(1_000_000) for _ in range(8)]}, tmp_path / "part")
    sizes = [file.stat().st_size for file in (tmp_path / "part").iterdir()]
    assert max(sizes) < 16_000_000
    assert len(sizes) > 2


def loop_of(folder: Path, budget: TimeBudget) -> Loop:
    torch.manual_seed(0)
    return Loop({"net": nn.Linear(2, 1)}, Plan(budget, average=0.9), folder / "state")


def test_a_piece_stops_in_time_and_the_next_goes_on(tmp_path: Path) -> None:
    loop = loop_of(tmp_path, TimeBudget(minutes=60.0, until_s=float("inf")))

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        if loop.step == 3:
            loop.spent_s = 3600.0
        return loop.modules["net"](torch.ones(1, 2)).square().mean(), 1, {}

    assert loop.run(loss)
    again = loop_of(tmp_path, TimeBudget(minutes=120.0, resume=True, until_s=0.0))
    assert again.step == 4
    assert not again.run(loss)
    now, before = (one.modules["net"].state_dict() for one in (again, loop))
    assert torch.equal(now["weight"], before["weight"])
    assert torch.equal(again.averages["net"]["weight"], loop.averages["net"]["weight"])


def test_nothing_is_built_past_a_gate_that_was_not_reached(tmp_path: Path) -> None:
    trained: list[str] = []
    shares = iter([0.97, 0.995])

    def train(part: str, out: Path, budget: TimeBudget) -> bool:
        trained.append(part)
        return True

    gates = {"decoder": lambda out: [GateResult("reconstructions", next(shares), 0.99)]}
    with pytest.raises(Stopped, match="decoder"):
        run_all(tmp_path, TimeBudget(10.0), train=train, gates=gates)
    assert trained == list(PARTS[: PARTS.index("decoder") + 1])
    with pytest.raises(Stopped, match="decoder"):
        run_all(tmp_path, TimeBudget(10.0), train=train, gates=gates)
    assert trained == list(PARTS[: PARTS.index("decoder") + 1])

    trained.clear()
    assert run_all(tmp_path, TimeBudget(20.0), train=train, gates=gates)
    assert trained == list(PARTS[PARTS.index("decoder") :])
    trained.clear()
    assert run_all(tmp_path, TimeBudget(20.0), train=train, gates=gates)
    assert trained == []


def test_a_piece_that_is_over_leaves_the_rest_for_the_next(tmp_path: Path) -> None:
    trained: list[str] = []

    def train(part: str, out: Path, budget: TimeBudget) -> bool:
        trained.append(part)
        return part != "autoencoder"

    assert not run_all(tmp_path, TimeBudget(10.0), train=train, gates={})
    assert trained == ["text_encoder", "autoencoder"]


def test_the_curve_of_a_part_goes_on_where_an_earlier_run_left_it(tmp_path: Path) -> None:
    learning_curve.note(tmp_path, "denoiser", 15.0, 128_000, (0.91, 0.985))
    learning_curve.note(tmp_path, "polish", 4.04, 9_600, (0.985, 1.0))
    assert (tmp_path / learning_curve.FILE).read_text().splitlines() == [
        "part,minutes,samples,one_object,two_objects",
        "denoiser,15.0,128000,0.9100,0.9850",
        "polish,4.0,9600,0.9850,1.0000",
    ]


@pytest.mark.parametrize("model", shipping.MODELS)
def test_what_was_not_trained_does_not_take_the_place_of_what_ships(tmp_path: Path, model: str) -> None:
    kept = tmp_path / "weights" / model / "unet" / "config.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    with pytest.raises(FileNotFoundError, match=f"{model} was not trained"):
        shipping.ship(model, tmp_path / "out", tmp_path / "weights")
    assert kept.read_text() == "{}"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--minutes", "0"], "is not a positive number of minutes"),
        (["--minutes", "nan"], "is not a positive number of minutes"),
        (["--minutes", "5", "--piece", "-1"], "is not a positive number of minutes"),
        (["--minutes", "5", "--processes", "0"], "at least 1"),
    ],
)
def test_a_training_of_no_time_or_nobody_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["train", "classifier", *arguments])
    with pytest.raises(SystemExit) as refused:
        train.main()
    assert refused.value.code == 2
    assert told in capsys.readouterr().err
