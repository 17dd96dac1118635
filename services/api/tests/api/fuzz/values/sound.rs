//! Values that make sense, by the name of the field and of the message it stands in.
//!
//! A new field that must hold something special (an id of a new kind, a word of a fixed set) gets a line here.

use proptest::{collection::vec, prelude::*, sample::select};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

use super::super::stage::Properties;

pub fn value(properties: &Properties, field: &FieldDescriptor) -> Option<BoxedStrategy<Value>> {
    Some(match field.kind() {
        Kind::String => text(properties, field).prop_map(Value::String).boxed(),
        Kind::Int32 => whole(field).prop_map(Value::I32).boxed(),
        Kind::Int64 => revision(properties, field).prop_map(Value::I64).boxed(),
        Kind::Double => (-1e6..1e6).prop_map(Value::F64).boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::Bytes => Just(Value::Bytes("{}".into())).boxed(),
        Kind::Enum(numbers) => {
            let numbers: Vec<i32> = numbers
                .values()
                .map(|value| value.number())
                .filter(|&n| n != 0)
                .collect();
            select(numbers).prop_map(Value::EnumNumber).boxed()
        }
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" => instant(properties.now, field, message),
            "google.protobuf.Duration" => duration(field, message),
            "google.protobuf.FieldMask" => mask(field, message),
            _ => return None,
        },
        _ => return None,
    })
}

fn text(properties: &Properties, field: &FieldDescriptor) -> BoxedStrategy<String> {
    if let Some(ids) = ids(properties, field) {
        return select(ids.clone()).boxed();
    }
    if field.name() == "page_token" {
        return select(properties.page_tokens.clone()).boxed();
    }
    let words: &[&'static str] = match field.name() {
        "url" => &["https://shop.example/hook", "http://10.0.0.1:8080/?a=b"],
        "method" => &["GET", "POST", "PUT", "DELETE"],
        "expression" => &["*/5 * * * *", "0 12 * * 1-5", "30 0 3 * * *"],
        "time_zone" => &["", "Europe/Berlin", "America/New_York"],
        "source" => &["baseline", "ai-hint", "manual", "test"],
        "verdict" => &["not-json", "model-timeout"],
        "value" => &["a value", ""],
        "etag" => &["1", "2"],
        "request_id" => &["one", "two", "three"],
        "prompt_digest" => &["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
        _ => &["shop", "surge", "orders are coming in"],
    };
    select(words.to_vec()).prop_map(str::to_owned).boxed()
}

/// The ids that the field may name, if it names any.
fn ids<'a>(properties: &'a Properties, field: &FieldDescriptor) -> Option<&'a Vec<String>> {
    let kind = match field.name() {
        "id" => field.parent_message().name().to_lowercase(),
        name if name.ends_with("_id") || name.ends_with("_ids") => name.replace('_', ""),
        _ => return None,
    };
    let kinds = [
        ("requestid", None),
        ("endpoint", Some(&properties.endpoints)),
        ("failures", Some(&properties.endpoints)),
        ("sale", Some(&properties.sales)),
        ("plan", Some(&properties.plans)),
        ("run", Some(&properties.runs)),
        ("job", Some(&properties.jobs)),
    ];
    kinds.into_iter().find(|(word, _)| kind.contains(word))?.1
}

fn whole(field: &FieldDescriptor) -> BoxedStrategy<i32> {
    match field.name() {
        "wave" if field.parent_message().name() == "AdvancePlanRequest" => (2..4).boxed(),
        "wave" => (1..3).boxed(),
        "max_response_bytes" => (0..1_000_000).boxed(),
        _ => (1..20).boxed(),
    }
}

fn revision(properties: &Properties, field: &FieldDescriptor) -> BoxedStrategy<i64> {
    match field.name() {
        "definition_revision" => Just(properties.definition_revision).boxed(),
        "context_revision" => (0..=properties.context_revision).boxed(),
        _ => (0..1_000_i64).boxed(),
    }
}

fn instant(now: i64, field: &FieldDescriptor, message: MessageDescriptor) -> BoxedStrategy<Value> {
    let ahead = match field.name() {
        "start_time" | "from_time" => -3_600..0_i64,
        _ => 1..1_800,
    };
    seconds(ahead.prop_map(move |ahead| now + ahead).boxed(), message)
}

fn duration(field: &FieldDescriptor, message: MessageDescriptor) -> BoxedStrategy<Value> {
    let range = match field.name() {
        "min_interval" | "base_delay" => 1..5_i64,
        "max_interval" | "ttl" => 4_000..8_000,
        "delay" | "one_shot_delay" | "cooldown" | "timeout" => 1..60,
        "max_delay" => 60..600,
        _ => 60..1_800,
    };
    seconds(range.boxed(), message)
}

fn seconds(range: BoxedStrategy<i64>, message: MessageDescriptor) -> BoxedStrategy<Value> {
    let made = move |seconds| {
        let mut made = DynamicMessage::new(message.clone());
        made.set_field_by_name("seconds", Value::I64(seconds));
        Value::Message(made)
    };
    range.prop_map(made).boxed()
}

/// Fields of the resource that stands beside the mask, those among them that a caller may write.
fn mask(field: &FieldDescriptor, message: MessageDescriptor) -> BoxedStrategy<Value> {
    let writable: &[&'static str] = match field.parent_message().name() {
        "UpdateJobRequest" => &["name", "description"],
        "UpdateEndpointRequest" => &["name", "description", "request", "cron", "interval", "timeout", "retry"],
        _ => &["name", "description", "phase", "signals", "end_time"],
    };
    let made = move |paths: Vec<&str>| {
        let mut made = DynamicMessage::new(message.clone());
        let paths = paths.into_iter().map(|path| Value::String(path.to_owned())).collect();
        made.set_field_by_name("paths", Value::List(paths));
        Value::Message(made)
    };
    vec(select(writable.to_vec()), 0..4).prop_map(made).boxed()
}
