//! What is owed when an agreement ends, in whole fen, with the figure of every step so that a statement can explain it.
//! Owns the settlement algorithm of domain facts 1.10. Does not move money, and does not decide when an agreement ends.
//!
//! Paid orders that were never delivered are cancelled and added back by the caller before it asks.

use std::collections::{BTreeMap, BTreeSet};

use super::id::AgreementId;
use super::money::Money;

/// Why the agreement ended. It decides the price of delivered goods, the compensation and the interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The customer wants to stop, without a reason on the shop's side.
    Consumer,
    /// The shop's fault: quality, moving away, closing, a broken promise.
    Merchant,
    /// Nobody's fault: the pet died, illness, force majeure.
    NoFault,
    /// Within seven days of the first successful debit (domain facts 1.6).
    CoolingOff,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Cause; 4] = [Cause::Consumer, Cause::Merchant, Cause::NoFault, Cause::CoolingOff];

    /// The word in columns, flags and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Cause::Consumer => "consumer",
            Cause::Merchant => "merchant",
            Cause::NoFault => "no_fault",
            Cause::CoolingOff => "cooling_off",
        }
    }

    /// Reads [`Cause::word`] back.
    pub fn from_word(word: &str) -> Option<Cause> {
        Cause::ALL.into_iter().find(|cause| cause.word() == word)
    }
}

/// Yearly interest on a refund, in basis points, as they stood on the day of signing (domain facts 1.4, arts. 15–17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// What the agreement itself promises; it goes before the other two.
    pub agreed_bps: Option<i64>,
    /// One-year loan prime rate: where the shop caused the end.
    pub lpr_bps: i64,
    /// One-year benchmark deposit rate: everywhere else.
    pub deposit_bps: i64,
}

impl Default for Rates {
    /// 3.00 % (mid-2025) and 1.50 % (since October 2015).
    fn default() -> Rates {
        Rates { agreed_bps: None, lpr_bps: 300, deposit_bps: 150 }
    }
}

impl Rates {
    /// The rate for an end by `cause`, in basis points a year.
    pub fn for_cause(&self, cause: Cause) -> i64 {
        self.agreed_bps.unwrap_or(if cause == Cause::Merchant { self.lpr_bps } else { self.deposit_bps })
    }
}

/// One delivered order line, the whole quantity of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// What the wallet was charged.
    pub charged: Money,
    /// What it costs without membership or discount.
    pub list: Money,
    /// The part of `charged` that came from paid money and not from a bonus.
    pub from_principal: Money,
}

/// Everything that a settlement depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Successful debits, less what was already refunded of them.
    pub paid: Vec<Money>,
    /// Gifts credited to the wallet; usually none.
    pub bonus: Money,
    /// Delivered lines that the wallet paid.
    pub delivered: Vec<Line>,
    /// Installments agreed.
    pub terms: u32,
    /// Installments collected.
    pub paid_terms: u32,
    /// Monthly amount times terms.
    pub plan_total: Money,
    /// The pet's reference cost shown at signing.
    pub reference_cost: Money,
    /// Why it ended.
    pub cause: Cause,
    /// Whether the customer keeps the pet.
    pub keep_pet: bool,
    /// Whether the agreement disclosed that goods count at list price when the customer ends it (arts. 19–20).
    pub list_price_disclosed: bool,
    /// Interest rates.
    pub rates: Rates,
    /// Days from termination to payment.
    pub days: u32,
}

/// By which rule delivered goods were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// A bonus was given and the customer did not cause the end: the charged price times paid / (paid + bonus) (art. 18).
    BonusRatio,
    /// The customer ends it and the agreement said so: list price, never above what was paid (arts. 19–20).
    ListPrice,
    /// What was taken from paid money, at the price that was charged.
    Charged,
}

impl Basis {
    /// The word in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Basis::BonusRatio => "bonus_ratio",
            Basis::ListPrice => "list_price",
            Basis::Charged => "charged",
        }
    }
}

