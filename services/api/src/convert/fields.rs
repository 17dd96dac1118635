//! Reads the fields of one request and collects everything that is wrong with them.

use std::time::Duration;

use baton_domain::{
    error::{Error, Violation, Violations},
    time::Timestamp,
};
use uuid::Uuid;

use super::time;

/// The length of a UUID in its one accepted form, with hyphens.
const UUID_CHARS: usize = 36;

/// What is wrong with the fields read so far.
#[derive(Debug, Default)]
pub(crate) struct Fields(Violations);

impl Fields {
    /// A required id; the nil id stands in for one that cannot be read.
    pub(crate) fn id<T>(&mut self, field: &str, text: &str, wrap: fn(Uuid) -> T) -> T {
        match Uuid::parse_str(text) {
            Ok(id) if text.len() == UUID_CHARS => wrap(id),
            Ok(_) | Err(_) => {
                self.push(field, "must be a UUID");
                wrap(Uuid::nil())
            }
        }
    }

    /// An id that may be absent. An empty one is a mistake: an absent filter and an empty one are not the same.
    pub(crate) fn optional_id<T>(&mut self, field: &str, text: Option<&str>, wrap: fn(Uuid) -> T) -> Option<T> {
        text.map(|text| self.id(field, text, wrap))
    }

    /// An id whose empty form means none.
    pub(crate) fn id_or_none<T>(&mut self, field: &str, text: &str, wrap: fn(Uuid) -> T) -> Option<T> {
        (!text.is_empty()).then(|| self.id(field, text, wrap))
    }

    /// A duration of zero or more, in whole microseconds. `None` when absent, and when it cannot be read.
    pub(crate) fn duration(&mut self, field: &str, value: Option<&prost_types::Duration>) -> Option<Duration> {
        match time::read_duration(value?) {
            Ok(duration) => Some(duration),
            Err(wrong) => {
                self.push(field, wrong);
                None
            }
        }
    }

    /// An instant of the years 1 to 9999, in whole microseconds. `None` when absent, and when it cannot be read.
    pub(crate) fn timestamp(&mut self, field: &str, value: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
        match time::read_timestamp(value?) {
            Ok(at) => Some(at),
            Err(wrong) => {
                self.push(field, wrong);
                None
            }
        }
    }

    /// A number of zero or more; zero stands in for a negative one.
    pub(crate) fn unsigned<Signed, T: TryFrom<Signed> + Default>(&mut self, field: &str, value: Signed) -> T {
        T::try_from(value).unwrap_or_else(|_| {
            self.push(field, "must not be negative");
            T::default()
        })
    }

    /// A part that must be there.
    pub(crate) fn require<T>(&mut self, field: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.push(field, "must be present");
        }
        value
    }

    pub(crate) fn push(&mut self, field: &str, description: impl Into<String>) {
        self.0.push(field, description);
    }

    /// Everything found, for a draft to carry on to the domain's own check.
    pub(crate) fn into_violations(self) -> Vec<Violation> {
        self.0.into_vec()
    }

    /// Fails with everything found, if anything was.
    pub(crate) fn done(self) -> Result<(), Error> {
        self.0.into_result()
    }

    /// The error that everything found amounts to, and what `rest` finds wrong with the fields that could be read.
    pub(crate) fn refusal_with(mut self, rest: impl FnOnce(&mut Violations)) -> Error {
        rest(&mut self.0);
        self.refusal()
    }

    /// Like [`Fields::done`]; a failure also tells what `rest` finds wrong with the fields that could be read.
    pub(crate) fn done_or(self, rest: impl FnOnce(&mut Violations)) -> Result<(), Error> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.refusal_with(rest))
        }
    }

    /// True when nothing was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The error that everything found amounts to.
    pub(crate) fn refusal(self) -> Error {
        Error::Invalid(self.into_violations())
    }
}

/// Reads fields whose bounds the domain does not know.
pub(crate) fn read<T>(read: impl FnOnce(&mut Fields) -> T) -> Result<T, Error> {
    let mut fields = Fields::default();
    let value = read(&mut fields);
    fields.done()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use baton_domain::ids::JobId;

    use super::*;

    fn wrong(read: impl FnOnce(&mut Fields)) -> Vec<String> {
        let mut fields = Fields::default();
        read(&mut fields);
        let found = fields.into_violations();
        found.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        let good = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert!(wrong(|fields| assert_eq!(fields.id("id", good, JobId).to_string(), good)).is_empty());
        for text in [
            "",
            "nonsense",
            "01890a5dac96774bbcceb302099a8057",
            "{01890a5d-ac96-774b-bcce-b302099a8057}",
        ] {
            assert_eq!(wrong(|fields| _ = fields.id("id", text, JobId)), ["id"], "{text}");
        }
    }

    #[test]
    fn an_empty_id_is_none_only_where_that_is_its_meaning() {
        assert!(wrong(|fields| assert_eq!(fields.id_or_none("id", "", JobId), None)).is_empty());
        assert!(wrong(|fields| assert_eq!(fields.optional_id("id", None, JobId), None)).is_empty());
        assert_eq!(wrong(|fields| _ = fields.optional_id("id", Some(""), JobId)), ["id"]);
    }

    #[test]
    fn negative_numbers_are_refused() {
        assert_eq!(
            wrong(|fields| assert_eq!(fields.unsigned::<i32, u32>("n", -1), 0)),
            ["n"]
        );
        assert!(wrong(|fields| assert_eq!(fields.unsigned::<i64, u64>("n", i64::MAX), u64::MAX / 2)).is_empty());
    }

    #[test]
    fn the_rest_is_told_only_beside_something_unreadable() {
        let rest = |violations: &mut Violations| violations.push("rest", "is wrong");
        assert!(Fields::default().done_or(rest).is_ok());
        let mut fields = Fields::default();
        fields.push("first", "is wrong");
        let Err(Error::Invalid(found)) = fields.done_or(rest) else {
            panic!("must be refused");
        };
        let names: Vec<&str> = found.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(names, ["first", "rest"]);
    }
}
