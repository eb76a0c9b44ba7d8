"""The manifests for KubeRay: its fields, those of Kubernetes' pods, and what Ray reads of them."""

import re
import shlex
from typing import Any

import click
import pytest
from ray.autoscaler._private.kuberay.utils import parse_quantity

from tests.deploy.deploy_files import autoscaling, read, read_yaml
from tests.deploy.kubernetes_types import problems

#: Fields of KubeRay's `ray.io/v1` that are used here, as its API reference has them (1.5.1), with
#: their types.
CLUSTER = {
    "rayVersion": str, "authOptions": dict, "enableInTreeAutoscaling": bool,
    "autoscalerOptions": dict, "headGroupSpec": dict, "workerGroupSpecs": list,
}  # fmt: skip
GROUP = {
    "groupName": str, "replicas": int, "minReplicas": int, "maxReplicas": int,
    "rayStartParams": dict, "template": dict,
}  # fmt: skip
JOB = {
    "entrypoint": str, "backoffLimit": int, "shutdownAfterJobFinishes": bool,
    "ttlSecondsAfterFinished": int, "rayClusterSpec": dict,
}  # fmt: skip
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def fits(value: dict[str, Any], fields: dict[str, type], required: set[str]) -> None:
    assert required <= value.keys() <= fields.keys()
    for name, one in value.items():
        assert type(one) is fields[name], name


@pytest.fixture
def cluster() -> Any:
    return read_yaml("kuberay-cluster.yaml")


@pytest.fixture
def job() -> Any:
    return read_yaml("kuberay-job.yaml")


def groups(spec: Any) -> list[Any]:
    return [spec["headGroupSpec"], *spec["workerGroupSpecs"]]


def test_the_cluster_has_kuberays_fields(cluster):
    assert (cluster["apiVersion"], cluster["kind"]) == ("ray.io/v1", "RayCluster")
    assert LABEL.fullmatch(cluster["metadata"]["name"])
    spec = cluster["spec"]
    fits(spec, CLUSTER, {"headGroupSpec"})
    assert spec["authOptions"] == {"mode": "token"}
    options = {"idleTimeoutSeconds": int, "upscalingMode": str}
    fits(spec["autoscalerOptions"], options, set())
    assert spec["autoscalerOptions"]["upscalingMode"] in ("Default", "Aggressive", "Conservative")
    must = {"rayStartParams", "template"}
    fits(spec["headGroupSpec"], {name: GROUP[name] for name in must}, must)
    for group in spec["workerGroupSpecs"]:
        fits(group, GROUP, must | {"groupName", "minReplicas", "maxReplicas"})
        assert LABEL.fullmatch(group["groupName"])
        assert 0 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    assert len({group["groupName"] for group in spec["workerGroupSpecs"]}) == 2


def test_the_job_has_kuberays_fields_and_the_same_cluster(cluster, job):
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert LABEL.fullmatch(job["metadata"]["name"])
    fits(job["spec"], JOB, {"entrypoint", "rayClusterSpec"})
    assert job["spec"]["rayClusterSpec"] == cluster["spec"]
    # What KubeRay asks for where a cluster is to go after its time.
    assert job["spec"]["shutdownAfterJobFinishes"]


def test_ray_starts_with_options_that_it_has(cluster):
    from ray.scripts.scripts import start

    known = {option for one in start.params for option in one.opts}
    for group in groups(cluster["spec"]):
        for name, value in group["rayStartParams"].items():
            assert f"--{name}" in known and type(value) is str
    with pytest.raises(click.exceptions.NoSuchOption):
        start.make_context("start", ["--object-store-memories=1"])


def test_pods_are_kubernetes_pods(cluster):
    for group in groups(cluster["spec"]):
        assert problems(group["template"], "PodTemplateSpec") == []
    pod = groups(cluster["spec"])[0]["template"]["spec"]
    assert problems({"spec": {**pod, "volume": []}}, "PodTemplateSpec") == [
        ".spec has volume, which a PodSpec has not"
    ]
    nameless = {"spec": {"containers": [{"image": 3}]}}
    assert problems(nameless, "PodTemplateSpec") == [
        ".spec.containers[0] lacks name",
        ".spec.containers[0].image is 3, no str",
    ]


def test_pods_have_what_they_name(cluster):
    claim = read_yaml("kuberay-storage.yaml")
    for group in groups(cluster["spec"]):
        pod = group["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
        (ray,) = pod["containers"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert {mount["name"] for mount in ray["volumeMounts"]} == set(volumes)
        assert all(LABEL.fullmatch(name) for name in volumes)
        assert volumes["data"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        assert ray["resources"]["requests"] == ray["resources"]["limits"]
        assert all(parse_quantity(value) > 0 for value in ray["resources"]["limits"].values())
        memory = parse_quantity(volumes["shared-memory"]["emptyDir"]["sizeLimit"])
        assert memory > int(group["rayStartParams"]["object-store-memory"])
        assert ("nvidia.com/gpu" in ray["resources"]["limits"]) == ray["image"].endswith(":cuda")
    settings = volumes["settings"]["configMap"]["name"]
    assert f"kubectl create configmap {settings} --from-file=deploy/build.yaml" in read("README.md")


def test_what_the_build_reads_is_mounted(cluster, job):
    mounts = groups(cluster["spec"])[0]["template"]["spec"]["containers"][0]["volumeMounts"]
    folders = {mount["mountPath"] for mount in mounts}
    paths = [word for word in shlex.split(job["spec"]["entrypoint"]) if word.startswith("/")]
    assert len(paths) == 3
    assert all(any(path.startswith(f"{folder}/") for folder in folders) for path in paths)


def test_rays_autoscaler_reads_the_cluster(cluster):
    config = autoscaling(cluster)
    kinds = config["available_node_types"]
    assert kinds.keys() == {"headgroup", "download", "gpu"}
    assert kinds["headgroup"]["resources"]["CPU"] == 0
    assert kinds["gpu"]["resources"]["GPU"] == 1 and "GPU" not in kinds["download"]["resources"]
    assert config["max_workers"] == 16 and config["idle_timeout_minutes"] == 5


def test_the_disk_can_be_shared():
    claim = read_yaml("kuberay-storage.yaml")
    assert (claim["apiVersion"], claim["kind"]) == ("v1", "PersistentVolumeClaim")
    assert problems(claim["spec"], "PersistentVolumeClaimSpec") == []
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert parse_quantity(claim["spec"]["resources"]["requests"]["storage"]) > 2**40
