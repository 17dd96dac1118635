//! The sale itself: phases on their deadlines, and a look at runs and hints a few times a second meanwhile.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{
    console::{Console, Style},
    processes::Processes,
    setup::Stage,
    timeline::Timeline,
};
use crate::{clock::wall_now, definitions::phase_of_sale, expectations::HintSample};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(150);

/// What was seen along the way.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) hint_samples: Vec<HintSample>,
    pub(super) timeline: Timeline,
}

/// Replays every phase and returns at the end of the sale.
pub(super) async fn replay(stage: &Stage<'_>, processes: &mut Processes, console: &Console) -> anyhow::Result<Watched> {
    let ((), watched) = tokio::try_join!(change_phases(stage), watch(stage, processes, console))?;
    Ok(watched)
}

/// Each phase on its own deadline from the start of the sale. The shop changes first: whoever is told of the new
/// signals finds it as it should be.
async fn change_phases(stage: &Stage<'_>) -> anyhow::Result<()> {
    for phase in stage.scenario.phases.iter().skip(1) {
        sleep_until(stage.deadline(phase.start_s())).await;
        stage.sink.enter(phase);
        let sale = phase_of_sale(phase);
        stage
            .scheduler
            .update_sale(baton_proto::v1::FlashSale {
                id: stage.sale_id.clone(),
                ..sale
            })
            .await?;
    }
    Ok(())
}

async fn watch(stage: &Stage<'_>, processes: &mut Processes, console: &Console) -> anyhow::Result<Watched> {
    let end = stage.deadline(stage.scenario.length_s());
    let mut watched = Watched {
        hint_samples: Vec::new(),
        timeline: Timeline::new(stage),
    };
    watched.timeline.show_header(console);
    while Instant::now() < end {
        look(stage, &mut watched, console).await?;
        if let Some(status) = processes.planner_ended() {
            let text = format!("The planner ended ({status}); the baseline goes on without it.");
            console.line(&console.styled(&text, Style::Red));
        }
        sleep_until(end.min(Instant::now() + LOOK_EVERY)).await;
    }
    Ok(watched)
}

async fn look(stage: &Stage<'_>, watched: &mut Watched, console: &Console) -> anyhow::Result<()> {
    let runs = stage.scheduler.runs(&stage.job_id, &[]).await?;
    watched.timeline.show_new(&runs, console)?;
    let endpoints = stage.scheduler.endpoints(&stage.job_id).await?;
    watched
        .hint_samples
        .push(HintSample::read(&endpoints, wall_now(), &stage.clock)?);
    Ok(())
}
