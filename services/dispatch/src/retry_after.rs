//! Reads `Retry-After`, in seconds or as a date.
//!
//! A date is read against the response's own `Date`: both come from one clock, so ours need not agree with it. RFC 9110
//! has every server with a clock send `Date`; without it, a date says nothing and is ignored.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// How long the server asks to wait, if it does.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, RETRY_AFTER)?;
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        return value.parse().ok().map(Duration::from_secs);
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let sent = date(headers)?;
    Some(until.duration_since(sent).unwrap_or_default())
}

fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(text(headers, DATE)?).ok()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    const DATE_SENT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn read(value: &str, sent: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        if let Some(sent) = sent {
            headers.insert(DATE, HeaderValue::from_str(sent).unwrap());
        }
        retry_after(&headers)
    }

    #[test]
    fn seconds_and_dates_are_read() {
        assert_eq!(read("120", None), Some(Duration::from_secs(120)));
        assert_eq!(read("0", None), Some(Duration::ZERO));
        assert_eq!(
            read("Sun, 06 Nov 1994 08:51:37 GMT", Some(DATE_SENT)),
            Some(Duration::from_secs(120))
        );
        assert_eq!(
            read("Sun, 06 Nov 1994 08:00:00 GMT", Some(DATE_SENT)),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn what_cannot_be_read_is_ignored() {
        for value in ["", "soon", "-1", "1.5", "99999999999999999999999"] {
            assert_eq!(read(value, Some(DATE_SENT)), None, "{value}");
        }
        assert_eq!(read(DATE_SENT, None), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
