//! What the pretended provider does inside one transaction: take a charge on, decide it, refund it. Owns the order of things;
//! the rules are `rules.rs`, the money lies in `book.rs`, the words are `say.rs`.

use super::Sandbox;
use super::book::Page;
use super::rows::{Contract, ContractState, Order, OrderState, Refund};
use super::rules::{self, Asked, Refusal};
use super::say::Word;
use crate::adapters::rail::{ChargeRequest, DebitNotice, RefundRequest, Trouble};
use crate::domain::date::{At, day_of, time_of};
use crate::domain::money::Money;
use crate::domain::rail::{Acceptance, Answer, Reason, Reply};

/// What `paid_from` says of a link, which the customer pays with money that the book does not know.
pub(super) const OUTSIDE: &str = "outside";
/// What `paid_from` says of the balance in the wallet app.
const BALANCE: &str = "balance";
/// What `paid_from` begins with where a card paid.
const CARD: &str = "card:";

/// What a call that moves money came to.
pub(super) struct Done {
    /// The answer.
    pub(super) reply: Reply,
    /// The temper loses this answer.
    pub(super) lost: bool,
}

impl Sandbox {
    /// A charge: the truth about a number seen before, else taken on and, where acceptance is final, decided.
    pub(super) fn charge_on(
        &self,
        page: &Page<'_>,
        request: &ChargeRequest,
        now: At,
        told: Option<Reason>,
    ) -> anyhow::Result<Done> {
        if let Some(order) = page.order(&self.name, &request.order_no)? {
            let order = self.settled(page, order, now)?;
            return Ok(Done { reply: self.repeated(&order, request), lost: false });
        }
        let mut order = self.new_order(request, now);
        // A debit whose time has come is in nobody's way, whether or not somebody asked about it.
        let mut in_flight = false;
        for pending in page.pending_of(&self.name, &request.mandate.contract_no)? {
            in_flight |= self.settled(page, pending, now)?.state == OrderState::Pending;
        }
        let found = self.mandate(page, &request.mandate.contract_no, request.mandate.provider_no.as_deref(), now)?;
        match found {
            None => self.decline(&mut order, Refusal::ContractUnknown),
            Some(mut contract) => {
                order.payer = Some(contract.payer.clone());
                order.cycle = Some(rules::cycle(self.dialect, &contract, request.due));
                match self.refusal(page, request, &contract, in_flight, now, told)? {
                    Some(refusal) => self.decline(&mut order, refusal),
                    None if self.profile.acceptance == Acceptance::Pending => {
                        order.state = OrderState::Pending;
                        order.decide_at = Some(now + chrono::Duration::hours(i64::from(self.profile.pending_hours)));
                    }
                    None => self.decide(page, &mut order, &mut contract, now)?,
                }
            }
        }
        page.add_order(&order)?;
        Ok(Done { reply: self.told(&order), lost: self.temper.loses(&request.order_no) })
    }

    /// A refund: the truth about a number seen before, else the money goes back where it came from.
    pub(super) fn refund_on(&self, page: &Page<'_>, request: &RefundRequest, now: At) -> anyhow::Result<Done> {
        let refund = match page.refund(&self.name, &request.refund_no)? {
            Some(known) if known.order_no != request.order_no || known.amount != request.amount => {
                return Ok(Done { reply: self.inconsistent(known.refused), lost: false });
            }
            Some(known) => known,
            None => {
                let refund = self.new_refund(page, request, now)?;
                page.add_refund(&refund)?;
                refund
            }
        };
        Ok(Done { reply: self.refund_told(&refund), lost: false })
    }

    /// The order as it stands at `now`: a debit whose time has come is decided, a link whose time is over is closed.
    pub(super) fn settled(&self, page: &Page<'_>, mut order: Order, now: At) -> anyhow::Result<Order> {
        let Some(decide_at) = order.decide_at.filter(|at| *at <= now) else { return Ok(order) };
        match order.state {
            OrderState::LinkOpen => order.state = OrderState::Closed,
            OrderState::Pending => {
                let contract_no = order.contract_no.clone().unwrap_or_default();
                match page.contract(&self.name, &contract_no)? {
                    Some(mut contract) => self.decide(page, &mut order, &mut contract, decide_at)?,
                    None => self.decline(&mut order, Refusal::ContractUnknown),
                }
            }
            OrderState::Paid | OrderState::Declined | OrderState::Closed => return Ok(order),
        }
        page.save_order(&order)?;
        Ok(order)
    }

