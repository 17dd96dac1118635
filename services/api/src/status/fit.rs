//! Keeps a status small enough to arrive: it travels in HTTP/2 headers, and clients take 8 KiB of them at most (gRPC's core
//! and Java by default; others take more). A larger one would reach the caller as a broken connection, without its code.

use baton_domain::error::Violation;
use tonic_types::FieldViolation;

/// Of the message, which is sent twice: within the details, and as text in which one byte may become three.
const MESSAGE_BYTES: usize = 256;
/// Of a violation's path, which may hold a name that the caller chose.
const FIELD_BYTES: usize = 160;
/// Of a violation's sentence, which may repeat what the caller sent.
const DESCRIPTION_BYTES: usize = 512;
/// Of all violations; they are sent in base64, beside the message and the names of the details' types.
const VIOLATIONS_BYTES: usize = 4_400;
/// What the encoding adds to each.
const VIOLATION_OVERHEAD: usize = 8;

/// The message, cut if need be.
pub(super) fn message(text: String) -> String {
    cut(text, MESSAGE_BYTES)
}

/// The violations that fit, in their order; the last one then says how many are left out.
pub(super) fn violations(found: Vec<Violation>) -> Vec<FieldViolation> {
    let total = found.len();
    let mut fitting: Vec<FieldViolation> = Vec::with_capacity(total);
    let mut bytes = 0;
    for violation in found {
        let field = cut(violation.field, FIELD_BYTES);
        let description = cut(violation.description, DESCRIPTION_BYTES);
        bytes += field.len() + description.len() + VIOLATION_OVERHEAD;
        if bytes > VIOLATIONS_BYTES {
            let left_out = total - fitting.len();
            fitting.push(FieldViolation::new(field, left_out_text(left_out)));
            return fitting;
        }
        fitting.push(FieldViolation::new(field, description));
    }
    fitting
}

fn left_out_text(count: usize) -> String {
    format!("is wrong too: from here on {count} violation(s) do not fit into one answer")
}

fn cut(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        let mark = "…";
        text.truncate(text.floor_char_boundary(bytes - mark.len()));
        text.push_str(mark);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violation(field: &str, description: &str) -> Violation {
        Violation {
            field: field.to_owned(),
            description: description.to_owned(),
        }
    }

    #[test]
    fn what_fits_is_left_alone() {
        let found = violations(vec![violation("a", "is wrong"), violation("b.c", "is wrong too")]);
        let told: Vec<_> = found
            .iter()
            .map(|told| (told.field.as_str(), told.description.as_str()))
            .collect();
        assert_eq!(told, [("a", "is wrong"), ("b.c", "is wrong too")]);
        assert_eq!(message("short".to_owned()), "short");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let found = violations(vec![violation(&"界".repeat(200), &"ß".repeat(500))]);
        assert_eq!(found[0].field, "界".repeat(52) + "…");
        assert_eq!(found[0].description, "ß".repeat(254) + "…");
        assert_eq!(message("x".repeat(257)), "x".repeat(253) + "…");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let many = (0..500).map(|index| violation(&format!("steps[{index}].wave"), "must be 1 to 8"));
        let found = violations(many.collect());
        let last = found.last().expect("some fit");
        assert_eq!(last.field, format!("steps[{}].wave", found.len() - 1));
        assert_eq!(last.description, left_out_text(500 - (found.len() - 1)));
        assert!(found.len() > 100, "{}", found.len());
    }
}
