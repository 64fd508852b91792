"""The clients' conformance suite: every way to give a picture, what is no picture, and files of the store."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from brushwork import Artifact, InvalidImage, RequestError
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_schemas.errors import ArtifactMissing
from PIL import Image

from tests.clients import LedgerHand, Stand, png

inputs = pytest.mark.inputs("decided before the ways of threads and of tasks part")


class TestImages:
    @inputs
    @pytest.mark.parametrize("way", ["path", "str", "bytes", "bytearray", "memoryview", "pil", "hash"])
    def test_each_way_to_give_a_picture_stores_the_same(self, stand: Stand, tmp_path: Path, way: str) -> None:
        client = stand.client
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
            assert stand.hand.num_stored() == (2, 1)

    def test_an_artifact_of_another_job(self, stand: Stand) -> None:
        source = stand.finished()
        job = stand.client.submit("image-segmentation", image=source.result.images[0])
        assert job.request.image == source.result.images[0].sha256

    @inputs
    @pytest.mark.parametrize(
        "image", ["f" * 64, "", ".", "/dev/zero", "a\0b", "\udcff", "HTTP://127.0.0.1/", 5.0, []]
    )
    def test_what_is_no_picture_is_refused(self, stand: Stand, image: Any) -> None:
        with pytest.raises(RequestError) as raised:
            stand.client.submit("image-to-text", image=image)
        assert (raised.value.field, stand.hand.num_stored()) == ("image", (0, 0))

    @pytest.mark.servers("only pictures come into its store")
    def test_an_artifact_that_is_no_picture_is_refused(self, stand: Stand) -> None:
        assert stand.settings is not None
        name = ArtifactStore(stand.settings.artifacts_url).put(b"no picture")
        with pytest.raises(InvalidImage):
            stand.client.submit("image-to-text", image=name)

    def test_a_fifo_is_not_waited_for(self, client: Any, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        with pytest.raises(InvalidImage, match="is not a regular file"):
            client.submit("image-to-text", image=tmp_path / "fifo")

    @inputs
    @pytest.mark.parametrize(
        "mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "HSV", "LAB", "YCbCr", "I;16", "PA"]
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

    def test_a_file_of_too_many_bytes_is_refused(self, stand: Stand, tmp_path: Path) -> None:
        path = tmp_path / "large.png"
        path.write_bytes(png() + bytes(25 * 2**20))
        with pytest.raises(InvalidImage, match="more than 26214400 bytes"):
            stand.client.submit("image-to-text", image=path)
        assert stand.hand.num_stored() == (0, 0)


class TestUpload:
    def test_an_upload_serves_several_jobs(self, stand: Stand, tmp_path: Path) -> None:
        (tmp_path / "picture.png").write_bytes(png())
        artifact = stand.client.upload(tmp_path / "picture.png")
        assert (artifact.media_type, artifact.width, artifact.height) == ("image/png", 16, 8)
        assert artifact.size_bytes == len(png())
        assert artifact.bytes() == stand.client.artifact_bytes(artifact.sha256) == png()
        for image in (artifact, artifact.sha256):
            assert stand.client.submit("image-to-text", image=image).request.image == artifact.sha256
        assert stand.hand.num_stored() == (2, 1)

    def test_again_is_the_same(self, client: Any) -> None:
        first = client.upload(png())
        assert client.upload(Image.open(io.BytesIO(first.bytes()))).width == 16
        assert client.upload(png()) == client.upload(first) == first

    @inputs
    @pytest.mark.parametrize("image", [b"nonsense", "/no/such/file", 5, png()[:50]])
    def test_what_is_no_picture_is_refused(self, stand: Stand, image: Any) -> None:
        with pytest.raises(InvalidImage) as raised:
            stand.client.upload(image)
        assert (raised.value.field, stand.hand.num_stored()) == ("image", (0, 0))


class TestArtifacts:
    def test_a_result_is_fetched_when_asked_for(self, stand: Stand, tmp_path: Path) -> None:
        (artifact,) = stand.finished().result.images
        assert isinstance(artifact, Artifact)
        assert artifact.save(tmp_path / "saved.png").read_bytes() == png("blue")
        assert artifact.pil().size == (artifact.width, artifact.height) == (16, 8)

    @inputs
    @pytest.mark.parametrize("name", ["0" * 64, "nobody", "", "../../etc/passwd", "a/b", "\ud800"])
    def test_what_is_not_there_is_missing(self, client: Any, name: str) -> None:
        with pytest.raises(ArtifactMissing):
            client.artifact_bytes(name)

    @pytest.mark.servers("nothing can vanish from its memory")
    def test_a_file_that_is_gone_is_missing(self, stand: Stand) -> None:
        assert stand.settings is not None
        assert isinstance(stand.hand, LedgerHand)
        (artifact,) = stand.finished().result.images
        for path in Path(stand.settings.artifacts_url).rglob(artifact.sha256):
            path.unlink()
        with pytest.raises(ArtifactMissing):
            artifact.bytes()
