"""Bad requests for a gateway: each is to be refused with a code, and to cost nothing."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.bombs import all_bombs

JSON = {"Content-Type": "application/json"}
PNG = {"Content-Type": "image/png"}
DRAW: dict[str, Any] = {"kind": "text-to-image", "prompt": "x"}
LOOK: dict[str, Any] = {"kind": "image-classification"}
HUGE = 10**30
FIELDS: dict[str, list[Any]] = {
    "kind": [None, 5, "", "text-to-audio", ["text-to-image"], {"a": 1}, "../text-to-image", "a\0"],
    "prompt": [None, 5, "", " \t\n", "a\0b", "x" * 2001, ["x"], {"x": 1}, True],
    "negative_prompt": [None, 5, "a\0b", "x" * 2001],
    "width": ["64", 63, 0, -8, 8, 264, 4104, HUGE, 64.5, True, [64]],
    "height": ["64", 63, -HUGE, 1e300],
    "num_inference_steps": [0, -1, 101, HUGE, "5", 1.5, False],
    "guidance_scale": [-0.1, 50.1, HUGE, "2", [2]],
    "acceleration": [-0.1, 1.1, HUGE, "0.5", True, None, [0.5]],
    "seed": [-1, 2**63, HUGE, "1", 1.5, True],
    "num_images_per_prompt": [0, 17, HUGE, "1", None],
    "scheduler": ["EvilScheduler", 5, "os.system", "x" * 101],
    "model": ["nope", "../../etc/passwd", "pocket-captioner", 5, "x" * 201, "a\0b"],
    "version": [0, 2, "1", None],
    "deterministic": ["yes", 1, None],
    "priority": ["max", 5, ["low"]],
    "tenant": ["b", "a b", 5, "é", "x" * 65, ["a"]],
    "deadline_s": [0, -1, 1e12, HUGE, "5", True, [1]],
    "retention_s": [-1, 1e12, "5", True],
    "idempotency_key": ["", "a b", "é", "a\0", "x" * 256, 5],
    "webhook_url": [
        "", 5, "ftp://x.example", "javascript:alert(1)", "file:///etc/passwd", "http://", "http://u:p@x.example",
        "http://x.example:0", "http://x.example:99999", "http://x y.example", "http://é.example", "x" * 3000,
    ],
    "webhook_events": [[], ["nonsense"], 5, "nonsense", [5], {"started": 1}],
    "group": ["", "a b", 5, "é", "x" * 65],
    "traceparent": ["x", 5, "00-" + "g" * 32 + "-" + "0" * 16 + "-00"],
    "image": [1, {}],
    "__proto__": [{}],
    "sed": [1],
}  # fmt: skip
NO_JSON = {
    "empty": b"",
    "half": b'{"kind":',
    "null": b"null",
    "array": b"[]",
    "number": b"5",
    "invalid UTF-8": b'{"prompt":"\xff"}',
    "nested arrays": b"[" * 100_000,
    "nested objects": b'{"a":' * 100_000,
    "nested inside": b'{"prompt":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "NaN": b'{"kind":"text-to-image","prompt":"x","guidance_scale":NaN}',
    "Infinity": b'{"kind":"text-to-image","prompt":"x","guidance_scale":-Infinity}',
    "1e999": b'{"kind":"text-to-image","prompt":"x","guidance_scale":1e999}',
    "100,000 digits": b'{"kind":"text-to-image","prompt":"x","seed":' + b"9" * 100_000 + b"}",
    "lone surrogate": b'{"kind":"text-to-image","prompt":"\\ud800"}',
    "duplicate keys": b'{"kind":"text-to-image","prompt":"x","kind":"image-to-text"}',
    "two documents": b'{"kind":"text-to-image","prompt":"x"}{}',
    "UTF-16": json.dumps(DRAW).encode("utf-16"),
    "comment": b'{"kind":"text-to-image","prompt":"x" /* */}',
}
IMAGES: list[Any] = [
    "/etc/passwd", "file:///etc/passwd", "../x", "~/.ssh/id_rsa", "/proc/self/environ",
    "\\\\host\\share\\x.png",    "", "data:", "data:image/png;base64,", "data:image/png;base64,????",
    "data:image/svg+xml;base64,PHN2Zy8+",
    "data:text/html;base64,AAAA", "0" * 64, "A" * 64, "0" * 63, "0" * 65, "../" * 21 + "x", "%2e%2e%2f" * 7,
    None, 5, 1.5, True, [], {}, ["0" * 64], {"path": "/etc/passwd"}, "s3://bucket/key", "gopher://127.0.0.1/",
    "dict://127.0.0.1:6379/", "ftp://127.0.0.1/x.png", "HTTP:/127.0.0.1/", "//127.0.0.1/x.png",
]  # fmt: skip
ADDRESSES = [
    "http://127.0.0.1/", "http://localhost/", "http://localhost:6379/", "http://[::1]/", "http://0.0.0.0/",
    "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.100.100.200/", "http://168.63.129.16/", "http://[fd00::1]/", "http://[::ffff:127.0.0.1]/",
    "http://2130706433/", "http://0x7f.1/", "http://127.1/", "http://user:pass@127.0.0.1/",
    "http://127.0.0.1:22/",
    "https://127.0.0.1/", "HTTP://LOCALHOST/", "http://", "http:///x", "http://[", "http://a b/",
    "http://\0/",
    "http://" + "a" * 3000, "http://127.0.0.1#@public.example/",
]  # fmt: skip
NAMES = [
    "none", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%2f..%2fetc%2fpasswd", "%00", "a%00b", "%ff%fe", "a" * 5000,
    "%20", "'%20OR%201=1--", "%7B%7D", "*", "%0d%0aX-Evil:%201", "%ED%A0%80", "0" * 64, "-1", "NaN",
    "%25%32%65",
]  # fmt: skip
QUERIES = [
    "limit=0", "limit=1001", "limit=x", "limit=1e9", "limit=-1", "state=nonsense", "kind=nonsense",
    "cursor=x", "cursor=%00", "cursor=" + "A" * 199, "created_after=yesterday", "created_after=5",
    "created_before=NaN",    "created_after=2026-01-01T00:00:00", "text=%00",
    "text=" + "x" * 201, "tenant=b", "model=%00",
    "group=%00",    "created_after=99999-01-01T00:00:00Z",
]  # fmt: skip
BATCHES: list[Any] = [
    {}, {"requests": []}, {"requests": None}, {"requests": {}}, {"requests": [None]}, {"requests": [[]]},
    {"requests": [DRAW] * 1001}, {"requests": [DRAW], "zip": {"seed": [1]}}, {"template": DRAW},
    {"template": DRAW, "product": {"seed": list(range(1001))}}, {"template": DRAW, "zip": None},
    {"template": DRAW, "product": {f"f{number}": [1, 2] for number in range(500)}},
    {"template": DRAW, "zip": {"seed": [1], "prompt": ["a", "b"]}},
    {"template": None, "product": {"seed": [1]}},
    {"template": {**DRAW, "tenant": "b"}, "product": {"seed": [1]}}, {"more": [DRAW]},
]  # fmt: skip
HARMLESS = ("100,000 texts", "100,000 texts that unpack to 1 kB each")


@dataclass(frozen=True)
class Bad:
    """A request that nobody should send, or that this caller may not.

    Args:
        name: Of it in a list of tests.
        statuses: Any of these is right; by default, any that says it is the caller's fault.
    """

    name: str
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    statuses: tuple[int, ...] = tuple(range(400, 500))


def bad_requests() -> list[Bad]:
    """All of them."""
    groups = (
        _fields,
        _no_json,
        _pictures,
        _bombs,
        _names,
        _queries,
        _batches,
        _headers,
        _forms,
        _methods,
        _sizes,
    )
    return [bad for group in groups for bad in group()]


def _post(name: str, body: Any, path: str = "/v1/jobs", **options: Any) -> Bad:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Bad(name, "POST", path, {**JSON, **options.pop("headers", {})}, content, **options)


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) < 40 else f"{text[:30]}...{len(text)}"


def _fields() -> Iterator[Bad]:
    for name, values in FIELDS.items():
        for value in values:
            yield _post(f"{name}={_short(value)}", {**DRAW, name: value}, statuses=(422,))
    for value in (0, -1, 1001, HUGE, "5", 1.5, None):
        yield _post(f"top_k={_short(value)}", {**LOOK, "image": "0" * 64, "top_k": value}, statuses=(422,))
    for value in ("fr", 5, None):
        body = {"kind": "image-to-text", "image": "0" * 64, "language": value}
        yield _post(f"language={_short(value)}", body, statuses=(422,))


def _no_json() -> Iterator[Bad]:
    for path in ("/v1/jobs", "/v1/jobs:batch"):
        for name, body in NO_JSON.items():
            yield _post(f"{path} {name}", body, path, statuses=(422,))


def _pictures() -> Iterator[Bad]:
    for image in (*IMAGES, *ADDRESSES):
        yield _post(f"picture {_short(image)}", {**LOOK, "image": image}, statuses=(422,))


def _bombs() -> Iterator[Bad]:
    for name, bomb in all_bombs().items():
        if name not in HARMLESS:
            yield Bad(f"file of {name}", "POST", "/v1/files", PNG, bomb, (422, 413))
            data = f"data:image/png;base64,{base64.b64encode(bomb).decode()}"
            yield _post(f"data of {name}", {**LOOK, "image": data}, statuses=(422, 413))
            yield Bad(f"form of {name}", "POST", "/v1/jobs", *_form({**LOOK}, {"image": bomb}), (422, 413))


def _names() -> Iterator[Bad]:
    for name in NAMES:
        for method, path in (
            ("GET", "/v1/jobs/{}"), ("POST", "/v1/jobs/{}/cancel"), ("POST", "/v1/jobs/{}/retry"),
            ("GET", "/v1/jobs/{}/events"), ("GET", "/v1/jobs/{}/preview"), ("GET", "/v1/files/{}"),
            ("HEAD", "/v1/files/{}"),
        ):  # fmt: skip
            yield Bad(f"{method} {path} {name[:30]}", method, path.format(name))


def _queries() -> Iterator[Bad]:
    for query in QUERIES:
        yield Bad(f"list {query[:40]}", "GET", f"/v1/jobs?{query}")
    yield Bad("models of nonsense", "GET", "/v1/models?kind=nonsense", statuses=(422,))


def _batches() -> Iterator[Bad]:
    for batch in BATCHES:
        yield _post(f"batch {_short(batch)}", batch, "/v1/jobs:batch", statuses=(422,))


def _headers() -> Iterator[Bad]:
    for value in (
        "Basic dXNlcjpwYXNz",
        "Bearer",
        "Bearer x",
        "bw_x",
        "Bearer " + "x" * 9000,
        "Bearer \xe9",
    ):
        yield Bad(
            f"Authorization: {value[:20]!a}", "GET", "/v1/jobs", {"Authorization": value}, statuses=(401,)
        )
    for value in ("", "a b", "x" * 256, "\xe9", "a\tb"):
        yield _post(
            f"Idempotency-Key: {value[:9]!a}", DRAW, headers={"Idempotency-Key": value}, statuses=(422,)
        )
    for value in ("gzip", "br", "deflate", "gzip, gzip", "nonsense"):
        yield _post(
            f"Content-Encoding: {value}", b"\x1f\x8b", headers={"Content-Encoding": value}, statuses=(415,)
        )
    for value in ("", "text/plain", "application/xml", "text/json", "x", "application/x-www-form-urlencoded"):
        yield _post(f"Content-Type: {value}", DRAW, headers={"Content-Type": value}, statuses=(415,))
    for value in ("wait=x", "wait=-1", "wait=1e9", "x" * 150, ",,;;=", "wait=\xe9"):
        yield Bad(f"Prefer: {value[:9]!a}", "GET", "/v1/jobs/none", {"Prefer": value}, statuses=(404, 422))
    yield Bad(
        "many headers",
        "GET",
        "/v1/jobs",
        {f"X-{number}": "x" * 100 for number in range(400)},
        statuses=(431,),
    )
    yield Bad("long header", "GET", "/v1/jobs", {"X": "x" * 50_000}, statuses=(431,))
    yield Bad("many cookies", "GET", "/v1/jobs", {"Cookie": "a=b;" * 10_000}, statuses=(431,))


def _form(fields: dict[str, Any], files: dict[str, bytes], times: int = 1) -> tuple[dict[str, str], bytes]:
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, data in files.items():
        head = f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\n'
        parts.append(head.encode() + data + b"\r\n")
    return {"Content-Type": "multipart/form-data; boundary=x"}, b"".join([*parts * times, b"--x--\r\n"])


def _forms() -> Iterator[Bad]:
    here = ("POST", "/v1/jobs")
    yield Bad("form of nothing", *here, *_form({}, {}), statuses=(422,))
    yield Bad("form with a file twice", *here, *_form({}, {"image": b"x"}, times=2))
    yield Bad("form with a field twice", *here, *_form({"kind": "x"}, {}, times=2))
    yield Bad("form of many fields", *here, *_form({f"f{number}": "x" for number in range(1000)}, {}))
    yield Bad("form with a path for a name", *here, *_form({**LOOK}, {"../../image": b"x"}))
    yield Bad("form with nonsense for a number", *here, *_form({**DRAW, "seed": "x"}, {}), statuses=(422,))
    yield Bad("form with a nested request", *here, *_form({"request": "[" * 9999}, {}), statuses=(422,))
    yield Bad(
        "form that does not end",
        *here,
        {"Content-Type": "multipart/form-data; boundary=x"},
        b"--x\r\nContent",
    )
    yield Bad("form without boundary", *here, {"Content-Type": "multipart/form-data"}, b"--x--\r\n")
    yield Bad(
        "form with a long head",
        *here,
        {"Content-Type": "multipart/form-data; boundary=x"},
        b"--x\r\n" + b"A" * 10**6,
    )


def _methods() -> Iterator[Bad]:
    for path in (
        "/v1/jobs",
        "/v1/jobs/x",
        "/v1/jobs:batch",
        "/v1/files",
        "/v1/models",
        "/v1/kinds",
        "/healthz",
    ):
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            # Jobs can be deleted; there is none with this id.
            status = 404 if (method, path) == ("DELETE", "/v1/jobs/x") else 405
            yield Bad(f"{method} {path}", method, path, statuses=(status,))
    for path in (
        "/v1/nothing",
        "/v1",
        "/v2/jobs",
        "/.env",
        "/v1/../etc/passwd",
        "/v1/jobs/x/y/z",
        "/v1//jobs",
    ):
        yield Bad(f"GET {path}", "GET", path, statuses=(404,))


def _sizes() -> Iterator[Bad]:
    for path in ("/v1/jobs", "/v1/jobs:batch", "/v1/files"):
        headers = PNG if path == "/v1/files" else JSON
        yield Bad(f"too much for {path}", "POST", path, headers, bytes(9 * 2**20), (413,))
