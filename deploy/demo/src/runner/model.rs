//! The model that the planner asks: the scripted one, started here, or a real one somewhere else.

use std::{
    env,
    net::{Ipv4Addr, SocketAddr},
};

use anyhow::Context as _;

use super::Options;
use crate::scripted::{Faults, MODEL_NAME, ScriptedModel};

/// Where and whom to ask.
#[derive(Debug)]
pub(super) enum Model {
    /// A rule file; not a language model.
    Scripted(ScriptedModel),
    /// Whatever answers at the base URL.
    Real {
        base_url: String,
        name: String,
        api_key: Option<String>,
    },
}

impl Model {
    /// Starts the scripted model unless another one is named.
    pub(super) async fn start(options: &Options) -> anyhow::Result<Self> {
        let (Some(base_url), Some(name)) = (options.base_url.clone(), options.model.clone()) else {
            let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let model = ScriptedModel::start(listen, options.rules()?, Faults::default()).await;
            return Ok(Self::Scripted(model.context("start the scripted model")?));
        };
        let variable = options.api_key_env.as_ref();
        let api_key = variable
            .map(|name| env::var(name).with_context(|| format!("the API key in ${name}")))
            .transpose()?;
        Ok(Self::Real {
            base_url,
            name,
            api_key,
        })
    }

    pub(super) fn base_url(&self) -> String {
        match self {
            Self::Scripted(model) => model.base_url(),
            Self::Real { base_url, .. } => base_url.clone(),
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Scripted(_) => MODEL_NAME,
            Self::Real { name, .. } => name,
        }
    }

    /// The key; a local server that wants none is given a word.
    pub(super) fn api_key(&self) -> &str {
        match self {
            Self::Scripted(_) | Self::Real { api_key: None, .. } => "none",
            Self::Real { api_key: Some(key), .. } => key,
        }
    }

    /// What the banner says.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Scripted(_) => "scripted rules, NOT a language model (they stand in for one)".to_owned(),
            Self::Real { base_url, name, .. } => format!("{name} at {base_url}"),
        }
    }
}
