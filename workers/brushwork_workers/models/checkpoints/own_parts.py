"""The parts of a model that come from a single file, or from a VAE of its own, instead of its folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from posixpath import join

import torch
from brushwork_core.files.model_folders import is_here, place_of
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import ModelNotHere, ModelUnavailable, UnknownModelClass
from brushwork_schemas.wording.phrase import private, said

from brushwork_workers.models.checkpoints.contents import CheckpointContents
from brushwork_workers.models.checkpoints.conversion import DoesNotFit, PipelinePart
from brushwork_workers.models.checkpoints.refusals import check_is_checkpoint, check_path, does_not_fit
from brushwork_workers.models.class_names import CONFIG, PIPELINE, components
from brushwork_workers.models.listing import FolderListing
from brushwork_workers.models.safetensors_head import check_complete
from brushwork_workers.models.weights import SAFETENSORS, weight_files

VAE = "vae"
_STEM = "diffusion_pytorch_model"


@dataclass(frozen=True)
class FilePart:
    """A part whose weights are in a single file.

    Args:
        part: The module, with the folder of its configuration.
        contents: What the file has.
    """

    part: PipelinePart
    contents: CheckpointContents

    def num_bytes(self, dtype: torch.dtype) -> int:
        """Return the bytes that the part takes once it is loaded in `dtype`."""
        tensors = (self.contents.tensors[name] for name in self.part.names(self.contents).values())
        return sum(torch.Size(tensor.shape).numel() * dtype.itemsize for tensor in tensors)

    def check(self) -> None:
        """Check names and shapes of all tensors, without reading any.

        Raises:
            DoesNotFit: They are those of another module.
        """
        heads = self.contents.tensors
        self.part.converted(self.contents, lambda name: torch.empty(heads[name].shape, device="meta"))


@dataclass(frozen=True)
class FolderPart:
    """A VAE in a folder.

    Args:
        class_name: Its class in diffusers.
        folder: The folder of its configuration and weights.
        variant: Variant of the weights.
    """

    class_name: str
    folder: Path
    variant: str | None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of its weights."""
        names = weight_files(FolderListing(self.folder), "", _STEM, self.variant)
        return tuple(self.folder / name for name in names)


OwnPart = FilePart | FolderPart


def own_parts(model: Model, folder: Path) -> dict[str, OwnPart]:
    """Return the parts of a model that are not read from its folder, by component. Only headers are read.

    Args:
        model: The catalogue entry.
        folder: The folder of its files; of a single file, that of its base.

    Raises:
        ModelNotHere: The file or the VAE is not on this machine.
        PickledWeights: It is a pickle.
        ModelUnavailable: It is damaged, or something else than a checkpoint or a VAE.
    """
    found: dict[str, OwnPart] = {}
    if model.source.file is not None:
        found |= _of_file(model.source.file, folder)
    if model.vae is not None:
        found[VAE] = _vae(model, folder)
    return found


def check_own_parts(model: Model, folder: Path) -> None:
    """Check that the parts of a model that are not read from its folder fit the others.

    Args:
        model: The catalogue entry.
        folder: As for `own_parts`.

    Raises:
        ModelUnavailable: As `own_parts`, or a part does not fit.
    """
    for name, own in own_parts(model, folder).items():
        if isinstance(own, FolderPart):
            for file in own.files:
                if file.suffix == SAFETENSORS:
                    check_complete(file, file.name)
            _check_latents(model, own, folder)
            continue
        try:
            own.check()
        except DoesNotFit as error:
            if name == VAE and model.vae is not None:
                raise _vae_does_not_fit(model, str(error)) from error
            base = str(model.source.base)
            raise does_not_fit(own.contents, base, model.family, str(error)) from error


