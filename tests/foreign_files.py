"""Pictures with metadata of other programs: exiftool, and the forms of A1111, ComfyUI and InvokeAI."""

import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.drawn import drawn

# Declares the tag of TC260, which exiftool does not know by itself.
CONFIG = r"""
%Image::ExifTool::UserDefined = (
    'Image::ExifTool::XMP::Main' => {
        TC260 => { SubDirectory => { TagTable => 'Image::ExifTool::UserDefined::TC260' } },
    },
);
%Image::ExifTool::UserDefined::TC260 = (
    GROUPS => { 0 => 'XMP', 1 => 'XMP-TC260', 2 => 'Other' },
    NAMESPACE => { 'TC260' => 'http://www.tc260.org.cn/ns/AIGC/1.0/' },
    WRITABLE => 'string',
    AIGC => { },
);
1;
"""
A1111 = (
    "a red circle, 大きな円 <lora:ink:0.8>\nsecond line\nNegative prompt: blurry,\nugly\n"
    "Steps: 20, Sampler: Euler a, Schedule type: Karras, CFG scale: 7.5, Seed: 1234567, Size: 512x640, "
    "Model hash: 6ce0161689, Model: v1-5-pruned, Denoising strength: 0.6, "
    'Lora hashes: "ink: abc, b: c", Version: v1.10.1'
)
COMFYUI = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 8566257, "steps": 25, "cfg": 8, "sampler_name": "euler_ancestral", "scheduler": "normal",
            "denoise": 1, "model": ["10", 0], "positive": ["6", 0], "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["11", 0], "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "watermark", "clip": ["4", 1]}},
    "10": {"class_type": "LoraLoader", "inputs": {"lora_name": "ink", "model": ["4", 0], "clip": ["4", 1]}},
    "11": {"class_type": "PrimitiveString", "inputs": {"value": "a castle"}},
}  # fmt: skip
INVOKEAI = {
    "generation_mode": "txt2img", "positive_prompt": "a harbour", "negative_prompt": "fog", "width": 640,
    "height": 512, "seed": 99, "steps": 30, "cfg_scale": 6.5, "scheduler": "euler",
    "model": {"name": "stable-diffusion-v1-5", "base": "sd-1"}, "app_version": "4.2.0",
}  # fmt: skip


def encoded(format_name: str = "PNG", seed: int = 0, **options: Any) -> bytes:
    stream = io.BytesIO()
    drawn(seed).save(stream, format_name, **options)
    return stream.getvalue()


def with_chunks(**texts: str) -> bytes:
    """A PNG with text chunks."""
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    return encoded(pnginfo=info)


def with_user_comment(format_name: str, text: str, encoding: str = "utf-16-be") -> bytes:
    """A picture with EXIF's `UserComment`, as A1111 writes it with piexif."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode(encoding)
    return encoded(format_name, exif=exif.tobytes())


def comfyui_webp() -> bytes:
    """A WebP as ComfyUI writes it: the graph in EXIF's fields for camera and maker."""
    exif = Image.Exif()
    exif[0x0110] = f"prompt:{json.dumps(COMFYUI)}"
    exif[0x010F] = "workflow:{}"
    return encoded("WEBP", exif=exif.tobytes())


def exiftool() -> str:
    if (found := shutil.which("exiftool")) is None:
        if os.environ.get("CI") == "true":
            pytest.fail("exiftool is missing: apt-get install libimage-exiftool-perl")
        pytest.skip("exiftool is missing: apt-get install libimage-exiftool-perl")
    return found


def written_by_exiftool(data: bytes, folder: Path, ending: str, *arguments: str) -> bytes:
    """The picture with tags that exiftool has written."""
    config, file = folder / "exiftool.pl", folder / f"picture.{ending}"
    config.write_text(CONFIG)
    file.write_bytes(data)
    command = [exiftool(), "-config", str(config), "-q", "-overwrite_original", *arguments, str(file)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return file.read_bytes()
