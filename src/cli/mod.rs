//! Arguments and dispatch: which command was typed, in which language, and how the process ends.
//!
//! A new command is a file `cli/<word>.rs` with `Args` and `run`, and three lines here: its `mod`, its variant of [`Thing`],
//! its arm in `dispatch`. English help is the doc comment on its `Args`; the Chinese stands in `text/zh/<word>.rs`.

pub mod exit;
pub mod ui;

mod adopt;
mod agreement;
mod agreement_import;
mod audit;
mod backup;
mod catalog;
mod check;
mod completions;
mod config;
mod customer;
mod debit;
mod demo;
mod doctor;
mod help;
mod init;
mod mandate;
mod notice;
mod orders;
mod pet;
mod plan;
mod project;
mod recon;
mod remind;
mod report;
mod restore;
mod risk;
mod sandbox;
mod sign;
mod simulate;
mod usage;
mod wallet;
mod why;

use std::ffi::OsString;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::cli::exit::Exit;
use crate::cli::ui::{Color, Progress, Ui, Wishes};
use crate::ops::{self, Ctx, Event, witness};
use crate::text::{self, Lang};

/// Runs a pet shop's monthly food plan: agreements, debits, wallets, orders and reports
#[derive(Debug, Parser)]
#[command(name = "kibble", version, disable_help_flag = true, disable_version_flag = true)]
#[command(disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    thing: Thing,
    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = "Global options")]
    version: Option<bool>,
}

/// Options that every command understands.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// The shop's folder; without it KIBBLE_SHOP, then this folder if it has a shop.toml, then your own data folder
    #[arg(long, global = true, value_name = "DIR")]
    pub shop: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Language of what you read; without it the shop's, then your computer's
    #[arg(long, global = true, value_name = "LANG", value_parser = lang_words())]
    pub lang: Option<Lang>,
    /// Answer yes to every question, and take what is suggested
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Print the answer only, no status lines
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", value_parser = color_words())]
    pub color: Color,
    /// Pretend that it is this time; only in a shop where every payment rail is a sandbox
    #[arg(long, global = true, value_name = "TIME", hide = true)]
    pub now: Option<String>,
    /// Print help
    #[arg(short = 'h', long, global = true, action = ArgAction::Help)]
    help: Option<bool>,
}

// The commands; the grammar is `kibble <thing> <verb>`. A variant carries no doc comment: its help is that of its `Args`.
#[derive(Debug, Subcommand)]
enum Thing {
    Init(init::Args),
    Demo(demo::Args),
    Config(config::Args),
    Check(check::Args),
    Doctor(doctor::Args),
    Plan(plan::Args),
    Catalog(catalog::Args),
    Customer(customer::Args),
    Pet(pet::Args),
    Sign(Box<sign::Args>),
    Agreement(agreement::Args),
    Mandate(mandate::Args),
    Debit(debit::Args),
    Risk(risk::Args),
    Wallet(wallet::Args),
    Notice(notice::Args),
    Orders(orders::Args),
    Remind(remind::Args),
    Recon(recon::Args),
    Report(report::Args),
    Simulate(simulate::Args),
    Sandbox(sandbox::Args),
    Why(why::Args),
    Audit(audit::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Adopt(adopt::Args),
    Completions(completions::Args),
}

fn dispatch(thing: &Thing, globals: &Globals, ui: &Ui) -> anyhow::Result<Exit> {
    match thing {
        Thing::Init(args) => init::run(args, globals, ui),
        Thing::Demo(args) => demo::run(args, globals, ui),
        Thing::Config(args) => config::run(args, globals, ui),
        Thing::Check(args) => check::run(args, globals, ui),
        Thing::Doctor(args) => doctor::run(args, globals, ui),
        Thing::Plan(args) => plan::run(args, globals, ui),
        Thing::Catalog(args) => catalog::run(args, globals, ui),
        Thing::Customer(args) => customer::run(args, globals, ui),
        Thing::Pet(args) => pet::run(args, globals, ui),
        Thing::Sign(args) => sign::run(args, globals, ui),
        Thing::Agreement(args) => agreement::run(args, globals, ui),
        Thing::Mandate(args) => mandate::run(args, globals, ui),
        Thing::Debit(args) => debit::run(args, globals, ui),
        Thing::Risk(args) => risk::run(args, globals, ui),
        Thing::Wallet(args) => wallet::run(args, globals, ui),
        Thing::Notice(args) => notice::run(args, globals, ui),
        Thing::Orders(args) => orders::run(args, globals, ui),
        Thing::Remind(args) => remind::run(args, globals, ui),
        Thing::Recon(args) => recon::run(args, globals, ui),
        Thing::Report(args) => report::run(args, globals, ui),
        Thing::Simulate(args) => simulate::run(args, globals, ui),
        Thing::Sandbox(args) => sandbox::run(args, globals, ui),
        Thing::Why(args) => why::run(args, globals, ui),
        Thing::Audit(args) => audit::run(args, globals, ui),
        Thing::Backup(args) => backup::run(args, globals, ui),
        Thing::Restore(args) => restore::run(args, globals, ui),
        Thing::Adopt(args) => adopt::run(args, globals, ui),
        Thing::Completions(args) => completions::run(args, ui),
    }
}

/// The shop that a command works on. However the command ends, what it changed is remembered beside the data key.
pub(crate) struct Opened<'a> {
    ctx: Ctx,
    ui: &'a Ui,
}

