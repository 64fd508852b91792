"""Every way to give a picture, through either client, and what is no picture."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from brushwork import (
    InvalidImage,
    Job,
    RequestError,
)
from brushwork_schemas.artifact_store import ArtifactStore
from brushwork_schemas.ledger import Ledger
from PIL import Image

from tests.clients import finished, png, stored_files


class TestImages:
    def sizes(self, job: Job) -> Any:
        return job.request.image  # type: ignore[union-attr]

    @pytest.mark.parametrize("way", ["path", "str", "bytes", "bytearray", "memoryview", "pil", "hash"])
    def test_each_way_to_give_a_picture_stores_the_same(self, client: Any, tmp_path: Path, way: str) -> None:
        data = png()
        path = tmp_path / "picture.png"
        path.write_bytes(data)
        first = client.submit("image-classification", image=data)
        ways: dict[str, Any] = {
            "path": path, "str": str(path), "bytes": data, "bytearray": bytearray(data),
            "memoryview": memoryview(data), "pil": Image.open(path), "hash": first.request.image,
        }  # fmt: skip
        job = client.submit("image-classification", image=ways[way])
        ways["pil"].close()
        stored = client.artifact_bytes(job.request.image)
        assert Image.open(io.BytesIO(stored)).convert("RGB").tobytes() == Image.open(path).tobytes()
        if way != "pil":
            assert job.request.image == first.request.image
            assert len(stored_files(client)) == 1

    def test_an_artifact_of_another_job(self, client: Any, ledger: Ledger) -> None:
        source = finished(client, ledger)
        job = client.submit("image-segmentation", image=source.result.images[0])
        assert job.request.image == source.result.images[0].sha256

    @pytest.mark.parametrize(
        "image", ["f" * 64, "", ".", "/dev/zero", "a\0b", "\udcff", "HTTP://127.0.0.1/", 5.0, []]
    )
    def test_what_is_no_picture_is_refused(self, client: Any, image: Any) -> None:
        with pytest.raises(RequestError) as raised:
            client.submit("image-to-text", image=image)
        assert (raised.value.field, stored_files(client)) == ("image", [])

    def test_an_artifact_that_is_no_picture_is_refused(self, client: Any) -> None:
        name = ArtifactStore(client.settings.artifacts_url).put(b"no picture")
        with pytest.raises(InvalidImage, match="is no picture"):
            client.submit("image-to-text", image=name)

    def test_a_fifo_is_not_waited_for(self, client: Any, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        with pytest.raises(InvalidImage, match="is no file"):
            client.submit("image-to-text", image=tmp_path / "fifo")

    @pytest.mark.parametrize(
        "mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "HSV", "LAB", "YCbCr", "I;16", "F"]
    )
    def test_a_pil_picture_of_any_mode(self, client: Any, mode: str) -> None:
        job = client.submit("image-to-text", image=Image.new(mode, (16, 8)))
        assert Image.open(io.BytesIO(client.artifact_bytes(job.request.image))).size == (16, 8)

    def test_a_pil_picture_is_turned_as_its_file_would_be(self, client: Any, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (16, 8)).save(tmp_path / "turned.png", exif=exif)
        with Image.open(tmp_path / "turned.png") as opened:
            by_pil, by_path = (
                client.submit("image-to-text", image=way) for way in (opened, tmp_path / "turned.png")
            )
        for job in (by_pil, by_path):
            assert Image.open(io.BytesIO(client.artifact_bytes(job.request.image))).size == (8, 16)

    def test_a_pil_picture_that_is_empty_or_cut_off_is_refused(self, client: Any) -> None:
        noise = io.BytesIO()
        Image.effect_noise((64, 64), 90).save(noise, "PNG")
        cut_off = Image.open(io.BytesIO(noise.getvalue()[:1000]))
        for picture in (Image.new("RGB", (0, 5)), cut_off):
            with pytest.raises(InvalidImage) as raised:
                client.submit("image-to-text", image=picture)
            assert raised.value.field == "image"
