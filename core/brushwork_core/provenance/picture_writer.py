"""Writes the file of a new picture once: with visible label, labels in metadata, and signature."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from brushwork_schemas.artifact import SignedBy
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.request import Corner
from brushwork_schemas.warnings import ResultWarning, result_warning
from brushwork_schemas.wording.phrase import said
from PIL import Image

from brushwork_core.provenance.credentials.ingredients import Ingredient
from brushwork_core.provenance.credentials.output_signer import SignedFile
from brushwork_core.provenance.facts import PictureFacts
from brushwork_core.provenance.marks.aigc import aigc_label
from brushwork_core.provenance.marks.encoding import PNG, FileForm, MarksTooLong, encoded
from brushwork_core.provenance.marks.parameters import parameters_json, parameters_text
from brushwork_core.provenance.marks.pixels import pixels_sha256
from brushwork_core.provenance.marks.xmp import Stated, packet
from brushwork_core.provenance.visible_label import OWN_FONT, VisibleLabel, missing_characters, with_label
from brushwork_core.settings.mark_settings import MarkSettings


class PictureSigner(Protocol):
    """Signs the finished files of pictures."""

    @property
    def is_configured(self) -> bool:
        """Whether files are signed."""
        ...

    def expect_ready(self) -> None:
        """Raise the error with which `signed` would fail now, so that no work is done in vain.

        Raises:
            SigningFailed: Files cannot be signed.
        """
        ...

    def signed(
        self, data: bytes, media_type: str, facts: PictureFacts, inputs: Mapping[str, Ingredient]
    ) -> SignedFile:
        """Return the file with a signature; or as it is, with a warning, if the operator allows that.

        Args:
            data: The file, with all of its labels.
            media_type: Such as `image/png`.
            facts: What the signature states.
            inputs: The pictures of `facts.inputs`, by their SHA-256.

        Raises:
            SigningFailed: The file cannot be signed.
        """
        ...


_NO_INPUTS: Mapping[str, Ingredient] = {}


@dataclass(frozen=True)
class OutputChoices:
    """What a request says about the files of its pictures. None means as the operator has set.

    Args:
        form: Format and quality.
        embed_parameters: Whether the files hold the parameters.
        visible_label: Whether the pictures have a visible label.
        visible_label_text: Text of the label.
        visible_label_corner: Corner of the label.
    """

    form: FileForm = PNG
    embed_parameters: bool | None = None
    visible_label: bool | None = None
    visible_label_text: str | None = None
    visible_label_corner: Corner | None = None

    @classmethod
    def of(cls, request: Any) -> "OutputChoices":
        """Return the choices of a request. The requests of some kinds have no such fields."""
        fields = ("embed_parameters", "visible_label", "visible_label_text", "visible_label_corner")
        form = FileForm(
            getattr(request, "output_format", None) or "png", getattr(request, "output_quality", None)
        )
        return cls(form, **{name: getattr(request, name, None) for name in fields})


@dataclass(frozen=True)
class WrittenPicture:
    """The file of a picture.

    Args:
        data: The file.
        picture: The pixels, as they were encoded: with the visible label.
        media_type: Its media type.
        pixels_sha256: Name of these pixels.
        unsigned_sha256: SHA-256 of the file before it was signed.
        signed_by: Whose certificate has signed it; None for an unsigned file.
        warnings: What was done in another way than the request says.
    """

    data: bytes
    picture: Image.Image
    media_type: str
    pixels_sha256: str
    unsigned_sha256: str
    signed_by: SignedBy | None = None
    warnings: tuple[ResultWarning, ...] = ()


class PictureWriter:
    """Writes the files of new pictures as the operator and the request say.

    Args:
        settings: What the operator has set.
        signer: Signs the files; None to leave them unsigned.
    """

    def __init__(self, settings: MarkSettings | None = None, signer: PictureSigner | None = None) -> None:
        self._settings = settings or MarkSettings()
        self._signer = signer

    @property
    def signs(self) -> bool:
        """Whether files are signed."""
        return self._signer is not None and self._signer.is_configured

    def check(self, choices: OutputChoices) -> None:
        """Refuse choices that cannot be fulfilled here, before work is done.

        Raises:
            InvalidRequest: The font has no glyph for a character of the label's text.
        """
        label = self._label(choices)
        if label is None or choices.visible_label_text is None:
            return
        if missing := missing_characters(label):
            raise InvalidRequest(
                said(
                    "visible_label_text: the font of the label has no glyph for {characters}.",
                    characters=missing,
                ),
                field="visible_label_text",
                hint="Use other words. An operator can set another font with BRUSHWORK_VISIBLE_LABEL_FONT.",
            )

    def check_signature(self) -> None:
        """Raise an error if pictures cannot be signed now, before work is done.

        Raises:
            SigningFailed: They cannot be signed, and the operator wants no unsigned ones.
        """
        if self._signer is not None:
            self._signer.expect_ready()

    def embeds(self, choices: OutputChoices) -> bool:
        """Return whether files hold the parameters."""
        chosen = choices.embed_parameters
        return self._settings.embed_parameters if chosen is None else chosen

    def write(
        self,
        picture: Image.Image,
        facts: PictureFacts | None,
        choices: OutputChoices,
        inputs: Mapping[str, Ingredient] = _NO_INPUTS,
    ) -> WrittenPicture:
        """Return the file of a picture.

        Args:
            picture: The picture as the model has made it.
            facts: What is known of it; None for a finding, such as a mask, which has no mark.
            choices: What the request says. A finding is a PNG in any case.
            inputs: The pictures of `facts.inputs`, by their SHA-256, for the signature.

        Raises:
            SigningFailed: The file cannot be signed.
        """
        if facts is None:
            return _unmarked(picture)
        warnings = [*_without_quality(choices.form), *self._overruled(choices)]
        if (label := self._label(choices)) is not None:
            drawn = with_label(picture, label)
            picture = drawn.picture
            if not drawn.is_whole:
                warnings.append(
                    result_warning("visible_label_cut", width=picture.width, height=picture.height)
                )
        name = pixels_sha256(picture)
        try:
            data = self._encoded(picture, facts, choices.form, name)
        except MarksTooLong:
            data = self._encoded(picture, replace(facts, parameters=None), choices.form, name)
            warnings.append(result_warning("parameters_not_embedded", "embed_parameters"))
        unsigned, media_type = hashlib.sha256(data).hexdigest(), choices.form.media_type
        signed_by = None
        if self._signer is not None:
            signed = self._signer.signed(data, media_type, facts, inputs)
            data, signed_by = signed.data, signed.signed_by
            warnings += signed.warnings
        return WrittenPicture(data, picture, media_type, name, unsigned, signed_by, tuple(warnings))

    def _encoded(self, picture: Image.Image, facts: PictureFacts, form: FileForm, name: str) -> bytes:
        settings, tells = self._settings, facts.parameters is not None
        labelled, producer = settings.picture_labels, settings.aigc_producer
        stated = Stated(
            facts=facts if labelled else None,
            aigc=aigc_label(producer, name) if labelled and producer else None,
            parameters=parameters_json(facts) if tells else None,
        )
        text = parameters_text(facts, picture.size) if tells else None
        return encoded(picture, form, None if stated.is_empty else packet(stated), text)

    def _label(self, choices: OutputChoices) -> VisibleLabel | None:
        settings = self._settings
        is_required = settings.visible_label == "always"
        if not (is_required or choices.visible_label):
            return None
        return VisibleLabel(
            # A caller's text might say nothing of what the operator has to say.
            (None if is_required else choices.visible_label_text) or settings.visible_label_text,
            choices.visible_label_corner or settings.visible_label_corner,
            settings.visible_label_size,
            settings.visible_label_font or OWN_FONT,
        )

    def _overruled(self, choices: OutputChoices) -> list[ResultWarning]:
        if self._settings.visible_label == "always":
            ignored = [
                name
                for name, is_set in (
                    ("visible_label", choices.visible_label is False),
                    ("visible_label_text", choices.visible_label_text is not None),
                )
                if is_set
            ]
            return [result_warning("parameter_ignored", name, reason="operator") for name in ignored]
        if not choices.visible_label:
            given = {
                "visible_label_text": choices.visible_label_text,
                "visible_label_corner": choices.visible_label_corner,
            }
            return [
                result_warning("parameter_ignored", name, reason="no_visible_label")
                for name, value in given.items()
                if value is not None
            ]
        return []


def _without_quality(form: FileForm) -> list[ResultWarning]:
    is_ignored = form.quality is not None and form.format == PNG.format
    return [result_warning("parameter_ignored", "output_quality", reason="lossless")] if is_ignored else []


def _unmarked(picture: Image.Image) -> WrittenPicture:
    # A PNG also keeps the palette of a mask.
    data = encoded(picture, PNG)
    name = hashlib.sha256(data).hexdigest()
    return WrittenPicture(data, picture, PNG.media_type, pixels_sha256(picture), name)
