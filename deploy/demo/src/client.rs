//! The scheduler as the demonstration knows it: four gRPC clients, every call with a deadline and a name in its error.
//!
//! Used by the runner over TCP, and by tests over pipes within the process.

use std::{future::Future, time::Duration};

use anyhow::{Context as _, bail};
use baton_proto::v1::{
    self, Endpoint, FlashSale, Plan, Run, RunStatus, flash_sales_service_client::FlashSalesServiceClient,
    jobs_service_client::JobsServiceClient, plans_service_client::PlansServiceClient,
    runs_service_client::RunsServiceClient,
};
use prost_types::FieldMask;
use tonic::{
    Response, Status,
    transport::{Channel, Endpoint as Address},
};

/// Longest wait for any one answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the last runs to end.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two looks while waiting for them.
const SETTLE_POLL: Duration = Duration::from_millis(50);
/// The largest page there is.
const PAGE: i32 = 1000;

/// Clients on one connection.
#[derive(Debug, Clone)]
pub struct Client {
    jobs: JobsServiceClient<Channel>,
    runs: RunsServiceClient<Channel>,
    sales: FlashSalesServiceClient<Channel>,
    plans: PlansServiceClient<Channel>,
}

/// The scheduler's account of a job at the end.
#[derive(Debug, Default)]
pub struct Account {
    /// Every run.
    pub runs: Vec<Run>,
    /// Every plan.
    pub plans: Vec<Plan>,
}

impl Client {
    /// Connects to a scheduler.
    ///
    /// # Errors
    /// When the address is none, or nobody answers there.
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        let address = Address::from_shared(url.to_owned())?
            .connect_timeout(CALL_TIMEOUT)
            .timeout(CALL_TIMEOUT);
        let channel = address
            .connect()
            .await
            .with_context(|| format!("connect to the scheduler at {url}"))?;
        Ok(Self::over(channel))
    }

    /// Over a connection that is there, or that the channel makes by itself.
    pub fn over(channel: Channel) -> Self {
        Self {
            jobs: JobsServiceClient::new(channel.clone()),
            runs: RunsServiceClient::new(channel.clone()),
            sales: FlashSalesServiceClient::new(channel.clone()),
            plans: PlansServiceClient::new(channel),
        }
    }

    /// Creates a job; gives its id.
    ///
    /// # Errors
    /// What the scheduler answered.
    pub async fn create_job(&self, request: v1::CreateJobRequest) -> anyhow::Result<String> {
        Ok(named("CreateJob", self.jobs.clone().create_job(request)).await?.id)
    }

    /// Creates an endpoint.
    ///
    /// # Errors
    /// What the scheduler answered.
    pub async fn create_endpoint(&self, endpoint: Endpoint) -> anyhow::Result<Endpoint> {
        let name = format!("CreateEndpoint {}", endpoint.name);
        let request = v1::CreateEndpointRequest {
            endpoint: Some(endpoint),
            request_id: String::new(),
        };
        named(&name, self.jobs.clone().create_endpoint(request)).await
    }

    /// Creates a sale; gives its id.
    ///
    /// # Errors
    /// What the scheduler answered.
    pub async fn create_sale(&self, sale: FlashSale) -> anyhow::Result<String> {
        let request = v1::CreateFlashSaleRequest {
            flash_sale: Some(sale),
            request_id: String::new(),
        };
        Ok(named("CreateFlashSale", self.sales.clone().create_flash_sale(request))
            .await?
            .id)
    }

    /// Writes the sale's phase and signals.
    ///
    /// # Errors
    /// What the scheduler answered.
    pub async fn update_sale(&self, sale: FlashSale) -> anyhow::Result<()> {
        let update_mask = Some(FieldMask {
            paths: vec!["phase".to_owned(), "signals".to_owned()],
        });
        let request = v1::UpdateFlashSaleRequest {
            flash_sale: Some(sale),
            update_mask,
        };
        named("UpdateFlashSale", self.sales.clone().update_flash_sale(request))
            .await
            .map(drop)
    }

    /// Every endpoint of the job, with its hints.
    ///
    /// # Errors
    /// What the scheduler answered.
    pub async fn endpoints(&self, job_id: &str) -> anyhow::Result<Vec<Endpoint>> {
        let request = v1::ListEndpointsRequest {
            page_size: PAGE,
            page_token: String::new(),
            job_id: Some(job_id.to_owned()),
        };
        Ok(named("ListEndpoints", self.jobs.clone().list_endpoints(request))
            .await?
            .endpoints)
    }

    /// Every run of the job with one of these statuses, newest planned time first; none named means all.
    ///
    /// # Errors
    /// What the scheduler answered.
    pub async fn runs(&self, job_id: &str, statuses: &[RunStatus]) -> anyhow::Result<Vec<Run>> {
        let mut request = v1::ListRunsRequest {
            page_size: PAGE,
            job_id: Some(job_id.to_owned()),
            statuses: statuses.iter().map(|status| i32::from(*status)).collect(),
            ..v1::ListRunsRequest::default()
        };
        let mut runs = Vec::new();
        loop {
            let page = named("ListRuns", self.runs.clone().list_runs(request.clone())).await?;
            runs.extend(page.runs);
            if page.next_page_token.is_empty() {
                return Ok(runs);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Every plan of the job, newest first.
    ///
    /// # Errors
    /// What the scheduler answered.
    pub async fn plans(&self, job_id: &str) -> anyhow::Result<Vec<Plan>> {
        let mut request = v1::ListPlansRequest {
            page_size: PAGE,
            page_token: String::new(),
            job_id: Some(job_id.to_owned()),
        };
        let mut plans = Vec::new();
        loop {
            let page = named("ListPlans", self.plans.clone().list_plans(request.clone())).await?;
            plans.extend(page.plans);
            if page.next_page_token.is_empty() {
                return Ok(plans);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Pauses the job, waits for the runs under way, and gives the whole account.
    ///
    /// # Errors
    /// What the scheduler answered.
    pub async fn settle(&self, job_id: &str) -> anyhow::Result<Account> {
        named(
            "PauseJob",
            self.jobs
                .clone()
                .pause_job(v1::PauseJobRequest { id: job_id.to_owned() }),
        )
        .await?;
        match tokio::time::timeout(SETTLE_TIMEOUT, self.nothing_runs(job_id)).await {
            Ok(settled) => settled?,
            Err(_) => bail!("runs were still under way {SETTLE_TIMEOUT:?} after the sale"),
        }
        Ok(Account {
            runs: self.runs(job_id, &[]).await?,
            plans: self.plans(job_id).await?,
        })
    }

    async fn nothing_runs(&self, job_id: &str) -> anyhow::Result<()> {
        while !self.runs(job_id, &[RunStatus::Running]).await?.is_empty() {
            tokio::time::sleep(SETTLE_POLL).await;
        }
        Ok(())
    }
}

/// The answer of a call, or its error with the name of the call.
async fn named<T>(name: &str, call: impl Future<Output = Result<Response<T>, Status>>) -> anyhow::Result<T> {
    let answer = tokio::time::timeout(CALL_TIMEOUT, call).await;
    let answer = answer.with_context(|| format!("{name}: no answer within {CALL_TIMEOUT:?}"))?;
    match answer {
        Ok(response) => Ok(response.into_inner()),
        Err(status) => bail!("{name}: {:?}: {}", status.code(), status.message()),
    }
}