/// Something the shop should look at before it confirms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// PC12: a reference cost above half of the plan's total looks like a penalty in disguise.
    ReferenceCostAboveHalf,
    /// More was delivered than was paid. The excess is never claimed.
    DeliveredAbovePaid,
}

/// The settlement, step by step. `paid - delivered - compensation = balance`; a negative balance is a claim up to the
/// compensation, and what lies beyond is waived: `balance = refund - claim - waived`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Why it ended.
    pub cause: Cause,
    /// Sum of successful debits.
    pub paid: Money,
    /// Gifts credited.
    pub bonus: Money,
    /// Sum of delivered lines at the charged price.
    pub delivered_charged: Money,
    /// Sum of delivered lines at list price.
    pub delivered_list: Money,
    /// The part of `delivered_charged` that came from paid money.
    pub delivered_principal: Money,
    /// Which of the three counts.
    pub basis: Basis,
    /// What delivered goods count for.
    pub delivered: Money,
    /// The reference cost that compensation starts from.
    pub reference_cost: Money,
    /// Installments agreed.
    pub terms: u32,
    /// Installments not collected: the share of the reference cost still open.
    pub terms_left: u32,
    /// Compensation for a kept pet: `reference_cost × terms_left / terms`, half up.
    pub compensation: Money,
    /// `paid - delivered - compensation`; may be negative.
    pub balance: Money,
    /// What goes back to the customer, without interest.
    pub refund: Money,
    /// What the customer still owes; never more than the compensation.
    pub claim: Money,
    /// The part of a negative balance that is never claimed.
    pub waived: Money,
    /// Yearly interest in basis points.
    pub rate_bps: i64,
    /// Days that bear interest.
    pub days: u32,
    /// `refund × rate × days / 365`, half up.
    pub interest: Money,
    /// `refund + interest`: what is transferred.
    pub payable: Money,
    /// What to look at before confirming.
    pub warnings: Vec<Warning>,
}

/// Inputs that cannot be settled: they contradict themselves, so a record is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsettleable {
    /// An amount, rate or sum is negative.
    Negative,
    /// An amount or sum is beyond what kibble accepts anywhere.
    TooLarge,
    /// No terms, or more terms collected than agreed.
    Terms,
    /// A line took more from paid money than it was charged.
    PrincipalAboveCharge,
}

/// The longest time that interest is counted for, ten years: later payments need a person, not a formula.
const LIMIT_DAYS: u32 = 3_660;
/// The highest yearly rate that is taken: 100 %.
const LIMIT_RATE_BPS: i64 = 10_000;
/// Sums stay below this, ten billion yuan, so that no product or later sum overflows.
const LIMIT_FEN: i64 = 1_000_000_000_000;