impl Deref for Opened<'_> {
    type Target = Ctx;

    fn deref(&self) -> &Ctx {
        &self.ctx
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        if let Err(error) = witness::follow(&self.ctx) {
            self.ui.warn(&format!("{:#}", ops::explain(error)));
        }
    }
}

/// Opens the shop that the global options mean, with progress shown on a terminal.
///
/// # Errors
/// Those of [`Ctx::open`].
pub(crate) fn open<'a>(globals: &Globals, ui: &'a Ui) -> anyhow::Result<Opened<'a>> {
    let folder = crate::config::find_folder(globals.shop.as_deref())?;
    let ctx = Ctx::open(&folder, globals.now.as_deref())?;
    ctx.on_event(progress(ui));
    Ok(Opened { ctx, ui })
}

/// Shows progress on a terminal.
pub(crate) fn progress(ui: &Ui) -> impl FnMut(Event) + use<> {
    let bars = ui.bars();
    let mut bar: Option<Progress> = None;
    move |event| match event {
        Event::Begin { label, total } => bar = Some(bars.start(total, &label)),
        Event::Step(count) => {
            if let Some(bar) = &bar {
                bar.inc(count);
            }
        }
        Event::End => {
            if let Some(bar) = bar.take() {
                bar.finish();
            }
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    start(&std::env::args_os().collect::<Vec<_>>(), &crate::config::lang_of)
}

/// Runs one command line. `lang_of` says which language the shop in a folder chose (`None`: the shop that would be found
/// without `--shop`); it must not fail, because a broken `shop.toml` is reported later, in some language.
pub fn start(args: &[OsString], lang_of: &dyn Fn(Option<&Path>) -> Option<Lang>) -> ExitCode {
    let peeked = Peeked::new(args);
    let lang = peeked.lang.or_else(|| lang_of(peeked.shop.as_deref())).or_else(locale).unwrap_or_default();
    text::set_lang(lang);
    match parse(args, lang) {
        Ok(cli) => {
            let globals = &cli.globals;
            let (json, quiet, yes, color) = (globals.json, globals.quiet, globals.yes, globals.color);
            let ui = Ui::new(Wishes { json, quiet, yes, color });
            let result = dispatch(&cli.thing, globals, &ui).map_err(ops::explain);
            exit::end(&ui, result)
        }
        Err(error) => no_command(&error, args, &Ui::new(peeked.wishes), lang),
    }
}

/// The whole command tree with its help in `lang`.
pub fn command(lang: Lang) -> clap::Command {
    help::dress(Cli::command(), lang)
}

/// The command tree as the doc comments have it, for the test that compares them with the Chinese tables.
pub fn plain_command() -> clap::Command {
    Cli::command()
}

/// What `--help` prints for the command at `path` (`["debit", "run"]`), or `None` when there is no such command.
pub fn help_of(path: &[&str], lang: Lang) -> Option<String> {
    let args = std::iter::once("kibble").chain(path.iter().copied()).chain(["--help"]);
    let error = command(lang).try_get_matches_from(args).err()?;
    (error.kind() == ErrorKind::DisplayHelp).then(|| help::fix(error.render().to_string(), lang))
}

/// Putting the help of every command into a language takes longer than most commands: it is done only when there is help or an
/// error to print.
fn parse(args: &[OsString], lang: Lang) -> Result<Cli, clap::Error> {
    let matches = match Cli::command().try_get_matches_from(args) {
        Err(error) if error.kind() != ErrorKind::DisplayVersion => command(lang).try_get_matches_from(args)?,
        parsed => parsed?,
    };
    Cli::from_arg_matches(&matches)
}

fn no_command(error: &clap::Error, args: &[OsString], ui: &Ui, lang: Lang) -> ExitCode {
    let fix = |text: String| help::fix(text, lang);
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            ui.help(&error.render(), fix);
            exit::end(ui, Ok(Exit::Done))
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if !ui.is_json() => {
            ui.short_help(&error.render(), fix);
            ExitCode::from(crate::fault::Kind::Usage.exit_code())
        }
        _ => exit::end(ui, Err(usage::fault(error, args).into())),
    }
}

/// What must be known before the arguments are parsed, because help and errors are already written with it.
#[derive(Debug, Default)]
struct Peeked {
    lang: Option<Lang>,
    shop: Option<PathBuf>,
    wishes: Wishes,
}

impl Peeked {
    fn new(args: &[OsString]) -> Peeked {
        let mut peeked = Peeked::default();
        let mut args = args.iter().skip(1).take_while(|arg| *arg != "--").peekable();
        while let Some(arg) = args.next() {
            let Some(word) = arg.to_str() else { continue };
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(OsString::from(value))),
                None => (word, args.peek().map(|next| (*next).clone())),
            };
            match (name, value) {
                ("--lang", Some(value)) => peeked.lang = value.to_str().and_then(Lang::from_word),
                ("--shop", Some(value)) => peeked.shop = Some(PathBuf::from(value)),
                ("--color", Some(value)) => peeked.wishes.color = value.to_str().map(color_of).unwrap_or_default(),
                ("--json", _) => peeked.wishes.json = true,
                _ => {}
            }
        }
        peeked
    }
}

