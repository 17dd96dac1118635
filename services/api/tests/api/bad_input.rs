//! Kinds of bad input, each tried on the RPCs that it can reach: every violation is named by its field, and nothing is
//! written. Requests are written in protobuf's text form.

use baton_domain::ids::UserId;
use bytes::Bytes;
use prost::Message as _;
use prost_reflect::DynamicMessage;
use tonic::{Code, Request, Status, metadata::MetadataValue};

use crate::{
    fuzz::{call, method},
    harness::{UNKNOWN, World, dormant, every, once, reason, violations},
};

/// A world with a job, an endpoint of it, a run that is over, and a sale.
struct Shop {
    world: World,
    job: String,
    endpoint: String,
    sale: String,
}

impl Shop {
    async fn open() -> Self {
        let world = World::new().await;
        let job = world.job("shop").await;
        let endpoint = world.endpoint(every(60, Some(&job))).await.id;
        let sale = world.sale(&job).await.id;
        Self {
            world,
            job: job.id,
            endpoint,
            sale,
        }
    }

    async fn send(&self, rpc: &str, bytes: Bytes) -> Result<(), Status> {
        let before = self.world.memory.mark().await;
        let answer = call::call(&self.world.channel, &method(rpc), vec![bytes]).await;
        if answer.is_err() {
            assert!(self.world.memory.mark().await == before, "{rpc} wrote and refused");
        }
        answer.map(drop)
    }

    async fn ask(&self, rpc: &str, request: &str) -> Result<(), Status> {
        let message = DynamicMessage::parse_text_format(method(rpc).input(), request);
        let message = message.unwrap_or_else(|wrong| panic!("{rpc} {request}: {wrong}"));
        self.send(rpc, message.encode_to_vec().into()).await
    }

    /// Each request has exactly these violations.
    async fn refuses(&self, rows: &[(&str, &str, &[&str])]) {
        for (rpc, request, fields) in rows {
            let answer = self.ask(rpc, request).await;
            assert_eq!(violations(answer), *fields, "{rpc} {request}");
        }
    }
}

#[tokio::test]
async fn ids_that_are_not_uuids_are_named() {
    let shop = Shop::open().await;
    let verbs = [
        "GetJob",
        "PauseJob",
        "ResumeJob",
        "ArchiveJob",
        "DeleteJob",
        "GetEndpoint",
        "PauseEndpoint",
        "ResumeEndpoint",
        "ResetFailures",
        "ArchiveEndpoint",
        "DeleteEndpoint",
        "GetRun",
        "CancelRun",
        "GetFlashSale",
        "EndFlashSale",
        "GetPlan",
    ];
    for rpc in verbs {
        for id in ["", "nonsense", "01890a5dac96774bbcceb302099a8057", "{01890a5d}"] {
            assert_eq!(
                violations(shop.ask(rpc, &format!("id: '{id}'")).await),
                ["id"],
                "{rpc} {id}"
            );
        }
    }
    shop.refuses(&[
        ("UpdateJob", "job { id: 'x' name: 'n' }", &["job.id"]),
        ("UpdateEndpoint", "endpoint { id: 'x' name: 'n' }", &["endpoint.id"]),
        (
            "UpdateFlashSale",
            "flash_sale { id: 'x' name: 'n' }",
            &["flash_sale.id"],
        ),
        ("AssignEndpoint", "id: 'x' job_id: 'y'", &["id", "job_id"]),
        (
            "ApplyHint",
            "endpoint_id: 'x' interval { seconds: 60 }",
            &["endpoint_id"],
        ),
        ("ClearHints", "job_id: 'x'", &["job_id"]),
        ("PreviewSchedule", "endpoint_id: 'x'", &["endpoint_id"]),
        ("SubmitRun", "endpoint_id: 'x'", &["endpoint_id"]),
        ("TestEndpoint", "endpoint_id: 'x'", &["endpoint_id"]),
        (
            "ListRuns",
            "job_id: 'x' endpoint_id: 'y' plan_id: 'z'",
            &["endpoint_id", "job_id", "plan_id"],
        ),
        (
            "WatchPlanningContexts",
            "job_ids: 'x' job_ids: 'y'",
            &["job_ids[0]", "job_ids[1]"],
        ),
        ("BeginPlan", "job_id: 'x' planner: 'p'", &["job_id"]),
        ("AdvancePlan", "plan_id: 'x' wave: 2", &["plan_id"]),
    ])
    .await;
}