/// Settles an ended agreement (domain facts 1.10).
///
/// # Errors
/// When the inputs contradict themselves.
pub fn settle(ended: &Ended) -> Result<Statement, Unsettleable> {
    if ended.terms == 0 || ended.paid_terms > ended.terms {
        return Err(Unsettleable::Terms);
    }
    if ended.delivered.iter().any(|line| line.from_principal > line.charged) {
        return Err(Unsettleable::PrincipalAboveCharge);
    }
    let rate_bps = ended.rates.for_cause(ended.cause);
    if rate_bps < 0 {
        return Err(Unsettleable::Negative);
    }
    if rate_bps > LIMIT_RATE_BPS || ended.days > LIMIT_DAYS {
        return Err(Unsettleable::TooLarge);
    }
    let paid = sum(ended.paid.iter().copied())?;
    let bonus = sum([ended.bonus].into_iter())?;
    let reference_cost = sum([ended.reference_cost].into_iter())?;
    let plan_total = sum([ended.plan_total].into_iter())?;
    let delivered_charged = sum(ended.delivered.iter().map(|line| line.charged))?;
    let delivered_list = sum(ended.delivered.iter().map(|line| line.list))?;
    let delivered_principal = sum(ended.delivered.iter().map(|line| line.from_principal))?;

    let by_customer = ended.cause == Cause::Consumer;
    let (basis, delivered) = if bonus.is_positive() && !by_customer {
        (Basis::BonusRatio, delivered_charged.share(paid.fen(), (paid + bonus).fen()))
    } else if by_customer && ended.list_price_disclosed {
        (Basis::ListPrice, delivered_list.min(paid))
    } else {
        (Basis::Charged, delivered_principal)
    };

    let terms_left = ended.terms - ended.paid_terms;
    let compensation = if by_customer && ended.keep_pet {
        reference_cost.share(i64::from(terms_left), i64::from(ended.terms))
    } else {
        Money::ZERO
    };

    let balance = paid - delivered - compensation;
    let refund = balance.max(Money::ZERO);
    let missing = (-balance).max(Money::ZERO);
    let claim = missing.min(compensation);
    let interest = refund.share(rate_bps * i64::from(ended.days), 10_000 * 365);

    let mut warnings = Vec::new();
    if reference_cost.fen() * 2 > plan_total.fen() {
        warnings.push(Warning::ReferenceCostAboveHalf);
    }
    if delivered > paid {
        warnings.push(Warning::DeliveredAbovePaid);
    }
    Ok(Statement {
        cause: ended.cause,
        paid,
        bonus,
        delivered_charged,
        delivered_list,
        delivered_principal,
        basis,
        delivered,
        reference_cost,
        terms: ended.terms,
        terms_left,
        compensation,
        balance,
        refund,
        claim,
        waived: missing - claim,
        rate_bps,
        days: ended.days,
        interest,
        payable: refund + interest,
        warnings,
    })
}

/// One movement of a customer's paid money in the wallet, as [`shares`] reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Money came in for an agreement; `None` for a correction that belongs to none.
    In(Option<AgreementId>, Money),
    /// Money of an agreement went back to the customer.
    Back(Option<AgreementId>, Money),
    /// Goods were bought.
    Spent(Money),
    /// Goods came back, or were never delivered.
    Unspent(Money),
    /// The settlement of an agreement was confirmed: its figures are final.
    Settled(Option<AgreementId>),
}

/// What one agreement brought into a customer's wallet, and what is left of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Paid in, less what went back.
    pub paid: Money,
    /// Not spent.
    pub left: Money,
}

/// Money as it came in, and what is left of it.
struct Pool {
    whose: Option<AgreementId>,
    /// What came, less what went back.
    came: Money,
    left: Money,
}

/// Whose money a customer's wallet holds, where several agreements feed it: goods are bought with the oldest money first,
/// and what is unspent again returns to the money that was spent last. Nothing returns to an agreement that is settled: that goes to
/// the newest money of another, and where no other has brought any, to none. With one agreement it is simply the wallet.
pub fn shares(moves: &[Move]) -> BTreeMap<Option<AgreementId>, Share> {
    let mut pools: Vec<Pool> = Vec::new();
    let mut settled = BTreeSet::new();
    let mut shares: BTreeMap<Option<AgreementId>, Share> = BTreeMap::new();
    for step in moves {
        match *step {
            Move::In(whose, amount) => {
                pools.push(Pool { whose, came: amount, left: amount });
                shares.entry(whose).or_default().paid += amount;
            }
            Move::Back(whose, amount) => {
                shares.entry(whose).or_default().paid -= amount;
                let mut rest = amount;
                for pool in pools.iter_mut().rev().filter(|pool| pool.whose == whose) {
                    let before = rest;
                    take(&mut pool.left, &mut rest);
                    pool.came -= before - rest;
                }
                // More went back than is left of its own money: the customer's other money stands in for it, and what was spent of its
                // own does not return to it.
                let mut lent = rest;
                for pool in pools.iter_mut().rev().filter(|pool| pool.whose == whose) {
                    let mut spent = pool.came - pool.left;
                    let before = lent;
                    take(&mut spent, &mut lent);
                    pool.came -= before - lent;
                }
                for pool in &mut pools {
                    take(&mut pool.left, &mut rest);
                }
            }
            Move::Spent(amount) => {
                let mut rest = amount;
                for pool in &mut pools {
                    take(&mut pool.left, &mut rest);
                }
            }
            Move::Unspent(amount) => {
                let mut rest = amount;
                for pool in pools.iter_mut().rev().filter(|pool| !settled.contains(&pool.whose)) {
                    let room = (pool.came - pool.left).min(rest);
                    pool.left += room;
                    rest -= room;
                }
                match pools.iter_mut().rfind(|pool| !settled.contains(&pool.whose)) {
                    Some(newest) => {
                        newest.came += rest;
                        newest.left += rest;
                    }
                    None => pools.push(Pool { whose: None, came: rest, left: rest }),
                }
            }
            Move::Settled(whose) => {
                settled.insert(whose);
            }
        }
    }
    for pool in pools {
        shares.entry(pool.whose).or_default().left += pool.left;
    }
    shares
}

