//! Whole plans of a hostile planner through the use cases, over the in-memory store: whatever it sends in whatever order,
//! guardrails, budgets, a person's pause, foreign endpoints and baselines are as they should be.
//!
//! `stage` is the world and how time passes there, `moves` is what the planner may do, `bounds` is what must hold.

mod bounds;
mod moves;
mod stage;

use proptest::prelude::*;

use moves::{Move, a_move};
use stage::Stage;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_plans_breaks_a_guardrail(moves in prop::collection::vec(a_move(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(play(moves))?;
    }
}

async fn play(moves: Vec<Move>) -> Result<(), TestCaseError> {
    let mut stage = Stage::set().await;
    for one in moves {
        stage.make(one).await?;
    }
    stage.pass(3_600).await;
    bounds::hold(&stage).await
}
