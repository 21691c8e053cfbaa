//! What every command shares: help, wrong usage, languages, JSON errors, pipes.

use std::io::Read;
use std::process::Stdio;

use crate::shop::Shop;

#[test]
fn help_speaks_both_languages() {
    let mut shop = Shop::new();
    shop.run("--help")
        .ok("Usage: kibble [OPTIONS] <COMMAND>")
        .says("Commands:")
        .says("Global options:")
        .hides("\u{1b}");
    shop.run("completions -h").ok("Arguments:").says("[one of: bash,");
    shop.lang("zh");
    shop.run("--help")
        .ok("用法：kibble [选项] <命令>")
        .says("命令：")
        .says("通用选项：")
        .says("[默认：auto]")
        .hides("Usage");
    shop.run("completions -h").ok("参数：").says("[可选：bash,").hides("Arguments");
}

#[test]
fn the_language_is_the_persons_own_until_it_is_asked_for() {
    let shop = Shop::new();
    shop.run_with("--help", &[("LANG", "zh_CN.UTF-8")]).ok("用法：");
    shop.run_with("--help", &[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "en_US.UTF-8")]).ok("Usage:");
    shop.run_with("--help --lang en", &[("LANG", "zh_CN.UTF-8")]).ok("Usage:");
    shop.run_with("--help", &[("LANG", "fr_FR.UTF-8")]).ok("Usage:");
}

#[test]
fn no_command_is_wrong_usage_and_shows_help() {
    let ran = Shop::new().run("");
    ran.fails(2, "Commands:");
    assert!(ran.out.is_empty(), "{}", ran.full());
}

#[test]
fn a_mistyped_command_is_guessed() {
    let mut shop = Shop::new();
    shop.run("compltions bash").fails(2, "error: there is no command `compltions`");
    shop.run("compltions bash").says("hint: did you mean `completions`?");
    shop.lang("zh");
    shop.run("compltions bash")
        .fails(2, "错误：没有 `compltions` 这个命令")
        .says("提示：您是不是想输入 `completions`？");
}

#[test]
fn wrong_usage_names_what_is_wrong_and_what_is_possible() {
    for (line, english, chinese) in [
        ("completions", "this is missing: <SHELL>", "还缺少：<SHELL>"),
        ("completions fsh", "did you mean `fish`?", "您是不是想输入 `fish`？"),
        ("completions tcl", "one of: bash, elvish", "可以是：bash, elvish"),
        ("completions bash zsh", "`kibble completions` does not expect `zsh`", "`kibble completions` 不需要 `zsh`"),
        ("completions bash --frob", "knows no option `--frob`", "没有 `--frob` 这个选项"),
        ("completions bash --jsn", "did you mean `--json`?", "您是不是想输入 `--json`？"),
        ("completions bash -y -y", "`--yes` may be given once only", "`--yes` 只能写一次"),
        ("completions bash --shop", "`--shop <DIR>` needs a value", "`--shop <DIR>` 后面要写一个值"),
        ("--quiet", "`kibble` needs to know what to do", "`kibble` 后面要写明做什么"),
    ] {
        let mut shop = Shop::new();
        shop.run(line).fails(2, english);
        let ran = shop.lang("zh").run(line);
        ran.fails(2, chinese).hides("error").hides("hint");
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        Shop::new().run(&format!("completions {shell}")).ok("completions").says("shop").says("quiet");
    }
    let answer = Shop::new().run("completions fish --json").json();
    assert_eq!(answer["shell"], "fish");
    Shop::new().lang("zh").run("completions zsh").ok("只输出结果");
}

#[test]
fn a_json_error_is_one_document_on_stdout() {
    let ran = Shop::new().run("completions fsh --json");
    ran.exits(2);
    assert_eq!(
        ran.json(),
        serde_json::json!({"error": {
            "kind": "usage",
            "message": "`fsh` is no value for `<SHELL>`",
            "hint": "did you mean `fish`?",
        }})
    );
    assert!(ran.err.is_empty(), "{}", ran.full());
    assert_eq!(Shop::new().run("--json").exits(2).json()["error"]["kind"], "usage");
}