fn take(left: &mut Money, rest: &mut Money) {
    let taken = (*left).min(*rest);
    *left -= taken;
    *rest -= taken;
}

/// A sum of amounts that must not be negative, or become absurd.
fn sum(amounts: impl Iterator<Item = Money>) -> Result<Money, Unsettleable> {
    let mut total: i64 = 0;
    for amount in amounts {
        if amount < Money::ZERO {
            return Err(Unsettleable::Negative);
        }
        total = total.checked_add(amount.fen()).filter(|all| *all <= LIMIT_FEN).ok_or(Unsettleable::TooLarge)?;
    }
    Ok(Money::from_fen(total))
}

#[cfg(test)]
mod tests {
    use super::{AgreementId, Basis, Cause, Ended, Line, Money, Rates, Unsettleable, Warning, settle};
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    fn fen(fen: i64) -> Money {
        Money::from_fen(fen)
    }

    fn line(charged: i64, list: i64, from_principal: i64) -> Line {
        Line { charged: fen(charged), list: fen(list), from_principal: fen(from_principal) }
    }

    /// Domain facts 1.10: N = 12, a = 199.00, k = 5, goods 582.50, reference cost 900.00.
    fn worked(cause: Cause, keep_pet: bool) -> Ended {
        Ended {
            paid: vec![fen(19_900); 5],
            bonus: Money::ZERO,
            delivered: vec![line(40_000, 45_000, 40_000), line(18_250, 20_000, 18_250)],
            terms: 12,
            paid_terms: 5,
            plan_total: fen(238_800),
            reference_cost: fen(90_000),
            cause,
            keep_pet,
            list_price_disclosed: false,
            rates: Rates::default(),
            days: 0,
        }
    }

    #[test]
    fn one_agreements_settlement_never_takes_anothers_money() {
        use super::{Move, Share, shares};
        let (first, second) = (Some(AgreementId::new(1)), Some(AgreementId::new(2)));
        let moves = [
            Move::In(first, fen(10_000)),
            Move::In(second, fen(20_000)),
            Move::Spent(fen(12_000)),
            Move::Unspent(fen(1_000)),
        ];
        let now = shares(&moves);
        assert_eq!(now[&first], Share { paid: fen(10_000), left: fen(0) });
        assert_eq!(now[&second], Share { paid: fen(20_000), left: fen(19_000) });

        let ended = [&moves[..], &[Move::Back(second, fen(5_000))]].concat();
        assert_eq!(shares(&ended)[&second], Share { paid: fen(15_000), left: fen(14_000) });
        // The first agreement's own money is spent, so giving some of it back uses what the customer has.
        let lent = [&moves[..], &[Move::Back(first, fen(5_000))]].concat();
        assert_eq!(shares(&lent)[&first], Share { paid: fen(5_000), left: fen(0) });
        assert_eq!(shares(&lent)[&second].left, fen(14_000));
    }

