//! A partial order of endpoints: what must come before what, made transitive.
//!
//! Used to hold case files to sense, to build the oracle's waves and to judge answers. Knows names only.

use std::collections::{BTreeMap, BTreeSet};

/// The transitive closure of `[before, after]` pairs.
#[derive(Debug, Clone, Default)]
pub struct Precedence {
    pairs: BTreeSet<(String, String)>,
}

impl Precedence {
    /// The order that these pairs span.
    pub fn of(given: &[(String, String)]) -> Self {
        let mut pairs: BTreeSet<(String, String)> = given.iter().cloned().collect();
        let names: BTreeSet<&String> = given.iter().flat_map(|(a, b)| [a, b]).collect();
        for middle in &names {
            for first in &names {
                for last in &names {
                    let first_leads = pairs.contains(&((*first).clone(), (*middle).clone()));
                    if first_leads && pairs.contains(&((*middle).clone(), (*last).clone())) {
                        pairs.insert(((*first).clone(), (*last).clone()));
                    }
                }
            }
        }
        Self { pairs }
    }

    /// Every pair, the implied ones included.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(a, b)| (a.as_str(), b.as_str()))
    }

    /// Whether `first` must come before `second`.
    pub fn orders(&self, first: &str, second: &str) -> bool {
        self.pairs().any(|pair| pair == (first, second))
    }

    /// An endpoint that must come before itself, if the pairs contradict each other.
    pub fn contradiction(&self) -> Option<&str> {
        self.pairs().find(|(a, b)| a == b).map(|(a, _)| a)
    }

    /// The earliest wave of each of these endpoints, from 1: one more than the latest of those that must come before it.
    /// Only for pairs without a contradiction.
    pub fn earliest_waves<'a>(&self, endpoints: &BTreeSet<&'a str>) -> BTreeMap<&'a str, usize> {
        let mut waves: BTreeMap<&str, usize> = endpoints.iter().map(|name| (*name, 1)).collect();
        // The longest chain has as many members as there are endpoints, so this many rounds settle every wave.
        for _ in 0..endpoints.len() {
            for (a, b) in self.pairs() {
                if let (Some(first), Some(second)) = (waves.get(a).copied(), waves.get_mut(b)) {
                    *second = (*second).max(first + 1);
                }
            }
        }
        waves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(pairs: &[(&str, &str)]) -> Precedence {
        let owned: Vec<_> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Precedence::of(&owned)
    }

    #[test]
    fn what_follows_from_the_pairs_is_ordered_too() {
        let chain = order(&[("c", "d"), ("a", "b"), ("b", "c")]);
        assert!(chain.orders("a", "d") && !chain.orders("d", "a"));
        assert_eq!(chain.pairs().count(), 6);
        assert_eq!(chain.contradiction(), None);
    }

    #[test]
    fn a_circle_is_a_contradiction() {
        assert!(order(&[("a", "b"), ("b", "c"), ("c", "a")]).contradiction().is_some());
    }

    #[test]
    fn waves_are_the_longest_way_from_the_start() {
        let diamond = order(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "e"), ("e", "d")]);
        let waves = diamond.earliest_waves(&BTreeSet::from(["a", "b", "c", "d", "e", "free"]));
        let expected = [("a", 1), ("b", 2), ("c", 2), ("d", 4), ("e", 3), ("free", 1)];
        assert_eq!(waves, BTreeMap::from(expected));
    }
}
