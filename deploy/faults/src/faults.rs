//! The faults, by name: what each does to a running stage, and how long the schedulers needed afterwards.

mod clock;
mod database;
mod none;
mod partition;
mod processes;

use std::time::Duration;

use anyhow::{Result, bail};

use crate::{
    cluster::Cluster,
    scheduler::Setup,
    stage::{Plan, Stage},
    verdict::Verdict,
};

/// How long the load goes on before a fault.
const WARM_UP: Duration = Duration::from_secs(3);
/// Recovery once the database answers again.
const DATABASE_BAR: Duration = Duration::from_secs(5);
/// Recovery beyond the lease, once a scheduler is gone.
const TAKEOVER: Duration = Duration::from_secs(2);

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    Kill,
    Stop,
    PostgresRestart,
    Terminate,
    Partition,
    IdleInTransaction,
    Clock,
    DiskFull,
}

use Fault::{Clock, DiskFull, IdleInTransaction, Kill, None, Partition, PostgresRestart, Stop, Terminate};

const ALL: [Fault; 9] = [
    None,
    Kill,
    Stop,
    PostgresRestart,
    Terminate,
    Partition,
    IdleInTransaction,
    Clock,
    DiskFull,
];
const QUICK: [Fault; 3] = [Kill, Stop, Terminate];

impl Fault {
    /// The faults of these names; `all` and `quick` stand for several.
    pub fn select(names: &[String]) -> Result<Vec<Self>> {
        let mut selected = Vec::new();
        for name in names {
            match (name.as_str(), ALL.iter().find(|fault| fault.name() == name)) {
                ("all", _) => selected.extend(ALL),
                ("quick", _) => selected.extend(QUICK),
                (_, Some(fault)) => selected.push(*fault),
                (_, Option::None) => {
                    let known: Vec<&str> = ALL.iter().map(|fault| fault.name()).collect();
                    bail!("`{name}` is no fault; there are: all, quick, {}", known.join(", "));
                }
            }
        }
        Ok(selected)
    }

    pub fn name(self) -> &'static str {
        match self {
            None => "none",
            Kill => "kill",
            Stop => "stop",
            PostgresRestart => "postgres-restart",
            Terminate => "terminate",
            Partition => "partition",
            IdleInTransaction => "idle-in-transaction",
            Clock => "clock",
            DiskFull => "disk-full",
        }
    }

    pub fn describe(self) -> &'static str {
        match self {
            None => "20 000 runs due at one instant, and nothing goes wrong",
            Kill => "SIGKILL for one of three schedulers every 3 s, restarted after another second",
            Stop => "SIGSTOP for a scheduler until its leases are gone, then SIGCONT",
            PostgresRestart => "PostgreSQL crashes, is away for 4 s and recovers",
            Terminate => "two backends are terminated five times a second, for 10 s",
            Partition => "what passes between one scheduler and PostgreSQL is swallowed for 8 s",
            IdleInTransaction => "somebody locks ten endpoints and their runs and sits on them for 12 s",
            Clock => "one scheduler's clock is an hour ahead",
            DiskFull => "for 5 s every write to the queue fails: disk full, then statement timeout",
        }
    }

    pub async fn run(self, cluster: &Cluster) -> Result<Verdict> {
        match self {
            None => none::run(cluster).await,
            Kill => processes::kill(cluster).await,
            Stop => processes::stop(cluster).await,
            PostgresRestart => database::restart(cluster).await,
            Terminate => database::terminate(cluster).await,
            Partition => partition::run(cluster).await,
            IdleInTransaction => database::idle_in_transaction(cluster).await,
            Clock => clock::run(cluster).await,
            DiskFull => database::disk_full(cluster).await,
        }
    }
}

/// A stage as most faults want it.
async fn stage(fault: Fault, cluster: &Cluster) -> Result<Stage> {
    Stage::open(cluster, fault.name(), Plan::default(), |_, _: &mut Setup| {}).await
}

#[cfg(test)]
mod tests {
    use super::{ALL, Fault, QUICK};

    #[test]
    fn faults_are_selected_by_name() {
        let select = |names: &[&str]| Fault::select(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(select(&["all"]).expect("known"), ALL);
        assert_eq!(select(&["quick"]).expect("known"), QUICK);
        for fault in ALL {
            assert_eq!(select(&[fault.name()]).expect("known"), [fault]);
        }
        let error = select(&["kill", "flood"]).expect_err("there is no flood").to_string();
        assert!(
            error.contains("`flood`") && error.contains("idle-in-transaction"),
            "{error}"
        );
    }
}
