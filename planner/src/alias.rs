//! Short names for a job's endpoints: `e1`, `e2`, … in the order of the context.
//!
//! The prompt shows them in place of ids, which never leave; the check resolves them. Both number the same context.

/// The alias of the endpoint at this position.
pub fn at(index: usize) -> String {
    format!("e{}", index + 1)
}

/// The aliases of so many endpoints, in order.
pub fn first(count: usize) -> Vec<String> {
    (0..count).map(at).collect()
}

/// The position behind an alias, if it is one of the first `count`. Only the exact form counts: not `E1`, `e01` or `e+1`.
pub fn index_of(alias: &str, count: usize) -> Option<usize> {
    let index = alias.strip_prefix('e')?.parse::<usize>().ok()?.checked_sub(1)?;
    (index < count && at(index) == alias).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_leads_back_to_its_position() {
        for (index, alias) in first(12).iter().enumerate() {
            assert_eq!(index_of(alias, 12), Some(index));
        }
    }

    #[test]
    fn only_the_exact_form_counts() {
        for alias in [
            "",
            "e",
            "e0",
            "e13",
            "E1",
            "e01",
            "e+1",
            " e1",
            "1",
            "e1 ",
            "e99999999999999999999",
        ] {
            assert_eq!(index_of(alias, 12), None, "{alias}");
        }
    }
}
