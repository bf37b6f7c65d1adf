//! The command line.
//!
//! Purpose: turns arguments into a [`Command`], or into an error that says what is wrong with which argument.

use std::ffi::OsString;
use std::net::SocketAddr;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
A small web server: / answers a page, /sleep the same after 5 s.

Usage: web_server [--addr IP:PORT] [--workers N]

Options:
  --addr IP:PORT  where to listen; port 0 takes a free one [default: 127.0.0.1:7878]
  --workers N     worker threads, 1 to 1024 [default: one a core]
  --help          print this
";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Serve(Args),
    Help,
}

/// How to serve.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) addr: SocketAddr,
    pub(crate) workers: Option<usize>,
}

/// Reads the arguments that follow the program's name. `--flag VALUE` and `--flag=VALUE` are the same.
///
/// # Errors
///
/// A sentence for the user.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let mut parsed = Args {
        addr: SocketAddr::from(([127, 0, 0, 1], 7878)),
        workers: None,
    };
    let mut args = args.map(|arg| arg.to_string_lossy().into_owned());
    while let Some(arg) = args.next() {
        let (flag, inline) = match arg.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (arg.as_str(), None),
        };
        let mut value = || {
            inline
                .clone()
                .or_else(|| args.next())
                .ok_or_else(|| format!("{flag} needs a value"))
        };
        match flag {
            "--help" | "-h" => return Ok(Command::Help),
            "--addr" => {
                let value = value()?;
                parsed.addr = value
                    .parse()
                    .map_err(|_| format!("--addr: `{value}` is not of the form IP:PORT"))?;
            }
            "--workers" => {
                let value = value()?;
                let workers = value.parse().ok().filter(|workers| (1..=1024).contains(workers));
                parsed.workers = Some(workers.ok_or_else(|| format!("--workers: `{value}` is not within 1 to 1024"))?);
            }
            _ => return Err(format!("unknown argument `{arg}`")),
        }
    }
    Ok(Command::Serve(parsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn serve(addr: &str, workers: Option<usize>) -> Result<Command, String> {
        let addr = addr.parse().unwrap();
        Ok(Command::Serve(Args { addr, workers }))
    }

    #[test]
    fn values_follow_or_are_joined() {
        assert_eq!(parse_line(""), serve("127.0.0.1:7878", None));
        assert_eq!(
            parse_line("--addr 0.0.0.0:80 --workers=3"),
            serve("0.0.0.0:80", Some(3))
        );
        assert_eq!(
            parse_line("--addr=[::1]:0 --workers 1024"),
            serve("[::1]:0", Some(1024))
        );
        assert_eq!(parse_line("--workers 2 --help"), Ok(Command::Help));
    }

    #[test]
    fn errors_name_the_argument() {
        for (line, named) in [
            ("--addr", "--addr"),
            ("--addr here", "`here`"),
            ("--workers 0", "`0`"),
            ("--workers 1025", "`1025`"),
            ("--workers -1", "`-1`"),
            ("--verbose", "`--verbose`"),
            ("80", "`80`"),
        ] {
            let error = parse_line(line).expect_err(line);
            assert!(error.contains(named), "{line}: {error}");
        }
    }
}
