//! Requests of any message type, made by its descriptor: sound ones, sound ones with slips, and wild ones.
//!
//! Which fields are there, and how many entries a list has, is chance too. What a field holds is `values`' business.

use std::{collections::HashMap, fmt};

use proptest::{collection::vec, prelude::*, strategy::Union};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value};

use super::{stage::Properties, values::Values};

/// Deeper messages are left empty.
const DEPTH: usize = 6;

/// How sensible a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    Sound,
    /// Now and then a field is wild.
    Slips,
    Wild,
}

impl Care {
    /// How many fields of a hundred hold something wild.
    fn wild_percent(self) -> u32 {
        match self {
            Self::Sound => 0,
            Self::Slips => 10,
            Self::Wild => 70,
        }
    }

    /// The most entries of a list or map.
    fn entries(self) -> usize {
        match self {
            Self::Sound | Self::Slips => 3,
            Self::Wild => 70,
        }
    }
}

/// A request; shown as text, field by field.
#[derive(Clone)]
pub struct Sent(pub DynamicMessage);

impl fmt::Debug for Sent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} {{ {} }}",
            self.0.descriptor().name(),
            self.0.to_text_format()
        )
    }
}

/// Makes requests out of what the stage has.
pub struct Requests {
    values: Values,
}

type Part = Option<(FieldDescriptor, Value)>;

impl Requests {
    pub fn new(properties: Properties) -> Self {
        Self {
            values: Values::new(properties),
        }
    }

    pub fn of(&self, message: &MessageDescriptor) -> BoxedStrategy<Sent> {
        prop_oneof![
            5 => self.message(message, Care::Sound, 0),
            4 => self.message(message, Care::Slips, 0),
            1 => self.message(message, Care::Wild, 0),
        ]
        .prop_map(Sent)
        .boxed()
    }

    fn message(&self, message: &MessageDescriptor, care: Care, depth: usize) -> BoxedStrategy<DynamicMessage> {
        if depth > DEPTH {
            return Just(DynamicMessage::new(message.clone())).boxed();
        }
        let choices = message.oneofs().filter(|oneof| !oneof.is_synthetic());
        let chosen = choices.map(|oneof| {
            let fields = oneof.fields().map(|field| self.part(&field, care, depth));
            Union::new(fields).boxed()
        });
        let is_single = |field: &FieldDescriptor| field.containing_oneof().is_none_or(|oneof| oneof.is_synthetic());
        let single = message
            .fields()
            .filter(is_single)
            .map(|field| self.part(&field, care, depth));
        let parts: Vec<BoxedStrategy<Part>> = chosen.chain(single).collect();
        let empty = DynamicMessage::new(message.clone());
        parts.prop_map(move |parts| assembled(&empty, parts)).boxed()
    }

    fn part(&self, field: &FieldDescriptor, care: Care, depth: usize) -> BoxedStrategy<Part> {
        let present = match care {
            Care::Sound | Care::Slips => self.values.presence(field),
            Care::Wild => 0.5,
        };
        let named = field.clone();
        let value = self.field(field, care, depth);
        proptest::option::weighted(present, value.prop_map(move |value| (named.clone(), value))).boxed()
    }

    fn field(&self, field: &FieldDescriptor, care: Care, depth: usize) -> BoxedStrategy<Value> {
        if let Kind::Message(entry) = field.kind()
            && field.is_map()
        {
            let entry = entry.map_entry_value_field();
            let values = vec((self.values.key(), self.single(&entry, care, depth)), 0..care.entries());
            let to_map = |pairs: Vec<(String, Value)>| {
                let pairs = pairs.into_iter().map(|(key, value)| (MapKey::String(key), value));
                Value::Map(pairs.collect::<HashMap<MapKey, Value>>())
            };
            return values.prop_map(to_map).boxed();
        }
        let single = self.single(field, care, depth);
        if field.is_list() {
            vec(single, 0..care.entries()).prop_map(Value::List).boxed()
        } else {
            single
        }
    }

    fn single(&self, field: &FieldDescriptor, care: Care, depth: usize) -> BoxedStrategy<Value> {
        let sound = self.values.sound(field).unwrap_or_else(|| match field.kind() {
            Kind::Message(message) => self.message(&message, care, depth + 1).prop_map(Value::Message).boxed(),
            _ => self
                .values
                .wild(field)
                .expect("only messages have no values of their own"),
        });
        match (care.wild_percent(), self.values.wild(field)) {
            (0, _) | (_, None) => sound,
            (percent, Some(wild)) => prop_oneof![100 - percent => sound, percent => wild].boxed(),
        }
    }
}

fn assembled(empty: &DynamicMessage, parts: Vec<Part>) -> DynamicMessage {
    let mut message = empty.clone();
    for (field, value) in parts.into_iter().flatten() {
        message.set_field(&field, value);
    }
    message
}
