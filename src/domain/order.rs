//! Orders: who pays for which line, what goes back for a cancelled or returned one, and how far an order has come. Owns the
//! split between wallet and cash. Does not move money, and holds no stock.

use crate::domain::agreement::words;
use crate::domain::money::Money;
use crate::domain::sheet::{Column, RowFault};

/// The most of one item that an order line takes: beyond it somebody has typed a barcode into the quantity.
pub const LIMIT_QTY: u32 = 999;

words! {
    /// How far a line, and with it an order, has come.
    OrderState {
        /// Ordered and paid.
        Placed = "placed",
        /// The supplier has it in an order file.
        Sent = "sent",
        /// On its way, with a tracking number.
        Shipped = "shipped",
        /// Handed over.
        Delivered = "delivered",
        /// Called off before it was handed over.
        Cancelled = "cancelled",
        /// Brought back after it was handed over, all of it.
        Returned = "returned",
    }
}

impl OrderState {
    /// True while the goods are still to be handed over.
    pub const fn is_open(self) -> bool {
        matches!(self, OrderState::Placed | OrderState::Sent | OrderState::Shipped)
    }

    /// The state of an order whose lines stand like this: that of the line that is furthest behind, cancelled and returned
    /// ones left out as long as another one is there.
    pub fn of_lines(lines: impl IntoIterator<Item = OrderState>) -> OrderState {
        let lines: Vec<OrderState> = lines.into_iter().collect();
        let live = lines.iter().copied().filter(|it| it.is_open() || *it == OrderState::Delivered).min();
        match live {
            Some(state) => state,
            None if lines.contains(&OrderState::Returned) => OrderState::Returned,
            None => OrderState::Cancelled,
        }
    }
}

words! {
    /// How goods reach the customer.
    Handover {
        /// Over the counter, at once.
        Counter = "counter",
        /// From the supplier to the customer's address.
        Ship = "ship",
    }
}

words! {
    /// Who is to pay.
    Pay {
        /// The wallet, all of it.
        Wallet = "wallet",
        /// Cash, all of it.
        Cash = "cash",
        /// The wallet for what it may pay for and as far as it goes, cash for the rest.
        Split = "split",
    }
}

/// A line before it is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// What the line costs.
    pub total: Money,
    /// Whether the wallet may pay for it.
    pub wallet_ok: bool,
}

/// Why an order cannot be paid the way it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unpayable {
    /// The wallet may not pay for these lines, by place.
    NotForWallet(Vec<usize>),
    /// The wallet holds less than is needed.
    TooLittle {
        /// What is needed.
        needed: Money,
    },
}

/// How much of each line the wallet pays, out of `balance`; cash pays the rest. Lines are served from the first on, so that a
/// line is paid by both only where the wallet runs out.
///
/// # Errors
/// When the wallet alone is asked for and may not or cannot pay for everything.
pub fn wallet_parts(lines: &[Due], balance: Money, pay: Pay) -> Result<Vec<Money>, Unpayable> {
    if pay == Pay::Wallet {
        let refused: Vec<usize> = (0..lines.len()).filter(|place| !lines[*place].wallet_ok).collect();
        if !refused.is_empty() {
            return Err(Unpayable::NotForWallet(refused));
        }
        let needed = lines.iter().map(|line| line.total).sum();
        if needed > balance {
            return Err(Unpayable::TooLittle { needed });
        }
    }
    let mut left = if pay == Pay::Cash { Money::ZERO } else { balance.max(Money::ZERO) };
    let mut part = |line: &Due| {
        let part = if line.wallet_ok { line.total.min(left) } else { Money::ZERO };
        left -= part;
        part
    };
    Ok(lines.iter().map(&mut part).collect())
}

/// What a customer paid for a line, and how much of it came back already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bought {
    /// Pieces.
    pub qty: u32,
    /// Of these, returned before.
    pub returned: u32,
    /// Price of one.
    pub unit_price: Money,
    /// What the wallet paid for the whole line.
    pub wallet_part: Money,
}

/// Money that goes back for a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Back {
    /// To the wallet.
    pub wallet: Money,
    /// In cash.
    pub cash: Money,
}

impl Back {
    /// Both together.
    pub fn total(&self) -> Money {
        self.wallet + self.cash
    }
}

