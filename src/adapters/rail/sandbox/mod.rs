//! The sandbox rail: a pretended provider with a book of its own. Neither Alipay nor WeChat Pay offers a rehearsal for debits,
//! so rehearsals, the demo, the simulation and the tests run on this. It obeys the profile it is given and speaks in the
//! provider's codes; it owns no rule of kibble's and never sees the shop's database.
//!
//! Everything is decided by the clock it is given, its book and its seed, so the same calls always end the same way. What the
//! customer and the provider do by themselves (agree, revoke, pay a link, have faults) is `play.rs`, on [`Book`].
//!
//! Where the two providers differ in what they remember, so does the sandbox ([`Dialect`]): Alipay's keeps a registered date
//! per contract, refuses debits round any other day and lets it be postponed; WeChat's keeps none, so the window lies round
//! the agreed day of the request, a period is a calendar month, and postponing is unsupported.

pub mod book;
pub mod fault;
pub mod rows;

mod bill;
mod play;
mod rules;
mod say;
mod work;

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;

pub use self::book::Book;
pub use self::fault::{Fault, FaultKind, FaultSpan};
pub use self::play::{CreditTold, RailTotals, Snapshot};

use self::book::Page;
use self::fault::Call;
use self::rows::{Contract, ContractState, Order, OrderState};
use self::rules::Refusal;
use self::say::Word;
use self::work::Done;
use crate::adapters::rail::{
    BillFile, BillPeriod, Capability, ChargeRequest, Closed, DebitNotice, Health, MandateRef, MandateState, PayLink,
    PayLinkRequest, Rail, RefundRequest, SignLink, SignRequest, Trouble,
};
use crate::clock::Clock;
use crate::domain::bill::Dialect;
use crate::domain::date::{At, day_of};
use crate::domain::money::Money;
use crate::domain::rail::{Answer, Profile, RailNotice, Reason, Reply};
use crate::t;

/// What the providers keep of a payment where nothing else is agreed: 0.6 %.
pub const DEFAULT_FEE_BPS: i64 = 60;

/// Days after which an unpaid link closes by itself: the longest that Alipay allows (`timeout_express`, payment facts 1.7).
const LINK_DAYS: i64 = 15;

/// How long the `slow` fault takes to answer.
const SLOW: Duration = Duration::from_millis(1_200);

/// What the sandbox does of its own accord, decided by a hash of the seed and the order number, so that the same order always
/// meets the same fate. The default does nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Temper {
    /// Chooses one of many possible worlds; trade numbers depend on it too.
    pub seed: u64,
    /// Of 10 000 charges, how many are declined for lack of funds.
    pub no_funds_bps: u32,
    /// Of 10 000 charges, how many are declined for a limit.
    pub limit_bps: u32,
    /// Of 10 000 charges, how many are done without their answer coming back. A repeat is answered.
    pub lose_answer_bps: u32,
}

impl Temper {
    /// Why the provider declines this order of its own accord.
    fn refuses(&self, order_no: &str) -> Option<Refusal> {
        if self.no_funds_bps + self.limit_bps == 0 {
            return None;
        }
        let roll = rules::roll(self.seed, &["decline", order_no]);
        if roll < self.no_funds_bps {
            Some(Refusal::Told(Reason::NoFunds))
        } else if roll < self.no_funds_bps + self.limit_bps {
            Some(Refusal::Told(Reason::Limit))
        } else {
            None
        }
    }

    /// Whether the answer to this order is lost.
    fn loses(&self, order_no: &str) -> bool {
        self.lose_answer_bps > 0 && rules::roll(self.seed, &["lose", order_no]) < self.lose_answer_bps
    }
}

/// One sandbox rail of a shop.
#[derive(Debug)]
pub struct Sandbox {
    name: String,
    profile: Profile,
    dialect: Dialect,
    clock: Clock,
    book: Arc<Book>,
    fee_bps: i64,
    temper: Temper,
}

impl Sandbox {
    /// The rail called `name` with the rules of `profile`, on a book that other rails may share.
    pub fn open(name: &str, profile: Profile, clock: Clock, book: Arc<Book>) -> Sandbox {
        let dialect = Dialect::of(name, &profile);
        let temper = Temper::default();
        Sandbox { name: name.to_owned(), profile, dialect, clock, book, fee_bps: DEFAULT_FEE_BPS, temper }
    }

    /// With another fee, in basis points of what is paid.
    pub fn with_fee_bps(self, fee_bps: i64) -> Sandbox {
        Sandbox { fee_bps, ..self }
    }

    /// With a temper of its own.
    pub fn with_temper(self, temper: Temper) -> Sandbox {
        Sandbox { temper, ..self }
    }

    /// Speaking like the other provider, where the name and the profile do not tell.
    pub fn with_dialect(self, dialect: Dialect) -> Sandbox {
        Sandbox { dialect, ..self }
    }

