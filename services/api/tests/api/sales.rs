//! FlashSalesService.

use std::time::Duration;

use baton_proto::v1 as pb;
use tonic::{Code, Status};

use crate::harness::{UNKNOWN, World, mask, reason, violations};

async fn update(world: &World, sale: pb::FlashSale, paths: &[&str]) -> Result<pb::FlashSale, Status> {
    let request = pb::UpdateFlashSaleRequest {
        flash_sale: Some(sale),
        update_mask: mask(paths),
    };
    world
        .sales()
        .update_flash_sale(request)
        .await
        .map(tonic::Response::into_inner)
}

async fn create(world: &World, sale: Option<pb::FlashSale>, request_id: &str) -> Result<pb::FlashSale, Status> {
    let request = pb::CreateFlashSaleRequest {
        flash_sale: sale,
        request_id: request_id.to_owned(),
    };
    world
        .sales()
        .create_flash_sale(request)
        .await
        .map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_sale_lives_from_scheduled_to_ended() {
    let world = World::new().await;
    let job = world.job("job").await;
    let sale = pb::FlashSale {
        name: "november".to_owned(),
        start_time: Some(world.in_seconds(60)),
        end_time: Some(world.in_seconds(3_600)),
        job_ids: vec![job.id.clone()],
        ..pb::FlashSale::default()
    };
    let made = create(&world, Some(sale), "").await.expect("created");
    assert_eq!(made.state(), pb::FlashSaleState::Scheduled);
    world.clock.advance(Duration::from_secs(60));
    let request = pb::GetFlashSaleRequest { id: made.id.clone() };
    let active = world.sales().get_flash_sale(request).await.expect("found").into_inner();
    assert_eq!(active.state(), pb::FlashSaleState::Active);
    let end = pb::EndFlashSaleRequest { id: made.id.clone() };
    let ended = world
        .sales()
        .end_flash_sale(end.clone())
        .await
        .expect("ended")
        .into_inner();
    assert_eq!(
        (ended.state(), ended.end_time),
        (pb::FlashSaleState::Ended, Some(world.now()))
    );
    assert_eq!(
        reason(world.sales().end_flash_sale(end).await, Code::FailedPrecondition),
        "SALE_ENDED"
    );
    let late = update(&world, ended.clone(), &["phase"]).await;
    assert_eq!(reason(late, Code::FailedPrecondition), "SALE_ENDED");
    let listed = world
        .sales()
        .list_flash_sales(pb::ListFlashSalesRequest::default())
        .await;
    assert_eq!(listed.expect("listed").into_inner().flash_sales, [ended]);
}

#[tokio::test]
async fn signals_are_replaced_and_other_fields_stay() {
    let world = World::new().await;
    let job = world.job("job").await;
    let sale = world.sale(&job).await;
    let surge = pb::FlashSale {
        id: sale.id.clone(),
        phase: "surge".to_owned(),
        signals: [("errors".to_owned(), 0.25)].into(),
        name: "ignored".to_owned(),
        ..pb::FlashSale::default()
    };
    let written = update(&world, surge, &["phase", "signals"]).await.expect("written");
    assert_eq!((written.phase.as_str(), written.name.as_str()), ("surge", "sale"));
    assert_eq!(written.signals, [("errors".to_owned(), 0.25)].into());
    let blank = pb::FlashSale {
        id: sale.id.clone(),
        ..pb::FlashSale::default()
    };
    let cleared = update(&world, blank.clone(), &["signals"]).await.expect("written");
    assert!(cleared.signals.is_empty());
    let times = update(&world, blank, &["start_time", "end_time", "job_ids"]).await;
    let missing = ["flash_sale.end_time", "flash_sale.job_ids", "flash_sale.start_time"];
    assert_eq!(violations(times), missing);
}

#[tokio::test]
async fn every_mistake_is_told_at_once() {
    let world = World::new().await;
    let job = world.job("job").await;
    let wrong = pb::FlashSale {
        name: " ".to_owned(),
        description: "d".repeat(4_001),
        start_time: None,
        end_time: Some(prost_types::Timestamp { seconds: 0, nanos: -1 }),
        phase: "p".repeat(65),
        signals: [("bad name".to_owned(), f64::NAN)].into(),
        job_ids: vec![job.id.clone(), "x".to_owned()],
        ..pb::FlashSale::default()
    };
    let expected = [
        "flash_sale.description",
        "flash_sale.end_time",
        "flash_sale.job_ids[1]",
        "flash_sale.name",
        "flash_sale.phase",
        "flash_sale.signals[\"bad name\"]",
        "flash_sale.signals[\"bad name\"]",
        "flash_sale.start_time",
        "request_id",
    ];
    assert_eq!(
        violations(create(&world, Some(wrong.clone()), &"r".repeat(129)).await),
        expected
    );
    let missing = violations(create(&world, None, "").await);
    let expected = [
        "flash_sale",
        "flash_sale.end_time",
        "flash_sale.job_ids",
        "flash_sale.name",
        "flash_sale.start_time",
    ];
    assert_eq!(missing, expected);
    let made = world.sale(&job).await;
    let wrong = pb::FlashSale {
        id: made.id.clone(),
        ..wrong
    };
    let found = violations(update(&world, wrong, &["name", "end_time", "job_ids", "state"]).await);
    assert_eq!(
        found,
        [
            "flash_sale.end_time",
            "flash_sale.job_ids[1]",
            "flash_sale.name",
            "update_mask"
        ]
    );
    let nothing = world
        .sales()
        .update_flash_sale(pb::UpdateFlashSaleRequest::default())
        .await;
    assert_eq!(violations(nothing), ["flash_sale"]);
}

#[tokio::test]
async fn only_own_jobs_can_be_named() {
    let world = World::new().await;
    let job = world.job("job").await;
    let made = world.sale(&job).await;
    for id in [world.foreign_job().await, UNKNOWN.to_owned()] {
        let sale = pb::FlashSale {
            job_ids: vec![id],
            ..made.clone()
        };
        let refused = create(&world, Some(sale.clone()), "").await;
        assert_eq!(reason(refused, Code::NotFound), "JOB_NOT_FOUND");
        assert_eq!(
            reason(update(&world, sale, &["job_ids"]).await, Code::NotFound),
            "JOB_NOT_FOUND"
        );
    }
    let unknown = pb::GetFlashSaleRequest { id: UNKNOWN.to_owned() };
    assert_eq!(
        reason(world.sales().get_flash_sale(unknown).await, Code::NotFound),
        "FLASH_SALE_NOT_FOUND"
    );
}

#[tokio::test]
async fn etags_and_request_ids_hold() {
    let world = World::new().await;
    let job = world.job("job").await;
    let sale = pb::FlashSale {
        name: "sale".to_owned(),
        start_time: Some(world.now()),
        end_time: Some(world.in_seconds(60)),
        job_ids: vec![job.id],
        signals: (0..20)
            .map(|number| (format!("signal-{number}"), f64::from(number)))
            .collect(),
        ..pb::FlashSale::default()
    };
    let first = create(&world, Some(sale.clone()), "once").await.expect("created");
    // The same signals in a map of another order.
    let again = pb::FlashSale {
        signals: sale.signals.clone().into_iter().collect(),
        ..sale.clone()
    };
    assert_eq!(
        create(&world, Some(again), "once").await.expect("answered").id,
        first.id
    );
    let other = pb::FlashSale {
        phase: "surge".to_owned(),
        ..sale
    };
    assert_eq!(
        reason(create(&world, Some(other), "once").await, Code::InvalidArgument),
        "REQUEST_ID_REUSED"
    );
    let stale = pb::FlashSale {
        etag: "9".to_owned(),
        ..first
    };
    assert_eq!(
        reason(update(&world, stale, &["phase"]).await, Code::Aborted),
        "ETAG_MISMATCH"
    );
}
