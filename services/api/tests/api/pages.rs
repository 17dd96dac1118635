//! Pages of lists, over the wire.

use baton_proto::v1 as pb;
use tonic::Status;

use crate::harness::{World, dormant, violations};

async fn page(world: &World, size: i32, token: &str, status: i32) -> Result<(Vec<String>, String), Status> {
    let request = pb::ListJobsRequest {
        page_size: size,
        page_token: token.to_owned(),
        status,
    };
    let answer = world.jobs().list_jobs(request).await?.into_inner();
    Ok((
        answer.jobs.into_iter().map(|job| job.id).collect(),
        answer.next_page_token,
    ))
}

#[tokio::test]
async fn pages_follow_each_other_while_rows_are_added() {
    let world = World::new().await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(world.job(&format!("job {number}")).await.id);
        world.clock.advance(std::time::Duration::from_secs(1));
    }
    let (first, token) = page(&world, 2, "", 0).await.expect("listed");
    world.job("late").await;
    let (second, token) = page(&world, 3, &token, 0).await.expect("listed");
    assert_eq!([first, second].concat(), made);
    let (third, token) = page(&world, 3, &token, 0).await.expect("listed");
    assert_eq!((third.len(), token.as_str()), (1, ""));
}

#[tokio::test]
async fn a_token_is_refused_with_other_filters_and_by_other_lists() {
    let world = World::new().await;
    world.job("one").await;
    world.job("two").await;
    let (_, token) = page(&world, 1, "", 0).await.expect("listed");
    let active = pb::JobStatus::Active.into();
    assert_eq!(violations(page(&world, 1, &token, active).await), ["page_token"]);
    assert_eq!(
        violations(page(&world, -1, "garbage", 77).await),
        ["page_size", "page_token", "status"]
    );
    let sales = pb::ListFlashSalesRequest {
        page_token: token,
        ..pb::ListFlashSalesRequest::default()
    };
    assert_eq!(violations(world.sales().list_flash_sales(sales).await), ["page_token"]);
    let plans = pb::ListPlansRequest {
        page_size: -1,
        page_token: "garbage".to_owned(),
        job_id: Some("x".to_owned()),
    };
    assert_eq!(
        violations(world.plans().list_plans(plans).await),
        ["job_id", "page_size", "page_token"]
    );
}

#[tokio::test]
async fn a_page_of_large_endpoints_stays_receivable() {
    let world = World::new().await;
    let mut large = dormant("large", None);
    if let Some(request) = &mut large.request {
        request.body = Some(vec![b'x'; 256 * 1_024]);
    }
    for _ in 0..20 {
        world.endpoint(large.clone()).await;
    }
    // The client's default bound of 4 MiB.
    let mut client = baton_proto::v1::jobs_service_client::JobsServiceClient::new(world.channel.clone());
    let mut token = String::new();
    let mut seen = 0;
    let mut pages = 0;
    loop {
        let request = pb::ListEndpointsRequest {
            page_token: token,
            ..pb::ListEndpointsRequest::default()
        };
        let answer = client.list_endpoints(request).await.expect("receivable").into_inner();
        seen += answer.endpoints.len();
        pages += 1;
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((seen, pages), (20, 2));
}
