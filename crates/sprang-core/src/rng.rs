//! A small fast random generator (xorshift64*), for victim selection, `select!` and seeds.
//!
//! Purpose: cheap randomness without a dependency; not for cryptography. Source: S. Vigna, "An experimental
//! exploration of Marsaglia's xorshift generators, scrambled", ACM TOMS 42(4), 2016.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// The generator.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// A generator with the given seed.
    pub const fn new(seed: u64) -> Self {
        // A state of zero would stay zero.
        Self(seed ^ 0x9E37_79B9_7F4A_7C15 | 1)
    }

    /// A generator with a seed of its own from the process's hash keys.
    pub fn from_entropy() -> Self {
        Self::new(RandomState::new().hash_one(0_u8))
    }

    /// The next 32 random bits.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32
    }

    /// A number below `bound`, or 0 when `bound` is 0. The bias is below `bound / 2^32`.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        // Multiply-shift: D. Lemire, "Fast random integer generation in an interval", 2019.
        ((u64::from(self.next_u32()) * u64::from(bound)) >> 32) as u32
    }
}

thread_local! {
    static LOCAL: Cell<Option<Rng>> = const { Cell::new(None) };
}

/// Replaces this thread's own generator, and returns the one before; with `None`, it gets a fresh one when it needs it.
pub fn replace_thread(rng: Option<Rng>) -> Option<Rng> {
    LOCAL.try_with(|local| local.replace(rng)).ok().flatten()
}

/// A number below `bound` from this thread's own generator.
pub fn thread_below(bound: u32) -> u32 {
    LOCAL.with(|local| {
        let mut rng = local.take().unwrap_or_else(Rng::from_entropy);
        let number = rng.below(bound);
        local.set(Some(rng));
        number
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_stays_below_and_reaches_every_number() {
        let mut rng = Rng::new(0);
        let mut seen = [false; 7];
        for _ in 0..1_000 {
            seen[rng.below(7) as usize] = true;
        }
        assert_eq!(seen, [true; 7]);
        assert_eq!(rng.below(0), 0);
    }

    #[test]
    fn a_thread_draws_from_the_generator_it_is_given() {
        let draw = || {
            let before = replace_thread(Some(Rng::new(7)));
            let numbers: Vec<u32> = (0..8).map(|_| thread_below(1_000)).collect();
            assert!(replace_thread(before).is_some());
            numbers
        };
        assert_eq!(draw(), draw());
    }
}
