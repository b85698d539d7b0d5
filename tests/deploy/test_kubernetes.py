"""The manifests are what Kubernetes accepts, and what they start fits what the gateway understands."""

from __future__ import annotations

import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from gateway.config.model import Limits
from gateway.metrics import Metrics
from tests.deploy.deployed import KUBERNETES, ROLES, ROOT, Tree, files_named, manifests, of_kind, program, said

DEPLOYMENTS = of_kind("Deployment")
POLICIES = of_kind("NetworkPolicy")
SCALES = of_kind("HorizontalPodAutoscaler")
(CONFIG_MAP,) = of_kind("ConfigMap").values()
CONFIG = yaml.safe_load(CONFIG_MAP["data"]["gateway.yaml"])
SECRETS = of_kind("Secret")["gateway"]["stringData"]
MOUNTED = "/run/secrets/byoc"
OLDEST, NEWEST = "1.30", "1.37"  # of Kubernetes; `preStop.sleep` is there since 1.30


def pod(role: str) -> Tree:
    return dict(DEPLOYMENTS[role]["spec"]["template"]["spec"])


def container(role: str) -> Tree:
    (one,) = pod(role)["containers"]
    return dict(one)


def component(role: str) -> dict[str, str]:
    return {"app.kubernetes.io/component": role, "app.kubernetes.io/name": "byoc"}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("manifest", manifests(), ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_kubernetes_knows_every_field(manifest: Tree, version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_there_is_a_deployment_a_service_a_budget_and_a_scale_for_each_role() -> None:
    for kind in ("Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"):
        assert of_kind(kind).keys() == set(ROLES), kind


@pytest.mark.parametrize("role", ROLES)
def test_selectors_find_the_role_s_pods_and_no_others(role: str) -> None:
    labels = component(role)
    assert DEPLOYMENTS[role]["spec"]["template"]["metadata"]["labels"] == labels
    assert DEPLOYMENTS[role]["spec"]["selector"]["matchLabels"] == labels
    assert of_kind("Service")[role]["spec"]["selector"] == labels
    assert of_kind("PodDisruptionBudget")[role]["spec"]["selector"]["matchLabels"] == labels
    assert SCALES[role]["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": role}
    for spread in pod(role)["topologySpreadConstraints"]:
        assert spread["labelSelector"]["matchLabels"] == labels


@pytest.mark.parametrize("role", ROLES)
def test_pods_keep_to_the_restricted_standard(role: str) -> None:
    assert pod(role)["securityContext"]["runAsNonRoot"] is True
    assert pod(role)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod(role)["automountServiceAccountToken"] is False
    assert container(role)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container(role)["resources"].keys() == {"requests", "limits"}


@pytest.mark.parametrize("role", ROLES)
def test_the_user_is_the_image_s(role: str) -> None:
    assert f"--uid {pod(role)['securityContext']['runAsUser']} " in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("role", ROLES)
def test_probes_and_ports_meet(role: str) -> None:
    one = container(role)
    assert one["ports"] == [{"containerPort": CONFIG["listen"]["port"], "name": "http"}]
    assert one["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert one["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert of_kind("Service")[role]["spec"]["ports"] == [{"name": "http", "port": 8080, "targetPort": "http"}]


@pytest.mark.parametrize("role", ROLES)
def test_a_pod_has_longer_than_its_grace_to_stop(role: str) -> None:
    needed = container(role)["lifecycle"]["preStop"]["sleep"]["seconds"] + Limits().grace_seconds
    assert pod(role)["terminationGracePeriodSeconds"] >= needed + 10


@pytest.mark.parametrize("role", ROLES)
def test_each_volume_and_what_it_comes_from_exists(role: str) -> None:
    volumes = {one["name"]: one for one in pod(role)["volumes"]}
    mounts = {one["mountPath"]: one["name"] for one in container(role)["volumeMounts"]}
    assert mounts == {"/config": "config", MOUNTED: "secrets", "/data": "data", "/tmp": "tmp"}  # noqa: S108 - a volume
    assert set(mounts.values()) == volumes.keys()
    assert volumes["config"]["configMap"]["name"] == CONFIG_MAP["metadata"]["name"]
    assert volumes["secrets"]["secret"]["secretName"] in of_kind("Secret")
    assert pod(role)["serviceAccountName"] in of_kind("ServiceAccount")


def test_each_secret_that_the_config_names_has_its_key_and_each_key_is_named() -> None:
    assert files_named(CONFIG_MAP["data"]["gateway.yaml"]) == {f"{MOUNTED}/{key}" for key in SECRETS}


def test_the_config_has_no_fault(tmp_path: Path) -> None:
    for name, value in SECRETS.items():
        (tmp_path / name).write_text(value)
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIG_MAP["data"]["gateway.yaml"].replace(MOUNTED, str(tmp_path)))
    assert "no fault" in said(program("byoc"), "check", "--config", str(path))


def test_the_ingress_sends_webhooks_to_edges_and_the_rest_to_apis() -> None:
    ingress = of_kind("Ingress")["byoc"]["spec"]
    (rule,) = ingress["rules"]
    ways = {path["path"]: path["backend"]["service"]["name"] for path in rule["http"]["paths"]}
    assert ways == {"/webhooks": "edge", "/": "api"}
    assert CONFIG["public_url"] == f"https://{rule['host']}"
    assert ingress["tls"][0]["hosts"] == [rule["host"]]


# ---------------------------------------------------------------------------------------------------------- the network


def selects(selector: Tree, role: str) -> bool:
    labels = component(role)
    exactly = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return exactly and all(
        one["operator"] == "In" and labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", [])
    )


@pytest.mark.parametrize(
    ("role", "ports"),
    [
        ("edge", {53, 4222}),
        ("broker", {53, 443, 4222, 5432, 7443}),
        ("sender", {53, 443, 5432, 7443, 8080}),
        ("api", {53, 443, 4222, 5432, 7443}),
    ],
)
def test_a_role_reaches_what_it_needs_and_nothing_else(role: str, ports: set[int]) -> None:
    rules = [
        rule
        for policy in POLICIES.values()
        if selects(policy["spec"]["podSelector"], role)
        for rule in policy["spec"].get("egress", [])
    ]
    assert all(rule["to"] and rule["ports"] for rule in rules)
    assert {one["port"] for rule in rules for one in rule["ports"]} == ports


def test_what_no_policy_allows_is_closed_for_every_role() -> None:
    everything = POLICIES["nothing-else"]["spec"]
    assert set(everything["policyTypes"]) == {"Ingress", "Egress"}
    assert not {"ingress", "egress"} & everything.keys()
    assert all(selects(everything["podSelector"], role) for role in ROLES)


def test_the_internet_is_not_the_cluster() -> None:
    (rule,) = POLICIES["to-the-internet"]["spec"]["egress"]
    everywhere = rule["to"][0]["ipBlock"]
    assert everywhere["cidr"] == "0.0.0.0/0"
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(everywhere["except"])


def test_without_nats_edges_reach_the_database_by_the_patch() -> None:
    patch = yaml.safe_load((KUBERNETES / "overlays" / "example" / "without-nats.yaml").read_text())
    assert patch["metadata"]["name"] in POLICIES
    (expression,) = patch["spec"]["podSelector"]["matchExpressions"]
    assert set(expression["values"]) == set(ROLES)


# ------------------------------------------------------------------------------------------------------------- scaling


def keda() -> list[Tree]:
    return list(yaml.safe_load_all((KUBERNETES / "monitoring" / "keda.yaml").read_text()))


def test_brokers_and_senders_scale_by_ages_that_the_gateway_tells() -> None:
    by_age = {
        role: one["spec"]["metrics"][0]["external"]["metric"]["name"]
        for role, one in SCALES.items()
        if one["spec"]["metrics"][0]["type"] == "External"
    }
    assert by_age == {"broker": "byoc_inbox_oldest_seconds", "sender": "byoc_outbox_oldest_seconds"}
    rules = yaml.safe_load((KUBERNETES / "monitoring" / "prometheus-adapter.yaml").read_text())["rules"]["external"]
    offered = {re.findall(r'__name__="(\w+)"', rule["seriesQuery"])[0] for rule in rules}
    asked = {re.findall(r"byoc_\w+", trigger["metadata"]["query"])[0] for one in keda() for trigger in one["spec"]["triggers"]}
    assert set(by_age.values()) == offered == asked
    assert offered <= {metric.name for metric in Metrics().registry.collect()}


def test_keda_scales_the_same_roles_between_the_same_bounds() -> None:
    for one in keda():
        spec, scale = one["spec"], SCALES[one["spec"]["scaleTargetRef"]["name"]]["spec"]
        assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (scale["minReplicas"], scale["maxReplicas"])
        assert spec["triggers"][0]["metadata"]["threshold"] == scale["metrics"][0]["external"]["target"]["value"]


def test_nats_is_set_as_the_gateway_needs_it() -> None:
    values = yaml.safe_load((KUBERNETES / "nats-values.yaml").read_text())["config"]
    assert values["jetstream"]["merge"] == {"sync_interval": "always"}
    assert values["cluster"]["replicas"] == CONFIG["nats"]["replicas"] == 3
