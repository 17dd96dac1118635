//! The shop that the engines call, without HTTP: each endpoint answers as the phase says, after a while.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use baton_demo::scenario::Phase;
use baton_domain::{
    call::{CallOutcome, Dispatcher, HttpCall},
    ids::RunId,
};
use serde_json::Value;

/// How long every call takes.
const CALL: Duration = Duration::from_millis(750);

/// Shared by every engine.
#[derive(Default)]
pub struct Shop {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    responses: BTreeMap<String, Value>,
    /// Sent in the place of whatever any endpoint would answer.
    injected: Option<String>,
    calls: BTreeMap<RunId, usize>,
}

impl Shop {
    pub fn open(injected: Option<&str>) -> Arc<Self> {
        let shop = Self::default();
        shop.with(|state| state.injected = injected.map(str::to_owned));
        Arc::new(shop)
    }

    /// Where this endpoint is called.
    pub fn url_of(endpoint: &str) -> String {
        format!("http://shop.example/{endpoint}")
    }

    pub fn enter(&self, phase: &Phase) {
        self.with(|state| state.responses.clone_from(&phase.responses));
    }

    /// How often each run was called.
    pub fn calls(&self) -> BTreeMap<RunId, usize> {
        self.with(|state| state.calls.clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// With an injected text beside the figures, as a compromised service would send it.
    fn answer(&mut self, call: &HttpCall) -> Vec<u8> {
        *self.calls.entry(call.run_id).or_default() += 1;
        let endpoint = call.request.url.rsplit('/').next().unwrap_or_default();
        let mut answer = self.responses.get(endpoint).cloned().unwrap_or_default();
        if let (Some(text), Some(fields)) = (&self.injected, answer.as_object_mut()) {
            fields.insert("message".to_owned(), Value::String(text.clone()));
        }
        answer.to_string().into_bytes()
    }
}

#[async_trait]
impl Dispatcher for Shop {
    async fn call(&self, call: HttpCall) -> CallOutcome {
        let response = self.with(|state| state.answer(&call));
        tokio::time::sleep(CALL).await;
        CallOutcome {
            duration: CALL,
            status_code: Some(200),
            response,
            ..CallOutcome::default()
        }
    }
}
