"""An AWS API on loopback for `npm run test:terraform:apply`: moto's server, plus what moto lacks and this stack calls.

    aws_emulator.py serve PORT
    aws_emulator.py call PORT SERVICE OPERATION JSON     one API call, its answer as JSON on stdout;
                                                         AWS_REGION and made-up AWS credentials come from the environment

Nothing here decides whether the stack is right: an emulator answers reads with what was written. Every addition below names
what moto 5.2.1 leaves out, and goes away with the release that has it.
"""

import inspect
import json
import os
import sys


def call(port, service, operation, arguments):
    import boto3

    client = boto3.client(service, endpoint_url=f"http://127.0.0.1:{port}")
    print(json.dumps(getattr(client, operation)(**arguments), default=str))


def public(record):
    return {key: value for key, value in record.items() if not key.startswith("_")}


def autoscaling():
    """ListTagsForResource, TagResource and UntagResource: the provider reads tags after every registration."""
    from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse as Responses

    tags = {}
    register = Responses.register_scalable_target

    def register_scalable_target(self):
        answer = register(self)
        wanted = json.loads(self.body).get("Tags")
        if wanted is not None:
            tags[json.loads(answer)["ScalableTargetARN"]] = dict(wanted)
        return answer

    def list_tags_for_resource(self):
        return json.dumps({"Tags": tags.get(json.loads(self.body)["ResourceARN"], {})})

    def tag_resource(self):
        body = json.loads(self.body)
        tags.setdefault(body["ResourceARN"], {}).update(body["Tags"])
        return "{}"

    def untag_resource(self):
        body = json.loads(self.body)
        for key in body["TagKeys"]:
            tags.get(body["ResourceARN"], {}).pop(key, None)
        return "{}"

    for operation in (register_scalable_target, list_tags_for_resource, tag_resource, untag_resource):
        setattr(Responses, operation.__name__, operation)


def composite_alarms():
    """PutCompositeAlarm: moto can store and list such an alarm, and only lacks the way in."""
    from moto.cloudwatch.responses import CloudWatchResponse as Responses

    Responses.put_composite_alarm = Responses.put_metric_alarm


def security_group_rules():
    """The description of a rule whose other side is a group or a prefix list: moto keeps it for address ranges only."""
    from moto.ec2.models.security_groups import SecurityGroupRule

    create = SecurityGroupRule.__init__

    parameters = inspect.signature(create)

    def init(self, *positional, **named):
        self._prefix_list = parameters.bind(self, *positional, **named).arguments.get("prefix_list_id")
        create(self, *positional, **named)

    def description(self):
        for side in (self.ip_range, self.source_group, self._prefix_list):
            if isinstance(side, dict) and side.get("Description"):
                return side["Description"]
        return None

    SecurityGroupRule.__init__ = init
    SecurityGroupRule.description = property(description)


def subnets():
    """The IPv6 range of a subnet: moto lists it twice, and its state as the text of a Python dictionary."""
    from moto.ec2.models.subnets import Subnet

    def ipv6_cidr_block_association_set(self):
        first = {}
        for association in self.ipv6_cidr_block_associations.values():
            if association["ipv6CidrBlockState"]["State"] == "associated":
                first.setdefault(association["ipv6CidrBlock"], {**association, "ipv6CidrBlockState": {"state": "associated"}})
        return list(first.values())

    Subnet.ipv6_cidr_block_association_set = property(ipv6_cidr_block_association_set)


def ecs_services():
    """Service settings that moto accepts and forgets: grace period, managed tags, zone rebalancing, deployment settings."""
    from moto.ecs.responses import EC2ContainerServiceResponse as Responses

    attribute = {
        "healthCheckGracePeriodSeconds": "health_check_grace_period_seconds",
        "enableECSManagedTags": "enable_ecs_managed_tags",
        "availabilityZoneRebalancing": "availability_zone_rebalancing",
        "deploymentConfiguration": "deployment_configuration",
        "enableExecuteCommand": "enable_execute_command",
    }
    kept = {}

    def wrap(name):
        original = getattr(Responses, name)

        def operation(self):
            answer = original(self)
            services = answer.result.get("services") or ([answer.result["service"]] if "service" in answer.result else [])
            for service in services:
                if name != "describe_services":
                    asked = self._get_params()
                    kept.setdefault(service.arn, {}).update({k: asked[k] for k in attribute if asked.get(k) is not None})
                for key, value in kept.get(service.arn, {}).items():
                    setattr(service, attribute[key], value)
            return answer

        setattr(Responses, name, operation)

    for name in ("create_service", "update_service", "describe_services"):
        wrap(name)


