//! From the stored request to the one that is sent.

use baton_domain::{
    call::{HttpCall, HttpRequest},
    ids::RunId,
};
use reqwest::{
    Body, Method, Request,
    header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING, USER_AGENT},
};
use url::Url;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What the connection and this crate decide; a stored request has no say in them.
const NOT_FORWARDED: [HeaderName; 5] = [HOST, CONTENT_LENGTH, CONNECTION, TRANSFER_ENCODING, IDEMPOTENCY_KEY];

const OWN_USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("baton/", env!("CARGO_PKG_VERSION")));

/// Why a stored request cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidRequest {
    #[error("`{0}` is not an HTTP method")]
    Method(String),
    #[error("the URL cannot be read: {0}")]
    Url(#[from] url::ParseError),
    #[error("the URL is neither http nor https, or has no host")]
    UrlForm,
    #[error("the URL has a user name or password")]
    UserInformation,
    #[error("header `{0}` has a name or value that cannot be sent")]
    Header(String),
}

/// The request of one attempt.
pub(crate) fn build(call: &HttpCall) -> Result<Request, InvalidRequest> {
    let stored = call.request.as_ref();
    let method = Method::from_bytes(stored.method.as_bytes());
    let method = method.map_err(|_| InvalidRequest::Method(stored.method.clone()))?;
    let body = body_of(stored, &method);
    let mut headers = headers(stored, call.run_id)?;
    if body.is_none() && expects_body(&method) {
        // Some servers refuse a request that should have a body and does not say that it has none.
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let mut request = Request::new(method, parse_url(&stored.url)?);
    *request.headers_mut() = headers;
    *request.body_mut() = body;
    Ok(request)
}

fn parse_url(text: &str) -> Result<Url, InvalidRequest> {
    let url = Url::parse(text)?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(InvalidRequest::UrlForm);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidRequest::UserInformation);
    }
    Ok(url)
}

fn headers(stored: &HttpRequest, run_id: RunId) -> Result<HeaderMap, InvalidRequest> {
    let mut headers = HeaderMap::with_capacity(stored.headers.len() + 4);
    for (name, value) in &stored.headers {
        let invalid = || InvalidRequest::Header(name.clone());
        let parsed = HeaderName::try_from(name).map_err(|_| invalid())?;
        if !NOT_FORWARDED.contains(&parsed) {
            headers.append(parsed, HeaderValue::try_from(value).map_err(|_| invalid())?);
        }
    }
    headers.entry(USER_AGENT).or_insert(OWN_USER_AGENT);
    let key =
        HeaderValue::try_from(run_id.to_string()).map_err(|_| InvalidRequest::Header("idempotency-key".into()))?;
    headers.insert(IDEMPOTENCY_KEY, key);
    Ok(headers)
}

/// `None` for an empty body too: on the wire there is no difference.
fn body_of(stored: &HttpRequest, method: &Method) -> Option<Body> {
    let has_no_body = matches!(*method, Method::GET | Method::HEAD);
    stored
        .body
        .clone()
        .filter(|body| !has_no_body && !body.is_empty())
        .map(Body::from)
}

fn expects_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;

    fn call(method: &str, url: &str, headers: &[(&str, &str)]) -> HttpCall {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        HttpCall {
            run_id: RunId(uuid::Uuid::from_u128(7)),
            attempt: 1,
            request: Arc::new(HttpRequest {
                method: method.to_owned(),
                url: url.to_owned(),
                headers,
                body: Some(b"body".to_vec()),
            }),
            timeout: Duration::from_secs(1),
            max_response_bytes: 1,
        }
    }

    fn refusal(method: &str, url: &str, headers: &[(&str, &str)]) -> String {
        build(&call(method, url, headers)).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn headers_are_kept_in_order_but_for_those_of_the_connection() {
        let stored = [
            ("X-Twice", "1"),
            ("Host", "other"),
            ("content-length", "9"),
            ("Connection", "upgrade"),
            ("X-Twice", "2"),
            ("Transfer-Encoding", "chunked"),
            ("Idempotency-Key", "mine"),
            ("User-Agent", "shop/1"),
        ];
        let request = build(&call("POST", "http://shop.test/", &stored)).unwrap();
        let mut sent: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        sent.sort_unstable();
        let key = RunId(uuid::Uuid::from_u128(7)).to_string();
        assert_eq!(
            sent,
            [
                ("idempotency-key", &*key),
                ("user-agent", "shop/1"),
                ("x-twice", "1"),
                ("x-twice", "2")
            ]
        );
    }

    #[test]
    fn the_user_agent_is_ours_unless_given() {
        let request = build(&call("POST", "http://shop.test/", &[])).unwrap();
        assert_eq!(request.headers()[USER_AGENT], OWN_USER_AGENT);
    }

    #[test]
    fn get_and_head_have_no_body() {
        for (method, has_body) in [("GET", false), ("HEAD", false), ("POST", true), ("DELETE", true)] {
            let request = build(&call(method, "http://shop.test/", &[])).unwrap();
            assert_eq!(request.body().is_some(), has_body, "{method}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_told() {
        assert_eq!(
            refusal("PO ST", "http://shop.test/", &[]),
            "`PO ST` is not an HTTP method"
        );
        assert!(refusal("GET", "shop", &[]).starts_with("the URL cannot be read"));
        assert_eq!(
            refusal("GET", "ftp://shop.test/", &[]),
            "the URL is neither http nor https, or has no host"
        );
        assert_eq!(
            refusal("GET", "http://u:p@shop.test/", &[]),
            "the URL has a user name or password"
        );
        let invalid = "header `X-Bad` has a name or value that cannot be sent";
        assert_eq!(refusal("GET", "http://shop.test/", &[("X-Bad", "a\nb")]), invalid);
    }
}