def own_files(model: Model, folder: Path) -> tuple[Path, ...]:
    """Return the files of the parts that are not read from the folder of a model.

    Args:
        model: The catalogue entry.
        folder: As for `own_parts`.

    Raises:
        ModelUnavailable: As `own_parts`.
    """
    found: dict[Path, None] = {}
    for own in own_parts(model, folder).values():
        for file in own.files if isinstance(own, FolderPart) else (own.contents.file,):
            found[file] = None
        if isinstance(own, FolderPart):
            found[own.folder / CONFIG] = None
    return tuple(found)


def _of_file(file: Path, folder: Path) -> Mapping[str, OwnPart]:
    check_path(file, "source.file")
    contents = CheckpointContents.of(file)
    check_is_checkpoint(contents, "source.file")
    parts = (
        PipelinePart(name, found_class, folder) for name, _, found_class in components(FolderListing(folder))
    )
    return {part.name: FilePart(part, contents) for part in parts if part.names(contents)}


def _vae(model: Model, folder: Path) -> OwnPart:
    source = model.vae_source
    if source is None:
        raise ModelUnavailable(
            said("vae: {vae} was not looked up in a catalogue.", vae=model.vae),
            field="vae",
            hint="Report this as a bug.",
        )
    if source.file is not None:
        check_path(source.file, VAE)
        contents = CheckpointContents.of(source.file)
        if contents.vae:
            return FilePart(PipelinePart(VAE, _class_of(FolderListing(folder), VAE), folder), contents)
        if source.base_source is None:
            raise ModelUnavailable(
                said("vae: {file} has no VAE.", file=private(source.file.name, "its file")),
                field=VAE,
                hint="Name the file of a VAE, or a checkpoint that has one.",
            )
    return _vae_in_folder(model, source)


def _vae_in_folder(model: Model, source: Source) -> FolderPart:
    found_folder = place_of(source)
    base = source.base_source or source
    if found_folder is None or not is_here(base):
        raise ModelNotHere(
            said("vae: {vae} of {model} is not on this machine.", vae=model.vae, model=model.name),
            field=VAE,
            hint="Correct the path. For the name of a model, run: brushwork models pull NAME",
        )
    listing = FolderListing(found_folder)
    inside = VAE if PIPELINE in listing.names else ""
    found_class = _class_of(listing, inside)
    weight_files(listing, inside, _STEM, source.variant)
    return FolderPart(found_class, found_folder / inside if inside else found_folder, source.variant)


def _class_of(listing: FolderListing, inside: str) -> str:
    """Return the class of the VAE in a folder."""
    name = join(inside, CONFIG)
    found = listing.read(name).get("_class_name") if name in listing.names else None
    if not isinstance(found, str) or not found.startswith("Autoencoder"):
        raise UnknownModelClass(
            said("vae: {file} names no class of an autoencoder.", file=name),
            field=VAE,
            hint="Name the folder of a VAE, or of a pipeline that has one.",
        )
    return found


def _check_latents(model: Model, own: FolderPart, folder: Path) -> None:
    """Check that a VAE has as many latent channels, and as large latents, as that of the model."""
    theirs = FolderListing(own.folder).read(CONFIG)
    expected = FolderListing(folder).read(join(VAE, CONFIG))
    for field in ("latent_channels", "in_channels"):
        if theirs.get(field) != expected.get(field):
            reason = said(
                "it has {field} = {found}, that of the model {expected}",
                field=field,
                found=theirs.get(field),
                expected=expected.get(field),
            )
            raise _vae_does_not_fit(model, reason)
    scales = [len(config.get("block_out_channels") or ()) for config in (theirs, expected)]
    if all(scales) and scales[0] != scales[1]:
        reason = said(
            "it makes latents of another size ({found} levels, not {expected})",
            found=scales[0],
            expected=scales[1],
        )
        raise _vae_does_not_fit(model, reason)


def _vae_does_not_fit(model: Model, reason: str) -> ModelUnavailable:
    return ModelUnavailable(
        said(
            "vae: {vae} does not fit {model}: {reason}.",
            vae=Path(str(model.vae)).name,
            model=model.name,
            reason=reason,
        ),
        field=VAE,
        hint="Use a VAE of the same family.",
    )