def certificates():
    """The key algorithm of a certificate: moto makes RSA keys whatever is asked for."""
    from moto.acm.models import CertBundle
    from moto.acm.responses import AWSCertificateManagerResponse as Responses

    algorithms = {}
    request, describe = Responses.request_certificate, CertBundle.describe

    def request_certificate(self):
        answer = request(self)
        arn = json.loads(answer)["CertificateArn"]
        algorithms[arn] = self._get_param("KeyAlgorithm")
        return answer

    def describe_fully(self):
        answer = describe(self)
        if algorithms.get(self.arn):
            answer["Certificate"]["KeyAlgorithm"] = algorithms[self.arn]
        return answer

    Responses.request_certificate = request_certificate
    CertBundle.describe = describe_fully


def private_zones():
    """Private zones: moto makes a zone public unless it is told, though naming a VPC says it, and loses the VPC's id in the answer."""
    from moto.route53.responses import Route53 as Responses

    create, get = Responses.create_hosted_zone, Responses.get_hosted_zone

    def create_hosted_zone(self):
        told = self._get_bool_param
        self._get_bool_param = lambda name, default: told(name, default) or self._get_param("VPC.VPCId") is not None
        return create(self)

    def get_hosted_zone(self):
        answer = get(self)
        vpcs = answer.result.get("VPCs")
        if vpcs:
            answer.result["VPCs"] = [{"VPCId": vpc["vpc_id"], "VPCRegion": vpc["vpc_region"]} for vpc in vpcs]
        return answer

    Responses.create_hosted_zone = create_hosted_zone
    Responses.get_hosted_zone = get_hosted_zone


def bucket_policies():
    """Conditions of a bucket policy: moto ignores them, so "deny without TLS" would deny everything."""
    from moto.iam.access_control import IAMPolicy, PermissionResult
    from moto.s3.models import FakeBucket

    def get_permission(self, action, resource):
        if self.policy is None:
            return PermissionResult.NEUTRAL
        policy = json.loads(self.policy)
        policy["Statement"] = [statement for statement in policy["Statement"] if "Condition" not in statement]
        return IAMPolicy(json.dumps(policy)).is_action_permitted(action, resource)

    FakeBucket.get_permission = get_permission


