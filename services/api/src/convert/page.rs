//! Pages of lists: sizes, tokens, and how much fits into one answer.
//!
//! A token is the last id of a page and a digest of method and filters, so that it cannot be used with others. It is
//! opaque to callers, and no secret: whose rows are listed comes from the credential, never from a token.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use baton_domain::{limits, ports::Page, services::Listing};
use baton_proto::v1 as pb;
use prost::Message;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Fields;

const ID_BYTES: usize = 16;
const DIGEST_BYTES: usize = 16;
/// A page ends early when its items would exceed this, so that it passes the 4 MiB that clients accept by default.
const PAGE_BYTES: usize = limits::PAGE_BYTES;

/// A request for one page of a list.
pub(crate) trait ListRequest: Message + Clone {
    /// Name of the RPC.
    const METHOD: &'static str;

    fn page_size(&mut self) -> &mut i32;
    fn page_token(&mut self) -> &mut String;
}

macro_rules! list_request {
    ($($request:ident: $method:literal),+ $(,)?) => {$(
        impl ListRequest for pb::$request {
            const METHOD: &'static str = $method;

            fn page_size(&mut self) -> &mut i32 {
                &mut self.page_size
            }

            fn page_token(&mut self) -> &mut String {
                &mut self.page_token
            }
        }
    )+};
}

list_request! {
    ListJobsRequest: "ListJobs",
    ListEndpointsRequest: "ListEndpoints",
    ListRunsRequest: "ListRuns",
    ListFlashSalesRequest: "ListFlashSales",
    ListPlansRequest: "ListPlans",
    SummarizeRunsRequest: "SummarizeRuns",
}

/// Where a page starts, how long it is, and what its successor's token must carry.
#[derive(Debug, Clone)]
pub(crate) struct Paging {
    pub page: Page,
    filters: [u8; DIGEST_BYTES],
}

impl Paging {
    /// Reads page size and token.
    pub(crate) fn read<T: ListRequest>(fields: &mut Fields, request: &T) -> Self {
        let mut rest = request.clone();
        let size = std::mem::take(rest.page_size());
        let token = std::mem::take(rest.page_token());
        let filters = digest(T::METHOD, &rest.encode_to_vec());
        let limit = match fields.unsigned::<i32, usize>("page_size", size) {
            0 => limits::PAGE_DEFAULT,
            size => size.min(limits::PAGE_MAX),
        };
        let after = (!token.is_empty()).then(|| last_id(&token, filters));
        if after == Some(None) {
            fields.push("page_token", "is not a token of this list with these filters");
        }
        let page = Page {
            after: after.flatten(),
            limit,
        };
        Self { page, filters }
    }

    /// The items of one answer, as many as fit, and the token for those that follow.
    pub(crate) fn fill<D, M: Message>(
        &self,
        listing: &Listing<D>,
        id: impl Fn(&D) -> Uuid,
        convert: impl Fn(&D) -> M,
    ) -> (Vec<M>, String) {
        let mut items = Vec::with_capacity(listing.items.len());
        let mut bytes = 0;
        let mut last = None;
        for item in &listing.items {
            let message = convert(item);
            bytes += message.encoded_len();
            if bytes > PAGE_BYTES && !items.is_empty() {
                return (items, self.token(last));
            }
            items.push(message);
            last = Some(id(item));
        }
        (items, self.token(listing.next))
    }

    fn token(&self, last: Option<Uuid>) -> String {
        last.map_or_else(String::new, |id| {
            URL_SAFE_NO_PAD.encode([&id.as_bytes()[..], &self.filters[..]].concat())
        })
    }
}

fn digest(method: &str, filters: &[u8]) -> [u8; DIGEST_BYTES] {
    let whole = Sha256::new_with_prefix(method)
        .chain_update([0])
        .chain_update(filters)
        .finalize();
    let mut part = [0; DIGEST_BYTES];
    part.copy_from_slice(&whole[..DIGEST_BYTES]);
    part
}

fn last_id(token: &str, filters: [u8; DIGEST_BYTES]) -> Option<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (id, rest) = bytes.split_at_checked(ID_BYTES)?;
    (rest == filters).then(|| Uuid::from_slice(id).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(size: i32, token: &str, job: Option<&str>) -> pb::ListEndpointsRequest {
        pb::ListEndpointsRequest {
            page_size: size,
            page_token: token.to_owned(),
            job_id: job.map(str::to_owned),
        }
    }

    fn read<T: ListRequest>(request: &T) -> (Paging, Vec<String>) {
        let mut fields = Fields::default();
        let paging = Paging::read(&mut fields, request);
        let wrong = fields.into_violations().into_iter().map(|violation| violation.field);
        (paging, wrong.collect())
    }

    fn runs(count: u128, bytes: usize) -> (Listing<u128>, impl Fn(&u128) -> pb::Run) {
        let items = (1..=count).collect();
        let convert = move |id: &u128| pb::Run {
            id: id.to_string(),
            response: vec![7; bytes],
            ..pb::Run::default()
        };
        (Listing { items, next: None }, convert)
    }

    #[test]
    fn sizes_have_a_default_and_a_bound() {
        for (asked, given) in [(0, 50), (1, 1), (1_000, 1_000), (i32::MAX, 1_000)] {
            let (paging, wrong) = read(&ask(asked, "", None));
            assert_eq!((paging.page.limit, wrong.len()), (given, 0));
        }
        assert_eq!(read(&ask(-1, "", None)).1, ["page_size"]);
    }

    #[test]
    fn a_token_is_for_the_same_method_and_filters_only() {
        let last = Uuid::from_u128(42);
        let token = read(&ask(10, "", Some("a"))).0.token(Some(last));
        let (paging, wrong) = read(&ask(20, &token, Some("a")));
        assert_eq!((paging.page.after, wrong.len()), (Some(last), 0));
        assert_eq!(read(&ask(10, &token, Some("b"))).1, ["page_token"]);
        assert_eq!(read(&ask(10, &token, None)).1, ["page_token"]);
        let plans = pb::ListPlansRequest {
            page_token: read(&ask(0, "", None)).0.token(Some(last)),
            ..pb::ListPlansRequest::default()
        };
        assert_eq!(read(&plans).1, ["page_token"]);
        for garbage in ["x", "====", "\u{fc}", &"A".repeat(43), &"A".repeat(5_000)] {
            assert_eq!(read(&ask(0, garbage, None)).1, ["page_token"], "{garbage}");
        }
    }

    #[test]
    fn a_page_ends_before_it_is_too_large_to_receive() {
        let (paging, _) = read(&pb::ListRunsRequest::default());
        let (listing, convert) = runs(10, 1_024 * 1_024);
        let (items, token) = paging.fill(&listing, |id| Uuid::from_u128(*id), convert);
        assert_eq!(items.len(), 2);
        assert_eq!(last_id(&token, paging.filters), Some(Uuid::from_u128(2)));
        let (listing, convert) = runs(1, 2 * PAGE_BYTES);
        let (items, token) = paging.fill(&listing, |id| Uuid::from_u128(*id), convert);
        assert_eq!((items.len(), token.as_str()), (1, ""));
    }
}