    /// The book, for the commands that play the customer and the provider.
    pub fn book(&self) -> &Arc<Book> {
        &self.book
    }

    /// A call that moves money, with the faults that strike it. Whatever goes wrong, the answer is "unknown".
    fn moving(&self, call: Call, work: impl FnOnce(&Page<'_>, At, Option<Reason>) -> anyhow::Result<Done>) -> Reply {
        let now = self.clock.now();
        let outcome = self.book.write(|page| {
            let fault = page.strike(&self.name, call, now)?;
            let kind = fault.as_ref().map(|it| it.kind);
            if matches!(kind, Some(FaultKind::Drop | FaultKind::Down)) {
                return Ok((None, kind));
            }
            let told = fault.filter(|it| it.kind == FaultKind::Decline).map(|it| it.reason.unwrap_or(Reason::NoFunds));
            Ok((Some(work(page, now, told)?), kind))
        });
        match outcome {
            Err(error) => unknown(broken(&error)),
            Ok((None, Some(FaultKind::Down))) => unknown(down(&self.name)),
            Ok((None, _)) => unknown(t!("the connection to {rail} was lost", rail = self.name)),
            Ok((Some(done), kind)) => self.heard(done, kind),
        }
    }

    /// What arrives of an answer.
    fn heard(&self, done: Done, fault: Option<FaultKind>) -> Reply {
        match fault {
            Some(FaultKind::LoseAnswer) => unknown(t!("the connection to {rail} was lost", rail = self.name)),
            Some(FaultKind::Garbage) => unknown(t!("the answer of {rail} cannot be understood", rail = self.name)),
            // Nobody waits in a rehearsal, whose clock stands still: there the answer comes too late to be heard.
            Some(FaultKind::Slow) if self.clock.is_rehearsal() => {
                unknown(t!("no answer from {rail} in time", rail = self.name))
            }
            Some(FaultKind::Slow) => {
                std::thread::sleep(SLOW);
                done.reply
            }
            _ if done.lost => unknown(t!("the connection to {rail} was lost", rail = self.name)),
            _ => done.reply,
        }
    }

    /// Any other call: fails only while the rail is down or its book cannot be used.
    fn asking<T>(&self, work: impl FnOnce(&Page<'_>, At) -> anyhow::Result<Result<T, Trouble>>) -> Result<T, Trouble> {
        let now = self.clock.now();
        let outcome = self.book.write(|page| match page.strike(&self.name, Call::Other, now)? {
            Some(_) => Ok(Err(Trouble::Unreachable { text: down(&self.name) })),
            None => work(page, now),
        });
        outcome.unwrap_or_else(|error| Err(Trouble::Unreachable { text: broken(&error) }))
    }

    /// The order, unless it is unknown or older than queries reach.
    fn found(&self, page: &Page<'_>, order_no: &str, now: At) -> anyhow::Result<Option<Order>> {
        let reach = now - chrono::Duration::days(i64::from(self.profile.query_days));
        match page.order(&self.name, order_no)? {
            Some(order) if order.created_at >= reach => Ok(Some(self.settled(page, order, now)?)),
            _ => Ok(None),
        }
    }

    fn link_url(&self, what: &str, number: &str) -> String {
        format!("https://sandbox.kibble.example/{what}/{}/{number}", self.name)
    }
}

impl Rail for Sandbox {
    fn name(&self) -> &str {
        &self.name
    }

    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn is_sandbox(&self) -> bool {
        true
    }

    /// Links of the sandbox do not go stale. A link asked for again before the customer agreed is the same link, with the
    /// newest terms.
    fn sign_link(&self, request: &SignRequest) -> Result<SignLink, Trouble> {
        self.asking(|page, _| {
            let known = page.contract(&self.name, &request.contract_no)?;
            if known.is_some_and(|it| it.state != ContractState::Waiting) {
                return Ok(Err(self.refused(Reason::OurConfiguration, Word::ContractExists)));
            }
            if !rules::is_number(&request.contract_no) {
                return Ok(Err(self.refused_like(Refusal::BadNumber)));
            }
            if !request.amount.is_positive() {
                return Ok(Err(self.refused_like(Refusal::BadAmount)));
            }
            if self.dialect.keeps_date() && !rules::can_register(&self.profile, request.first_date) {
                return Ok(Err(self.refused(Reason::OurConfiguration, Word::BadDate)));
            }
            page.know_payer(&request.payer)?;
            page.save_contract(&Contract {
                rail: self.name.clone(),
                contract_no: request.contract_no.clone(),
                provider_no: None,
                payer: request.payer.clone(),
                single_cap: request.amount,
                count: request.count,
                paid_count: 0,
                first_date: request.first_date,
                next_date: request.first_date,
                valid_until: request.valid_until,
                state: ContractState::Waiting,
                signed_at: None,
                ended_at: None,
                ended_by: None,
            })?;
            let url = self.link_url("sign", &request.contract_no);
            Ok(Ok(SignLink { qr: url.clone(), url, good_until: None }))
        })
    }

    fn mandate_state(&self, mandate: &MandateRef) -> Result<MandateState, Trouble> {
        self.asking(|page, now| {
            let found = self.mandate(page, &mandate.contract_no, mandate.provider_no.as_deref(), now)?;
            let Some(mut contract) = found else { return Ok(Ok(MandateState::NotFound)) };
            // A debit decided in the meantime has moved the registered date.
            for pending in page.pending_of(&self.name, &contract.contract_no)? {
                self.settled(page, pending, now)?;
                contract = page.contract(&self.name, &contract.contract_no)?.unwrap_or(contract);
            }
            Ok(Ok(match contract.state {
                ContractState::Waiting => MandateState::Waiting,
                ContractState::Live => MandateState::Live {
                    provider_no: contract.provider_no.unwrap_or_default(),
                    signed_at: contract.signed_at,
                    next_date: self.dialect.keeps_date().then_some(contract.next_date),
                },
                ContractState::Ended => {
                    MandateState::Ended { at: contract.ended_at, by: contract.ended_by.unwrap_or_default() }
                }
            }))
        })
    }

    fn close_mandate(&self, mandate: &MandateRef, _why: &str) -> Result<(), Trouble> {
        self.asking(|page, now| {
            let found = self.mandate(page, &mandate.contract_no, mandate.provider_no.as_deref(), now)?;
            if let Some(mut contract) = found.filter(|it| it.state != ContractState::Ended) {
                contract.state = ContractState::Ended;
                contract.ended_at = Some(now);
                contract.ended_by = Some("merchant".to_owned());
                page.save_contract(&contract)?;
            }
            Ok(Ok(()))
        })
    }

    fn announce(&self, notice: &DebitNotice) -> Result<(), Trouble> {
        if self.profile.notice != RailNotice::Announce {
            return Err(Trouble::Unsupported);
        }
        self.asking(|page, now| self.announce_on(page, notice, now))
    }

    fn charge(&self, request: &ChargeRequest) -> Reply {
        self.moving(Call::Charge, |page, now, told| self.charge_on(page, request, now, told))
    }

    fn query_charge(&self, order_no: &str, amount: Money) -> Reply {
        let answer = self.asking(|page, now| {
            Ok(Ok(match self.found(page, order_no, now)? {
                None => {
                    let (code, text) = self.dialect.say(Word::NoOrder);
                    Reply::said(Answer::NotFound, code, text)
                }
                Some(order) if order.amount != amount => self.inconsistent(order.reason),
                Some(order) => self.told(&order),
            }))
        });
        answer.unwrap_or_else(|trouble| unknown(trouble.to_string()))
    }

    /// A debit that waits for its decision cannot be closed; one of an ended mandate declines when it is decided.
    fn close_order(&self, order_no: &str) -> Result<Closed, Trouble> {
        self.asking(|page, now| {
            let Some(order) = page.order(&self.name, order_no)? else {
                return Ok(Err(self.refused(Reason::Other, Word::NoOrder)));
            };
            let mut order = self.settled(page, order, now)?;
            match order.state {
                OrderState::Paid => Ok(Ok(Closed::AlreadyPaid(self.told(&order)))),
                OrderState::Declined | OrderState::Closed => Ok(Ok(Closed::Closed)),
                OrderState::Pending => Ok(Err(self.refused(Reason::Other, Word::Undecided))),
                OrderState::LinkOpen => {
                    order.state = OrderState::Closed;
                    page.save_order(&order)?;
                    Ok(Ok(Closed::Closed))
                }
            }
        })
    }

    fn refund(&self, request: &RefundRequest) -> Reply {
        self.moving(Call::Refund, |page, now, _| self.refund_on(page, request, now))
    }

    fn query_refund(&self, request: &RefundRequest) -> Reply {
        let answer = self.asking(|page, _| {
            Ok(Ok(match page.refund(&self.name, &request.refund_no)? {
                None => {
                    let (code, text) = self.dialect.say(Word::NoRefund);
                    Reply::said(Answer::NotFound, code, text)
                }
                Some(known) if known.order_no != request.order_no || known.amount != request.amount => {
                    let taken_for = Some(known.amount).filter(|_| known.order_no == request.order_no);
                    Reply { taken_for, ..self.inconsistent(known.refused) }
                }
                Some(known) => self.refund_told(&known),
            }))
        });
        answer.unwrap_or_else(|trouble| unknown(trouble.to_string()))
    }

    /// Only to a later date, as Alipay does (payment facts 1.6); the same date again is a success. Later periods keep their
    /// anchor day.
    fn postpone(&self, mandate: &MandateRef, to: NaiveDate) -> Result<(), Trouble> {
        if !self.dialect.keeps_date() {
            return Err(Trouble::Unsupported);
        }
        self.asking(|page, now| {
            let found = self.mandate(page, &mandate.contract_no, mandate.provider_no.as_deref(), now)?;
            let mut contract = match found {
                None => return Ok(Err(self.refused_like(Refusal::ContractUnknown))),
                Some(contract) => contract,
            };
            match contract.state {
                ContractState::Waiting => return Ok(Err(self.refused_like(Refusal::ContractWaiting))),
                ContractState::Ended => return Ok(Err(self.refused_like(Refusal::ContractEnded))),
                ContractState::Live if to == contract.next_date => return Ok(Ok(())),
                ContractState::Live => {}
            }
            let past = to < day_of(now, self.profile.timezone);
            if to < contract.next_date || past || !rules::can_register(&self.profile, to) {
                return Ok(Err(self.refused(Reason::OutsidePlan, Word::BadDate)));
            }
            contract.next_date = to;
            page.save_contract(&contract)?;
            Ok(Ok(()))
        })
    }

    fn pay_link(&self, request: &PayLinkRequest) -> Result<PayLink, Trouble> {
        self.asking(|page, now| {
            if !rules::is_number(&request.order_no) {
                return Ok(Err(self.refused_like(Refusal::BadNumber)));
            }
            if !request.amount.is_positive() {
                return Ok(Err(self.refused_like(Refusal::BadAmount)));
            }
            let url = self.link_url("pay", &request.order_no);
            if let Some(order) = page.order(&self.name, &request.order_no)? {
                let order = self.settled(page, order, now)?;
                return Ok(match order.state {
                    OrderState::LinkOpen if order.amount == request.amount => {
                        Ok(PayLink { url, good_until: order.decide_at })
                    }
                    OrderState::Paid => Err(self.refused(Reason::Other, Word::Paid)),
                    OrderState::Closed | OrderState::Declined => Err(self.refused(Reason::Other, Word::DeadNumber)),
                    OrderState::LinkOpen | OrderState::Pending => {
                        Err(self.refused(Reason::OurConfiguration, Word::Inconsistent))
                    }
                });
            }
            let good_until = Some(now + chrono::Duration::days(LINK_DAYS));
            page.add_order(&Order {
                rail: self.name.clone(),
                order_no: request.order_no.clone(),
                contract_no: None,
                payer: None,
                amount: request.amount,
                subject: request.subject.clone(),
                cycle: None,
                state: OrderState::LinkOpen,
                reason: None,
                code: String::new(),
                text: String::new(),
                trade_no: Some(self.trade_no(&request.order_no)),
                created_at: now,
                decide_at: good_until,
                paid_at: None,
                paid_from: None,
                fee: request.amount.bps(self.fee_bps),
                refunded: Money::ZERO,
            })?;
            Ok(Ok(PayLink { url, good_until }))
        })
    }

    fn bill(&self, period: BillPeriod) -> Result<BillFile, Trouble> {
        self.asking(|page, now| {
            if self.dialect == Dialect::Wechat && matches!(period, BillPeriod::Month(_)) {
                return Ok(Err(Trouble::Unsupported));
            }
            let (first, last) = bill::days(period);
            if now < self.profile.bill_ready_at(last) {
                return Ok(Err(self.refused(Reason::Other, Word::BillNotReady)));
            }
            self.settle_all(page, now)?;
            let days = bill::Days::read(page, &self.name, &self.profile, first, last)?;
            match self.dialect {
                Dialect::Alipay => Ok(Ok(bill::alipay(&days, period)?)),
                Dialect::Wechat if days.is_empty() => Ok(Err(self.refused(Reason::Other, Word::NoBill))),
                Dialect::Wechat => Ok(Ok(bill::wechat(&days, self.fee_bps))),
            }
        })
    }

    fn capabilities(&self) -> Vec<Capability> {
        let lacks = |it: &Capability| match it {
            Capability::Announce => self.profile.notice != RailNotice::Announce,
            Capability::Postpone => self.dialect == Dialect::Wechat,
            Capability::Notice => true,
            _ => false,
        };
        Capability::ALL.into_iter().filter(|it| !lacks(it)).collect()
    }

    fn health(&self) -> Result<Health, Trouble> {
        self.asking(|_, now| Ok(Ok(Health { provider_time: Some(now) })))
    }
}

fn unknown(text: String) -> Reply {
    Reply::said(Answer::Unknown, "", text)
}

fn down(rail: &str) -> String {
    t!("{rail} cannot be reached", rail = rail)
}

fn broken(error: &anyhow::Error) -> String {
    t!("the sandbox's book cannot be used: {error}", error = format!("{error:#}"))
}