def memorydb():
    """Parameter groups, users and access lists; a change of a subnet group; and the engine of a cluster, which moto forgets."""
    import moto.memorydb.models as models
    from moto.core.responses import ActionResult
    from moto.memorydb.exceptions import MemoryDBClientError
    from moto.memorydb.responses import MemoryDBResponse as Responses

    groups, users, lists, tags, engines = {}, {}, {}, {}, {}

    def arn(self, kind, name):
        return f"arn:aws:memorydb:{self.region}:{self.current_account}:{kind}/{name}"

    def add(function):
        setattr(Responses, function.__name__, function)
        return function

    def find(table, name, code):
        if name and name not in table:
            raise MemoryDBClientError(code, f"{name} not found")
        return [public(record) for key, record in table.items() if not name or key == name]

    @add
    def create_parameter_group(self):
        body = json.loads(self.body)
        name = body["ParameterGroupName"]
        groups[name] = {
            "Name": name,
            "Family": body["Family"],
            "Description": body.get("Description"),
            "ARN": arn(self, "parametergroup", name),
            "_parameters": {},
        }
        tags[groups[name]["ARN"]] = body.get("Tags", [])
        return ActionResult({"ParameterGroup": public(groups[name])})

    @add
    def update_parameter_group(self):
        body = json.loads(self.body)
        group = groups[body["ParameterGroupName"]]
        group["_parameters"].update({p["ParameterName"]: p["ParameterValue"] for p in body["ParameterNameValues"]})
        return ActionResult({"ParameterGroup": public(group)})

    @add
    def reset_parameter_group(self):
        body = json.loads(self.body)
        group = groups[body["ParameterGroupName"]]
        for name in body.get("ParameterNames", []):
            group["_parameters"].pop(name, None)
        return ActionResult({"ParameterGroup": public(group)})

    @add
    def describe_parameter_groups(self):
        return ActionResult({"ParameterGroups": find(groups, json.loads(self.body).get("ParameterGroupName"), "ParameterGroupNotFoundFault")})

    @add
    def describe_parameters(self):
        # The provider compares a group with the default group of its family; that one need not hold anything here.
        group = groups.get(json.loads(self.body)["ParameterGroupName"], {"_parameters": {}})
        return ActionResult({"Parameters": [{"Name": k, "Value": v} for k, v in group["_parameters"].items()]})

    @add
    def delete_parameter_group(self):
        return ActionResult({"ParameterGroup": public(groups.pop(json.loads(self.body)["ParameterGroupName"]))})

    def authentication(mode):
        return {"Type": mode["Type"], "PasswordCount": len(mode.get("Passwords") or [])}

    @add
    def create_user(self):
        body = json.loads(self.body)
        name = body["UserName"]
        users[name] = {
            "Name": name,
            "Status": "active",
            "AccessString": body["AccessString"],
            "ACLNames": [],
            "MinimumEngineVersion": "6.2",
            "Authentication": authentication(body["AuthenticationMode"]),
            "ARN": arn(self, "user", name),
        }
        tags[users[name]["ARN"]] = body.get("Tags", [])
        return ActionResult({"User": users[name]})

    @add
    def update_user(self):
        body = json.loads(self.body)
        user = users[body["UserName"]]
        if body.get("AccessString"):
            user["AccessString"] = body["AccessString"]
        if body.get("AuthenticationMode"):
            user["Authentication"] = authentication(body["AuthenticationMode"])
        return ActionResult({"User": user})

    @add
    def describe_users(self):
        return ActionResult({"Users": find(users, json.loads(self.body).get("UserName"), "UserNotFoundFault")})

    @add
    def delete_user(self):
        return ActionResult({"User": users.pop(json.loads(self.body)["UserName"])})

    @add
    def create_acl(self):
        body = json.loads(self.body)
        name = body["ACLName"]
        lists[name] = {
            "Name": name,
            "Status": "active",
            "UserNames": body.get("UserNames", []),
            "MinimumEngineVersion": "6.2",
            "Clusters": [],
            "ARN": arn(self, "acl", name),
        }
        tags[lists[name]["ARN"]] = body.get("Tags", [])
        return ActionResult({"ACL": lists[name]})

    def describe_acls(self):
        return ActionResult({"ACLs": find(lists, json.loads(self.body).get("ACLName"), "ACLNotFoundFault")})

    # moto derives the method's name from DescribeACLs.
    Responses.describe_ac_ls = describe_acls

    @add
    def delete_acl(self):
        return ActionResult({"ACL": lists.pop(json.loads(self.body)["ACLName"])})

    @add
    def update_subnet_group(self):
        body = json.loads(self.body)
        group = self.memorydb_backend.subnet_groups[body["SubnetGroupName"]]
        group.description = body.get("Description", group.description)
        group.subnet_ids = body.get("SubnetIds", group.subnet_ids)
        return ActionResult({"SubnetGroup": group.to_dict()})

    list_known_tags = Responses.list_tags

    @add
    def list_tags(self):
        wanted = json.loads(self.body).get("ResourceArn")
        return ActionResult({"TagList": tags[wanted]}) if wanted in tags else list_known_tags(self)

    create_known_cluster = Responses.create_cluster

    @add
    def create_cluster(self):
        body = json.loads(self.body)
        engines[body["ClusterName"]] = {key: body[key] for key in ("Engine", "EngineVersion") if body.get(key)}
        return create_known_cluster(self)

    def with_engine(describe):
        return lambda self: {**describe(self), **engines.get(self.cluster_name, {})}

    models.MemoryDBCluster.to_dict = with_engine(models.MemoryDBCluster.to_dict)
    models.MemoryDBCluster.to_desc_dict = with_engine(models.MemoryDBCluster.to_desc_dict)


def serve(port):
    os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
    for add in (
        autoscaling,
        composite_alarms,
        security_group_rules,
        subnets,
        ecs_services,
        certificates,
        private_zones,
        bucket_policies,
        memorydb,
    ):
        add()

    from moto.server import main

    main(["-H", "127.0.0.1", "-p", port])


if __name__ == "__main__":
    command, port, *rest = sys.argv[1:]
    if command == "serve":
        serve(port)
    else:
        call(port, rest[0], rest[1], json.loads(rest[2]))
