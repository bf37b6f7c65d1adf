//! Developer commands of the sprang workspace: `cargo xtask <command>`.
//!
//! Purpose: one command for each habit of the project, the same on a developer's machine and in CI.
//!
//! Data flow: `main` → the command's module → `workspace` for what there is, `run` for the tools that do the work.

mod bench;
mod ci;
mod counts;
mod drop_in;
mod lexer;
mod loom;
mod run;
mod tidy;
mod workspace;

use std::process::ExitCode;

use workspace::Workspace;

/// One subcommand.
struct Command {
    name: &'static str,
    summary: &'static str,
    help: &'static str,
    run: fn(&Workspace, &[String]) -> Result<(), String>,
}

const COMMANDS: [Command; 6] = [
    ci::COMMAND,
    tidy::COMMAND,
    loom::COMMAND,
    drop_in::COMMAND,
    bench::COMMAND,
    counts::COMMAND,
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Result<(), String> {
    let wants_help = |args: &[String]| args.iter().any(|arg| arg == "--help" || arg == "-h");
    let Some((name, rest)) = args.split_first() else {
        return Err(format!("no command given\n\n{}", usage()));
    };
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) if wants_help(rest) => {
            println!("{}", command.help);
            Ok(())
        }
        Some(command) => (command.run)(&Workspace::load()?, rest),
        None if name == "help" || wants_help(args) => {
            println!("{}", usage());
            Ok(())
        }
        None => Err(format!("unknown command `{name}`\n\n{}", usage())),
    }
}

fn usage() -> String {
    let mut text = String::from("Usage: cargo xtask <command> [--help]\n\nCommands:");
    for command in &COMMANDS {
        text.push_str(&format!("\n  {:8}{}", command.name, command.summary));
    }
    text
}

/// Fails on arguments that a command does not take.
fn no_arguments(args: &[String]) -> Result<(), String> {
    match args.first() {
        None => Ok(()),
        Some(arg) => Err(format!("unexpected argument `{arg}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(args: &[&str]) -> Result<(), String> {
        dispatch(&args.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn an_unknown_command_is_an_error_that_names_those_there_are() {
        let message = call(&["tidi"]).unwrap_err();
        assert!(message.contains("unknown command `tidi`"), "{message}");
        assert!(
            COMMANDS.iter().all(|command| message.contains(command.name)),
            "{message}"
        );
        assert!(call(&[]).unwrap_err().contains("no command given"));
    }

    #[test]
    fn help_is_there_for_all_and_for_each_command() {
        for help in ["help", "--help", "-h"] {
            call(&[help]).unwrap();
        }
        for command in &COMMANDS {
            call(&[command.name, "--help"]).unwrap();
        }
    }
}
