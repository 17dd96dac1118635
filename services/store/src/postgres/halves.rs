//! Claims in two halves: where much is due in many lanes, one takes from the even lanes and one from the odd ones, at the same
//! time and on a connection each.
//!
//! A claim is a chain: each statement waits for the one before, the next claim for the last one's commit, and rows travel in
//! between. One chain alone leaves part of the machine idle. Two that look at the same lanes would find each other's
//! locks; so each has lanes of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use baton_domain::{
    ports::StoreResult,
    run::{LANES, lane_of},
    services::{Claim, ClaimedRun, Claims},
    time::Timestamp,
};

/// What is due in fewer lanes of one half is no crowd there.
const MANY_LANES: usize = 4;
/// A claim costs the database much before its first row.
const MANY_RUNS: usize = 64;

/// The lanes of half a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Even,
    Odd,
}

impl Part {
    /// Where its lanes begin; lanes that are not its own begin never. `None` is at the beginning of each.
    pub(super) fn lanes(self, floor: Option<Vec<Timestamp>>) -> Option<Vec<Timestamp>> {
        let own = match self {
            Self::Even => 0,
            Self::Odd => 1,
        };
        let mut lanes = floor.unwrap_or_else(|| vec![Timestamp::UNIX_EPOCH; LANES.into()]);
        for (lane, begins) in lanes.iter_mut().enumerate() {
            if lane % 2 != own {
                *begins = Timestamp::MAX_UTC;
            }
        }
        Some(lanes)
    }
}

/// In how many even and odd lanes the last claim found something, if there was much in many of both and it left more.
#[derive(Debug, Default)]
pub(super) struct Crowd(Mutex<Option<[usize; 2]>>);

impl Crowd {
    /// The claims of the even and of the odd lanes, if halves are worth it. Each may take its lanes' part: a lane has the same
    /// share as in a claim of all.
    ///
    /// Not with a limit of calls to a host: then all who claim wait for each other. And not for what is about to come due.
    pub(super) fn halves_of(&self, claim: &Claim) -> Option<[Claim; 2]> {
        if claim.limit < MANY_RUNS || claim.host_concurrency.is_some() || claim.as_of.is_some() {
            return None;
        }
        let [even, odd] = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let limit = claim.limit * even / (even + odd);
        let of = |limit| Claim { limit, ..claim.clone() };
        Some([of(limit), of(claim.limit - limit)])
    }

    /// A claim for a few tells nothing.
    pub(super) fn note(&self, claim: &Claim, claims: &Claims) {
        if claim.limit < MANY_RUNS {
            return;
        }
        let lanes: BTreeSet<u8> = claims
            .runs
            .iter()
            .map(|claimed| lane_of(&claimed.run.user_id))
            .collect();
        let odd = lanes.iter().filter(|lane| *lane % 2 == 1).count();
        let halves = [lanes.len() - odd, odd];
        let is_crowd = claims.more && claims.runs.len() >= MANY_RUNS && halves.iter().all(|lanes| *lanes >= MANY_LANES);
        self.set(is_crowd.then_some(halves));
    }

    /// The next claim is of all lanes: what is wrong with one half is wrong with that, and told.
    pub(super) fn forget(&self) {
        self.set(None);
    }

    fn set(&self, halves: Option<[usize; 2]>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = halves;
    }
}

