"""The cluster launcher's files against Ray's own schema, and AWS's own interface."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.deploy.deploy_files import read_yaml
from tests.distributions import ROOT

CLUSTERS = ("ray-aws.yaml", "ray-on-premise.yaml")


def prepared(name: str) -> Any:
    """A file as `ray up` reads it, with Ray's defaults."""
    config = prepare_config(read_yaml(name))
    validate_config(config)
    return config


@pytest.mark.parametrize("name", CLUSTERS)
def test_ray_takes_the_file(name: str):
    config = prepared(name)
    assert config["docker"]["container_name"] == "webbody"
    (start,) = (c for c in config["head_start_ray_commands"] if "ray start" in c)
    # Nobody outside the machines reaches what takes jobs.
    assert "--dashboard-host=127.0.0.1" in start and "--autoscaling-config" in start


@pytest.mark.parametrize(
    ("place", "value"),
    [("idle_minutes", 5), ("max_workers", -1), ("docker", {"images": "x"}), ("provider", {})],
)
def test_ray_would_refuse_a_mistake(place: str, value: Any):
    with pytest.raises(Exception, match=r"Additional properties|minimum|required|type"):
        validate_config(prepare_config(read_yaml("ray-aws.yaml")) | {place: value})


def test_machines_of_aws_are_such_as_it_starts():
    kinds = prepared("ray-aws.yaml")["available_node_types"]
    call = botocore.session.get_session().get_service_model("ec2").operation_model("RunInstances")
    for name, kind in kinds.items():
        request = {**kind["node_config"], "MinCount": 1, "MaxCount": 1}
        report = ParamValidator().validate(request, call.input_shape)
        assert not report.has_errors(), (name, report.generate_report())
    wrong = ParamValidator().validate({"InstanceTyp": "x"}, call.input_shape)
    assert wrong.has_errors()


def test_only_workers_are_taken_from_what_may_vanish():
    config = prepared("ray-aws.yaml")
    kinds = dict(config["available_node_types"])
    head = kinds.pop(config["head_node_type"])
    assert "InstanceMarketOptions" not in head["node_config"] and head["resources"] == {"CPU": 0}
    for name, kind in kinds.items():
        assert kind["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
        assert (kind["min_workers"], kind["max_workers"]) == (0, 8), name
    assert kinds["gpu"]["docker"]["worker_image"].endswith(":cuda")
    assert config["docker"]["worker_image"].endswith(":cpu")
    assert sum(kind["max_workers"] for kind in kinds.values()) <= config["max_workers"]


def test_all_machines_of_one_s_own_are_used():
    config = prepared("ray-on-premise.yaml")
    (kind,) = config["available_node_types"].values()
    workers = len(config["provider"]["worker_ips"])
    assert kind["min_workers"] == kind["max_workers"] == config["max_workers"] == workers == 3


#: What `ray up` and its autoscaler do on AWS, against moto's stand-in for it.
ON_AWS = """
import json
import boto3
from moto import mock_aws
from ray.autoscaler._private.aws.config import bootstrap_aws
from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from tests.deploy.test_deploy_ray import prepared

with mock_aws():
    config = prepared("ray-aws.yaml")
    kinds = config["available_node_types"]
    for kind in kinds.values():
        name = kind["node_config"]["IamInstanceProfile"]["Arn"].rpartition("/")[2]
        if name not in str(boto3.client("iam").list_instance_profiles()["InstanceProfiles"]):
            boto3.client("iam").create_instance_profile(InstanceProfileName=name)
    config = bootstrap_aws(config)
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    for kind in kinds:
        provider.create_node(config["available_node_types"][kind]["node_config"], {}, 1)
    client = boto3.client("ec2", config["provider"]["region"])
    found = [one for r in client.describe_instances()["Reservations"] for one in r["Instances"]]
    (group,) = client.describe_security_groups(GroupIds=[found[0]["SecurityGroups"][0]["GroupId"]])[
        "SecurityGroups"
    ]
    open_to_all = [
        rule["FromPort"] for rule in group["IpPermissions"]
        if any(ip["CidrIp"] == "0.0.0.0/0" for ip in rule["IpRanges"])
    ]
    machines = [[one["InstanceType"], one.get("InstanceLifecycle")] for one in found]
    print(json.dumps({"machines": machines, "open": open_to_all}))
"""


def test_ray_starts_each_kind_of_machine_on_a_stand_in_of_aws(tmp_path: Path):
    (tmp_path / ".ssh").mkdir()  # where Ray puts the key that it makes
    environment = {
        **os.environ, "HOME": str(tmp_path), "MOTO_ACCOUNT_ID": "000000000000",
        "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    command = [sys.executable, "-c", ON_AWS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    kinds = prepared("ray-aws.yaml")["available_node_types"]
    types = [kind["node_config"]["InstanceType"] for kind in kinds.values()]
    lifecycles = [None, "spot", "spot"]
    assert found["machines"] == [list(pair) for pair in zip(types, lifecycles, strict=True)]
    assert found["open"] == [22]  # ssh alone
