// The story with TypeScript's stubs: a job and an endpoint, a run watched to its end, a list by source, a refusal read.
//
// Started by `cargo xtask clients` with the scheduler's address and a URL that answers 200. Prints one line.

import assert from "node:assert/strict";
import { argv } from "node:process";

import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import { JobsService } from "./gen/baton/v1/jobs_pb.js";
import { type Run, RunStatus } from "./gen/baton/v1/runs_pb.js";
import { RunsService } from "./gen/baton/v1/runs_service_pb.js";
import { type BadRequest_FieldViolation, BadRequestSchema } from "./gen/google/rpc/error_details_pb.js";

async function story(address: string, url: string): Promise<string> {
  const transport = createGrpcTransport({ baseUrl: `http://${address}`, defaultTimeoutMs: 30_000 });
  const jobs = createClient(JobsService, transport);
  const runs = createClient(RunsService, transport);

  const job = await jobs.createJob({ name: "story in TypeScript", requestId: "story-in-typescript" });
  const body = new TextEncoder().encode('{"from":"typescript"}');
  const endpoint = await jobs.createEndpoint({
    endpoint: { jobId: job.id, name: "told to", request: { method: "POST", url, body } },
  });
  const run = await runToItsEnd(runs, endpoint.id);
  assert.equal(run.status, RunStatus.SUCCEEDED, `the run ended with: ${run.error}`);
  assert.equal(run.statusCode, 200);
  await checkListsBySource(runs, job.id, run.id);
  const violation = await refusal(jobs);
  return (
    `typescript: run ${run.id} ${run.source} with ${run.statusCode}; ` +
    `refused: ${violation.field} ${violation.description}`
  );
}

/** Submits a run and answers with it once the watch, opened before, has told of its end. */
async function runToItsEnd(runs: Client<typeof RunsService>, endpointId: string): Promise<Run> {
  const watching = new AbortController();
  let submitted: Run | undefined;
  // No deadline of its own: its timer would outlive a watch that is left early.
  const signal = AbortSignal.any([watching.signal, AbortSignal.timeout(30_000)]);
  for await (const { event } of runs.watchRuns({ endpointId }, { signal, timeoutMs: 0 })) {
    // The first message says that nothing is missed from here on.
    submitted ??= await runs.submitRun({ endpointId });
    if (event.case === "run" && event.value.id === submitted.id && event.value.finishTime !== undefined) {
      watching.abort();
      return event.value;
    }
  }
  assert.fail("the watch ended before the run did");
}

/** Finds the run, and it alone, among the manual runs of its job, and none among the baseline's. */
async function checkListsBySource(runs: Client<typeof RunsService>, jobId: string, runId: string): Promise<void> {
  for (const [source, expected] of Object.entries({ manual: [runId], baseline: [] })) {
    const listed = await runs.listRuns({ jobId, source });
    assert.deepEqual(listed.runs.map((run) => run.id), expected, `runs with source ${source}`);
  }
}

/** Sends a job without a name and reads what is wrong with it. */
async function refusal(jobs: Client<typeof JobsService>): Promise<BadRequest_FieldViolation> {
  const refused = await jobs.createJob({}).then(
    () => assert.fail("a job without a name was accepted"),
    (error: unknown) => ConnectError.from(error),
  );
  assert.equal(refused.code, Code.InvalidArgument, refused.message);
  const violations = refused.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations);
  assert.equal(violations.length, 1, "the refusal names a single field");
  return violations[0]!;
}

console.log(await story(argv[2]!, argv[3]!));
