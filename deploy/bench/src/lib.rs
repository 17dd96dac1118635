//! `baton-bench`: how fast Baton is, as ratios to the bare database measured in the same minute.
//!
//! Started by `cargo xtask bench`, which gives it a PostgreSQL cluster of its own. How to read it: [`options`] says what
//! is asked for, [`benches`] what each bench does, [`figure`] and [`spread`] what comes of it and which bar it is held to. Under them:
//! [`server`] and [`population`] (databases and what stands in them), [`mod@reference`] (the bare database), [`drain`]
//! (the engine in this process, with a dispatcher that does nothing), [`scheduler`] and [`sink`] (real processes).
//! `README.md` beside says how to read the table.

pub mod benches;
pub mod drain;
pub mod figure;
pub mod options;
pub mod population;
pub mod reference;
pub mod scheduler;
pub mod server;
pub mod sink;
pub mod spread;
pub mod stage;
