//! Kendall's tau-b between an answer's waves and the order nearest to them that the constraints allow.
//!
//! The answer puts n endpoints into waves; endpoints of one wave are tied. The constraints are a partial order. The
//! *nearest order* is the linear extension of the constraints with the fewest discordant pairs: pairs that the answer
//! orders one way and the extension the other. A pair that the answer ties and the constraints leave open counts as tied
//! on both sides, so that running two independent endpoints together costs nothing; a pair that the answer ties although
//! the constraints order it is tied on the answer's side only. With n0 = n(n-1)/2 pairs, n1 tied by the answer, n2 tied on
//! both sides, C concordant and D discordant ones,
//!
//! ```text
//! tau-b = (C - D) / sqrt((n0 - n1) (n0 - n2))
//! ```
//!
//! It is 1 exactly when the answer keeps every constraint, -1 when it turns a total order round, and 0 by definition when
//! the answer puts all into one wave although something had to be ordered. Pure.
//!
//! Finding the nearest extension is NP-hard in general. It is found here by dynamic programming over the down-sets of the
//! constraints (sets that could have run so far), made small by a dominance rule: where x is at least as free as y to
//! come early (what must precede x must precede y, what must follow y must follow x) and the answer does not put y
//! first, some nearest extension has x before y. For an exchange of the two never adds a discordant pair. Endpoints
//! without constraints thus stand in the answer's order and add nothing. Above `MAX_STATES` down-sets of one size only
//! the best are kept: then the figure is a lower bound, and `is_exact` says so.

use std::collections::HashMap;

/// Down-sets of one size that are followed.
const MAX_STATES: usize = 1 << 16;
/// Endpoints that one order can have: they are bits of a word. An answer has at most 50 steps.
pub const MAX_ITEMS: usize = 64;

/// How near an answer comes to the constraints.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nearness {
    /// Pairs that the answer orders otherwise than the nearest order.
    pub discordant: u32,
    /// `None` when no constraint is between any two of the endpoints.
    pub tau_b: Option<f64>,
    pub is_exact: bool,
}

/// Compares waves with constraints. `before` has pairs of positions in `waves` and must be transitively closed and free
/// of circles. Positions from [`MAX_ITEMS`] on are left out.
pub fn nearness(waves: &[i64], before: &[(usize, usize)]) -> Nearness {
    let waves = &waves[..waves.len().min(MAX_ITEMS)];
    let constraints = Constraints::new(waves.len(), before);
    let (discordant, is_exact) = constraints.with_dominance(waves).fewest_discordant(waves);
    Nearness {
        discordant,
        tau_b: constraints.tau_b(waves, discordant),
        is_exact,
    }
}

/// For each position the set of those that must come before and after it.
#[derive(Clone)]
struct Constraints {
    before: Vec<u64>,
    after: Vec<u64>,
}

impl Constraints {
    fn new(count: usize, pairs: &[(usize, usize)]) -> Self {
        let mut constraints = Self {
            before: vec![0; count],
            after: vec![0; count],
        };
        for (first, second) in pairs.iter().filter(|(a, b)| *a < count && *b < count) {
            constraints.add(*first, *second);
        }
        constraints
    }

    fn add(&mut self, first: usize, second: usize) {
        self.before[second] |= 1 << first;
        self.after[first] |= 1 << second;
    }

    fn orders(&self, a: usize, b: usize) -> bool {
        (self.before[a] >> b | self.before[b] >> a) & 1 == 1
    }

    fn with_dominance(&self, waves: &[i64]) -> Self {
        let mut pruned = self.clone();
        for x in 0..waves.len() {
            for y in 0..waves.len() {
                let is_earlier = (waves[x], x) < (waves[y], y);
                let is_freer = self.before[x] & !self.before[y] == 0 && self.after[y] & !self.after[x] == 0;
                if is_earlier && is_freer {
                    pruned.add(x, y);
                }
            }
        }
        pruned
    }

    /// The fewest discordant pairs of any linear extension, and whether that is certain.
    fn fewest_discordant(&self, waves: &[i64]) -> (u32, bool) {
        let earlier: Vec<u64> = waves.iter().map(|wave| members(waves, |other| other < *wave)).collect();
        let mut is_exact = true;
        let mut layer = HashMap::from([(0_u64, 0_u32)]);
        for _ in 0..waves.len() {
            layer = self.next_layer(&layer, &earlier);
            if layer.len() > MAX_STATES {
                is_exact = false;
                layer = best(layer);
            }
        }
        (layer.values().copied().min().unwrap_or_default(), is_exact)
    }

    /// Every down-set with one member more, with the fewest discordant pairs on the way to it.
    fn next_layer(&self, layer: &HashMap<u64, u32>, earlier: &[u64]) -> HashMap<u64, u32> {
        let mut next: HashMap<u64, u32> = HashMap::new();
        for (done, cost) in layer {
            for (item, preceding) in self.before.iter().enumerate() {
                let bit = 1_u64 << item;
                if done & bit != 0 || preceding & !done != 0 {
                    continue;
                }
                // Those of earlier waves that are still to come will stand behind it.
                let added = (earlier[item] & !done).count_ones();
                let entry = next.entry(done | bit).or_insert(u32::MAX);
                *entry = (*entry).min(cost + added);
            }
        }
        next
    }

    fn tau_b(&self, waves: &[i64], discordant: u32) -> Option<f64> {
        let count = waves.len();
        let pairs = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b)));
        let (mut ordered, mut not_tied_on_both, mut constrained) = (0_u32, 0_u32, false);
        for (a, b) in pairs {
            let is_tied = waves[a] == waves[b];
            let is_constrained = self.orders(a, b);
            ordered += u32::from(!is_tied);
            not_tied_on_both += u32::from(!is_tied || is_constrained);
            constrained |= is_constrained;
        }
        if !constrained {
            return None;
        }
        if ordered == 0 {
            return Some(0.0);
        }
        let balance = f64::from(ordered) - 2.0 * f64::from(discordant);
        Some(balance / (f64::from(ordered) * f64::from(not_tied_on_both)).sqrt())
    }
}

fn members(waves: &[i64], is_in: impl Fn(i64) -> bool) -> u64 {
    let chosen = waves.iter().enumerate().filter(|(_, wave)| is_in(**wave));
    chosen.fold(0, |set, (index, _)| set | 1 << index)
}

fn best(layer: HashMap<u64, u32>) -> HashMap<u64, u32> {
    let mut states: Vec<(u32, u64)> = layer.into_iter().map(|(done, cost)| (cost, done)).collect();
    states.sort_unstable();
    states.truncate(MAX_STATES);
    states.into_iter().map(|(cost, done)| (done, cost)).collect()
}

#[cfg(test)]
mod tests;
