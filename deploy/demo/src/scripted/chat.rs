//! The wire form of OpenAI chat completions, as far as the scripted model needs it.
//!
//! Responses carry every field that strict clients insist on. Token counts are estimates: a quarter of the characters.

use serde::Deserialize;
use serde_json::{Value, json};

use super::MODEL_NAME;

/// The part of a request that is looked at.
#[derive(Debug, Deserialize)]
pub(super) struct Request {
    messages: Vec<Message>,
    #[serde(default)]
    pub(super) stream: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    content: Option<Content>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    text: Option<String>,
}

impl Request {
    /// The last user message that holds a situation, else the last user message: a repair round may only say what was
    /// wrong with the answer.
    pub(super) fn situation_message(&self) -> Option<String> {
        let mut texts = self
            .messages
            .iter()
            .rev()
            .filter(|message| message.role == "user")
            .map(Message::text);
        let last = texts.next()?;
        if last.contains("<situation>") {
            Some(last)
        } else {
            texts.find(|text| text.contains("<situation>")).or(Some(last))
        }
    }

    fn characters(&self) -> usize {
        self.messages.iter().map(|message| message.text().chars().count()).sum()
    }
}

impl Message {
    fn text(&self) -> String {
        match &self.content {
            None => String::new(),
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => parts.iter().filter_map(|part| part.text.as_deref()).collect(),
        }
    }
}

/// A `chat.completion` with this content; `created` is in seconds since 1970.
pub(super) fn completion(request: &Request, content: &str, created: u64) -> Value {
    let (prompt, answer) = (
        estimated_tokens(request.characters()),
        estimated_tokens(content.chars().count()),
    );
    json!({
        "id": format!("scripted-{created}"),
        "object": "chat.completion",
        "created": created,
        "model": MODEL_NAME,
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": content, "refusal": null },
            "finish_reason": "stop",
            "logprobs": null
        }],
        "usage": { "prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer }
    })
}

/// The list of the one model there is.
pub(super) fn models() -> Value {
    json!({
        "object": "list",
        "data": [{ "id": MODEL_NAME, "object": "model", "created": 0, "owned_by": "a rule file" }]
    })
}

/// An error in OpenAI's form.
pub(super) fn error(message: &str, kind: &str) -> Value {
    json!({ "error": { "message": message, "type": kind, "param": null, "code": null } })
}

fn estimated_tokens(characters: usize) -> usize {
    characters.div_ceil(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message_of(messages: Value) -> Option<String> {
        let request: Request = serde_json::from_value(json!({ "model": "any", "messages": messages })).unwrap();
        request.situation_message()
    }

    #[test]
    fn the_last_user_message_counts_and_parts_are_joined() {
        let parts = json!([{ "type": "text", "text": "<situ" }, { "type": "text", "text": "ation>" }]);
        let messages = json!([
            { "role": "system", "content": "<situation>" },
            { "role": "user", "content": "<situation>old" },
            { "role": "user", "content": parts }
        ]);
        assert_eq!(message_of(messages).unwrap(), "<situation>");
    }

    #[test]
    fn a_repair_round_without_a_situation_falls_back_to_the_one_before() {
        let messages = json!([
            { "role": "user", "content": "<situation>{}" },
            { "role": "assistant", "content": "nonsense" },
            { "role": "user", "content": "that was not JSON" }
        ]);
        assert_eq!(message_of(messages).unwrap(), "<situation>{}");
        assert_eq!(message_of(json!([{ "role": "system", "content": "hi" }])), None);
    }
}