#[tokio::test]
async fn foreign_ids_are_answered_like_unknown_ones() {
    let shop = Shop::open().await;
    let bob = UserId("bob".to_owned());
    let theirs = shop.world.services.create_job(&bob, "theirs", "", &once()).await;
    let theirs = theirs.expect("created").id.to_string();
    let requests = [
        ("GetJob", "id: 'ID'", "JOB_NOT_FOUND"),
        ("DeleteJob", "id: 'ID'", "JOB_NOT_FOUND"),
        ("UpdateJob", "job { id: 'ID' name: 'n' }", "JOB_NOT_FOUND"),
        ("AssignEndpoint", "id: 'OWN' job_id: 'ID'", "JOB_NOT_FOUND"),
        ("ClearHints", "job_id: 'ID'", "JOB_NOT_FOUND"),
        ("BeginPlan", "job_id: 'ID' planner: 'p'", "JOB_NOT_FOUND"),
        ("GetEndpoint", "id: 'ID'", "ENDPOINT_NOT_FOUND"),
        ("SubmitRun", "endpoint_id: 'ID'", "ENDPOINT_NOT_FOUND"),
        ("GetRun", "id: 'ID'", "RUN_NOT_FOUND"),
        ("GetFlashSale", "id: 'ID'", "FLASH_SALE_NOT_FOUND"),
        ("GetPlan", "id: 'ID'", "PLAN_NOT_FOUND"),
    ];
    for (rpc, request, expected) in requests {
        let request = request.replace("OWN", &shop.endpoint);
        let foreign = shop
            .ask(rpc, &request.replace("ID", &theirs))
            .await
            .expect_err("foreign");
        let unknown = shop
            .ask(rpc, &request.replace("ID", UNKNOWN))
            .await
            .expect_err("unknown");
        assert_eq!(foreign.details(), unknown.details(), "{rpc}");
        assert_eq!(foreign.message(), unknown.message(), "{rpc}");
        assert_eq!(reason(Err::<(), _>(foreign), Code::NotFound), expected, "{rpc}");
    }
}