    #[test]
    fn goods_that_come_back_leave_no_money_with_nobody() {
        use super::{Move, shares};
        let (first, second) = (Some(AgreementId::new(1)), Some(AgreementId::new(2)));
        let paid = [Move::In(first, fen(100)), Move::In(second, fen(200))];
        // The second agreement took its money away before the first one's was spent and unspent.
        let gone = [Move::Back(second, fen(200)), Move::Spent(fen(50)), Move::Unspent(fen(50))];
        let now = shares(&[&paid[..], &gone].concat());
        assert_eq!((now[&first].left, now[&second].left), (fen(100), fen(0)));
        // The first agreement was settled while its money was spent: what comes back later is the second one's.
        let settled = [Move::Spent(fen(60)), Move::Back(first, fen(40)), Move::Settled(first), Move::Unspent(fen(60))];
        let now = shares(&[&paid[..], &settled].concat());
        assert_eq!((now[&first].left, now[&second].left), (fen(0), fen(260)));
        // Nor does a third agreement's money draw on it.
        let third = Some(AgreementId::new(3));
        let more = [Move::In(third, fen(100)), Move::Spent(fen(10)), Move::Unspent(fen(10))];
        let now = shares(&[&paid[..], &settled, &more].concat());
        assert_eq!((now[&second].left, now[&third].left), (fen(260), fen(100)));
        // Nothing else had come in yet.
        let alone = [Move::In(first, fen(100)), Move::Spent(fen(100)), Move::Settled(first), Move::Unspent(fen(78))];
        let now = shares(&[&alone[..], &[Move::In(second, fen(200))]].concat());
        assert_eq!((now[&None].left, now[&second].left), (fen(78), fen(200)));
    }

    proptest! {
        /// However two agreements' money is spent, given back and unspent: what is left of both is what the wallet holds.
        #[test]
        fn the_shares_of_a_wallet_are_the_wallet(steps in proptest::collection::vec((0..6_u8, any::<bool>(), 1..500_i64), 0..40)) {
            use super::{Move, shares};
            let (mut moves, mut wallet, mut spent, mut paid, mut settled) = (Vec::new(), 0, 0, [0, 0], [false, false]);
            for (kind, which, amount) in steps {
                let whose = Some(AgreementId::new(1 + i64::from(which)));
                match kind {
                    0 | 1 if !settled[usize::from(which)] => {
                        moves.push(Move::In(whose, fen(amount)));
                        wallet += amount;
                        paid[usize::from(which)] += amount;
                    }
                    2 if amount <= wallet => {
                        moves.push(Move::Spent(fen(amount)));
                        wallet -= amount;
                        spent += amount;
                    }
                    3 if amount <= spent => {
                        moves.push(Move::Unspent(fen(amount)));
                        wallet += amount;
                        spent -= amount;
                    }
                    4 if !settled[usize::from(which)] && amount <= wallet && amount <= paid[usize::from(which)] => {
                        moves.push(Move::Back(whose, fen(amount)));
                        wallet -= amount;
                        paid[usize::from(which)] -= amount;
                    }
                    // Rarely, so that something happens before.
                    5 if amount < 100 && !settled[usize::from(which)] => {
                        let left = shares(&moves).get(&whose).map_or(0, |it| it.left.fen());
                        moves.extend([Move::Back(whose, fen(left)), Move::Settled(whose)]);
                        wallet -= left;
                        settled[usize::from(which)] = true;
                    }
                    _ => {}
                }
            }
            let shares = shares(&moves);
            prop_assert_eq!(shares.values().map(|it| it.left.fen()).sum::<i64>(), wallet);
            prop_assert!(shares.values().all(|it| it.left >= Money::ZERO), "{:?}", shares);
            for (it, (paid, is_settled)) in [1, 2].into_iter().zip(paid.into_iter().zip(settled)) {
                let share = shares.get(&Some(AgreementId::new(it))).copied().unwrap_or_default();
                prop_assert!(!is_settled || share.left == Money::ZERO, "{:?}", share);
                // Only what an agreement settled before it had bought can make more than it brought.
                prop_assert!(settled != [false, false] || (share.paid.fen() == paid && share.left <= share.paid), "{:?}", share);
            }
        }
    }

