//! Chat completions of any OpenAI-compatible server, through async-openai.
//!
//! Built by the binary, asked through [`Model`]. Takes base URL and key as arguments and never from `OPENAI_*` variables.
//! One request per ask: pauses and repeats are the circuit's and the scheduler's business.

use std::time::Duration;

use async_openai::{
    Client,
    config::OpenAIConfig,
    error::OpenAIError,
    types::chat::{
        ChatChoice, ChatCompletionRequestAssistantMessage, ChatCompletionRequestMessage,
        ChatCompletionRequestSystemMessage, ChatCompletionRequestUserMessage, CompletionUsage,
        CreateChatCompletionRequest, CreateChatCompletionResponse, FinishReason, ResponseFormat,
        ResponseFormatJsonSchema,
    },
};
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{ErrorKind, Message, Model, ModelError, Reply, Role, Usage, transport::SingleAttempt};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The schema's name in the request.
const SCHEMA_NAME: &str = "plan";

/// Where the model is and how it is asked.
#[derive(Debug, Clone)]
pub struct OpenAiConfig {
    /// Such as `https://api.openai.com/v1`, without a slash at the end.
    pub base_url: String,
    /// Visible ASCII only.
    pub api_key: SecretString,
    pub model: String,
    /// Left out of the request when absent: some models refuse it.
    pub temperature: Option<f32>,
}

/// A model behind an OpenAI-compatible server.
#[derive(Debug)]
pub struct OpenAiModel {
    client: Client<OpenAIConfig>,
    model: String,
    temperature: Option<f32>,
}

impl OpenAiModel {
    /// Connects lazily. A TLS provider must have been installed.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(config: OpenAiConfig) -> Result<Self, reqwest::Error> {
        // A redirect would send the prompt to an address that nobody configured.
        let builder = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT);
        let http = builder.redirect(reqwest::redirect::Policy::none()).build()?;
        let api = OpenAIConfig::new()
            .with_api_base(config.base_url)
            .with_api_key(config.api_key.expose_secret())
            .with_org_id("")
            .with_project_id("");
        let client = Client::build(http.clone(), api).with_http_service(SingleAttempt::new(http));
        Ok(Self {
            client,
            model: config.model,
            temperature: config.temperature,
        })
    }

    fn request(&self, messages: &[Message], schema: &Value) -> CreateChatCompletionRequest {
        CreateChatCompletionRequest {
            model: self.model.clone(),
            messages: messages.iter().map(wire_message).collect(),
            response_format: Some(strict_format(schema)),
            temperature: self.temperature,
            ..Default::default()
        }
    }
}

#[async_trait]
impl Model for OpenAiModel {
    fn name(&self) -> &str {
        &self.model
    }

    async fn ask(&self, messages: &[Message], schema: &Value, timeout: Duration) -> Result<Reply, ModelError> {
        let request = self.request(messages, schema);
        let asked = tokio::time::timeout(timeout, self.client.chat().create(request)).await;
        let response = asked.map_err(|_| timed_out(timeout))?.map_err(model_error)?;
        read_response(response)
    }
}

fn wire_message(message: &Message) -> ChatCompletionRequestMessage {
    let content = message.content.as_str();
    match message.role {
        Role::System => ChatCompletionRequestSystemMessage::from(content).into(),
        Role::User => ChatCompletionRequestUserMessage::from(content).into(),
        Role::Assistant => ChatCompletionRequestAssistantMessage::from(content).into(),
    }
}

fn strict_format(schema: &Value) -> ResponseFormat {
    let json_schema = ResponseFormatJsonSchema {
        name: SCHEMA_NAME.to_owned(),
        description: None,
        schema: schema.clone(),
        strict: Some(true),
    };
    ResponseFormat::JsonSchema { json_schema }
}

fn timed_out(timeout: Duration) -> ModelError {
    ModelError::new(
        ErrorKind::Timeout,
        format!("the model gave no complete answer within {timeout:?}"),
    )
}

fn model_error(error: OpenAIError) -> ModelError {
    let error = match error {
        OpenAIError::Boxed(boxed) => match boxed.downcast::<ModelError>() {
            Ok(own) => return *own,
            Err(other) => OpenAIError::Boxed(other),
        },
        other => other,
    };
    let raw = match &error {
        OpenAIError::JSONDeserialize(_, body) => body.clone(),
        _ => String::new(),
    };
    let message = "the model server's response is not a chat completion".to_owned();
    ModelError {
        raw,
        ..ModelError::new(ErrorKind::BadResponse, message)
    }
}

fn read_response(response: CreateChatCompletionResponse) -> Result<Reply, ModelError> {
    let usage = response.usage.map(usage_of).unwrap_or_default();
    let Some(choice) = response.choices.into_iter().next() else {
        return Err(without_answer(
            ErrorKind::Empty,
            "the response has no choices",
            String::new(),
            usage,
        ));
    };
    read_choice(choice, usage)
}

fn read_choice(choice: ChatChoice, usage: Usage) -> Result<Reply, ModelError> {
    let text = choice.message.content.unwrap_or_default();
    if let Some(refusal) = choice.message.refusal.filter(|refusal| !refusal.is_empty()) {
        return Err(without_answer(
            ErrorKind::Refused,
            "the model refused to answer",
            refusal,
            usage,
        ));
    }
    match choice.finish_reason {
        Some(FinishReason::Length) => Err(without_answer(
            ErrorKind::Truncated,
            "the answer was cut off at a token limit",
            text,
            usage,
        )),
        Some(FinishReason::ContentFilter) => Err(without_answer(
            ErrorKind::Refused,
            "a content filter withheld the answer",
            text,
            usage,
        )),
        _ if text.trim().is_empty() => Err(without_answer(ErrorKind::Empty, "the answer has no text", text, usage)),
        _ => Ok(Reply { text, usage }),
    }
}

fn usage_of(usage: CompletionUsage) -> Usage {
    Usage {
        input_tokens: usage.prompt_tokens.into(),
        output_tokens: usage.completion_tokens.into(),
    }
}

fn without_answer(kind: ErrorKind, message: &str, raw: String, usage: Usage) -> ModelError {
    ModelError {
        raw,
        usage,
        ..ModelError::new(kind, message)
    }
}
