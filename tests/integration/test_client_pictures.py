"""The clients' conformance suite: every way to give a picture, what is no picture, and files of the store."""

import io
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brushwork import Artifact, InvalidImage, RequestError
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_schemas.errors import ArtifactMissing
from PIL import Image

from tests.clients import LedgerHand, Stand, png

inputs = pytest.mark.inputs("decided before the ways of threads and of tasks part")


WAYS = (
    *("path", "str", "os.PathLike", "bytes", "bytearray", "memoryview", "hash", "artifact"),
    *("file", "text mode", "temporary file", "BytesIO", "read BytesIO", "pipe"),
    *("pil", "array", "flipped array"),
)


class Located:
    """A path of another class than `Path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


class Pipe:
    """An open file in which one can't seek, and which returns less than it is asked for."""

    def __init__(self, data: bytes) -> None:
        self._left = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._left.read(min(size, 7) if size >= 0 else -1)


class Awaited:
    """A file whose `read` is a coroutine, such as an upload of FastAPI."""

    async def read(self, size: int = -1) -> bytes:
        return b""


def used(file: io.BytesIO) -> io.BytesIO:
    """The file after it was read."""
    file.read()
    return file


class TestImages:
    @inputs
    @pytest.mark.parametrize("way", WAYS)
    def test_each_way_to_give_a_picture_stores_the_same(self, stand: Stand, tmp_path: Path, way: str) -> None:
        client = stand.client
        data = png()
        path = tmp_path / "picture.png"
        path.write_bytes(data)
        first = client.submit("image-classification", image=data)
        ways: dict[str, Any] = {
            "path": path, "str": str(path), "bytes": data, "bytearray": bytearray(data),
            "memoryview": memoryview(data), "hash": first.request.image, "artifact": client.upload(data),
            "os.PathLike": Located(path), "BytesIO": io.BytesIO(data), "read BytesIO": used(io.BytesIO(data)),
            "pipe": Pipe(data), "pil": Image.open(path), "array": np.asarray(Image.open(path)),
            "flipped array": np.asarray(Image.open(path))[::-1],
        }  # fmt: skip
        with path.open("rb") as file, path.open() as text, tempfile.NamedTemporaryFile() as temporary:
            temporary.write(data)
            ways |= {"file": file, "text mode": text, "temporary file": temporary}
            job = client.submit("image-classification", image=ways[way])
            # Whoever has opened a file closes it.
            assert [file.closed, text.closed, temporary.closed] == [False] * 3
        ways["pil"].close()
        stored = client.artifact_bytes(job.request.image)
        assert Image.open(io.BytesIO(stored)).convert("RGB").tobytes() == Image.open(path).tobytes()
        if way not in ("pil", "array", "flipped array"):
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

    @inputs
    @pytest.mark.parametrize(
        ("image", "reason"),
        [
            (np.zeros((8, 16, 3), np.float32), "float32"), (np.zeros((3, 8, 16), np.uint8), r"\(3, 8, 16\)"),
            (np.zeros((8, 16), np.int64), "int64"), (np.zeros(8, np.uint8), r"\(8,\)"),
            (np.zeros((0, 16), np.uint8), "no pixels"), (np.zeros((8, 16, 3), np.uint16), "uint16"),
            (io.StringIO("picture"), "text mode"), (Awaited(), "awaited"), (io.BytesIO(), "picture"),
            (io.BytesIO(b"none"), "picture"), (Path("/none"), "No such file"),
        ],
        ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
    )  # fmt: skip
    def test_what_can_t_be_a_picture_is_refused_with_the_reason(
        self, stand: Stand, image: Any, reason: str
    ) -> None:
        with pytest.raises(InvalidImage, match=reason) as raised:
            stand.client.submit("image-to-text", image=image)
        assert (raised.value.field, stand.hand.num_stored()) == ("image", (0, 0))
        assert raised.value.hint

    @inputs
    @pytest.mark.parametrize("order", ["<u2", ">u2"])
    def test_an_array_of_16_bits_is_scaled_to_8(self, stand: Stand, order: str) -> None:
        job = stand.client.submit("image-to-text", image=np.full((8, 16), 30_000, order))
        picture = Image.open(io.BytesIO(stand.client.artifact_bytes(job.request.image)))
        # 30000 / 257
        assert picture.convert("RGB").getpixel((0, 0)) in ((116,) * 3, (117,) * 3)

    @inputs
    @pytest.mark.parametrize("way", ["array", "file", "pipe"])
    def test_an_upload_takes_them_likewise(self, stand: Stand, way: str) -> None:
        ways: dict[str, Any] = {
            "array": np.zeros((8, 16, 3), np.uint8), "file": io.BytesIO(png()), "pipe": Pipe(png()),
        }  # fmt: skip
        stored = stand.client.upload(ways[way])
        assert (stored.media_type, stored.width, stored.height) == ("image/png", 16, 8)

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
