//! What every bench stands upon: the cluster, what is asked for, and samples that are taken beside their reference.

use std::{path::Path, time::Duration};

use anyhow::Result;
use tempfile::TempDir;

use crate::{
    figure::Figure,
    options::Asked,
    reference,
    server::{Database, Server},
};

/// Gigabytes that every bench may need; `growth` needs more.
const ROOM: u64 = 5;

/// The cluster, what is asked for, and a folder for what lasts as long as the process.
pub struct Stage {
    pub server: Server,
    pub asked: Asked,
    folder: TempDir,
}

impl Stage {
    /// Fails when there is too little room.
    pub fn new(server: Server, asked: Asked) -> Result<Self> {
        server.require_room(ROOM)?;
        let folder = TempDir::new()?;
        Ok(Self { server, asked, folder })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new database with Baton's schema.
    pub async fn database(&self, name: &str) -> Result<Database> {
        let database = self.server.create(name).await?;
        database.migrate().await?;
        Ok(database)
    }

    /// How long single commits are measured before each sample.
    pub fn reference_lasts(&self) -> Duration {
        Duration::from_secs(if self.asked.quick { 2 } else { 4 })
    }

    /// Samples of something a second, each after one of single commits.
    pub async fn beside_one(
        &self,
        bench: &str,
        unit: &'static str,
        database: &Database,
        mut sample: impl AsyncFnMut() -> Result<f64>,
    ) -> Result<Figure> {
        let lasts = self.reference_lasts();
        let bare = async || reference::one(database, lasts).await;
        self.beside(bench, unit, reference::ONE, bare, &mut sample).await
    }

    /// Samples of something a second, each after one of its reference.
    pub async fn beside(
        &self,
        bench: &str,
        unit: &'static str,
        name: &'static str,
        mut bare: impl AsyncFnMut() -> Result<f64>,
        sample: &mut impl AsyncFnMut() -> Result<f64>,
    ) -> Result<Figure> {
        let (mut bares, mut samples) = (Vec::new(), Vec::new());
        for number in 1..=self.asked.samples {
            bares.push(bare().await?);
            samples.push(sample().await?);
            eprintln!(
                "{bench}: sample {number} of {}: {:.0} {unit}; {name} {:.0}",
                self.asked.samples,
                samples[number - 1],
                bares[number - 1]
            );
        }
        Ok(Figure::alone(bench, unit, samples).against(name, &bares))
    }
}