    #[test]
    fn the_worked_example_both_ways() {
        let kept = settle(&worked(Cause::Consumer, true)).unwrap();
        assert_eq!((kept.paid, kept.delivered, kept.compensation), (fen(99_500), fen(58_250), fen(52_500)));
        assert_eq!((kept.balance, kept.refund, kept.claim, kept.waived), (fen(-11_250), fen(0), fen(11_250), fen(0)));

        let returned = settle(&worked(Cause::Consumer, false)).unwrap();
        assert_eq!((returned.compensation, returned.refund, returned.claim), (fen(0), fen(41_250), fen(0)));
        assert!(returned.warnings.is_empty());
    }

    #[test]
    fn the_shops_fault_costs_the_customer_nothing_and_bears_interest() {
        let mut ended = worked(Cause::Merchant, true);
        ended.days = 10;
        let statement = settle(&ended).unwrap();
        // 412.50 × 3 % × 10 / 365 = 0.339…
        assert_eq!((statement.compensation, statement.refund), (fen(0), fen(41_250)));
        assert_eq!((statement.rate_bps, statement.interest, statement.payable), (300, fen(34), fen(41_284)));
    }

    #[test]
    fn interest_follows_the_cause_unless_agreed() {
        let rates = Rates::default();
        for (cause, bps) in
            [(Cause::Merchant, 300), (Cause::Consumer, 150), (Cause::NoFault, 150), (Cause::CoolingOff, 150)]
        {
            assert_eq!(rates.for_cause(cause), bps, "{cause:?}");
            assert_eq!(Rates { agreed_bps: Some(500), ..rates }.for_cause(cause), 500);
        }
    }

    #[test]
    fn only_a_kept_pet_and_the_customers_own_wish_cost_compensation() {
        for (cause, keep_pet, compensation) in [
            (Cause::Consumer, true, 52_500),
            (Cause::Consumer, false, 0),
            (Cause::Merchant, true, 0),
            (Cause::NoFault, true, 0),
            (Cause::CoolingOff, true, 0),
        ] {
            assert_eq!(
                settle(&worked(cause, keep_pet)).unwrap().compensation,
                fen(compensation),
                "{cause:?} {keep_pet}"
            );
        }
    }

    #[test]
    fn goods_beyond_what_was_paid_are_never_claimed() {
        let mut ended = worked(Cause::Consumer, false);
        ended.delivered = vec![line(120_000, 130_000, 120_000)];
        let returned = settle(&ended).unwrap();
        assert_eq!((returned.refund, returned.claim, returned.waived), (fen(0), fen(0), fen(20_500)));
        assert_eq!(returned.warnings, [Warning::DeliveredAbovePaid]);

        ended.keep_pet = true;
        let kept = settle(&ended).unwrap();
        assert_eq!((kept.refund, kept.claim, kept.waived), (fen(0), fen(52_500), fen(20_500)));
    }

    #[test]
    fn nothing_paid_settles_to_nothing_but_the_compensation() {
        let mut ended = worked(Cause::Consumer, true);
        ended.paid = Vec::new();
        ended.paid_terms = 0;
        ended.delivered = Vec::new();
        let statement = settle(&ended).unwrap();
        assert_eq!((statement.refund, statement.claim, statement.payable), (fen(0), fen(90_000), fen(0)));
        ended.cause = Cause::CoolingOff;
        let statement = settle(&ended).unwrap();
        assert_eq!((statement.refund, statement.claim), (fen(0), fen(0)));
    }

    #[test]
    fn list_price_counts_only_when_disclosed_and_is_capped_by_what_was_paid() {
        let mut ended = worked(Cause::Consumer, false);
        ended.list_price_disclosed = true;
        let statement = settle(&ended).unwrap();
        assert_eq!(
            (statement.basis, statement.delivered, statement.refund),
            (Basis::ListPrice, fen(65_000), fen(34_500))
        );
        ended.delivered.push(line(30_000, 50_000, 30_000));
        assert_eq!(settle(&ended).unwrap().delivered, fen(99_500));
        ended.cause = Cause::NoFault;
        assert_eq!(settle(&ended).unwrap().basis, Basis::Charged);
    }

