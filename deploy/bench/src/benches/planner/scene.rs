//! A scheduler, a planner, and a sale that is on.

use std::time::Duration;

use anyhow::{Context as _, Result};
use baton_domain::time::{Clock as _, Timestamp, after, from_micros};
use baton_proto::v1::{
    CreateEndpointRequest, CreateFlashSaleRequest, CreateJobRequest, Endpoint, FlashSale, HttpRequest,
    UpdateFlashSaleRequest, flash_sales_service_client::FlashSalesServiceClient,
    jobs_service_client::JobsServiceClient,
};
use baton_runtime::clock::SystemClock;
use tonic::transport::Channel;

use super::model::Model;
use crate::{
    scheduler::{Listening, Planner, channel, planner, scheduler_with},
    server::Database,
    stage::Stage,
};

/// Budgets that a planner which asks all the time does not use up.
const BUDGETS: [&str; 3] = [
    "--planner-calls-per-hour=1000000",
    "--planner-steps-per-hour=1000000",
    "--planner-tokens-per-day=1000000000000",
];
const SALE: Duration = Duration::from_secs(3_600);

pub struct Scene {
    database: Database,
    scheduler: Listening,
    planner: Planner,
    sales: FlashSalesServiceClient<Channel>,
    sale_id: String,
}

impl Scene {
    /// One job with one endpoint, and a sale that concerns it.
    pub async fn set(stage: &Stage, model: &Model) -> Result<Self> {
        let database = stage.database("planner").await?;
        let scheduler = scheduler_with(stage.folder(), &database.url, &BUDGETS).await?;
        let planner = planner(stage.folder(), &scheduler.address, &model.url)?;
        let channel = channel(&scheduler.address).await?;
        let job_id = job(&channel, &model.url).await?;
        let mut sales = FlashSalesServiceClient::new(channel);
        let request = CreateFlashSaleRequest {
            flash_sale: Some(sale(job_id)),
            ..CreateFlashSaleRequest::default()
        };
        let sale_id = sales.create_flash_sale(request).await?.into_inner().id;
        Ok(Self {
            database,
            scheduler,
            planner,
            sales,
            sale_id,
        })
    }

    /// Returns the sale's `update_time`.
    pub async fn change_signal(&self, value: f64) -> Result<Timestamp> {
        let request = UpdateFlashSaleRequest {
            flash_sale: Some(FlashSale {
                id: self.sale_id.clone(),
                signals: signals(value),
                ..FlashSale::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["signals".to_owned()],
            }),
        };
        let sale = self.sales.clone().update_flash_sale(request).await?.into_inner();
        let time = sale.update_time.context("a sale has an update_time")?;
        Ok(from_micros(time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000))
    }

    pub async fn strike(self) -> Result<()> {
        self.planner.stop().await?;
        self.scheduler.stop().await?;
        self.database.drop_database().await
    }
}

async fn job(channel: &Channel, url: &str) -> Result<String> {
    let mut jobs = JobsServiceClient::new(channel.clone());
    let request = CreateJobRequest {
        name: "shop".to_owned(),
        ..CreateJobRequest::default()
    };
    let job_id = jobs.create_job(request).await?.into_inner().id;
    let endpoint = Endpoint {
        job_id: Some(job_id.clone()),
        name: "traffic".to_owned(),
        request: Some(HttpRequest {
            method: "POST".to_owned(),
            url: format!("{url}/call"),
            ..HttpRequest::default()
        }),
        ..Endpoint::default()
    };
    let request = CreateEndpointRequest {
        endpoint: Some(endpoint),
        ..CreateEndpointRequest::default()
    };
    jobs.create_endpoint(request).await?;
    Ok(job_id)
}

fn sale(job_id: String) -> FlashSale {
    let now = SystemClock.now();
    let time = |at: Timestamp| prost_types::Timestamp {
        seconds: at.timestamp(),
        nanos: 0,
    };
    FlashSale {
        name: "sale".to_owned(),
        start_time: Some(time(now)),
        end_time: Some(time(after(now, SALE))),
        signals: signals(0.0),
        job_ids: vec![job_id],
        ..FlashSale::default()
    }
}

fn signals<M: FromIterator<(String, f64)>>(value: f64) -> M {
    M::from_iter([("visitors_per_min".to_owned(), value)])
}
