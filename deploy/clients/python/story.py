"""The story with Python's stubs: a job and an endpoint, a run watched to its end, a list by source, a refusal read.

Started by `cargo xtask clients` with the scheduler's address and a URL that answers 200. Prints one line.
"""

import sys

import grpc
from baton.v1 import jobs_pb2, jobs_pb2_grpc, runs_pb2, runs_service_pb2_grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

SECONDS = 30


def story(address: str, url: str) -> str:
    with grpc.insecure_channel(address) as channel:
        jobs = jobs_pb2_grpc.JobsServiceStub(channel)
        runs = runs_service_pb2_grpc.RunsServiceStub(channel)
        job = jobs.CreateJob(
            jobs_pb2.CreateJobRequest(name="story in Python", request_id="story-in-python"), timeout=SECONDS
        )
        endpoint = jobs.CreateEndpoint(
            jobs_pb2.CreateEndpointRequest(
                endpoint=jobs_pb2.Endpoint(
                    job_id=job.id,
                    name="told to",
                    request=jobs_pb2.HttpRequest(method="POST", url=url, body=b'{"from":"python"}'),
                )
            ),
            timeout=SECONDS,
        )
        run = run_to_its_end(runs, endpoint.id)
        if run.status != runs_pb2.RUN_STATUS_SUCCEEDED or run.status_code != 200:
            raise AssertionError(f"the run ended as {run}")
        check_lists_by_source(runs, job.id, run.id)
        violation = refusal(jobs)
        return (
            f"python: run {run.id} {run.source} with {run.status_code}; "
            f"refused: {violation.field} {violation.description}"
        )


def run_to_its_end(runs: runs_service_pb2_grpc.RunsServiceStub, endpoint_id: str) -> runs_pb2.Run:
    """Submits a run and answers with it once the watch, opened before, has told of its end."""
    watch = runs.WatchRuns(runs_pb2.WatchRunsRequest(endpoint_id=endpoint_id), timeout=SECONDS)
    next(watch)  # The first message says that nothing is missed from here on.
    submitted = runs.SubmitRun(runs_pb2.SubmitRunRequest(endpoint_id=endpoint_id), timeout=SECONDS)
    for change in watch:
        if change.run.id == submitted.id and change.run.HasField("finish_time"):
            watch.cancel()
            return change.run
    raise AssertionError("the watch ended before the run did")


def check_lists_by_source(runs: runs_service_pb2_grpc.RunsServiceStub, job_id: str, run_id: str) -> None:
    """Finds the run, and it alone, among the manual runs of its job, and none among the baseline's."""
    for source, expected in {"manual": [run_id], "baseline": []}.items():
        listed = runs.ListRuns(runs_pb2.ListRunsRequest(job_id=job_id, source=source), timeout=SECONDS)
        found = [run.id for run in listed.runs]
        if found != expected:
            raise AssertionError(f"runs with source {source} are {found}, not {expected}")


def refusal(jobs: jobs_pb2_grpc.JobsServiceStub) -> error_details_pb2.BadRequest.FieldViolation:
    """Sends a job without a name and reads what is wrong with it."""
    try:
        jobs.CreateJob(jobs_pb2.CreateJobRequest(), timeout=SECONDS)
    except grpc.RpcError as refused:
        if refused.code() != grpc.StatusCode.INVALID_ARGUMENT:
            raise
        bad_request = error_details_pb2.BadRequest()
        for detail in rpc_status.from_call(refused).details:
            if detail.Unpack(bad_request) and len(bad_request.field_violations) == 1:
                return bad_request.field_violations[0]
        raise AssertionError("the refusal names no single field") from refused
    raise AssertionError("a job without a name was accepted")


if __name__ == "__main__":
    print(story(*sys.argv[1:3]))
