//! Values that no sensible caller sends: extremes, other kinds' ids, what is too long, what means nothing.

use proptest::{collection::vec, prelude::*, sample::select};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

use super::super::stage::Properties;

pub fn value(properties: &Properties, field: &FieldDescriptor) -> Option<BoxedStrategy<Value>> {
    Some(match field.kind() {
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => whole_32().prop_map(Value::I32).boxed(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => whole_64().prop_map(Value::I64).boxed(),
        Kind::Uint32 | Kind::Fixed32 => any::<u32>().prop_map(Value::U32).boxed(),
        Kind::Uint64 | Kind::Fixed64 => any::<u64>().prop_map(Value::U64).boxed(),
        Kind::Float => any::<f32>().prop_map(Value::F32).boxed(),
        Kind::Double => number().prop_map(Value::F64).boxed(),
        Kind::String => text(properties).prop_map(Value::String).boxed(),
        Kind::Bytes => bytes().prop_map(|bytes| Value::Bytes(bytes.into())).boxed(),
        Kind::Enum(_) => whole_32().prop_map(Value::EnumNumber).boxed(),
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" | "google.protobuf.Duration" => moment(message).boxed(),
            "google.protobuf.FieldMask" => mask(message, properties).boxed(),
            _ => return None,
        },
    })
}

fn whole_32() -> impl Strategy<Value = i32> {
    prop_oneof![
        select(vec![0, -1, 1, 51, 1_001, i32::MIN, i32::MAX]),
        -10..100_i32,
        any::<i32>()
    ]
}

fn whole_64() -> impl Strategy<Value = i64> {
    prop_oneof![select(vec![0, -1, 1, i64::MIN, i64::MAX]), -10..100_i64, any::<i64>()]
}

fn number() -> impl Strategy<Value = f64> {
    let special = vec![
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        f64::MIN,
        f64::MAX,
        f64::MIN_POSITIVE,
    ];
    prop_oneof![select(special), any::<f64>()]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => vec(any::<u8>(), 0..50),
        1 => Just(vec![0xff; 256 * 1_024 + 1]),
    ]
}

/// Ids of every kind and owner, tokens of every list, and texts that are too long, odd or empty.
pub fn text(properties: &Properties) -> BoxedStrategy<String> {
    let known: Vec<String> = [
        &properties.jobs,
        &properties.endpoints,
        &properties.runs,
        &properties.sales,
        &properties.plans,
        &properties.foreign,
        &properties.page_tokens,
    ]
    .into_iter()
    .flatten()
    .cloned()
    .collect();
    let upper = select(properties.jobs.clone()).prop_map(|id| id.to_uppercase());
    let braced = select(properties.jobs.clone()).prop_map(|id| format!("{{{id}}}"));
    prop_oneof![
        3 => select(known),
        1 => upper,
        1 => braced,
        3 => select(ODD.to_vec()).prop_map(str::to_owned),
        2 => (select(vec!['x', ' ', 'ß', '界', '\u{301}']), select(LENGTHS.to_vec())).prop_map(repeated),
        3 => vec(any::<char>(), 0..20).prop_map(String::from_iter),
    ]
    .boxed()
}

const ODD: [&str; 16] = [
    "",
    " ",
    "\0",
    "\r\nX-Injected: 1",
    "*",
    ".",
    "a.b.c.d.e.f.g",
    "-1",
    "\u{202e}drow",
    "🦀🦀🦀",
    "'; DROP TABLE jobs; --",
    "http://user:secret@host/",
    "ftp://host/",
    "http://[::1",
    "* * * * * * * *",
    "99999999999999999999",
];

/// Around the bounds of names, reasons, URLs and descriptions, and a good deal past them.
const LENGTHS: [usize; 9] = [64, 65, 128, 129, 255, 256, 1_001, 2_049, 4_001];

fn repeated((character, length): (char, usize)) -> String {
    std::iter::repeat_n(character, length).collect()
}

/// A Timestamp or a Duration: both are seconds and nanos.
fn moment(message: MessageDescriptor) -> impl Strategy<Value = Value> {
    let edges = vec![
        0,
        -1,
        1,
        -62_135_596_801,
        253_402_300_799,
        253_402_300_800,
        315_576_000_000,
        315_576_000_001,
        i64::MIN,
        i64::MAX,
    ];
    let seconds = prop_oneof![select(edges), -100_000..100_000_i64, any::<i64>()];
    let nanos = prop_oneof![
        3 => Just(0),
        1 => select(vec![-1, 1, 999, 999_999_999, 1_000_000_000, i32::MIN, i32::MAX]),
        1 => any::<i32>(),
    ];
    (seconds, nanos).prop_map(move |(seconds, nanos)| {
        let mut made = DynamicMessage::new(message.clone());
        made.set_field_by_name("seconds", Value::I64(seconds));
        made.set_field_by_name("nanos", Value::I32(nanos));
        Value::Message(made)
    })
}

fn mask(message: MessageDescriptor, properties: &Properties) -> impl Strategy<Value = Value> + use<> {
    let known = select(vec![
        "id",
        "name",
        "status",
        "create_time",
        "etag",
        "next_run",
        "state",
        "request.url",
        "*",
    ]);
    let path = prop_oneof![2 => known.prop_map(str::to_owned), 1 => text(properties)];
    vec(path, 0..5).prop_map(move |paths| {
        let mut made = DynamicMessage::new(message.clone());
        let paths = paths.into_iter().map(Value::String).collect();
        made.set_field_by_name("paths", Value::List(paths));
        Value::Message(made)
    })
}
