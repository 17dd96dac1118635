//! The definition of an endpoint as somebody wrote it, before it is checked.

use std::{sync::Arc, time::Duration};

use crate::{
    call::HttpRequest,
    cron::{CronError, CronSchedule},
    endpoint::{Baseline, Endpoint, EndpointStatus, Overlap, Pause, RetryPolicy},
    error::{Error, Violation, Violations},
    ids::{EndpointId, JobId, UserId},
    job::check_texts,
    limits,
    time::Timestamp,
};

/// Headers that the scheduler sets itself.
const OWN_HEADERS: [&str; 5] = [
    "host",
    "content-length",
    "connection",
    "transfer-encoding",
    "idempotency-key",
];
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// Which [`Overlap`] is wanted, apart from its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlapKind {
    Skip,
    Queue,
    Allow,
}

/// Every field that an owner may write. `None` takes the default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointDraft {
    pub name: String,
    pub description: String,
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    /// Expression and zone.
    pub cron: Option<(String, String)>,
    pub interval: Option<Duration>,
    pub min_interval: Option<Duration>,
    pub max_interval: Option<Duration>,
    pub cooldown: Option<Duration>,
    pub timeout: Option<Duration>,
    pub retry: Option<RetryPolicy>,
    pub overlap: Option<OverlapKind>,
    /// Only beside `Allow`.
    pub max_concurrency: Option<u32>,
    pub max_response_bytes: Option<u32>,
    /// On create only.
    pub pause: Option<Pause>,
    /// What was wrong with values that could not even be read: refused together with what the check finds.
    pub unreadable: Vec<Violation>,
}

impl EndpointDraft {
    /// The draft that describes an existing endpoint.
    pub fn of(endpoint: &Endpoint) -> Self {
        let cron = match &endpoint.baseline {
            Baseline::Cron(cron) => Some((cron.expression().to_owned(), cron.zone().to_owned())),
            Baseline::Interval(_) | Baseline::Dormant => None,
        };
        Self {
            name: endpoint.name.clone(),
            description: endpoint.description.clone(),
            method: endpoint.request.method.clone(),
            url: endpoint.request.url.clone(),
            headers: endpoint.request.headers.clone(),
            body: endpoint.request.body.clone(),
            cron,
            interval: endpoint.interval(),
            min_interval: Some(endpoint.min_interval),
            max_interval: endpoint.max_interval,
            cooldown: endpoint.cooldown,
            timeout: Some(endpoint.timeout),
            retry: Some(endpoint.retry),
            overlap: Some(match endpoint.overlap {
                Overlap::Skip => OverlapKind::Skip,
                Overlap::Queue => OverlapKind::Queue,
                Overlap::Allow { .. } => OverlapKind::Allow,
            }),
            max_concurrency: match endpoint.overlap {
                Overlap::Skip | Overlap::Queue => None,
                Overlap::Allow { max_concurrency } => Some(max_concurrency),
            },
            max_response_bytes: Some(endpoint.max_response_bytes),
            pause: None,
            unreadable: Vec::new(),
        }
    }

    /// A new endpoint of this definition, or every violation, those found before included.
    pub(super) fn build(
        &self,
        id: EndpointId,
        user: &UserId,
        job: Option<JobId>,
        now: Timestamp,
        violations: Violations,
    ) -> Result<Endpoint, Error> {
        let mut violations = violations;
        violations.extend(self.unreadable.iter().cloned());
        let baseline = self.check(now, &mut violations);
        violations.into_result()?;
        Ok(Endpoint {
            id,
            user_id: user.clone(),
            job_id: job,
            name: self.name.clone(),
            description: self.description.clone(),
            request: Arc::new(self.request()),
            baseline,
            min_interval: self.min_interval.unwrap_or(limits::MIN_INTERVAL_DEFAULT),
            max_interval: self.max_interval,
            cooldown: self.cooldown,
            timeout: self.timeout.unwrap_or(limits::TIMEOUT_DEFAULT),
            retry: self.retry.unwrap_or_default(),
            overlap: self.overlap(),
            max_response_bytes: self.max_response_bytes.unwrap_or(limits::RESPONSE_BYTES_DEFAULT),
            status: EndpointStatus::Active,
            pause: self.pause,
            version: 1,
            created_at: now,
            updated_at: now,
        })
    }

    /// The existing endpoint with this definition in place of its own, or every violation.
    pub(super) fn rebuild(&self, existing: &Endpoint, now: Timestamp) -> Result<Endpoint, Error> {
        let fresh = self.build(
            existing.id,
            &existing.user_id,
            existing.job_id,
            now,
            Violations::default(),
        )?;
        Ok(Endpoint {
            status: existing.status,
            pause: existing.pause,
            version: existing.version,
            created_at: existing.created_at,
            updated_at: existing.updated_at,
            ..fresh
        })
    }

    fn overlap(&self) -> Overlap {
        match self.overlap {
            None | Some(OverlapKind::Skip) => Overlap::Skip,
            Some(OverlapKind::Queue) => Overlap::Queue,
            Some(OverlapKind::Allow) => Overlap::Allow {
                max_concurrency: self.max_concurrency.unwrap_or(limits::CONCURRENCY_DEFAULT),
            },
        }
    }

    fn request(&self) -> HttpRequest {
        HttpRequest {
            method: self.method.clone(),
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
        }
    }

    fn check(&self, now: Timestamp, violations: &mut Violations) -> Baseline {
        check_texts(violations, "endpoint.", &self.name, &self.description);
        self.check_request(violations);
        self.check_guardrails(violations);
        self.check_policy(violations);
        self.check_baseline(now, violations)
    }

