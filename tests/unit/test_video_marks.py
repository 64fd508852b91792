"""What the file of a new video says, as independent readers read it, and how it plays."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brushwork_core.media.decoders.decoder import in_process
from brushwork_core.media.decoders.pool import decoder_of
from brushwork_core.provenance.credentials.output_signer import SignedFile
from brushwork_core.provenance.facts import DigitalSource, PictureFacts
from brushwork_core.provenance.marks.mp4 import encoded_video
from brushwork_core.provenance.marks.pixels import video_pixels_sha256
from brushwork_core.provenance.picture_writer import OutputChoices, PictureWriter
from brushwork_core.provenance.video_writer import VideoWriter, WrittenVideo
from brushwork_core.settings.mark_settings import MarkSettings
from brushwork_schemas.artifact import describe
from brushwork_schemas.artifact.mp4 import boxes, video_head
from brushwork_schemas.errors import InvalidImage
from PIL import Image

from tests.credentials_reader import read_independently
from tests.exiftool import read_by_exiftool
from tests.ffprobe import probed
from tests.moving_pictures import GROUND, RED, decoded, difference, moving_square
from tests.signing_identities import encoded, generated, made_from, signed

PRODUCER = "001191610133596325171T12566"
PARAMETERS = {
    "prompt": "a red square, 你好 <b>&\nmoves",
    "negative_prompt": "blurry",
    "seed": 41,
    "num_frames": 16,
    "fps": 8,
    "num_inference_steps": 20,
}
FACTS = PictureFacts(DigitalSource.GENERATED, "text-to-video", "pocket-video", "abc", "1.2.3", (), PARAMETERS)
QUIET = replace(FACTS, parameters=None)
MP4 = "video/mp4"


def written(
    frames: list[Image.Image] | None = None,
    fps: int = 8,
    facts: PictureFacts | None = FACTS,
    choices: OutputChoices | None = None,
    **settings: Any,
) -> WrittenVideo:
    pictures = PictureWriter(MarkSettings(**{"aigc_producer": PRODUCER, **settings}))
    return VideoWriter(pictures).write(frames or moving_square(), fps, facts, choices or OutputChoices())


@pytest.mark.parametrize(
    ("num_frames", "size", "fps"),
    [
        *[(16, (96, 64), 8), (1, (16, 16), 1), (2, (64, 64), 60), (7, (33, 17), 24)],
        *[(5, (18, 31), 25), (9, (130, 20), 7), (3, (17, 64), 30)],
        # Their frames are stored in another order.
        *[(12, (96, 64), 7), (15, (96, 64), 24), (17, (96, 64), 30), (8, (64, 64), 8)],
    ],
)
def test_ffprobe_confirms_frames_rate_and_size(
    tmp_path: Path, num_frames: int, size: tuple[int, int], fps: int
) -> None:
    frames = moving_square(num_frames, size)
    video = written(frames, fps).video
    file = tmp_path / "video.mp4"
    file.write_bytes(video.data)
    told = probed(file)
    # H.264 with colours for each square of four pixels has even sides.
    even = tuple(side + side % 2 for side in size)
    assert (told["codec_name"], told["pix_fmt"]) == ("h264", "yuv420p")
    assert (told["width"], told["height"]) == even
    assert int(told["nb_read_frames"]) == num_frames
    assert told["avg_frame_rate"] == told["r_frame_rate"] == f"{fps}/1"
    assert float(told["duration"]) == pytest.approx(num_frames / fps, abs=1e-3)
    assert (told["color_space"], told["color_range"]) == ("bt709", "tv")
    head = video_head(video.data)
    assert (head.width, head.height, head.num_frames, head.fps) == (*even, num_frames, fps)
    artifact = describe(video.data, hashlib.sha256(video.data).hexdigest())
    assert (artifact.media_type, artifact.width, artifact.height) == (MP4, *even)


def test_the_frames_are_those_that_were_given() -> None:
    frames = moving_square()
    again = decoded(written(frames, facts=QUIET).video.data)
    assert len(again) == len(frames)
    assert difference(again, frames) < 0.01
    # The colours, too: a player that took another matrix would show another red.
    corner, middle = again[0].getpixel((2, 2)), again[0].getpixel((88, 32))
    assert np.abs(np.subtract(corner, GROUND)).max() <= 3
    assert np.abs(np.subtract(middle, RED)).max() <= 6


def test_the_last_row_and_column_of_odd_frames_are_repeated() -> None:
    frame = Image.new("RGB", (31, 17), (10, 200, 10))
    (shown,) = decoded(encoded_video([frame], 8))
    assert shown.size == (32, 18)
    assert difference([shown], [Image.new("RGB", (32, 18), (10, 200, 10))]) < 0.02


def test_the_head_comes_first_so_that_a_player_can_begin() -> None:
    kinds = [box.kind for box in boxes(written().video.data)]
    assert kinds.index(b"moov") < kinds.index(b"mdat")
    # The XMP packet, after the pictures: no offset has to change.
    assert kinds[-1] == b"uuid"


def test_equal_frames_give_equal_bytes() -> None:
    one, other = written(), written()
    assert one.video == other.video
    assert one.poster == other.poster
    assert one.video.pixels_sha256 == video_pixels_sha256(moving_square(), 8)
    assert written(fps=9).video.pixels_sha256 != one.video.pixels_sha256
    changed = moving_square()
    changed[-1].putpixel((0, 0), (0, 0, 0))
    assert written(changed).video.pixels_sha256 != one.video.pixels_sha256


def test_exiftool_reads_iptc_xmp_aigc_and_parameters(tmp_path: Path) -> None:
    video = written()
    files = [tmp_path / "video.mp4", tmp_path / "poster.jpg"]
    for file, made in zip(files, (video.video, video.poster), strict=True):
        file.write_bytes(made.data)
    for found, made in zip(read_by_exiftool(*files), (video.video, video.poster), strict=True):
        assert not [name for name in found if "Warning" in name or "Error" in name]
        assert found["File:MIMEType"] == made.media_type
        assert found["XMP-xmp:CreatorTool"] == "brushwork 1.2.3"
        assert found["XMP-iptcExt:DigitalSourceType"] == DigitalSource.GENERATED.uri
        label = _object(found["XMP-TC260:Aigc"])
        assert (label["Label"], label["ContentProducer"]) == ("1", PRODUCER)
        assert label["ProduceID"] == made.pixels_sha256
    found = read_by_exiftool(files[0])[0]
    assert _object(found["Keys:AIGC"])["ProduceID"] == video.video.pixels_sha256
    assert found["Keys:Comment"].startswith(
        "a red square, 你好 <b>&\nmoves\nNegative prompt: blurry\nSteps: 20"
    )
    assert found["QuickTime:CreateDate"] == "0000:00:00 00:00:00"


def _object(label: Any) -> dict[str, Any]:
    # exiftool returns a JSON text as it is, or as the object that it is.
    return dict(json.loads(label) if isinstance(label, str) else label)


def test_our_reader_reads_them_back() -> None:
    for decoder in (in_process(), decoder_of(1, "")):
        report = decoder.report(written().video.data, "file").report
        assert (report.media_type, report.width, report.height) == (MP4, 96, 64)
        assert report.labels.digital_source_type == "trainedAlgorithmicMedia"
        assert report.labels.is_ai is True
        assert report.labels.software == "brushwork 1.2.3"
        assert report.labels.aigc is not None
        assert report.labels.aigc.where == "xmp"
        assert report.parameters is not None
        assert (report.parameters.format, report.parameters.kind) == ("brushwork", "text-to-video")
        assert report.parameters.request == PARAMETERS
        assert report.problems == ()


def test_the_label_and_parameters_of_other_programs_are_read() -> None:
    """Those of programs that use ffmpeg stand in the list of keys alone."""
    label = json.dumps({"AIGC": {"Label": "1", "ContentProducer": PRODUCER}})
    graph = json.dumps({"3": {"class_type": "KSampler", "inputs": {"seed": 5, "steps": 7}}})
    data = encoded_video(moving_square(), 8, None, {"AIGC": label, "prompt": graph})
    report = in_process().report(data, "file").report
    assert report.labels.aigc is not None
    assert (report.labels.aigc.where, report.labels.aigc.ContentProducer) == ("mp4_keys", PRODUCER)
    assert report.labels.is_ai is True
    assert report.parameters is not None
    assert (report.parameters.format, report.parameters.text) == ("comfyui", graph)


def test_without_labels_the_file_says_nothing(tmp_path: Path) -> None:
    video = written(facts=QUIET, picture_labels=False).video
    file = tmp_path / "video.mp4"
    file.write_bytes(video.data)
    (found,) = read_by_exiftool(file)
    assert not [name for name in found if name.startswith(("XMP", "Keys"))]
    assert b"x264 - core" not in video.data or b"brushwork" not in video.data
    finding = written(facts=None).video
    assert finding.data == video.data


def test_prompts_stay_out_unless_they_are_asked_for() -> None:
    data = written(facts=QUIET).video.data
    assert b"red square" not in data


@pytest.mark.parametrize(("num_frames", "fps", "shown"), [(24, 8, 16), (10, 3, 6), (5, 24, 5), (3, 1, 2)])
def test_the_visible_label_stands_there_for_two_seconds(num_frames: int, fps: int, shown: int) -> None:
    frames = [Image.new("RGB", (256, 160), GROUND) for _ in range(num_frames)]
    choices = OutputChoices(visible_label=True)
    video = written(frames, fps, QUIET, choices)
    changed = [
        float(np.abs(np.asarray(each, float) - np.asarray(frames[0], float)).max()) > 60
        for each in decoded(video.video.data)
    ]
    assert changed == [True] * shown + [False] * (num_frames - shown)
    assert video.video.pixels_sha256 != video_pixels_sha256(frames, fps)


def test_the_operators_label_overrules_the_request() -> None:
    frames = [Image.new("RGB", (256, 160), GROUND)] * 2
    choices = OutputChoices(visible_label=False)
    warnings = written(frames, 8, QUIET, choices, visible_label="always").video.warnings
    assert [(each.code, each.field) for each in warnings] == [("parameter_ignored", "visible_label")]


def test_an_independent_reader_finds_the_credentials_valid(tmp_path: Path) -> None:
    plain = written(facts=QUIET).video.data
    picture = encoded("PNG")
    facts = [
        replace(generated(), kind="text-to-video"),
        made_from("image-to-video", DigitalSource.COMPOSITE, "image"),
    ]
    videos = [signed(plain, MP4, each, {"image": picture}) for each in facts]
    expected = [["c2pa.created"], ["c2pa.opened", "c2pa.edited"]]
    for told, actions in zip(read_independently(tmp_path, videos), expected, strict=True):
        assert told["is_valid"], told
        assert [each["actions"] for each in told["manifests"]] == [actions]
    for data in videos:
        found = in_process().report(data, "file").report
        assert found.credentials.state == "untrusted"
        assert found.labels.digital_source_type == "trainedAlgorithmicMedia"
        # It still plays, and the offsets of its pictures are right.
        assert difference(decoded(data), moving_square()) < 0.01
        kinds = [box.kind for box in boxes(data)]
        assert kinds.index(b"moov") < kinds.index(b"mdat")


def test_a_tampered_video_is_reported() -> None:
    data = bytearray(signed(written(facts=QUIET).video.data, MP4, generated()))
    pictures = next(box for box in boxes(bytes(data)) if box.kind == b"mdat")
    data[pictures.begin + (pictures.end - pictures.begin) // 2] ^= 1
    found = in_process().report(bytes(data), "file").report.credentials
    assert found.state == "tampered"


def test_video_and_poster_are_signed_by_the_signer_of_the_worker() -> None:
    seen: list[str] = []

    class Signer:
        is_configured = True

        def signed(self, data: bytes, media_type: str, facts: PictureFacts, inputs: Any) -> SignedFile:
            seen.append(media_type)
            return SignedFile(data + b"\0\0\0\x08free" if media_type == MP4 else data)

    video = VideoWriter(PictureWriter(MarkSettings(), Signer())).write(
        moving_square(), 8, QUIET, OutputChoices()
    )
    assert sorted(seen) == ["image/jpeg", MP4]
    assert hashlib.sha256(video.video.data).hexdigest() != video.video.unsigned_sha256
    assert hashlib.sha256(video.video.data[:-8]).hexdigest() == video.video.unsigned_sha256


VIDEO = written(facts=QUIET).video.data


@pytest.mark.parametrize(
    "data",
    [
        VIDEO[:40],
        VIDEO[:300],
        VIDEO[:32] + b"\0\0\0\x04moov",
        VIDEO[:32] + b"\xff\xff\xff\xffmoov" + VIDEO[40:],
        VIDEO[:32] + b"\0\0\0\x08free" * 20_001,
        VIDEO.replace(b"vide", b"soun"),
        VIDEO.replace(b"mdhd", b"mdhx"),
    ],
    ids=["cut", "cut in the head", "short box", "huge box", "many boxes", "no video", "no clock"],
)
def test_a_damaged_video_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidImage, match="the video is damaged"):
        in_process().report(data, "file")
