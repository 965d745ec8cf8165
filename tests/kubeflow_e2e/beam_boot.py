"""Starts one Beam worker as /opt/apache/beam/boot of the image does.

The real one is a Go program in Beam's image. Of what it does, this does the part that
concerns us: it asks the job for its options and hands them to Beam's worker.
"""

import argparse
import os
import sys

import grpc
from apache_beam.portability.api import (
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
    endpoints_pb2,
)
from google.protobuf import json_format, text_format

parser = argparse.ArgumentParser()
for name in ("id", "logging_endpoint", "provision_endpoint", "control_endpoint"):
    parser.add_argument(f"--{name}", required=True)
arguments, _ = parser.parse_known_args()

provision = beam_provision_api_pb2_grpc.ProvisionServiceStub(
    grpc.insecure_channel(arguments.provision_endpoint)
)
answer = provision.GetProvisionInfo(
    beam_provision_api_pb2.GetProvisionInfoRequest(),
    metadata=[("worker_id", arguments.id)],
)


def descriptor(url):
    return text_format.MessageToString(endpoints_pb2.ApiServiceDescriptor(url=url))


os.environ["WORKER_ID"] = arguments.id
os.environ["PIPELINE_OPTIONS"] = json_format.MessageToJson(answer.info.pipeline_options)
os.environ["LOGGING_API_SERVICE_DESCRIPTOR"] = descriptor(arguments.logging_endpoint)
os.environ["CONTROL_API_SERVICE_DESCRIPTOR"] = descriptor(arguments.control_endpoint)
module = "apache_beam.runners.worker.sdk_worker_main"
os.execv(sys.executable, [sys.executable, "-m", module])  # noqa: S606