impl Bought {
    /// What `qty` more pieces bring back, `None` when there are not that many left. Where both wallet and cash paid, each
    /// gets its share; the shares are counted from the first piece on, so that many small returns give back exactly what one
    /// large one does.
    pub fn back(&self, qty: u32) -> Option<Back> {
        let after = self.returned.checked_add(qty).filter(|after| *after <= self.qty)?;
        if self.qty == 0 {
            return None;
        }
        let wallet_at = |count: u32| self.wallet_part.share(i64::from(count), i64::from(self.qty));
        let wallet = wallet_at(after) - wallet_at(self.returned);
        let total = self.unit_price.times(i64::from(qty))?;
        Some(Back { wallet, cash: total - wallet })
    }
}

/// Parts an amount that goes back to the wallet into principal and bonus: what was spent last goes back first, and the bonus is
/// spent after the principal. `bonus_out` is how much bonus the order has taken and not yet given back.
pub fn principal_and_bonus(amount: Money, bonus_out: Money) -> (Money, Money) {
    let bonus = amount.min(bonus_out.max(Money::ZERO));
    (amount - bonus, bonus)
}

/// A column of a file with tracking numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrackingField {
    /// The order.
    Order,
    /// The item; may be missing, then every open line of the order is meant.
    Sku,
    /// Who carries it.
    Carrier,
    /// The parcel's number.
    TrackingNo,
}

impl Column for TrackingField {
    const ALL: &'static [TrackingField] =
        &[TrackingField::Order, TrackingField::Sku, TrackingField::Carrier, TrackingField::TrackingNo];

    fn name(self) -> (&'static str, &'static str) {
        match self {
            TrackingField::Order => ("订单号", "order"),
            TrackingField::Sku => ("货号", "sku"),
            TrackingField::Carrier => ("快递公司", "carrier"),
            TrackingField::TrackingNo => ("快递单号", "tracking_no"),
        }
    }

    fn aliases(self) -> &'static [&'static str] {
        match self {
            TrackingField::Order => &["订单", "订单编号", "orderno", "ordernumber"],
            TrackingField::Sku => &["编码", "商品编码", "商品编号"],
            TrackingField::Carrier => &["快递", "物流公司", "承运商", "courier"],
            TrackingField::TrackingNo => &["运单号", "物流单号", "单号", "tracking", "trackingnumber", "waybill"],
        }
    }

    fn is_required(self) -> bool {
        matches!(self, TrackingField::Order | TrackingField::TrackingNo)
    }
}

/// Why a row of a tracking file was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrackingProblem {
    /// The row as a whole.
    Row(RowFault),
    /// Nothing in a cell that must hold something.
    Missing,
    /// Not an order number like `o-31`.
    NotAnOrder,
    /// The shop has no such order.
    UnknownOrder,
    /// The order has no such item.
    UnknownItem,
    /// Several suppliers ship parts of the order, and the row does not say which item it is about.
    SeveralSuppliers,
    /// Nothing of it is waiting to be shipped.
    NotWaiting {
        /// How far it has come.
        state: OrderState,
    },
}