#[test]
fn colour_is_for_terminals_unless_it_is_asked_for() {
    let shop = Shop::new();
    shop.run("--help").ok("Usage").hides("\u{1b}");
    shop.run("--color always --help").ok("\u{1b}[");
    shop.run("--color never --help").ok("Usage").hides("\u{1b}");
    shop.run("--color always nonsense").fails(2, "\u{1b}[");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let shop = Shop::new();
    let mut child = shop.command("completions bash").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let status = child.wait().unwrap();
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((status.code(), err.as_str()), (Some(0), ""));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_behind_stdout_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Shop::new().lang("zh").command("completions bash").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "错误：结果没有全部写出：磁盘已满\n");
}

#[test]
fn the_version_is_that_of_the_package() {
    Shop::new().run("--version").ok(concat!("kibble ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_value_of_the_wrong_shape_is_answered_with_the_right_one() {
    let mut shop = Shop::new();
    for (line, english, chinese) in [
        ("debit show x", "write it like a-7/3", "请写成像 a-7/3 这样"),
        ("debit postpone a-7/3 --to tomorrow", "write it like 2026-11-20", "请写成像 2026-11-20 这样"),
        ("audit list --limit many", "write a whole number", "请写一个整数"),
        ("simulate --years 0", "write a whole number from 1 to 10", "请写 1 到 10 之间的整数"),
    ] {
        shop.lang("en").run(line).fails(2, english);
        shop.lang("zh").run(line).fails(2, chinese).hides("not in");
    }
}

#[test]
fn a_wrong_value_hints_at_the_help_of_its_own_command() {
    let shop = Shop::opened();
    for (line, command) in [
        ("simulate --years 0", "kibble simulate"),
        ("--shop debit debit show x", "kibble debit show"),
        ("debit --shop=pet --lang en refund a-1/11 --reason torn --amount x", "kibble debit refund"),
        ("remind list --customer", "kibble remind list"),
    ] {
        shop.run(line).fails(2, &format!("`{command} --help` shows what is possible"));
    }
}

#[test]
fn no_reason_is_empty_or_endless_wherever_one_is_given() {
    let shop = Shop::opened();
    let endless = "x".repeat(501);
    let commands = [
        "agreement pause a-1 --until 2026-12-01 --effect skip",
        "agreement resume a-1",
        "agreement terminate a-1 --cause consumer --pet kept",
        "customer show c-1 --reveal",
        "debit postpone a-1/1 --to 2026-12-01",
        "debit refund a-1/1 --amount 1 --yes",
        "mandate close m-1",
        "orders cancel o-1",
        "orders return o-1 --line 1 --qty 1",
        "orders resend o-1 --line 1",
        "pet status p-1 died",
        "report export --full",
        "risk approve a-1",
        "risk clear a-1",
        "risk refuse a-1",
    ];
    for command in commands {
        shop.run(&format!("{command} --reason ' '")).fails(2, "say why, in a few words");
        shop.run(&format!("{command} --reason {endless}")).fails(2, "at most 500 characters, not 501").hides(&endless);
        // As long as it may be, in letters that take three bytes each.
        shop.run(&format!("{command} --reason {}", "破".repeat(500))).hides("characters").hides("say why");
    }
    // Whoever adds a command with a reason adds it here; the sandbox's own is a word from a list.
    let mut found = 0;
    let mut left = vec![kibble::cli::plain_command()];
    while let Some(command) = left.pop() {
        left.extend(command.get_subcommands().cloned());
        found += usize::from(command.get_arguments().any(|it| it.get_long() == Some("reason")));
    }
    assert_eq!(found, commands.len() + 1);
}
