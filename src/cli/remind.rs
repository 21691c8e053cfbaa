//! `kibble remind`: messages to customers and to the shop.

use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::ui::{Table, Ui};
use crate::cli::{self, Globals};
use crate::domain::date::At;
use crate::domain::id::{CustomerId, MessageId};
use crate::domain::message::MessageState;
use crate::fault::Fault;
use crate::ops::Ctx;
use crate::ops::remind::{self, Delivered, Listed, Preview, Verdict, state_text};
use crate::t;
use crate::text::letters::title;

/// Messages to customers and to the shop
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    List(ListArgs),
    Send(SendArgs),
    Retry(RetryArgs),
    Settle(SettleArgs),
}

/// List messages, the newest first
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only those in this state
    #[arg(long, value_parser = ["queued", "sending", "sent", "unknown", "failed", "dropped"])]
    state: Option<String>,
    /// Only those about this customer, for example c-12
    #[arg(long, value_name = "CUSTOMER")]
    customer: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
}

/// Send what is queued and may be sent at this hour
#[derive(Debug, clap::Args)]
struct SendArgs {
    /// Show the texts, masked, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: show at most this many
    #[arg(long, value_name = "N", default_value_t = 200)]
    limit: u32,
}

/// Put a message that could not be sent back into the queue
#[derive(Debug, clap::Args)]
struct RetryArgs {
    /// The message, for example n-9
    #[arg(value_name = "MESSAGE")]
    message: String,
}

/// Say what became of a message in doubt: kibble never sends one again on a guess
#[derive(Debug, clap::Args)]
struct SettleArgs {
    /// The message, for example n-9
    #[arg(value_name = "MESSAGE")]
    message: Option<String>,
    /// All that are in doubt
    #[arg(long, conflicts_with = "message")]
    all: bool,
    /// It arrived; it counts as sent from now on
    #[arg(long, conflicts_with = "not_arrived")]
    arrived: bool,
    /// It did not arrive; it is sent again
    #[arg(long)]
    not_arrived: bool,
}

/// Runs the verb.
///
/// # Errors
/// Those of [`remind`], and ids that are none.
pub fn run(args: &Args, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    let ctx = cli::open(globals, ui)?;
    match &args.verb {
        Verb::List(args) => list(&ctx, args, ui),
        Verb::Send(args) if args.dry_run => preview(&ctx, args, ui),
        Verb::Send(_) => send(&ctx, ui),
        Verb::Retry(args) => retry(&ctx, args, ui),
        Verb::Settle(args) => settle(&ctx, args, ui),
    }
}

#[derive(Serialize)]
struct Messages<'a> {
    messages: &'a [Listed],
}

fn list(ctx: &Ctx, args: &ListArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let customer = args.customer.as_deref().map(customer_id).transpose()?;
    let state = args.state.as_deref().and_then(MessageState::from_word);
    let messages = remind::list(ctx, customer, state, args.limit)?;
    ui.answer(&Messages { messages: &messages }, |ui| {
        if messages.is_empty() {
            ui.status(&t!("no message"));
            return Ok(());
        }
        let heads =
            [t!("Message"), t!("Time"), t!("To"), t!("Text"), t!("About"), t!("State"), t!("Channel"), t!("Remark")];
        let mut table = Table::new(heads);
        for it in &messages {
            let at = it.message.sent_at.unwrap_or(it.message.not_before);
            let about = match (it.message.installment(), it.message.agreement) {
                (Some(installment), _) => installment.to_string(),
                (None, Some(agreement)) => agreement.to_string(),
                (None, None) => it.message.customer.map(|id| id.to_string()).unwrap_or_default(),
            };
            table.row([
                it.message.id.to_string(),
                at.with_timezone(&ctx.zone()).format("%Y-%m-%d %H:%M").to_string(),
                it.to.clone(),
                title(&it.message.template),
                about,
                state_text(it.message.state),
                it.message.channel.clone().unwrap_or_default(),
                it.message.said.clone(),
            ]);
        }
        ui.table(&table);
        Ok(())
    })?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Previews<'a> {
    waiting: u64,
    messages: &'a [Preview],
}