    #[test]
    fn a_bonus_counts_by_its_ratio_unless_the_customer_ends_it() {
        // Paid 995.00, bonus 105.00; 582.50 × 995 / 1100 = 526.897…
        let mut ended = worked(Cause::Merchant, true);
        ended.bonus = fen(10_500);
        let statement = settle(&ended).unwrap();
        assert_eq!(
            (statement.basis, statement.delivered, statement.refund),
            (Basis::BonusRatio, fen(52_690), fen(46_810))
        );

        ended.cause = Cause::Consumer;
        ended.keep_pet = false;
        ended.delivered = vec![line(58_250, 65_000, 50_000)];
        let statement = settle(&ended).unwrap();
        assert_eq!(
            (statement.basis, statement.delivered, statement.refund),
            (Basis::Charged, fen(50_000), fen(49_500))
        );
    }

    #[test]
    fn compensation_rounds_half_up() {
        let mut ended = worked(Cause::Consumer, true);
        ended.reference_cost = fen(90_006);
        // 900.06 × 7 / 12 = 525.035
        assert_eq!(settle(&ended).unwrap().compensation, fen(52_504));
    }

    #[test]
    fn a_reference_cost_above_half_of_the_plan_is_pointed_out() {
        let mut ended = worked(Cause::Consumer, true);
        ended.reference_cost = fen(119_400);
        assert!(settle(&ended).unwrap().warnings.is_empty());
        ended.reference_cost = fen(119_401);
        assert_eq!(settle(&ended).unwrap().warnings, [Warning::ReferenceCostAboveHalf]);
    }

    #[test]
    fn contradicting_records_are_refused_not_settled() {
        let base = worked(Cause::Consumer, true);
        for (ended, error) in [
            (Ended { terms: 0, ..base.clone() }, Unsettleable::Terms),
            (Ended { paid_terms: 13, ..base.clone() }, Unsettleable::Terms),
            (Ended { bonus: fen(-1), ..base.clone() }, Unsettleable::Negative),
            (Ended { reference_cost: fen(i64::MAX), ..base.clone() }, Unsettleable::TooLarge),
            (Ended { days: u32::MAX, ..base.clone() }, Unsettleable::TooLarge),
            (Ended { delivered: vec![line(1, 1, 2)], ..base }, Unsettleable::PrincipalAboveCharge),
        ] {
            assert_eq!(settle(&ended), Err(error));
        }
    }

    proptest! {
        #[test]
        fn every_fen_is_explained(paid in 0i64..1_000_000, bonus in 0i64..100_000, taken in 0i64..1_200_000,
                                  cost in 0i64..500_000, k in 0u32..25, cause in 0usize..4, keep: bool, listed: bool) {
            let ended = Ended {
                paid: vec![fen(paid)], bonus: fen(bonus), delivered: vec![line(taken, taken + 100, taken)], terms: 24,
                paid_terms: k.min(24), plan_total: fen(480_000), reference_cost: fen(cost), cause: Cause::ALL[cause],
                keep_pet: keep, list_price_disclosed: listed, rates: Rates::default(), days: 5,
            };
            let it = settle(&ended).unwrap();
            prop_assert_eq!(it.paid - it.delivered - it.compensation, it.balance);
            prop_assert_eq!(it.refund - it.claim - it.waived, it.balance);
            prop_assert!(it.refund <= it.paid && it.claim <= it.compensation && it.compensation <= it.reference_cost);
        }

        #[test]
        fn no_input_panics(amounts: [i64; 7], terms: u32, k: u32, days: u32, rate: i64, keep: bool, cause in 0usize..4,
                           agreed in any::<bool>()) {
            let [a, b, c, d, e, f, g] = amounts.map(fen);
            let _ = settle(&Ended {
                paid: vec![a, b], bonus: c, delivered: vec![Line { charged: d, list: e, from_principal: d }], terms,
                paid_terms: k, plan_total: f, reference_cost: g, cause: Cause::ALL[cause], keep_pet: keep,
                list_price_disclosed: keep, rates: Rates { agreed_bps: agreed.then_some(rate), ..Rates::default() }, days,
            });
        }
    }
}
