//! Puts every case to a contestant, each time in the order of the file and once more shuffled, and scores the answers.
//!
//! Uses the planner's own conversation: prompt builder, parser, checks and the one repair round. Does no RPC.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use tokio_util::sync::CancellationToken;

use super::{
    case::{Case, posed},
    contestant::{Contestant, Posed},
    score::{Ending, Gate, Score, score},
};
use crate::{
    ask::{Account, Conversation, Settings},
    check::Verdict,
    model::Usage,
};

/// How a contestant is examined.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How often each case is put, in both orders each time.
    pub runs: u32,
    /// For the shuffles.
    pub seed: u64,
    /// Asks at once.
    pub max_concurrent: usize,
    pub request_timeout: Duration,
    pub max_prompt_chars: usize,
}

/// One answer with what it cost.
#[derive(Debug, Clone)]
pub struct Asked {
    pub score: Score,
    pub usage: Usage,
    /// Over every request of the ask.
    pub latency: Duration,
    /// 1, or 2 with a repair round.
    pub requests: i32,
}

/// All answers to one case.
#[derive(Debug, Clone)]
pub struct Examined {
    /// In pairs: as listed, then shuffled.
    pub answers: Vec<Asked>,
    /// Similarity of the decisions within each pair; 0 where an answer failed a gate.
    pub stability: Vec<f64>,
}

/// The results in the order of the cases.
pub async fn examine(contestant: &Contestant, cases: &[Case], rules: &Rules) -> Vec<Examined> {
    let asks = cases
        .iter()
        .flat_map(|case| (0..rules.runs).map(move |run| (case, run)));
    let pairs = asks.map(|(case, run)| async move {
        let listed: Vec<usize> = (0..case.endpoints.len()).collect();
        let seed = rules.seed ^ hash(&case.name) ^ u64::from(run);
        let mut shuffled = listed.clone();
        shuffled.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let first = ask(contestant, case, &listed, seed, rules).await;
        let second = ask(contestant, case, &shuffled, seed.rotate_left(32), rules).await;
        [first, second]
    });
    let pairs: Vec<[Asked; 2]> = stream::iter(pairs).buffered(rules.max_concurrent).collect().await;
    let per_case = usize::try_from(rules.runs).unwrap_or(1).max(1);
    pairs.chunks(per_case).map(Examined::of).collect()
}

impl Examined {
    fn of(pairs: &[[Asked; 2]]) -> Self {
        Self {
            answers: pairs.iter().flatten().cloned().collect(),
            stability: pairs.iter().map(|[a, b]| stability(&a.score, &b.score)).collect(),
        }
    }
}

fn stability(a: &Score, b: &Score) -> f64 {
    match (&a.decisions, &b.decisions) {
        (Some(ours), Some(theirs)) if a.gate == Gate::Passed && b.gate == Gate::Passed => ours.similarity(theirs),
        _ => 0.0,
    }
}

async fn ask(contestant: &Contestant, case: &Case, order: &[usize], seed: u64, rules: &Rules) -> Asked {
    let question = Posed {
        case,
        context: posed(case, order),
        seed,
    };
    let settings = Settings {
        planner: "eval".to_owned(),
        request_timeout: rules.request_timeout,
        max_prompt_chars: rules.max_prompt_chars,
        prices: None,
    };
    let model = contestant.model_for(&question);
    let conversation = Conversation {
        model: model.as_ref(),
        settings: &settings,
        stop: &CancellationToken::new(),
    };
    let mut account = Account::default();
    let outcome = conversation.hold(&question.context, &[], &mut account).await;
    let ending = match outcome {
        Ok(proposal) => Ending::Proposal(proposal),
        Err(setback) => Verdict::parse(setback.verdict).map_or(Ending::NoAnswer(setback.verdict), Ending::Rejected),
    };
    Asked {
        score: score(case, &ending, account.raw_answer()),
        usage: account.usage,
        latency: account.latency,
        requests: account.requests,
    }
}

/// FNV-1a: a seed of its own for every case, whichever others there are.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