fn preview(ctx: &Ctx, args: &SendArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let (waiting, messages) = remind::preview(ctx, ctx.now(), args.limit)?;
    ui.answer(&Previews { waiting, messages: &messages }, |ui| {
        for it in &messages {
            let text = match (&it.text, &it.why) {
                (Some(text), _) => text.clone(),
                (None, why) => t!("not sent: {why}", why = why.as_deref().unwrap_or_default()),
            };
            let channel = it.channel.as_deref().unwrap_or("—");
            ui.data(&format!("{}  {}  {channel}  {text}", it.id, it.to));
        }
        ui.status(&t!("{count} {count|message|messages} could be sent now; nothing was sent", count = waiting));
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn send(ctx: &Ctx, ui: &Ui) -> anyhow::Result<Exit> {
    let delivered = remind::send(ctx, ctx.now())?;
    ui.answer(&delivered, |ui| {
        show(&delivered, ui);
        Ok(())
    })?;
    Ok(if delivered.needs_person() { Exit::NeedsPerson } else { Exit::Done })
}

fn show(it: &Delivered, ui: &Ui) {
    if it.busy {
        ui.status(&t!("another kibble is sending messages at this moment; nothing was done"));
        return;
    }
    ui.data(&t!("{count} {count|message|messages} sent", count = it.sent));
    if it.dropped > 0 {
        ui.data(&t!("{count} overtaken by events and dropped", count = it.dropped));
    }
    for (channel, stop) in &it.stopped {
        ui.warn(&match stop.broken {
            true => t!("channel {channel} refuses our settings: {why}", channel = channel, why = stop.said),
            false => t!("channel {channel} does not work now: {why}", channel = channel, why = stop.said),
        });
    }
    if it.later > 0 {
        ui.data(&t!("{count} wait until their channel works again", count = it.later));
    }
    if it.capped > 0 {
        ui.data(&t!("{count} wait until tomorrow: their numbers had enough today", count = it.capped));
    }
    if !it.in_doubt.is_empty() {
        let messages = ids(&it.in_doubt);
        ui.warn(&t!("nobody knows whether these arrived; none is sent again: {messages}", messages = messages));
        ui.hint(&match it.undecidable.is_empty() {
            true => t!("the next delivery looks them up"),
            false => t!("find out, then `kibble remind settle MESSAGE --arrived` or `--not-arrived`"),
        });
    }
    if !it.failed.is_empty() {
        ui.warn(&t!("not sent: {messages}", messages = ids(&it.failed)));
        ui.hint(&t!("`kibble remind list --state failed` says why; mend it, then `kibble remind retry MESSAGE`"));
    }
}

#[derive(Serialize)]
struct Retried {
    message: MessageId,
    not_before: At,
}

fn retry(ctx: &Ctx, args: &RetryArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let message = message_id(&args.message)?;
    let not_before = remind::retry(ctx, message, ctx.now())?;
    ui.answer(&Retried { message, not_before }, |ui| {
        show_queued(ctx, message, not_before, ui);
        Ok(())
    })?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Settled {
    message: MessageId,
    verdict: Verdict,
    not_before: Option<At>,
}

fn settle(ctx: &Ctx, args: &SettleArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let verdict = match (args.arrived, args.not_arrived) {
        (true, _) => Verdict::Arrived,
        (false, true) => Verdict::NotArrived,
        (false, false) => return Err(Fault::usage(t!("say --arrived or --not-arrived")).into()),
    };
    let message = match &args.message {
        Some(message) => message_id(message)?,
        None if args.all => return settle_all(ctx, verdict, ui),
        None => return Err(Fault::usage(t!("name a message like n-9, or say --all")).into()),
    };
    let not_before = remind::settle(ctx, message, verdict, ctx.now())?;
    ui.answer(&Settled { message, verdict, not_before }, |ui| {
        match not_before {
            Some(at) => show_queued(ctx, message, at, ui),
            None => ui.data(&t!("{message} counts as sent from now on", message = message)),
        }
        Ok(())
    })?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct SettledAll {
    messages: Vec<MessageId>,
    verdict: Verdict,
}

fn settle_all(ctx: &Ctx, verdict: Verdict, ui: &Ui) -> anyhow::Result<Exit> {
    let messages = remind::settle_all(ctx, verdict, ctx.now())?;
    ui.answer(&SettledAll { messages: messages.clone(), verdict }, |ui| {
        let count = messages.len();
        ui.data(&match verdict {
            _ if count == 0 => t!("no message is in doubt"),
            Verdict::Arrived => t!("{count} count as sent from now on", count = count),
            Verdict::NotArrived => t!("{count} are queued again", count = count),
        });
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn show_queued(ctx: &Ctx, message: MessageId, not_before: At, ui: &Ui) {
    let at = not_before.with_timezone(&ctx.zone()).format("%Y-%m-%d %H:%M");
    ui.data(&t!("{message} is queued again, to be sent from {at} on", message = message, at = at));
}

fn message_id(text: &str) -> anyhow::Result<MessageId> {
    text.parse().map_err(|_| Fault::usage(t!("{text} is not a message like n-9", text = text)).into())
}

fn customer_id(text: &str) -> anyhow::Result<CustomerId> {
    text.parse().map_err(|_| Fault::usage(t!("{text} is not a customer like c-12", text = text)).into())
}

fn ids(messages: &[MessageId]) -> String {
    messages.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
