//! Update masks: which fields a request writes.
//!
//! An empty mask writes every writable field that is present in the message; `*` writes all of them, absent ones
//! included, which unsets those.

use super::Fields;

/// The fields of one message that callers may name.
pub(crate) struct Writable {
    /// Field path of the message within the request, such as `endpoint`.
    pub message: &'static str,
    pub paths: &'static [&'static str],
    pub output_only: &'static [&'static str],
}

/// What a mask says.
#[derive(Debug, Clone)]
pub(crate) enum Mask {
    /// Whatever is present.
    Present,
    Named(Vec<String>),
    All,
}

impl Mask {
    pub(crate) fn read(fields: &mut Fields, writable: &Writable, mask: Option<&prost_types::FieldMask>) -> Self {
        let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
        match paths {
            [] => return Self::Present,
            [star] if star == "*" => return Self::All,
            _ => {}
        }
        for path in paths {
            check(fields, writable, path);
        }
        Self::Named(paths.to_vec())
    }

    /// True when the field is to be written, be it with its value or, when it is absent, unset.
    pub(crate) fn writes(&self, path: &str, present: bool) -> bool {
        match self {
            Self::Present => present,
            Self::Named(paths) => paths.iter().any(|named| named == path),
            Self::All => true,
        }
    }
}

fn check(fields: &mut Fields, writable: &Writable, path: &str) {
    if writable.paths.contains(&path) {
        return;
    }
    let message = writable.message;
    let wrong = if writable.output_only.contains(&path) {
        format!("{message}.{path} is output only")
    } else {
        format!("{path:?} is not one of: {}", writable.paths.join(", "))
    };
    fields.push("update_mask", wrong);
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITABLE: Writable = Writable {
        message: "job",
        paths: &["name", "description"],
        output_only: &["id"],
    };

    fn read(paths: &[&str]) -> (Mask, Vec<String>) {
        let mut fields = Fields::default();
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let mask = Mask::read(&mut fields, &WRITABLE, Some(&prost_types::FieldMask { paths }));
        let wrong = fields
            .into_violations()
            .into_iter()
            .map(|violation| violation.description);
        (mask, wrong.collect())
    }

    #[test]
    fn an_empty_mask_writes_what_is_present() {
        let (mask, wrong) = read(&[]);
        assert!(wrong.is_empty());
        assert!(mask.writes("name", true) && !mask.writes("name", false));
    }

    #[test]
    fn a_named_field_is_written_present_or_not_and_others_are_not() {
        let (mask, wrong) = read(&["name"]);
        assert!(wrong.is_empty());
        assert!(mask.writes("name", false) && !mask.writes("description", true));
    }

    #[test]
    fn a_star_writes_everything_and_stands_alone() {
        let (mask, wrong) = read(&["*"]);
        assert!(wrong.is_empty() && mask.writes("name", false));
        assert_eq!(read(&["*", "name"]).1.len(), 1);
    }

    #[test]
    fn each_wrong_path_is_told() {
        let (_, wrong) = read(&["id", "name", "nonsense"]);
        assert_eq!(
            wrong,
            ["job.id is output only", "\"nonsense\" is not one of: name, description"]
        );
    }
}