/// The person's own language, from LC_ALL, LC_MESSAGES or LANG.
fn locale() -> Option<Lang> {
    sys_locale::get_locale().as_deref().and_then(Lang::from_word)
}

fn lang_words() -> impl TypedValueParser<Value = Lang> {
    clap::builder::PossibleValuesParser::new(["zh", "en"]).map(|word| Lang::from_word(&word).unwrap_or_default())
}

fn color_words() -> impl TypedValueParser<Value = Color> {
    clap::builder::PossibleValuesParser::new(["auto", "always", "never"]).map(|word| color_of(&word))
}

fn color_of(word: &str) -> Color {
    match word {
        "always" => Color::Always,
        "never" => Color::Never,
        _ => Color::Auto,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use super::{Cli, Peeked};
    use crate::text::Lang;
    use clap::CommandFactory;

    fn peek(line: &str) -> Peeked {
        Peeked::new(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn language_and_shop_are_known_before_parsing() {
        assert_eq!(peek("kibble debit run --lang zh").lang, Some(Lang::Zh));
        assert_eq!(peek("kibble --lang=en debit").lang, Some(Lang::En));
        assert_eq!(peek("kibble --lang fr debit").lang, None);
        assert_eq!(peek("kibble x -- --lang zh --json").lang, None);
        assert_eq!(peek("kibble --shop a/b x").shop.as_deref(), Some(Path::new("a/b")));
        assert!(peek("kibble --json x").wishes.json);
        assert!(!peek("kibble --shop").wishes.json);
    }
}