    /// Decides every debit of the rail whose time has come.
    pub(super) fn settle_all(&self, page: &Page<'_>, now: At) -> anyhow::Result<()> {
        for order in page.pending_by(&self.name, now)? {
            self.settled(page, order, now)?;
        }
        Ok(())
    }

    /// The contract as it stands at `now`: ended when its last day is over. `None` where the provider's number is given and
    /// is another one.
    pub(super) fn mandate(
        &self,
        page: &Page<'_>,
        contract_no: &str,
        provider_no: Option<&str>,
        now: At,
    ) -> anyhow::Result<Option<Contract>> {
        let Some(mut contract) = page.contract(&self.name, contract_no)? else { return Ok(None) };
        if provider_no.is_some() && provider_no != contract.provider_no.as_deref() {
            return Ok(None);
        }
        let over = rules::expires(contract.valid_until, &self.profile);
        if contract.state == ContractState::Live && now >= over {
            contract.state = ContractState::Ended;
            contract.ended_at = Some(over);
            contract.ended_by = Some("expiry".to_owned());
            page.save_contract(&contract)?;
        }
        Ok(Some(contract))
    }

    /// What the provider says of an order it knows.
    pub(super) fn told(&self, order: &Order) -> Reply {
        let said = |answer, word| {
            let (code, text) = self.dialect.say(word);
            Reply { trade_no: order.trade_no.clone(), at: order.paid_at, ..Reply::said(answer, code, text) }
        };
        match order.state {
            OrderState::Paid => said(Answer::Paid, Word::Fine),
            OrderState::Pending | OrderState::LinkOpen => {
                let reply = said(Answer::Pending(order.decide_at.unwrap_or(order.created_at)), Word::Accepted);
                Reply { trade_no: None, ..reply }
            }
            OrderState::Closed => Reply { trade_no: None, ..said(Answer::Declined(Reason::Other), Word::Closed) },
            OrderState::Declined => {
                let reason = order.reason.unwrap_or(Reason::Other);
                Reply::said(Answer::Declined(reason), order.code.clone(), order.text.clone())
            }
        }
    }

    /// What the provider says of a refund it knows.
    pub(super) fn refund_told(&self, refund: &Refund) -> Reply {
        match refund.refused {
            Some(reason) => Reply::said(Answer::Declined(reason), refund.code.clone(), refund.text.clone()),
            None => Reply {
                trade_no: refund.trade_no.clone(),
                at: Some(refund.at),
                ..Reply::said(Answer::Paid, refund.code.clone(), refund.text.clone())
            },
        }
    }

    /// Same number, other content. Where the number is dead that is a decline; else nobody may draw a conclusion from it, so
    /// that no wrong amount is booked and no second number is tried.
    pub(super) fn inconsistent(&self, dead: Option<Reason>) -> Reply {
        let (code, text) = self.dialect.say(Word::Inconsistent);
        let answer = dead.map_or(Answer::Unknown, |_| Answer::Declined(Reason::OurConfiguration));
        Reply::said(answer, code, text)
    }

    /// A refusal of a call that is not a charge.
    pub(super) fn refused(&self, reason: Reason, word: Word) -> Trouble {
        let (code, text) = self.dialect.say(word);
        Trouble::Refused { reason, code, text }
    }

    /// A refusal in the words of a charge, for the calls round it.
    pub(super) fn refused_like(&self, refusal: Refusal) -> Trouble {
        let (reason, code, text) = self.dialect.refuse(refusal);
        Trouble::Refused { reason, code, text }
    }

    /// The provider's number of the trade of an order.
    pub(super) fn trade_no(&self, order_no: &str) -> String {
        rules::number(self.dialect.trade_prefix(), self.temper.seed, &[&self.name, order_no], 20)
    }

    /// Takes the money, or declines. `at` is when the provider looks: now, or when a pending debit's time had come.
    fn decide(&self, page: &Page<'_>, order: &mut Order, contract: &mut Contract, at: At) -> anyhow::Result<()> {
        let ended = contract.ended_at.is_some_and(|ended| ended <= at);
        if ended || rules::expires(contract.valid_until, &self.profile) <= at {
            self.decline(order, Refusal::ContractEnded);
            return Ok(());
        }
        let (day, month) = rules::sums_from(&self.profile, at);
        let spent_month = page.spent_since(&self.name, &contract.payer, month)?;
        let spent_day =
            if spent_month.is_zero() { Money::ZERO } else { page.spent_since(&self.name, &contract.payer, day)? };
        if let Some(refusal) = rules::sums(&self.profile, order.amount, spent_day, spent_month)
            .err()
            .or_else(|| self.temper.refuses(&order.order_no))
        {
            self.decline(order, refusal);
            return Ok(());
        }
        let Some(source) = take(page, &contract.payer, order.amount)? else {
            self.decline(order, Refusal::NoFunds);
            return Ok(());
        };
        order.state = OrderState::Paid;
        order.trade_no = Some(self.trade_no(&order.order_no));
        order.paid_at = Some(at);
        order.paid_from = Some(source);
        order.fee = order.amount.bps(self.fee_bps);
        contract.paid_count += 1;
        self.move_on(page, order, contract)?;
        page.use_notices(&self.name, &contract.contract_no)?;
        page.save_contract(contract)
    }