    fn check_request(&self, violations: &mut Violations) {
        let method = "endpoint.request.method";
        violations.check(
            METHODS.contains(&self.method.as_str()),
            method,
            format!("must be one of {}", METHODS.join(", ")),
        );
        self.check_url(violations);
        violations.check(
            self.headers.len() <= limits::HEADERS,
            "endpoint.request.headers",
            "must be at most 64 headers",
        );
        let bytes: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        violations.check(
            bytes <= limits::HEADER_BYTES,
            "endpoint.request.headers",
            "must have at most 8 KiB in all",
        );
        for (index, (name, value)) in self.headers.iter().enumerate() {
            check_header(violations, index, name, value);
        }
        let body = "endpoint.request.body";
        let length = self.body.as_ref().map_or(0, Vec::len);
        violations.check(length <= limits::BODY_BYTES, body, "must have at most 256 KiB");
        let bodiless = matches!(self.method.as_str(), "GET" | "HEAD");
        violations.check(
            !(bodiless && self.body.is_some()),
            body,
            "must be absent: GET and HEAD carry no body",
        );
    }

    fn check_url(&self, violations: &mut Violations) {
        let field = "endpoint.request.url";
        violations.check(
            self.url.chars().count() <= limits::URL_CHARS,
            field,
            "must have at most 2048 characters",
        );
        match url::Url::parse(&self.url) {
            Ok(url) => {
                let http = matches!(url.scheme(), "http" | "https") && url.has_host();
                violations.check(http, field, "must be an http or https URL");
                let anonymous = url.username().is_empty() && url.password().is_none();
                violations.check(anonymous, field, "must not carry user information");
            }
            Err(error) => violations.push(field, format!("must be an http or https URL: {error}")),
        }
    }

    fn check_guardrails(&self, violations: &mut Violations) {
        let bounds = limits::INTERVAL_MIN..=limits::INTERVAL_MAX;
        let fields = [
            ("endpoint.interval", self.interval),
            ("endpoint.min_interval", self.min_interval),
            ("endpoint.max_interval", self.max_interval),
        ];
        for (field, value) in fields {
            violations.check(
                value.is_none_or(|value| bounds.contains(&value)),
                field,
                "must be 50 ms to 366 days",
            );
        }
        let min = self.min_interval.unwrap_or(limits::MIN_INTERVAL_DEFAULT);
        let max = self.max_interval;
        violations.check(
            max.is_none_or(|max| max >= min),
            "endpoint.max_interval",
            "must not be below min_interval",
        );
        let interval = self.interval;
        violations.check(
            interval.is_none_or(|own| own >= min),
            "endpoint.interval",
            "must not be below min_interval",
        );
        let cooldown = self.cooldown.is_none_or(|cooldown| cooldown <= limits::INTERVAL_MAX);
        violations.check(cooldown, "endpoint.cooldown", "must be at most 366 days");
    }

    fn check_policy(&self, violations: &mut Violations) {
        let timeout = self
            .timeout
            .is_none_or(|value| (limits::TIMEOUT_MIN..=limits::TIMEOUT_MAX).contains(&value));
        violations.check(timeout, "endpoint.timeout", "must be 100 ms to 15 minutes");
        let kept = self
            .max_response_bytes
            .is_none_or(|bytes| bytes <= limits::RESPONSE_BYTES_MAX);
        violations.check(kept, "endpoint.max_response_bytes", "must be at most 1 MiB");
        self.check_concurrency(violations);
        let Some(retry) = self.retry else { return };
        let attempts = (1..=limits::ATTEMPTS_MAX).contains(&retry.max_attempts);
        violations.check(attempts, "endpoint.retry.max_attempts", "must be 1 to 25");
        let bounds = limits::RETRY_DELAY_MIN..=limits::RETRY_DELAY_MAX;
        violations.check(
            bounds.contains(&retry.base_delay),
            "endpoint.retry.base_delay",
            "must be 10 ms to 1 hour",
        );
        let cap = bounds.contains(&retry.max_delay) && retry.max_delay >= retry.base_delay;
        violations.check(cap, "endpoint.retry.max_delay", "must be base_delay to 1 hour");
    }

    fn check_concurrency(&self, violations: &mut Violations) {
        let Some(wanted) = self.max_concurrency else { return };
        let field = "endpoint.max_concurrency";
        let bounds = 1..=limits::CONCURRENCY_MAX;
        violations.check(bounds.contains(&wanted), field, "must be 1 to 100");
        let allowed = self.overlap == Some(OverlapKind::Allow);
        violations.check(allowed, field, "must be absent unless overlap is ALLOW");
    }

    fn check_baseline(&self, now: Timestamp, violations: &mut Violations) -> Baseline {
        let both = self.cron.is_some() && self.interval.is_some();
        violations.check(!both, "endpoint.baseline", "must be a cron or an interval, not both");
        let Some((expression, zone)) = &self.cron else {
            return self.interval.map_or(Baseline::Dormant, Baseline::Interval);
        };
        match CronSchedule::parse(expression, zone, now) {
            Ok(cron) => return Baseline::Cron(cron),
            Err(CronError::Zone) => {
                violations.push("endpoint.cron.time_zone", CronError::Zone.to_string());
                // The expression may be wrong as well.
                if let Err(error) = CronSchedule::parse(expression, "", now) {
                    violations.push("endpoint.cron.expression", error.to_string());
                }
            }
            Err(error) => violations.push("endpoint.cron.expression", error.to_string()),
        }
        Baseline::Dormant
    }
}

fn check_header(violations: &mut Violations, index: usize, name: &str, value: &str) {
    let field = format!("endpoint.request.headers[{index}]");
    let valid = http::HeaderName::try_from(name).is_ok() && http::HeaderValue::try_from(value).is_ok();
    violations.check(valid, &field, "must be a valid HTTP header");
    let own = OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str());
    violations.check(!own, &field, "is set by the scheduler");
}
