//! Start and stop of a serving scheduler: database, engine, API, in this order, and backwards.

use std::{io::Write as _, net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use baton_api::Server;
use baton_dispatch::{EgressPolicy, HttpDispatcher, Signer};
use baton_domain::{
    ids::Chance,
    ports::Topic,
    services::{Queue, Services},
    time::Clock,
};
use baton_engine::{Engine, EngineConfig};
use baton_runtime::{
    clock::{ShiftedClock, SystemChance},
    grpc_trace::GrpcServerTrace,
    lifecycle::Lifecycle,
};
use baton_store::{Opened, Options};
use tokio::net::TcpListener;

use crate::{retention::Retention, settings::Settings};

/// Files that are open beside those of calls: connections of callers and to the database, and what a process has anyway.
const OTHER_FILES: usize = 512;

/// Serves until a signal, then drains: health says NOT_SERVING first, calls in the air may land.
pub async fn serve(settings: Settings) -> anyhow::Result<()> {
    let lifecycle = Lifecycle::with_signals()?;
    allow_files(settings.concurrency);
    let chance: Arc<dyn Chance> = Arc::new(SystemChance);
    let clock = Arc::new(ShiftedClock(settings.clock_offset));
    let dispatcher = dispatcher(&settings, clock.clone())?;
    let mut options = Options::new(clock, Arc::clone(&chance));
    options.listen = !settings.no_listen;
    let opened = baton_store::open(&settings.database_url, &options).await;
    let Opened {
        store,
        queue,
        submissions,
        listener: notifications,
    } = opened.context("the database does not open")?;
    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", settings.listen))?;
    let address = listener.local_addr()?;
    let services = Services::new(Arc::clone(&store), Arc::clone(&chance), settings.limits);
    let services = services.with_submissions(submissions);
    let retention = Retention {
        services: services.clone(),
        chance: Arc::clone(&chance),
        keep: settings.retention,
    };
    let options = baton_api::Options {
        planner_share: settings.planner_share,
        ..settings.access.to_options()
    };
    let server = Server::new(services, options)?.layer(GrpcServerTrace);
    let engine = engine(&settings, queue, dispatcher, chance.as_ref());

    if let Some(notifications) = notifications {
        let stop = lifecycle.soft_stop();
        lifecycle.spawn("notifications", async move {
            stop.run_until_cancelled(notifications).await;
            anyhow::Ok(())
        });
    }
    let (wakes, stop) = (store.wakes(Topic::Queue), lifecycle.soft_stop());
    lifecycle.spawn("engine", async move {
        engine.run(wakes, stop).await;
        anyhow::Ok(())
    });
    let stop = lifecycle.soft_stop();
    lifecycle.spawn("retention", async move {
        retention.run(stop).await;
        anyhow::Ok(())
    });
    lifecycle.spawn("api", server.serve(listener, lifecycle.soft_stop()));
    tell(address)?;
    lifecycle.run_until_stopped(settings.grace).await
}

/// Each call in the air has a connection. Many systems let a process open 1 024 files, and more if it asks for them.
fn allow_files(calls: usize) {
    let wanted = u64::try_from(calls.saturating_add(OTHER_FILES)).unwrap_or(u64::MAX);
    match rlimit::increase_nofile_limit(wanted) {
        Ok(allowed) if allowed >= wanted => {}
        Ok(allowed) => tracing::warn!(
            allowed,
            wanted,
            "fewer open files are allowed than --concurrency may take: calls may fail to connect"
        ),
        Err(error) => tracing::warn!(%error, "how many files may be open cannot be set"),
    }
}

/// What makes the calls. Keys that cannot be read keep the scheduler from starting: nothing goes out unsigned by mistake.
fn dispatcher(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<HttpDispatcher> {
    let dispatcher = HttpDispatcher::new(EgressPolicy {
        allow: settings.egress_allow.clone(),
    })?;
    let Some(path) = &settings.signing_key_file else {
        return Ok(dispatcher);
    };
    let unusable = || format!("--signing-key-file {}", path.display());
    let keys = std::fs::read_to_string(path).with_context(unusable)?;
    Ok(dispatcher.with_signer(Signer::parse(&keys, clock).with_context(unusable)?))
}

fn engine(settings: &Settings, queue: Arc<dyn Queue>, dispatcher: HttpDispatcher, chance: &dyn Chance) -> Engine {
    let config = EngineConfig {
        lease: settings.lease,
        concurrency: settings.concurrency,
        poll: settings.poll,
        host_concurrency: settings.host_concurrency,
        ..EngineConfig::named(format!("scheduler-{:016x}", chance.bits() >> 64))
    };
    Engine::new(queue, Arc::new(dispatcher), config)
}

/// The one line on standard output, for whoever started the process. The port is bound, so connecting works from here.
fn tell(address: SocketAddr) -> anyhow::Result<()> {
    tracing::info!(%address, "serving");
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "listening on {address}")?;
    Ok(stdout.flush()?)
}