#[tokio::test]
async fn unknown_enum_values_are_named() {
    let shop = Shop::open().await;
    shop.refuses(&[
        ("ListJobs", "status: 77", &["status"]),
        ("ListJobs", "status: -1", &["status"]),
        (
            "ListRuns",
            "statuses: 1 statuses: 0 statuses: 99",
            &["statuses[1]", "statuses[2]"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn masks_that_name_unknown_or_output_only_fields_are_refused_path_by_path() {
    let shop = Shop::open().await;
    let updates = [
        ("UpdateJob", "job", &shop.job, "status"),
        ("UpdateEndpoint", "endpoint", &shop.endpoint, "next_run"),
        ("UpdateFlashSale", "flash_sale", &shop.sale, "state"),
    ];
    for (rpc, message, id, output_only) in updates {
        for paths in ["nonsense", output_only, "id", "create_time", "name.first", ""] {
            let request = format!("{message} {{ id: '{id}' name: 'n' }} update_mask {{ paths: '{paths}' }}");
            assert_eq!(
                violations(shop.ask(rpc, &request).await),
                ["update_mask"],
                "{rpc} {paths:?}"
            );
        }
        let two = format!(
            "{message} {{ id: '{id}' name: 'n' }} update_mask {{ paths: ['nonsense', 'name', '{output_only}'] }}"
        );
        assert_eq!(
            violations(shop.ask(rpc, &two).await),
            ["update_mask", "update_mask"],
            "{rpc}"
        );
    }
}

#[tokio::test]
async fn negative_and_impossible_durations_are_named() {
    let shop = Shop::open().await;
    let durations = [
        "seconds: -1",
        "nanos: -1",
        "seconds: 1 nanos: -1",
        "seconds: 315576000001",
        "nanos: 1000000000",
    ];
    for duration in durations {
        let endpoint = format!(
            "endpoint {{ name: 'n' request {{ method: 'GET' url: 'https://shop.example/' }} interval {{ {duration} }} \
             max_interval {{ {duration} }} cooldown {{ {duration} }} timeout {{ {duration} }} \
             retry {{ max_attempts: 1 base_delay {{ {duration} }} max_delay {{ seconds: 60 }} }} }}"
        );
        let hint = format!(
            "endpoint_id: '{}' interval {{ {duration} }} ttl {{ {duration} }}",
            shop.endpoint
        );
        shop.refuses(&[
            (
                "CreateEndpoint",
                &endpoint,
                &[
                    "endpoint.cooldown",
                    "endpoint.interval",
                    "endpoint.max_interval",
                    "endpoint.retry.base_delay",
                    "endpoint.timeout",
                ],
            ),
            ("ApplyHint", &hint, &["interval", "ttl"]),
        ])
        .await;
    }
}

#[tokio::test]
async fn timestamps_out_of_range_are_named() {
    let shop = Shop::open().await;
    let far = [
        "seconds: 253402300800",
        "seconds: -62135596801",
        "nanos: -1",
        "nanos: 1000000000",
    ];
    for time in far {
        let submit = format!("endpoint_id: '{}' planned_time {{ {time} }}", shop.endpoint);
        let pause = format!("id: '{}' until {{ {time} }}", shop.endpoint);
        let hint = format!("endpoint_id: '{}' one_shot_time {{ {time} }}", shop.endpoint);
        let list = format!("from_time {{ {time} }} to_time {{ {time} }}");
        let sale = format!(
            "flash_sale {{ name: 'n' job_ids: '{}' start_time {{ {time} }} end_time {{ {time} }} }}",
            shop.job
        );
        shop.refuses(&[
            ("SubmitRun", &submit, &["planned_time"]),
            ("PauseEndpoint", &pause, &["until"]),
            ("ApplyHint", &hint, &["one_shot_time"]),
            ("ListRuns", &list, &["from_time", "to_time"]),
            (
                "CreateFlashSale",
                &sale,
                &["flash_sale.end_time", "flash_sale.start_time"],
            ),
        ])
        .await;
    }
}

#[tokio::test]
async fn texts_that_are_not_utf8_are_malformed() {
    let shop = Shop::open().await;
    // Field 1, two bytes that are no UTF-8.
    let wrong = Bytes::from_static(b"\x0a\x02\xff\xfe");
    for rpc in [
        "CreateJob",
        "GetJob",
        "SubmitRun",
        "CreateEndpoint",
        "BeginPlan",
        "GetFlashSale",
    ] {
        let answer = shop.send(rpc, wrong.clone()).await;
        assert_eq!(reason(answer, Code::InvalidArgument), "MALFORMED_REQUEST", "{rpc}");
    }
}

#[tokio::test]
async fn metadata_that_is_not_utf8_harms_nobody() {
    let shop = Shop::open().await;
    for name in ["traceparent", "tracestate", "user-agent", "x-request-id"] {
        let mut request = Request::new(baton_proto::v1::ListJobsRequest::default());
        let value = MetadataValue::try_from(&b"\xff\xfe\xfd"[..]).expect("a header may hold any byte");
        request.metadata_mut().insert(name, value);
        shop.world.jobs().list_jobs(request).await.expect("listed all the same");
    }
}

#[tokio::test]
async fn headers_of_an_endpoint_that_are_none_are_named() {
    let shop = Shop::open().await;
    let headers = r"headers { name: 'x-good' value: 'fine' } headers { name: 'x bad' value: 'v' }
        headers { name: 'x-break' value: 'a\r\nInjected: 1' } headers { name: '' value: 'v' } headers { name: 'Host' value: 'h' }";
    let request =
        format!("endpoint {{ name: 'n' request {{ method: 'GET' url: 'https://shop.example/' {headers} }} }}");
    let expected = [1, 2, 3, 4].map(|index| format!("endpoint.request.headers[{index}]"));
    assert_eq!(violations(shop.ask("CreateEndpoint", &request).await), expected);
}

#[tokio::test]
async fn names_that_are_too_long_are_named() {
    let shop = Shop::open().await;
    let (name, description, id) = ("ß".repeat(256), "d".repeat(4_001), "r".repeat(129));
    let texts = format!("name: '{name}' description: '{description}'");
    let job = format!("{texts} request_id: '{id}'");
    let endpoint = format!("endpoint {{ {texts} request {{ method: 'GET' url: 'https://shop.example/' }} }}");
    let sale = format!(
        "flash_sale {{ {texts} job_ids: '{}' phase: '{}' start_time {{ seconds: 1800000000 }} \
         end_time {{ seconds: 1800000060 }} }}",
        shop.job,
        "p".repeat(65)
    );
    let begin = format!("job_id: '{}' planner: '{}'", shop.job, "p".repeat(129));
    let hint = format!(
        "endpoint_id: '{}' interval {{ seconds: 60 }} reason: '{}'",
        shop.endpoint,
        "r".repeat(1_001)
    );
    shop.refuses(&[
        ("CreateJob", &job, &["description", "name", "request_id"]),
        ("CreateEndpoint", &endpoint, &["endpoint.description", "endpoint.name"]),
        (
            "CreateFlashSale",
            &sale,
            &["flash_sale.description", "flash_sale.name", "flash_sale.phase"],
        ),
        ("BeginPlan", &begin, &["planner"]),
        ("ApplyHint", &hint, &["reason"]),
    ])
    .await;
}

#[tokio::test]
async fn tokens_of_another_list_are_refused() {
    let shop = Shop::open().await;
    shop.world.job("second").await;
    shop.world.endpoint(dormant("second", None)).await;
    let page = baton_proto::v1::ListJobsRequest {
        page_size: 1,
        ..baton_proto::v1::ListJobsRequest::default()
    };
    let listed = shop.world.jobs().list_jobs(page).await.expect("listed").into_inner();
    let token = listed.next_page_token;
    assert!(!token.is_empty());
    for rpc in ["ListEndpoints", "ListRuns", "ListFlashSales", "ListPlans"] {
        for token in [token.as_str(), "garbage", "*"] {
            let answer = shop.ask(rpc, &format!("page_token: '{token}'")).await;
            assert_eq!(violations(answer), ["page_token"], "{rpc} {token}");
        }
    }
    let other_filter = format!("page_token: '{token}' status: JOB_STATUS_PAUSED");
    assert_eq!(violations(shop.ask("ListJobs", &other_filter).await), ["page_token"]);
}