    /// After a success: the registered date moves one period on once the period has had its debits.
    fn move_on(&self, page: &Page<'_>, order: &Order, contract: &mut Contract) -> anyhow::Result<()> {
        if !self.dialect.keeps_date() {
            return Ok(());
        }
        let cycle = order.cycle.as_deref().unwrap_or_default();
        // The success being written is not in the book yet.
        let paid = 1 + page.paid_in_cycle(&self.name, &contract.contract_no, cycle)?;
        if paid >= self.profile.successes_per_cycle {
            let anchor_day = chrono::Datelike::day(&contract.first_date);
            contract.next_date = rules::date_after(contract.next_date, anchor_day);
        }
        Ok(())
    }

    fn refusal(
        &self,
        page: &Page<'_>,
        request: &ChargeRequest,
        contract: &Contract,
        in_flight: bool,
        now: At,
        told: Option<Reason>,
    ) -> anyhow::Result<Option<Refusal>> {
        if !rules::is_number(&request.order_no) {
            return Ok(Some(Refusal::BadNumber));
        }
        if let Some(reason) = told {
            return Ok(Some(Refusal::Told(reason)));
        }
        let notice = page.notice(&self.name, &contract.contract_no)?;
        let cycle = rules::cycle(self.dialect, contract, request.due);
        let asked = Asked {
            contract,
            amount: request.amount,
            due: request.due,
            now,
            notice: notice.as_ref(),
            in_flight,
            paid_in_cycle: page.paid_in_cycle(&self.name, &contract.contract_no, &cycle)?,
        };
        Ok(rules::accept(&self.profile, self.dialect, &asked).err())
    }

    fn new_order(&self, request: &ChargeRequest, now: At) -> Order {
        Order {
            rail: self.name.clone(),
            order_no: request.order_no.clone(),
            contract_no: Some(request.mandate.contract_no.clone()),
            payer: None,
            amount: request.amount,
            subject: request.subject.clone(),
            cycle: None,
            state: OrderState::Pending,
            reason: None,
            code: String::new(),
            text: String::new(),
            trade_no: None,
            created_at: now,
            decide_at: None,
            paid_at: None,
            paid_from: None,
            fee: Money::ZERO,
            refunded: Money::ZERO,
        }
    }

    fn decline(&self, order: &mut Order, refusal: Refusal) {
        let (reason, code, text) = self.dialect.refuse(refusal);
        order.state = OrderState::Declined;
        order.reason = Some(reason);
        order.code = code;
        order.text = text;
    }

    /// The answer to a charge whose number is known: the truth about the first one, and never a second debit.
    fn repeated(&self, order: &Order, request: &ChargeRequest) -> Reply {
        let same = order.contract_no.as_deref() == Some(request.mandate.contract_no.as_str())
            && order.amount == request.amount;
        match order.state {
            OrderState::Declined | OrderState::Closed => {
                let (code, text) = self.dialect.say(Word::DeadNumber);
                Reply::said(Answer::Declined(order.reason.unwrap_or(Reason::Other)), code, text)
            }
            OrderState::Paid | OrderState::Pending | OrderState::LinkOpen if same => self.told(order),
            OrderState::Paid | OrderState::Pending | OrderState::LinkOpen => self.inconsistent(None),
        }
    }

