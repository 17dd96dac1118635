//! What a field may hold: something sensible by its name, or anything that its type can carry.

mod sound;
mod wild;

use proptest::prelude::*;
use prost_reflect::{FieldDescriptor, Value};

use super::stage::Properties;

pub struct Values {
    properties: Properties,
}

impl Values {
    pub fn new(properties: Properties) -> Self {
        Self { properties }
    }

    /// How probable it is that somebody who means well sets the field.
    pub fn presence(&self, field: &FieldDescriptor) -> f64 {
        match field.name() {
            "etag" | "page_token" | "pause" | "verdict" if field.parent_message().name() != "FailPlanRequest" => 0.05,
            "statuses" | "status" | "source" | "from_time" | "to_time" | "body" | "headers" | "request_id" => 0.2,
            "job_id" | "endpoint_id" | "plan_id" if is_filter(field) => 0.3,
            _ => 0.9,
        }
    }

    pub fn key(&self) -> BoxedStrategy<String> {
        prop_oneof![
            9 => prop::sample::select(vec!["orders", "cart.value", "error_rate", "p99-latency"]).prop_map(str::to_owned),
            1 => wild::text(&self.properties),
        ]
        .boxed()
    }

    /// A value that makes sense; `None` for a message without one of its own, which is made of its fields.
    pub fn sound(&self, field: &FieldDescriptor) -> Option<BoxedStrategy<Value>> {
        sound::value(&self.properties, field)
    }

    /// Anything of the field's type; `None` for a message that is made of its fields.
    pub fn wild(&self, field: &FieldDescriptor) -> Option<BoxedStrategy<Value>> {
        wild::value(&self.properties, field)
    }
}

fn is_filter(field: &FieldDescriptor) -> bool {
    field.parent_message().name().starts_with("List")
}