impl From<RowFault> for TrackingProblem {
    fn from(fault: RowFault) -> TrackingProblem {
        TrackingProblem::Row(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::{Back, Bought, Due, OrderState, Pay, Unpayable, principal_and_bonus, wallet_parts};
    use crate::domain::money::Money;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    fn fen(fen: i64) -> Money {
        Money::from_fen(fen)
    }

    fn due(total: i64, wallet_ok: bool) -> Due {
        Due { total: fen(total), wallet_ok }
    }

    #[test]
    fn a_mixed_basket_is_split_to_the_fen() {
        let basket = [due(7_200, true), due(3_000, false), due(5_000, true)];
        for (balance, pay, expected) in [
            (20_000, Pay::Split, Ok([7_200, 0, 5_000])),
            (12_200, Pay::Split, Ok([7_200, 0, 5_000])),
            (12_199, Pay::Split, Ok([7_200, 0, 4_999])),
            (7_200, Pay::Split, Ok([7_200, 0, 0])),
            (1, Pay::Split, Ok([1, 0, 0])),
            (0, Pay::Split, Ok([0, 0, 0])),
            (-5, Pay::Split, Ok([0, 0, 0])),
            (20_000, Pay::Cash, Ok([0, 0, 0])),
            (20_000, Pay::Wallet, Err(Unpayable::NotForWallet(vec![1]))),
        ] {
            let expected = expected.map(|parts: [i64; 3]| parts.map(fen).to_vec());
            assert_eq!(wallet_parts(&basket, fen(balance), pay), expected, "{balance} {pay:?}");
        }
    }

    #[test]
    fn the_wallet_alone_pays_all_or_nothing() {
        let basket = [due(100, true), due(50, true)];
        assert_eq!(wallet_parts(&basket, fen(150), Pay::Wallet), Ok(vec![fen(100), fen(50)]));
        assert_eq!(wallet_parts(&basket, fen(149), Pay::Wallet), Err(Unpayable::TooLittle { needed: fen(150) }));
    }

    #[test]
    fn an_order_is_as_far_as_its_slowest_line() {
        use OrderState::{Cancelled, Delivered, Placed, Returned, Sent, Shipped};
        for (lines, state) in [
            (vec![Placed, Delivered], Placed),
            (vec![Shipped, Sent, Delivered], Sent),
            (vec![Cancelled, Delivered], Delivered),
            (vec![Returned, Delivered], Delivered),
            (vec![Returned, Cancelled], Returned),
            (vec![Cancelled, Cancelled], Cancelled),
        ] {
            assert_eq!(OrderState::of_lines(lines.clone()), state, "{lines:?}");
        }
    }

    #[test]
    fn a_return_gives_wallet_and_cash_their_shares() {
        // Three at 10.00, of which the wallet paid 10.00.
        let line = Bought { qty: 3, returned: 0, unit_price: fen(1_000), wallet_part: fen(1_000) };
        assert_eq!(line.back(1), Some(Back { wallet: fen(333), cash: fen(667) }));
        assert_eq!(Bought { returned: 1, ..line }.back(1), Some(Back { wallet: fen(334), cash: fen(666) }));
        assert_eq!(Bought { returned: 2, ..line }.back(1), Some(Back { wallet: fen(333), cash: fen(667) }));
        assert_eq!(line.back(3), Some(Back { wallet: fen(1_000), cash: fen(2_000) }));
        assert_eq!(Bought { returned: 2, ..line }.back(2), None);
        assert_eq!(line.back(u32::MAX), None);
    }

    #[test]
    fn what_was_spent_last_goes_back_first() {
        assert_eq!(principal_and_bonus(fen(500), fen(0)), (fen(500), fen(0)));
        assert_eq!(principal_and_bonus(fen(500), fen(200)), (fen(300), fen(200)));
        assert_eq!(principal_and_bonus(fen(500), fen(900)), (fen(0), fen(500)));
    }

    proptest! {
        #[test]
        fn a_split_never_takes_more_than_there_is(
            lines in proptest::collection::vec((0i64..100_000, any::<bool>()), 0..9),
            balance in -100i64..300_000,
        ) {
            let lines: Vec<Due> = lines.into_iter().map(|(total, ok)| due(total, ok)).collect();
            let parts = wallet_parts(&lines, fen(balance), Pay::Split).unwrap();
            let eligible: Money = lines.iter().filter(|line| line.wallet_ok).map(|line| line.total).sum();
            prop_assert_eq!(parts.iter().copied().sum::<Money>(), eligible.min(fen(balance.max(0))));
            for (line, part) in lines.iter().zip(parts) {
                prop_assert!(part >= Money::ZERO && part <= line.total && (line.wallet_ok || part.is_zero()));
            }
        }

        #[test]
        fn small_returns_give_back_what_one_large_one_does(qty in 1u32..50, unit in 0i64..10_000, share in 0i64..=100) {
            let total = unit * i64::from(qty);
            let line = Bought { qty, returned: 0, unit_price: fen(unit), wallet_part: fen(total * share / 100) };
            let mut sum = Back::default();
            for returned in 0..qty {
                let back = Bought { returned, ..line }.back(1).unwrap();
                prop_assert!(back.wallet >= Money::ZERO && back.cash >= Money::ZERO);
                sum = Back { wallet: sum.wallet + back.wallet, cash: sum.cash + back.cash };
            }
            prop_assert_eq!(Some(sum), line.back(qty));
        }
    }
}
