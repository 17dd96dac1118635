//! Tau-b against figures worked out by hand, and the nearest order against every linear extension there is.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;

const CHAIN: [(usize, usize); 3] = [(0, 1), (1, 2), (0, 2)];

fn tau(waves: &[i64], before: &[(usize, usize)]) -> Option<f64> {
    nearness(waves, before).tau_b
}

fn assert_near(found: Option<f64>, expected: f64) {
    let found = found.expect("a figure");
    assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
}

#[test]
fn eval_tau_of_a_kept_and_of_a_reversed_chain() {
    assert_near(tau(&[1, 2, 3], &CHAIN), 1.0);
    assert_near(tau(&[3, 2, 1], &CHAIN), -1.0);
}

#[test]
fn eval_tau_of_one_swap_in_a_chain_of_three() {
    // Two of three pairs are right: (2 - 1) / 3.
    assert_near(tau(&[2, 1, 3], &CHAIN), 1.0 / 3.0);
}

#[test]
fn eval_tau_of_a_tie_that_had_to_be_an_order() {
    // Pairs (0,2) and (1,2) are right, (0,1) is tied by the answer alone: 2 / sqrt(2 * 3).
    assert_near(tau(&[1, 1, 2], &CHAIN), 2.0 / 6.0_f64.sqrt());
    assert_near(tau(&[1, 1, 1], &CHAIN), 0.0);
}

#[test]
fn eval_tau_lets_independent_endpoints_run_together_or_not() {
    let fork = [(0, 1), (0, 2)];
    assert_near(tau(&[1, 2, 2], &fork), 1.0);
    assert_near(tau(&[1, 3, 2], &fork), 1.0);
    assert_near(tau(&[2, 1, 1], &fork), -1.0);
}

#[test]
fn eval_tau_lets_a_free_endpoint_stand_where_the_answer_has_it() {
    // 0 before 1 is turned round; 2 is free. The answer 1, {0, 2}: 1 before 2 can be kept, 1 before 0 cannot.
    let found = nearness(&[2, 1, 2], &[(0, 1)]);
    assert_eq!((found.discordant, found.is_exact), (1, true));
    assert_near(found.tau_b, 0.0);
}

#[test]
fn eval_tau_says_nothing_where_nothing_is_constrained() {
    assert_eq!(tau(&[1, 2, 3], &[]), None);
    assert_eq!(tau(&[], &[]), None);
}

/// The fewest discordant pairs over all permutations that keep the constraints.
fn brute_force(waves: &[i64], before: &[(usize, usize)]) -> u32 {
    fn extend(order: &mut Vec<usize>, waves: &[i64], before: &[(usize, usize)], best: &mut u32) {
        if order.len() == waves.len() {
            let pairs = (0..order.len()).flat_map(|i| (i + 1..order.len()).map(move |j| (i, j)));
            let discordant = pairs.filter(|(i, j)| waves[order[*i]] > waves[order[*j]]).count();
            *best = (*best).min(discordant as u32);
            return;
        }
        for item in 0..waves.len() {
            let is_ready = before.iter().all(|(a, b)| *b != item || order.contains(a));
            if is_ready && !order.contains(&item) {
                order.push(item);
                extend(order, waves, before, best);
                order.pop();
            }
        }
    }
    let mut best = u32::MAX;
    extend(&mut Vec::new(), waves, before, &mut best);
    best
}

/// A random partial order: pairs of a hidden permutation, closed.
fn random_order(count: usize, density: f64, random: &mut ChaCha8Rng) -> Vec<(usize, usize)> {
    let mut rank: Vec<usize> = (0..count).collect();
    for i in (1..count).rev() {
        rank.swap(i, random.random_range(0..=i));
    }
    let mut leads = vec![vec![false; count]; count];
    for a in 0..count {
        for b in 0..count {
            leads[a][b] = rank[a] < rank[b] && random.random_bool(density);
        }
    }
    for middle in 0..count {
        for a in 0..count {
            for b in 0..count {
                leads[a][b] |= leads[a][middle] && leads[middle][b];
            }
        }
    }
    let pairs = (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
    pairs.filter(|(a, b)| leads[*a][*b]).collect()
}

#[test]
fn eval_nearest_order_agrees_with_brute_force_on_2000_small_cases() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    for round in 0..2_000 {
        let count = random.random_range(1..=7);
        let density = random.random_range(0.0..0.8);
        let before = random_order(count, density, &mut random);
        let waves: Vec<i64> = (0..count).map(|_| random.random_range(1..=5)).collect();
        let found = nearness(&waves, &before);
        assert!(found.is_exact);
        assert_eq!(
            found.discordant,
            brute_force(&waves, &before),
            "round {round}: {waves:?} {before:?}"
        );
        if let Some(tau) = found.tau_b {
            let is_kept = before.iter().all(|(a, b)| waves[*a] < waves[*b]);
            assert!((-1.0 - 1e-12..=1.0 + 1e-12).contains(&tau));
            assert_eq!(
                (tau - 1.0).abs() < 1e-12,
                is_kept,
                "round {round}: {waves:?} {before:?}"
            );
        }
    }
}

#[test]
fn eval_nearest_order_of_40_endpoints_is_found_in_time() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let started = std::time::Instant::now();
    for density in [0.02, 0.05, 0.1, 0.3] {
        let before = random_order(40, density, &mut random);
        let waves: Vec<i64> = (0..40).map(|_| random.random_range(1..=8)).collect();
        assert!(nearness(&waves, &before).tau_b.is_some());
    }
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

#[test]
fn eval_a_reversed_chain_of_40_is_minus_one() {
    let before: Vec<_> = (0..40).flat_map(|a| (a + 1..40).map(move |b| (a, b))).collect();
    let waves: Vec<i64> = (0..40).rev().collect();
    assert_near(tau(&waves, &before), -1.0);
}
