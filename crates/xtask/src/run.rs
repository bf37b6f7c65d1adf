//! Running other programs.
//!
//! Called by: `ci`, `loom` and `workspace`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

/// The cargo that runs us.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// Runs `command` with its output on ours.
pub(crate) fn status(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    judge(command, status)
}

/// Runs `command`, passes its standard output on line by line and gives each line to `see`.
pub(crate) fn watch(command: &mut Command, mut see: impl FnMut(&str)) -> Result<(), String> {
    command.stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| cannot_start(command, &error))?;
    let output = child.stdout.take().expect("the output is piped");
    let passed_on = BufReader::new(output).lines().try_for_each(|line| {
        let line = line?;
        println!("{line}");
        see(&line);
        std::io::Result::Ok(())
    });
    let status = child.wait().map_err(|error| format!("{}: {error}", show(command)))?;
    passed_on.map_err(|error| format!("{}: {error}", show(command)))?;
    judge(command, status)
}

/// Runs `command` and returns its standard output.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>, String> {
    command.stderr(Stdio::inherit());
    let output = command.output().map_err(|error| cannot_start(command, &error))?;
    judge(command, output.status)?;
    Ok(output.stdout)
}

/// The command line, for messages.
pub(crate) fn show(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    format!("cannot start `{}`: {error}", show(command))
}

fn judge(command: &Command, status: ExitStatus) -> Result<(), String> {
    if status.success() {
        return Ok(());
    }
    Err(format!("`{}` failed ({status})", show(command)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_line() {
        let message = status(Command::new("cargo").arg("no-such-command").stderr(Stdio::null())).unwrap_err();
        assert!(message.starts_with("`cargo no-such-command` failed"), "{message}");
        let message = status(&mut Command::new("no-such-program")).unwrap_err();
        assert!(message.starts_with("cannot start `no-such-program`"), "{message}");
    }

    #[test]
    fn watch_sees_every_line() {
        let mut lines = Vec::new();
        watch(cargo(Path::new(".")).arg("--version"), |line| {
            lines.push(line.to_owned())
        })
        .unwrap();
        assert!(matches!(&lines[..], [line] if line.starts_with("cargo ")), "{lines:?}");
    }
}
