//! A model that answers what the test has put into its script.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};

use crate::model::{Message, Model, ModelError, Reply, Usage};

/// An answer that does nothing.
pub(crate) const NOTHING_TO_DO: &str = r#"{"assessment":"calm","steps":[],"hints":[],"review_after_s":120}"#;
/// One step for the second endpoint of [`super::contexts::context`].
pub(crate) const ONE_STEP: &str = r#"{"assessment":"pages are slow","steps":[
    {"endpoint":"e2","wave":1,"delay_s":0,"reason":"warm the cache"}],"hints":[],"review_after_s":120}"#;

/// What every reply of the double costs.
pub(crate) const USAGE: Usage = Usage {
    input_tokens: 100,
    output_tokens: 10,
};

/// Answers from the script, then [`NOTHING_TO_DO`] for ever.
pub(crate) struct ScriptedModel {
    script: Mutex<VecDeque<Result<String, ModelError>>>,
    asked: mpsc::UnboundedSender<Vec<Message>>,
    /// One permit per answer that may be given.
    answers: Semaphore,
}

impl ScriptedModel {
    /// The receiver gets the messages of every request as it comes.
    pub(crate) fn new<T: Into<String>>(
        script: impl IntoIterator<Item = Result<T, ModelError>>,
    ) -> (Self, mpsc::UnboundedReceiver<Vec<Message>>) {
        let (asked, requests) = mpsc::unbounded_channel();
        let script = Mutex::new(script.into_iter().map(|answer| answer.map(Into::into)).collect());
        (
            Self {
                script,
                asked,
                answers: Semaphore::new(Semaphore::MAX_PERMITS),
            },
            requests,
        )
    }

    /// The same, but every answer waits for [`ScriptedModel::release`].
    pub(crate) fn held() -> (Self, mpsc::UnboundedReceiver<Vec<Message>>) {
        let (model, requests) = Self::new::<String>([]);
        (
            Self {
                answers: Semaphore::new(0),
                ..model
            },
            requests,
        )
    }

    /// Lets one answer out.
    pub(crate) fn release(&self) {
        self.answers.add_permits(1);
    }
}

#[async_trait]
impl Model for ScriptedModel {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn ask(&self, messages: &[Message], _: &Value, _: Duration) -> Result<Reply, ModelError> {
        self.asked.send(messages.to_vec()).ok();
        self.answers.acquire().await.unwrap().forget();
        let answer = self
            .script
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or_else(|| Ok(NOTHING_TO_DO.to_owned()));
        answer.map(|text| Reply { text, usage: USAGE })
    }
}