    fn new_refund(&self, page: &Page<'_>, request: &RefundRequest, now: At) -> anyhow::Result<Refund> {
        let (code, text) = self.dialect.say(Word::Fine);
        let mut refund = Refund {
            rail: self.name.clone(),
            refund_no: request.refund_no.clone(),
            order_no: request.order_no.clone(),
            amount: request.amount,
            fee_back: Money::ZERO,
            refused: None,
            code,
            text,
            trade_no: None,
            at: now,
        };
        let order = match page.order(&self.name, &request.order_no)? {
            Some(order) => Some(self.settled(page, order, now)?),
            None => None,
        };
        let refused = match &order {
            _ if !rules::is_number(&request.refund_no) => Some((Reason::OurConfiguration, Word::RefundMismatch)),
            None => Some((Reason::Other, Word::NoOrder)),
            Some(order) if order.state != OrderState::Paid => Some((Reason::Other, Word::NotPaid)),
            Some(order) if order.amount != request.paid => Some((Reason::OurConfiguration, Word::RefundMismatch)),
            Some(order) if !request.amount.is_positive() || order.refunded + request.amount > order.amount => {
                Some((Reason::Other, Word::RefundTooMuch))
            }
            Some(_) => None,
        };
        match (order, refused) {
            (Some(mut order), None) => {
                // The fee goes back in proportion, and all of it once all of the money has gone back.
                let fee_at = |refunded: Money| order.fee.share(refunded.fen(), order.amount.fen());
                refund.fee_back = fee_at(order.refunded + request.amount) - fee_at(order.refunded);
                refund.trade_no = Some(rules::number("50", self.temper.seed, &[&self.name, &request.refund_no], 26));
                order.refunded += request.amount;
                page.save_order(&order)?;
                give_back(page, &order, request.amount)?;
            }
            (_, refused) => {
                let (reason, word) = refused.unwrap_or((Reason::Other, Word::NoOrder));
                let (code, text) = self.dialect.say(word);
                refund.refused = Some(reason);
                refund.code = code;
                refund.text = text;
            }
        }
        Ok(refund)
    }
}

/// Notices.
impl Sandbox {
    /// Takes a notice on, or says why not. The same notice twice is a success and leaves the first one as it is.
    pub(super) fn announce_on(
        &self,
        page: &Page<'_>,
        notice: &DebitNotice,
        now: At,
    ) -> anyhow::Result<Result<(), Trouble>> {
        let mandate = &notice.mandate;
        let contract = match self.mandate(page, &mandate.contract_no, mandate.provider_no.as_deref(), now)? {
            None => return Ok(Err(self.refused_like(Refusal::ContractUnknown))),
            Some(contract) => contract,
        };
        match contract.state {
            ContractState::Waiting => return Ok(Err(self.refused_like(Refusal::ContractWaiting))),
            ContractState::Ended => return Ok(Err(self.refused_like(Refusal::ContractEnded))),
            ContractState::Live => {}
        }
        let zone = self.profile.timezone;
        let standing = page
            .notice(&self.name, &contract.contract_no)?
            .filter(|it| rules::notice_stands(&self.profile, it.given_at, day_of(now, zone)));
        if let Some(standing) = standing {
            let same = standing.amount == notice.amount && standing.due == notice.due;
            return Ok(if same { Ok(()) } else { Err(self.refused(Reason::OutsidePlan, Word::OtherNotice)) });
        }
        if !self.profile.notice_hours.contains(time_of(now, zone)) {
            return Ok(Err(self.refused(Reason::OutsidePlan, Word::NoticeHours)));
        }
        if notice.amount > contract.single_cap {
            return Ok(Err(self.refused_like(Refusal::AboveContract)));
        }
        page.add_notice(&self.name, &contract.contract_no, now, notice.amount, notice.due)?;
        Ok(Ok(()))
    }
}

/// Takes the whole amount from the balance, else from the first card that can pay all of it; says from where.
fn take(page: &Page<'_>, payer: &str, amount: Money) -> anyhow::Result<Option<String>> {
    if page.balance(payer)?.is_some_and(|balance| balance >= amount) {
        page.add_to_balance(payer, -amount)?;
        return Ok(Some(BALANCE.to_owned()));
    }
    for card in page.cards(payer)? {
        if card.available >= amount {
            page.add_to_card(payer, &card.label, -amount)?;
            return Ok(Some(format!("{CARD}{}", card.label)));
        }
    }
    Ok(None)
}

/// Gives money back to where it was paid from; to the balance where the card has been taken away since.
fn give_back(page: &Page<'_>, order: &Order, amount: Money) -> anyhow::Result<()> {
    let Some(payer) = order.payer.as_deref() else { return Ok(()) };
    let source = order.paid_from.as_deref().unwrap_or(BALANCE);
    if source == OUTSIDE {
        return Ok(());
    }
    if let Some(label) = source.strip_prefix(CARD)
        && page.add_to_card(payer, label, amount)?
    {
        return Ok(());
    }
    page.add_to_balance(payer, amount)
}
