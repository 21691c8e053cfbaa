//! Chance from a seed: the same seed throws the same, on every machine. Not for keys, codes or anything a person could gain by guessing.

/// A generator with 64 bits of state (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that follow from a seed.
    pub const fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// Any number.
    pub const fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `sides`; 0 where there are none.
    pub const fn below(&mut self, sides: u32) -> u32 {
        if sides == 0 {
            return 0;
        }
        // Below u32::MAX, because the remainder is.
        (self.throw() % sides as u64) as u32
    }

    /// True in so many of a thousand throws.
    pub const fn in_thousand(&mut self, times: u32) -> bool {
        self.below(1_000) < times
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn the_first_numbers_of_seed_0_are_those_of_the_reference() {
        let mut dice = Dice::new(0);
        assert_eq!([dice.throw(), dice.throw()], [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4]);
    }
}
