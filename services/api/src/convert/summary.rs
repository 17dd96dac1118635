//! Runs counted, as callers ask for them and see them.

use baton_domain::{
    error::Error,
    ids::{EndpointId, JobId, UserId},
    ports::{EndpointSummary, RunFilter, RunSummary},
    run::RunStatus,
    services::Summaries,
};
use baton_proto::v1 as pb;

use super::{Fields, page::Paging, run::read_source, time};

pub(crate) fn read(user: UserId, request: &pb::SummarizeRunsRequest) -> Result<(RunFilter, Paging), Error> {
    let mut fields = Fields::default();
    let paging = Paging::read(&mut fields, request);
    let filter = RunFilter {
        job_id: fields.optional_id("job_id", request.job_id.as_deref(), JobId),
        endpoint_id: fields.optional_id("endpoint_id", request.endpoint_id.as_deref(), EndpointId),
        source: read_source(&mut fields, request.source.as_deref()),
        from: fields.timestamp("from_time", request.from_time.as_ref()),
        to: fields.timestamp("to_time", request.to_time.as_ref()),
        ..RunFilter::of_user(user)
    };
    fields.done()?;
    Ok((filter, paging))
}

pub(crate) fn to_proto(summaries: &Summaries, paging: &Paging) -> pb::SummarizeRunsResponse {
    let id = |summary: &EndpointSummary| summary.endpoint_id.0;
    let (endpoints, next_page_token) = paging.fill(&summaries.endpoints, id, endpoint_to_proto);
    pb::SummarizeRunsResponse {
        endpoints,
        next_page_token,
        from_time: Some(time::timestamp(summaries.from)),
        to_time: Some(time::timestamp(summaries.to)),
    }
}

fn endpoint_to_proto(summary: &EndpointSummary) -> pb::EndpointSummary {
    pb::EndpointSummary {
        endpoint_id: summary.endpoint_id.to_string(),
        sources: summary.sources.iter().map(source_to_proto).collect(),
    }
}

fn source_to_proto(summary: &RunSummary) -> pb::SourceSummary {
    let count = |status| number(summary.count(status));
    pb::SourceSummary {
        source: summary.source.as_str().to_owned(),
        planned: count(RunStatus::Planned),
        running: count(RunStatus::Running),
        succeeded: count(RunStatus::Succeeded),
        failed: count(RunStatus::Failed),
        cancelled: count(RunStatus::Cancelled),
        skipped: count(RunStatus::Skipped),
        skipped_times: number(summary.skipped_times),
        success_rate: summary.success_rate(),
        p50_duration: summary.duration.map(|of| time::duration(of.p50)),
        p95_duration: summary.duration.map(|of| time::duration(of.p95)),
        p50_lateness: summary.lateness.map(|of| time::duration(of.p50)),
        p95_lateness: summary.lateness.map(|of| time::duration(of.p95)),
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
