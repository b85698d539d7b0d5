"""`deploy/compose.yaml` is what compose accepts, and what it starts fits what the gateway understands."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from gateway.config.model import Limits
from gateway.config.places import NatsConfig
from tests.deploy.deployed import DEPLOY, ROLES, ROOT, Tree, compose, files_named, program, said

SERVICES: dict[str, Tree] = compose()["services"]
CONFIG = yaml.safe_load((DEPLOY / "gateway.yaml").read_text())
SERVERS = ["nats-1", "nats-2", "nats-3"]


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """What `secrets.sh` writes."""
    (tmp_path / "secrets.sh").write_text((DEPLOY / "secrets.sh").read_text())
    said("sh", str(tmp_path / "secrets.sh"))
    return tmp_path / "secrets"


def test_each_role_has_its_processes() -> None:
    replicas = {role: SERVICES[role]["deploy"]["replicas"] for role in ROLES}
    assert replicas == {"edge": 2, "broker": 2, "sender": 1, "api": 2}
    assert {"postgres", "caddy", *SERVERS} < SERVICES.keys()


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "volumes"])
def test_nothing_runs_with_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert int(service["user"].split(":")[0]) >= 999
    assert "privileged" not in service
    assert [key for key in service.get("environment", {}) if key.endswith(("PASSWORD", "TOKEN", "SECRET"))] == []


def test_only_the_proxy_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if service.get("ports")] == ["caddy"]


def test_only_who_calls_others_can_leave() -> None:
    ways_out = {name for name, network in compose()["networks"].items() if not network.get("internal")}
    assert ways_out == {"out"}
    leaving = {name for name, service in SERVICES.items() if "out" in (service.get("networks") or {})}
    assert leaving == {"caddy", "broker", "sender", "api"}


@pytest.mark.parametrize("name", [*ROLES, "postgres", *SERVERS])
def test_who_depends_on_it_can_wait_for_its_health(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("role", ROLES)
def test_a_process_has_longer_than_its_grace_to_stop(role: str) -> None:
    assert SERVICES[role]["stop_grace_period"] == "40s"
    assert Limits().grace_seconds < 40


def test_the_config_has_no_fault(secrets: Path, tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text((DEPLOY / "gateway.yaml").read_text().replace("/run/secrets/", f"{secrets}/"))
    assert "no fault" in said(program("byoc"), "check", "--config", str(config), BYOC_HOST="byoc.example.com")


@pytest.mark.parametrize("role", ROLES)
def test_each_file_that_the_config_names_is_in_each_container(role: str) -> None:
    assert files_named((DEPLOY / "gateway.yaml").read_text()) <= {one["target"] for one in SERVICES[role]["secrets"]}
    assert {one["target"] for one in SERVICES[role]["configs"]} == {"/config/gateway.yaml"}


def test_the_script_writes_each_secret_once_and_for_the_containers_to_read(secrets: Path) -> None:
    assert {Path(one["file"]).name for one in compose()["secrets"].values()} == {path.name for path in secrets.iterdir()}
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    said("sh", str(secrets.parent / "secrets.sh"))
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before
    assert len(set(before.values())) == len(before)
    assert {oct(path.stat().st_mode)[-3:] for path in secrets.iterdir()} == {"444"}
    assert oct(secrets.stat().st_mode)[-3:] == "700"


def test_secrets_stay_out_of_git_and_of_the_image() -> None:
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    assert "deploy" in (ROOT / ".dockerignore").read_text().splitlines()


def test_addresses_in_the_config_are_those_of_services() -> None:
    assert [one.rpartition("@")[2] for one in CONFIG["inbox"].split(",")] == [f"{name}:4222" for name in SERVERS]
    assert CONFIG["store"].rpartition("@")[2] == "postgres:5432/byoc"
    assert CONFIG["channels"]["webchat"]["account"]["api_base"] == "http://api:8080/chat/webchat"
    assert CONFIG["listen"] == {"host": "0.0.0.0", "port": 8080}  # noqa: S104 - in a container
    assert CONFIG["trusted_proxies"] == [compose()["networks"]["front"]["ipam"]["config"][0]["subnet"]]
    assert CONFIG["nats"]["replicas"] == len(SERVERS)


def test_who_calls_whom_shares_a_network_and_who_does_not_has_none() -> None:
    def reach(one: str, other: str) -> bool:
        return bool(SERVICES[one]["networks"].keys() & SERVICES[other]["networks"].keys() - {"out"})

    wanted = {
        *(("caddy", role) for role in ("edge", "api")),
        *((role, "nats-1") for role in ("edge", "broker", "api")),
        *((role, "postgres") for role in ("broker", "sender", "api")),
        ("sender", "api"),
    }
    assert {pair for pair in wanted if not reach(*pair)} == set()
    assert not reach("caddy", "postgres")
    assert not reach("caddy", "nats-1")


# ------------------------------------------------------------------------------------------------ Caddy, NATS


@pytest.mark.parametrize("host", ["localhost", "byoc.example.com"])
def test_caddy_accepts_its_file_and_sends_webhooks_to_edges(host: str, tmp_path: Path) -> None:
    options = ["--adapter", "caddyfile", "--config", str(DEPLOY / "caddy" / "Caddyfile")]
    at = {"BYOC_HOST": host, "HOME": str(tmp_path)}
    said(program("caddy"), "validate", *options, **at)
    (server,) = yaml.safe_load(said(program("caddy"), "adapt", *options, **at))["apps"]["http"]["servers"].values()
    (site,) = server["routes"]
    assert site["match"] == [{"host": [host]}]
    routes = site["handle"][0]["routes"]
    told = [(*route.get("match", [{"path": ["*"]}])[0]["path"], _upstream(route)) for route in routes]
    assert sorted(told[:2]) == [("/metrics", None), ("/webhooks/*", "edge:8080")]
    assert told[2:] == [("*", "api:8080")]


def _upstream(route: Tree) -> str | None:
    (handler,) = route["handle"][0]["routes"][0]["handle"]
    source = handler.get("dynamic_upstreams")
    return source and f"{source['name']}:{source['port']}"


def test_caddy_s_file_is_formatted() -> None:
    file = DEPLOY / "caddy" / "Caddyfile"
    assert said(program("caddy"), "fmt", str(file)) == file.read_text()


def test_the_nats_servers_accept_their_file(secrets: Path, tmp_path: Path) -> None:
    (tmp_path / "nats.conf").write_text((DEPLOY / "nats" / "nats.conf").read_text())
    (tmp_path / "authorization.conf").write_text((secrets / "nats_authorization.conf").read_text())
    command = [program("nats-server"), "-t", "-c", str(tmp_path / "nats.conf")]
    for name in SERVERS:
        ran = subprocess.run(command, env=SERVICES[name]["environment"], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert "is valid" in ran.stderr
    targets = {one["source"]: one["target"] for one in (*SERVICES["nats-1"]["configs"], *SERVICES["nats-1"]["secrets"])}
    assert targets == {"nats": "/etc/nats/nats.conf", "nats_authorization": "/etc/nats/authorization.conf"}


def test_nats_keeps_more_than_the_gateway_s_stream_and_acknowledges_what_is_on_disk() -> None:
    text = (DEPLOY / "nats" / "nats.conf").read_text()
    assert "\n  sync_interval: always\n" in text
    assert "max_file_store: 20GB" in text
    assert NatsConfig().max_bytes < 20e9
