//! A rail with somebody at the boundary of every call: a question that does not get through was never asked, an answer that does not
//! get through was given and not heard. For simulations.

use std::sync::Arc;

use chrono::NaiveDate;

use super::{
    BillFile, BillPeriod, Capability, ChargeRequest, Closed, DebitNotice, Finding, Health, MandateRef, MandateState,
    Noticed, PayLink, PayLinkRequest, Rail, RefundRequest, SavedNotice, SignLink, SignRequest, Trouble,
};
use crate::boundary::{Boundary, Point};
use crate::domain::money::Money;
use crate::domain::rail::{Answer, Profile, Reply};
use crate::t;

/// The rail behind the boundary.
pub struct Guarded {
    rail: Arc<dyn Rail>,
    boundary: Boundary,
}

impl Guarded {
    /// Puts `boundary` before a rail.
    pub fn new(rail: Arc<dyn Rail>, boundary: Boundary) -> Guarded {
        Guarded { rail, boundary }
    }

    fn moving(&self, ask: impl FnOnce(&dyn Rail) -> Reply) -> Reply {
        self.across(|rail| Ok(ask(rail)))
            .unwrap_or_else(|trouble| Reply::said(Answer::Unknown, "", trouble.to_string()))
    }

    fn across<T>(&self, ask: impl FnOnce(&dyn Rail) -> Result<T, Trouble>) -> Result<T, Trouble> {
        if !self.boundary.passes(Point::BeforeCall) {
            return Err(self.lost());
        }
        let said = ask(self.rail.as_ref());
        if self.boundary.passes(Point::AfterCall) { said } else { Err(self.lost()) }
    }

    fn lost(&self) -> Trouble {
        Trouble::Unreachable { text: t!("the connection to {rail} was lost", rail = self.rail.name()) }
    }
}

impl Rail for Guarded {
    fn name(&self) -> &str {
        self.rail.name()
    }

    fn profile(&self) -> &Profile {
        self.rail.profile()
    }

    fn is_sandbox(&self) -> bool {
        self.rail.is_sandbox()
    }

    fn sign_link(&self, request: &SignRequest) -> Result<SignLink, Trouble> {
        self.across(|rail| rail.sign_link(request))
    }

    fn mandate_state(&self, mandate: &MandateRef) -> Result<MandateState, Trouble> {
        self.across(|rail| rail.mandate_state(mandate))
    }

    fn close_mandate(&self, mandate: &MandateRef, why: &str) -> Result<(), Trouble> {
        self.across(|rail| rail.close_mandate(mandate, why))
    }

    fn announce(&self, notice: &DebitNotice) -> Result<(), Trouble> {
        self.across(|rail| rail.announce(notice))
    }

    fn charge(&self, request: &ChargeRequest) -> Reply {
        self.moving(|rail| rail.charge(request))
    }

    fn query_charge(&self, order_no: &str, amount: Money) -> Reply {
        self.moving(|rail| rail.query_charge(order_no, amount))
    }

    fn close_order(&self, order_no: &str) -> Result<Closed, Trouble> {
        self.across(|rail| rail.close_order(order_no))
    }

    fn refund(&self, request: &RefundRequest) -> Reply {
        self.moving(|rail| rail.refund(request))
    }

    fn query_refund(&self, request: &RefundRequest) -> Reply {
        self.moving(|rail| rail.query_refund(request))
    }

    fn postpone(&self, mandate: &MandateRef, to: NaiveDate) -> Result<(), Trouble> {
        self.across(|rail| rail.postpone(mandate, to))
    }

    fn pay_link(&self, request: &PayLinkRequest) -> Result<PayLink, Trouble> {
        self.across(|rail| rail.pay_link(request))
    }

    fn bill(&self, period: BillPeriod) -> Result<BillFile, Trouble> {
        self.across(|rail| rail.bill(period))
    }

    fn read_notice(&self, notice: &SavedNotice) -> Result<Noticed, Trouble> {
        self.rail.read_notice(notice)
    }

    fn inspect(&self) -> Vec<Finding> {
        self.rail.inspect()
    }

    fn capabilities(&self) -> Vec<Capability> {
        self.rail.capabilities()
    }

    fn health(&self) -> Result<Health, Trouble> {
        self.across(|rail| rail.health())
    }
}
