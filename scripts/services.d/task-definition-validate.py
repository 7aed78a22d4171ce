"""Checks that the given files are Amazon ECS task definitions, using the service's own model."""

import json
import sys

import botocore.session
from botocore.validate import ParamValidator

service = botocore.session.get_session().get_service_model("ecs")
shape = service.operation_model("RegisterTaskDefinition").input_shape
failed = False
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        report = ParamValidator().validate(json.load(file), shape)
    if report.has_errors():
        failed = True
        print(f"{name}: {report.generate_report()}", file=sys.stderr)
sys.exit(failed)
