"""The Compose file, the Dockerfile and the embedded stack describe one and the same system."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ragsite.embedded import commands

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

# The part of the Compose specification that the file uses: key, and what its value may be.
TOP_LEVEL = {"name", "services", "volumes"}
SERVICE_KEYS: dict[str, type | tuple[type, ...]] = {
    "image": str,
    "build": dict,
    "restart": str,
    "environment": dict,
    "volumes": list,
    "depends_on": dict,
    "command": list,
    "healthcheck": dict,
    "ports": list,
    "shm_size": str,
    "init": bool,
}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
RESTARTS = {"no", "always", "on-failure", "unless-stopped"}

OURS = {
    "migrate": commands.prepare(),
    "web": commands.web("0.0.0.0", 8000),  # noqa: S104
    "worker-ingest": commands.ingest_worker(),
    "worker-answers": commands.answers_worker(),
    "beat": commands.beat("/tmp/beat-schedule"),  # noqa: S108
}


def test_top_level_keys_are_those_of_the_specification() -> None:
    assert {key for key in COMPOSE if not key.startswith("x-")} <= TOP_LEVEL


def test_the_system_has_its_parts() -> None:
    assert set(SERVICES) == {"postgres", "redis", *OURS}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_known_keys_with_values_of_their_type(name: str) -> None:
    for key, value in SERVICES[name].items():
        assert key in SERVICE_KEYS, key
        assert isinstance(value, SERVICE_KEYS[key]), key
    assert SERVICES[name]["restart"] in RESTARTS
    assert "image" in SERVICES[name]


@pytest.mark.parametrize("name", SERVICES)
def test_environment_values_are_strings(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        assert isinstance(value, str), variable


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_exists_and_can_become_so(name: str) -> None:
    for other, needed in SERVICES[name].get("depends_on", {}).items():
        assert needed["condition"] in CONDITIONS
        if needed["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        if needed["condition"] == "service_completed_successfully":
            assert SERVICES[other]["restart"] == "no"


@pytest.mark.parametrize("name", SERVICES)
def test_named_volumes_are_declared(name: str) -> None:
    used = {volume.partition(":")[0] for volume in SERVICES[name].get("volumes", [])}
    assert used <= set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", OURS)
def test_a_command_is_one_that_the_embedded_stack_runs(name: str) -> None:
    assert SERVICES[name]["command"] == ["python", *OURS[name]]


@pytest.mark.parametrize("name", ["worker-ingest", "worker-answers"])
def test_programs_that_a_worker_leaves_behind_are_waited_for(name: str) -> None:
    assert SERVICES[name]["init"] is True


def test_the_image_starts_the_web_server_by_default() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    found = re.search(r"^CMD (\[.*\])$", text, re.MULTILINE)
    assert found is not None
    assert json.loads(found.group(1)) == SERVICES["web"]["command"]


def test_every_substituted_variable_is_in_the_example() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    documented = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
    assert set(re.findall(r"\$\{([A-Z_]+)[^}]*\}", text)) <= documented


def test_both_databases_are_of_the_same_major_version() -> None:
    assert SERVICES["postgres"]["image"].endswith(":pg16")


def test_redis_never_drops_queued_work() -> None:
    assert "volatile-ttl" in SERVICES["redis"]["command"]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_package_is_pinned(name: str) -> None:
    pinned = {
        _canonical(line.partition("==")[0])
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    wanted = {
        _canonical(re.split(r"[\[<>=~;]", line)[0])
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
        if line and not line.startswith(("#", "-"))
    }
    assert wanted - pinned == set()


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
