//! The list of steps, cheapest first, and those that are one command.

use anyhow::Result;

use super::{Step, buf, crate_graph, demo_check, readme};
use crate::processes::Processes;
use crate::tools::CARGO_DENY;
use crate::workspace::Workspace;
use crate::{clients, cookbook, faults, grpcurl_check, test};

pub const STEPS: &[Step] = &[
    Step {
        name: "format",
        check: format,
    },
    Step {
        name: "readme",
        check: |workspace, _| readme::check(workspace),
    },
    Step {
        name: "crate graph",
        check: crate_graph::check,
    },
    Step {
        name: "buf lint",
        check: buf::lint,
    },
    Step {
        name: "buf breaking",
        check: buf::breaking,
    },
    Step {
        name: "clippy",
        check: clippy,
    },
    Step {
        name: "test",
        check: |workspace, processes| test::run(workspace, processes, &[]),
    },
    Step {
        name: "documentation",
        check: documentation,
    },
    Step {
        name: "cargo deny",
        check: cargo_deny,
    },
    Step {
        name: "demo: flash sale",
        check: demo_check::flash_sale,
    },
    Step {
        name: "demo: no recovery",
        check: demo_check::no_recovery,
    },
    Step {
        name: "faults: short ones",
        check: faults::quick,
    },
    Step {
        name: "grpcurl",
        check: grpcurl_check::run,
    },
    Step {
        name: "cookbook",
        check: cookbook::run,
    },
    Step {
        name: "clients",
        check: clients::run,
    },
];

fn format(workspace: &Workspace, processes: &Processes) -> Result<()> {
    processes.run(&mut workspace.cargo(["fmt", "--all", "--check"]))
}

fn clippy(workspace: &Workspace, processes: &Processes) -> Result<()> {
    processes.run(&mut workspace.cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn documentation(workspace: &Workspace, processes: &Processes) -> Result<()> {
    processes.run(
        workspace
            .cargo(["doc", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "-Dwarnings"),
    )
}

fn cargo_deny(workspace: &Workspace, processes: &Processes) -> Result<()> {
    let program = CARGO_DENY.obtain(processes)?;
    let mut command = std::process::Command::new(program);
    processes.run(
        command
            .current_dir(workspace.root())
            .args(["check", "bans", "licenses", "sources"]),
    )
}