/// Both halves. What one of them took is handed out though the other has failed.
pub(super) fn both(even: StoreResult<Claims>, odd: StoreResult<Claims>) -> StoreResult<Claims> {
    let (mut claims, other) = match (even, odd) {
        (Ok(even), Ok(odd)) => (even, odd),
        (Ok(mut claims), Err(error)) | (Err(error), Ok(mut claims)) if !claims.runs.is_empty() => {
            tracing::warn!(%error, "half of what is due could not be claimed");
            claims.more = true;
            return Ok(claims);
        }
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    claims.runs = in_turn(claims.runs.into_iter().chain(other.runs));
    // What came due since the earlier of them looked has not been passed over by both.
    claims.at = claims.at.min(other.at);
    claims.since = claims.since.min(other.since);
    claims.more |= other.more;
    Ok(claims)
}

/// The first of every lane before the second of any, by when they are due; those of each lane stand in order.
fn in_turn(runs: impl Iterator<Item = ClaimedRun>) -> Vec<ClaimedRun> {
    let mut seen: BTreeMap<u8, usize> = BTreeMap::new();
    let mut rank = |claimed: &ClaimedRun| {
        let seen = seen.entry(lane_of(&claimed.run.user_id)).or_default();
        *seen += 1;
        *seen
    };
    let mut ranked: Vec<(usize, ClaimedRun)> = runs.map(|claimed| (rank(&claimed), claimed)).collect();
    ranked.sort_by_key(|(rank, claimed)| (*rank, claimed.run.due_at, claimed.run.id));
    ranked.into_iter().map(|(_, claimed)| claimed).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, Instant},
    };

    use baton_domain::{
        call::HttpRequest,
        error::StoreError,
        ids::{EndpointId, RunId, UserId},
        run::{Cause, Run, Source},
        time::from_micros,
    };
    use uuid::Uuid;

    use super::*;

    fn at(micros: i64) -> Timestamp {
        from_micros(micros)
    }

    /// Runs of these users in turn.
    fn taken(count: usize, users: &[UserId], looked_at: i64) -> Claims {
        let run = |number| run(number, &users[number % users.len()], looked_at);
        Claims {
            runs: (0..count).map(run).collect(),
            at: at(looked_at),
            since: Instant::now(),
            more: count >= MANY_RUNS,
        }
    }

    /// Users of so many even and odd lanes.
    fn users(even: usize, odd: usize) -> Vec<UserId> {
        let mut lanes = BTreeSet::new();
        let mut left = [even, odd];
        let mut is_wanted = |user: &UserId| {
            let lane = lane_of(user);
            let left = &mut left[usize::from(lane % 2)];
            let wanted = *left > 0 && lanes.insert(lane);
            *left -= usize::from(wanted);
            wanted
        };
        let named = (0..1_000).map(|number| UserId(format!("user-{number}")));
        let users: Vec<UserId> = named.filter(|user| is_wanted(user)).collect();
        assert_eq!(users.len(), even + odd);
        users
    }

    fn run(number: usize, user: &UserId, due: i64) -> ClaimedRun {
        let due = at(due + i64::try_from(number).expect("it is small"));
        let id = RunId(Uuid::from_u128(number as u128));
        let run = Run::planned(
            id,
            EndpointId(Uuid::nil()),
            user.clone(),
            Source::MANUAL,
            Cause::Manual,
            due,
        );
        ClaimedRun {
            run,
            fence: 1,
            request: Arc::new(HttpRequest {
                method: "POST".to_owned(),
                url: "http://shop.example/".to_owned(),
                headers: Vec::new(),
                body: None,
            }),
            timeout: Duration::from_secs(1),
            max_response_bytes: 0,
            trace_parent: None,
        }
    }

    fn claim(limit: usize) -> Claim {
        Claim {
            owner: "engine".to_owned(),
            lease: Duration::from_secs(15),
            limit,
            host_concurrency: None,
            as_of: None,
        }
    }

    #[test]
    fn each_lane_is_in_one_half_and_begins_where_it_did() {
        let floor: Vec<Timestamp> = (0..64).map(at).collect();
        for floor in [None, Some(floor)] {
            let begins = floor.clone().unwrap_or_else(|| vec![Timestamp::UNIX_EPOCH; 64]);
            let [even, odd] = [Part::Even, Part::Odd].map(|part| part.lanes(floor.clone()).expect("they are told"));
            for lane in 0..64 {
                let mut seen = [even[lane], odd[lane]];
                seen.sort();
                assert_eq!(seen, [begins[lane], Timestamp::MAX_UTC], "lane {lane}");
            }
        }
    }

    #[test]
    fn a_claim_is_halved_after_one_that_left_much_in_many_lanes_of_both_halves() {
        let crowd = Crowd::default();
        assert_eq!(crowd.halves_of(&claim(500)), None);
        crowd.note(&claim(500), &taken(500, &users(4, 12), 0));
        let limits = |limit| {
            crowd
                .halves_of(&claim(limit))
                .map(|halves| halves.map(|half| half.limit))
        };
        assert_eq!(limits(500), Some([125, 375]));
        assert_eq!(limits(MANY_RUNS + 3), Some([16, MANY_RUNS - 13]));
        assert_eq!(limits(MANY_RUNS - 1), None);
        let ahead = Claim {
            as_of: Some(at(1)),
            ..claim(500)
        };
        let by_host = Claim {
            host_concurrency: Some(3),
            ..claim(500)
        };
        assert_eq!((crowd.halves_of(&ahead), crowd.halves_of(&by_host)), (None, None));
        crowd.note(&claim(10), &taken(10, &users(1, 0), 0));
        assert_eq!(limits(500), Some([125, 375]), "a claim for a few tells nothing");
        crowd.forget();
        assert_eq!(limits(500), None);
    }

    #[test]
    fn few_runs_or_few_lanes_of_one_half_are_no_crowd() {
        let crowd = Crowd::default();
        for (count, even, odd) in [(MANY_RUNS - 1, 4, 4), (500, 3, 20), (500, 20, 3)] {
            crowd.note(&claim(500), &taken(500, &users(4, 4), 0));
            assert!(crowd.halves_of(&claim(500)).is_some());
            crowd.note(&claim(500), &taken(count, &users(even, odd), 0));
            assert_eq!(
                crowd.halves_of(&claim(500)),
                None,
                "{count} runs, {even} and {odd} lanes"
            );
        }
    }

    #[test]
    fn halves_are_one_claim_as_of_the_earlier_with_the_first_of_every_lane_before_the_second_of_any() {
        let (one_lane, three_lanes) = (users(1, 0), users(0, 3));
        let claims = both(Ok(taken(2, &one_lane, 20)), Ok(taken(4, &three_lanes, 10))).expect("both succeed");
        let due: Vec<i64> = claims
            .runs
            .iter()
            .map(|claimed| claimed.run.due_at.timestamp_micros())
            .collect();
        assert_eq!((due, claims.at), (vec![10, 11, 12, 20, 13, 21], at(10)));
    }

    #[test]
    fn what_one_half_took_is_handed_out_though_the_other_failed() {
        let failed = || Err(StoreError::Unavailable("away".to_owned()));
        let taken = |count| Ok(taken(count, &users(1, 0), 20));
        for halves in [(taken(2), failed()), (failed(), taken(2))] {
            let claims = both(halves.0, halves.1).expect("one succeeds");
            assert!(claims.runs.len() == 2 && claims.more);
        }
        assert!(both(taken(0), failed()).is_err());
        assert!(both(failed(), failed()).is_err());
    }
}
