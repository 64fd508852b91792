"""The compose file, as docker-compose prints it: GPUs, ports, volumes and digests."""

import re
import subprocess

import pytest
from brushwork_schemas.kinds.registry import all_kinds

from tests.deployment.compose_file import TOP, Service
from tests.deployment.dockerfile import read_dockerfile

DIGEST = re.compile(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}")
# Run once, or by hand, or looked after by its own log alone.
WITHOUT_HEALTH_CHECK = {"migration", "models", "prune"}
DOCKERFILES = ("producer/Dockerfile", "workers/Dockerfile")


def _option(service: Service, name: str) -> str:
    assert service.command is not None
    return service.command[service.command.index(name) + 1]


def _gpus(service: Service) -> list[str]:
    devices = service.printed["deploy"]["resources"]["reservations"]["devices"]
    assert all(device["capabilities"] == ["gpu"] for device in devices)
    return [number for device in devices for number in device["device_ids"]]


@pytest.fixture(scope="module")
def workers(services: dict[str, Service]) -> dict[str, Service]:
    return {name: each for name, each in services.items() if (each.command or ("",))[0] == "worker"}


def test_one_gpu_has_one_worker_that_serves_every_kind(workers: dict[str, Service]) -> None:
    [(name, usual)] = [(name, each) for name, each in workers.items() if not each.profiles]
    assert (name, _gpus(usual)) == ("worker", ["0"])
    assert set(_option(usual, "--kinds").split(",")) == set(all_kinds())


def test_each_further_gpu_has_a_worker_of_its_own(workers: dict[str, Service]) -> None:
    gpus = {name: _gpus(each) for name, each in workers.items()}
    assert gpus == {"worker": ["0"], "worker-1": ["1"], "worker-2": ["2"], "worker-3": ["3"]}
    assert {name: each.profiles for name, each in workers.items() if each.profiles} == {
        f"worker-{number}": [f"gpu{number}"] for number in (1, 2, 3)
    }


def test_a_restarted_worker_has_the_name_of_before(workers: dict[str, Service]) -> None:
    # Of the two halves of a name the first is the service's, the other the container's host name.
    assert {name: _option(each, "--name") for name, each in workers.items()} == {
        name: name for name in workers
    }
    assert not [
        name for name, each in workers.items() if {"hostname", "container_name"} & each.printed.keys()
    ]


def test_ports_are_open_on_loopback_only(services: dict[str, Service]) -> None:
    ports = [str(port) for each in services.values() for port in each.printed.get("ports", [])]
    assert len(ports) == 5
    assert all("127.0.0.1" in port for port in ports)


def test_all_that_lasts_is_watched_and_restarted(services: dict[str, Service]) -> None:
    assert {name for name, each in services.items() if each.health is None} == WITHOUT_HEALTH_CHECK
    lasting = [each for name, each in services.items() if name not in ("migration", "models")]
    assert {each.restarts for each in lasting} == {"unless-stopped"}


def test_our_services_write_to_their_volumes_only(services: dict[str, Service]) -> None:
    ours = [each for each in services.values() if each.dockerfile]
    assert len(ours) == len(services) - 2, "all but Redis and PostgreSQL"
    for each in ours:
        assert each.is_read_only
        assert each.temporary == ["/tmp"]  # noqa: S108
        assert each.printed["cap_drop"] == ["ALL"]


def test_a_volume_of_ours_belongs_to_the_user_who_writes_to_it(services: dict[str, Service]) -> None:
    for each in services.values():
        if each.dockerfile:
            image = read_dockerfile(each.dockerfile)
            written = {mount.target for mount in each.mounts if not mount.read_only}
            assert written <= set(image.own_folders), each.name
            assert image.user_id == 10001


def test_a_worker_reads_models_and_writes_its_cache(
    workers: dict[str, Service], services: dict[str, Service]
) -> None:
    for each in [*workers.values(), services["models"]]:
        folders = {mount.target: mount for mount in each.mounts}
        cache = each.environment["BRUSHWORK_CACHE_FILES"]
        assert not folders[cache].read_only
        assert folders[each.environment["BRUSHWORK_MODEL_FILES"]].read_only == (each.name != "models")
        written = ("HF_HOME", "TORCH_HOME", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "CUDA_CACHE_PATH")
        assert all(each.environment[name].startswith(f"{cache}/") for name in written)


def test_a_worker_is_not_killed_while_it_stops(workers: dict[str, Service]) -> None:
    from brushwork_core.settings.settings import Settings

    for each in workers.values():
        assert each.grace_s > Settings.model_fields["grace_s"].default + 10


def test_flower_wants_a_login_and_changes_nothing(services: dict[str, Service]) -> None:
    flower = services["flower"]
    assert flower.command is not None
    assert "--read-only" in flower.command
    assert flower.environment["FLOWER_BASIC_AUTH"].startswith("admin:")


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("redis", "REDIS_PASSWORD"), ("postgres", "POSTGRES_PASSWORD"), ("flower", "FLOWER_BASIC_AUTH"),
    ],
)  # fmt: skip
def test_programs_of_others_do_not_start_with_the_password_of_the_example(
    services: dict[str, Service], name: str, variable: str
) -> None:
    service = services[name]
    words = [*(service.entrypoint or ()), *(service.command or ())]

    def status(password: str) -> tuple[int, str]:
        # The programs themselves are not found here: the shell says 127 for one that it would start.
        environment = {**service.environment, variable: password, "PATH": ""}
        answer = subprocess.run(
            [f"/bin/{words[0]}", *words[1:]], env=environment, capture_output=True, text=True, check=False
        )
        return answer.returncode, answer.stderr

    unchanged = service.environment[variable]
    assert unchanged.endswith("change-me")
    refused, told = status(unchanged)
    assert (refused, "set one of your own in .env" in told) == (78, True)
    assert status(unchanged.replace("change-me", "own"))[0] == 127
    assert status(unchanged.replace("change-me", "do-not-change-me"))[0] == 127


def test_images_of_others_are_pinned_by_digest(services: dict[str, Service]) -> None:
    images = [each.image for each in services.values() if each.dockerfile is None]
    images += [read_dockerfile(TOP / file).base for file in DOCKERFILES]
    assert len(images) == 4
    assert [image for image in images if not DIGEST.fullmatch(image)] == []


@pytest.mark.parametrize("file", DOCKERFILES)
def test_what_an_image_copies_is_sent_to_the_builder(file: str) -> None:
    *_, every = (line for line in (TOP / ".dockerignore").read_text("utf-8").splitlines() if line == "*")
    assert every, "all is left out that is not named"
    sent = re.findall(r"^!(.+)$", (TOP / ".dockerignore").read_text("utf-8"), re.MULTILINE)
    assert [source for source in read_dockerfile(TOP / file).sources if source not in sent] == []
