// The story with Go's stubs: a job and an endpoint, a run watched to its end, a list by source, a refusal read.
//
// Started by `cargo xtask clients` with the scheduler's address and a URL that answers 200. Prints one line.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	baton "baton.example/story/gen/baton/v1"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := story(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "go:", err)
		os.Exit(1)
	}
}

func story(ctx context.Context, address, url string) error {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	jobs, runs := baton.NewJobsServiceClient(connection), baton.NewRunsServiceClient(connection)

	job, err := jobs.CreateJob(ctx, &baton.CreateJobRequest{Name: "story in Go", RequestId: "story-in-go"})
	if err != nil {
		return err
	}
	endpoint, err := jobs.CreateEndpoint(ctx, &baton.CreateEndpointRequest{Endpoint: &baton.Endpoint{
		JobId:   proto.String(job.Id),
		Name:    "told to",
		Request: &baton.HttpRequest{Method: "POST", Url: url, Body: []byte(`{"from":"go"}`)},
	}})
	if err != nil {
		return err
	}
	run, err := runToItsEnd(ctx, runs, endpoint.Id)
	if err != nil {
		return err
	}
	if run.Status != baton.RunStatus_RUN_STATUS_SUCCEEDED || run.GetStatusCode() != 200 {
		return fmt.Errorf("the run ended as %v", run)
	}
	if err := listedBySource(ctx, runs, job.Id, run.Id); err != nil {
		return err
	}
	violation, err := refusal(ctx, jobs)
	if err != nil {
		return err
	}
	fmt.Printf("go: run %s %s with %d; refused: %s %s\n", run.Id, run.Source, run.GetStatusCode(), violation.Field, violation.Description)
	return nil
}

// runToItsEnd submits a run and answers with it once the watch, opened before, has told of its end.
func runToItsEnd(ctx context.Context, runs baton.RunsServiceClient, endpointID string) (*baton.Run, error) {
	watch, err := runs.WatchRuns(ctx, &baton.WatchRunsRequest{EndpointId: proto.String(endpointID)})
	if err != nil {
		return nil, err
	}
	// The first message says that nothing is missed from here on.
	if _, err := watch.Recv(); err != nil {
		return nil, err
	}
	submitted, err := runs.SubmitRun(ctx, &baton.SubmitRunRequest{EndpointId: endpointID})
	if err != nil {
		return nil, err
	}
	for {
		change, err := watch.Recv()
		if err != nil {
			return nil, err
		}
		if run := change.GetRun(); run.GetId() == submitted.Id && run.FinishTime != nil {
			return run, nil
		}
	}
}

// listedBySource finds the run, and it alone, among the manual runs of its job, and no other among the baseline's.
func listedBySource(ctx context.Context, runs baton.RunsServiceClient, jobID, runID string) error {
	for source, expected := range map[string][]string{"manual": {runID}, "baseline": nil} {
		listed, err := runs.ListRuns(ctx, &baton.ListRunsRequest{JobId: proto.String(jobID), Source: proto.String(source)})
		if err != nil {
			return err
		}
		if len(listed.Runs) != len(expected) || (len(expected) == 1 && listed.Runs[0].Id != expected[0]) {
			return fmt.Errorf("runs with source %s are %v, not %v", source, listed.Runs, expected)
		}
	}
	return nil
}

// refusal sends a job without a name and reads what is wrong with it.
func refusal(ctx context.Context, jobs baton.JobsServiceClient) (*errdetails.BadRequest_FieldViolation, error) {
	_, err := jobs.CreateJob(ctx, &baton.CreateJobRequest{})
	refused := status.Convert(err)
	if refused.Code() != codes.InvalidArgument {
		return nil, fmt.Errorf("a job without a name was answered with %v", err)
	}
	for _, detail := range refused.Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok && len(bad.FieldViolations) == 1 {
			return bad.FieldViolations[0], nil
		}
	}
	return nil, errors.New("the refusal names no single field")
}
