//! A small lexer for Rust.
//!
//! Purpose: `tidy` and `loom` look for words in code. A search in the plain text would find them in strings and
//! comments too, and could not tell which comment stands above which code; a full parser would be a heavy dependency
//! for the little that is asked.
//!
//! Data flow: called by `loom` and the rules of `tidy`: text → [`Source`]: tokens, comments beside them, and which
//! tokens are compiled for tests only.
//!
//! Invariants:
//! - I1: nothing inside of a string, a character or a comment becomes a token of its own.
//! - I2: every [`Comment::before`] is the index of the token that follows the comment, or the number of tokens.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Names and keywords; raw ones without their `r#`.
    Ident,
    /// `::`, or one other character.
    Punct,
    /// Strings, characters, numbers and lifetimes.
    Literal,
}

/// A token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

/// A comment; those on lines that follow each other are one.
#[derive(Clone, Debug)]
pub(crate) struct Comment {
    pub(crate) text: String,
    pub(crate) first_line: usize,
    pub(crate) last_line: usize,
    /// The index of the next token.
    pub(crate) before: usize,
}

/// A file, taken apart.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) path: &'a str,
    pub(crate) tokens: Vec<Token<'a>>,
    pub(crate) comments: Vec<Comment>,
    /// For each token, whether it stands in an item under `#[cfg(test)]`.
    pub(crate) in_test: Vec<bool>,
}

impl<'a> Source<'a> {
    pub(crate) fn lex(path: &'a str, text: &'a str) -> Self {
        let mut lexer = Lexer {
            rest: text,
            line: 1,
            tokens: Vec::new(),
            comments: Vec::new(),
        };
        while lexer.step() {}
        let Lexer { tokens, comments, .. } = lexer;
        let in_test = test_only(&tokens);
        Self {
            path,
            tokens,
            comments,
            in_test,
        }
    }

    /// The text of the token at `index`; nothing past either end.
    pub(crate) fn text(&self, index: usize) -> &'a str {
        self.tokens.get(index).map_or("", |token| token.text)
    }

    /// The modules that the file declares, under `#[cfg(test)]`, as files of their own.
    pub(crate) fn test_modules(&self) -> impl Iterator<Item = &'a str> {
        self.tokens
            .windows(3)
            .zip(&self.in_test)
            .filter_map(|(tokens, in_test)| {
                (*in_test && tokens[0].text == "mod" && tokens[2].text == ";").then_some(tokens[1].text)
            })
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token<'a>>,
    comments: Vec<Comment>,
}

impl<'a> Lexer<'a> {
    /// Takes one token, comment or run of white space; `false` at the end.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else {
            return false;
        };
        if first.is_whitespace() {
            let len = self.rest.find(|c: char| !c.is_whitespace()).unwrap_or(self.rest.len());
            self.take(len);
        } else if self.rest.starts_with("//") {
            let len = self.rest.find('\n').unwrap_or(self.rest.len());
            self.comment(len);
        } else if self.rest.starts_with("/*") {
            let len = block_comment(self.rest);
            self.comment(len);
        } else {
            let (kind, len) = token(self.rest);
            let line = self.line;
            let text = self.take(len);
            let text = if kind == Kind::Ident {
                text.strip_prefix("r#").unwrap_or(text)
            } else {
                text
            };
            self.tokens.push(Token { kind, text, line });
        }
        true
    }

    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        self.line += taken.matches('\n').count();
        taken
    }

    fn comment(&mut self, len: usize) {
        let first_line = self.line;
        let before = self.tokens.len();
        let text = self.take(len);
        match self.comments.last_mut() {
            Some(last) if last.before == before && last.last_line + 1 == first_line => {
                last.text.push('\n');
                last.text.push_str(text);
                last.last_line = self.line;
            }
            _ => self.comments.push(Comment {
                text: text.to_owned(),
                first_line,
                last_line: self.line,
                before,
            }),
        }
    }
}

/// The length of the block comment at the start of `text`, with those nested in it.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += char_len(&text[at..]);
        }
    }
    text.len()
}

/// Kind and length of the token at the start of `text`.
fn token(text: &str) -> (Kind, usize) {
    if let Some(len) = string(text) {
        return (Kind::Literal, len);
    }
    let first = text.chars().next().unwrap_or_default();
    if is_ident_start(first) {
        let prefix = if text.starts_with("r#") { 2 } else { 0 };
        return (Kind::Ident, prefix + run_of(&text[prefix..], is_ident));
    }
    match first {
        '\'' => (Kind::Literal, quote(text)),
        '0'..='9' => (Kind::Literal, run_of(text, is_ident)),
        ':' if text.starts_with("::") => (Kind::Punct, 2),
        _ => (Kind::Punct, first.len_utf8()),
    }
}

/// The length of the string, raw or not, with any prefix, or of the byte character at the start of `text`.
fn string(text: &str) -> Option<usize> {
    let prefix = run_of(text, |c| c.is_ascii_lowercase());
    let after = &text[prefix..];
    match &text[..prefix] {
        "r" | "br" | "cr" => {
            let hashes = run_of(after, |c| c == '#');
            let content = after[hashes..].strip_prefix('"')?;
            let end = format!("\"{}", &after[..hashes]);
            let len = content.find(&end).map_or(content.len(), |at| at + end.len());
            Some(prefix + hashes + 1 + len)
        }
        "" | "b" | "c" if after.starts_with('"') => Some(prefix + quoted(after, '"')),
        "b" if after.starts_with('\'') => Some(prefix + quoted(after, '\'')),
        _ => None,
    }
}

/// The length of what starts with the delimiter and goes on to the next one that no backslash precedes.
fn quoted(text: &str, delimiter: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == delimiter => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the character or lifetime at the start of `text`.
fn quote(text: &str) -> usize {
    let after = &text[1..];
    let one = char_len(after);
    if after.starts_with('\\') || after[one..].starts_with('\'') {
        quoted(text, '\'')
    } else {
        1 + run_of(after, is_ident)
    }
}

fn is_ident_start(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

fn is_ident(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn run_of(text: &str, holds: impl Fn(char) -> bool) -> usize {
    text.find(|c| !holds(c)).unwrap_or(text.len())
}

fn char_len(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

/// Marks the tokens of items under `#[cfg(test)]`, and all of them in a file under `#![cfg(test)]`.
fn test_only(tokens: &[Token<'_>]) -> Vec<bool> {
    let mut marks = vec![false; tokens.len()];
    let mut at = 0;
    while at < tokens.len() {
        let inner = tokens.get(at + 1).is_some_and(|token| token.text == "!");
        let open = at + 1 + usize::from(inner);
        if tokens[at].text != "#" || tokens.get(open).is_none_or(|token| token.text != "[") {
            at += 1;
            continue;
        }
        let close = matching(tokens, open);
        if !is_cfg_test(tokens.get(open + 1..close).unwrap_or_default()) {
            at = close;
        } else if inner {
            marks.fill(true);
            return marks;
        } else {
            let end = item_end(tokens, close + 1);
            marks[at..end].fill(true);
            at = end;
        }
    }
    marks
}

/// Whether the tokens of an attribute are a `cfg` that only a build for tests meets.
fn is_cfg_test(attribute: &[Token<'_>]) -> bool {
    match attribute {
        [cfg, open, .., _] if cfg.text == "cfg" && open.text == "(" => needs_test(&attribute[2..attribute.len() - 1]),
        _ => false,
    }
}

/// Whether a predicate of `cfg` can be met in builds for tests only.
fn needs_test(predicate: &[Token<'_>]) -> bool {
    match predicate {
        [test] => test.text == "test",
        [all, open, inner @ .., _] if all.text == "all" && open.text == "(" => operands(inner).any(needs_test),
        [any, open, inner @ .., _] if any.text == "any" && open.text == "(" => operands(inner).all(needs_test),
        _ => false,
    }
}

/// The parts of a list between the commas that are not inside of brackets.
fn operands<'s, 'a>(list: &'s [Token<'a>]) -> impl Iterator<Item = &'s [Token<'a>]> {
    let mut depth = 0;
    let parts = list.split(move |token| {
        match token.text {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        depth == 0 && token.text == ","
    });
    parts.filter(|part| !part.is_empty())
}

/// One past the last token of the item that starts at `from`, be it with further attributes.
fn item_end(tokens: &[Token<'_>], from: usize) -> usize {
    let mut at = from;
    while at < tokens.len() {
        match tokens[at].text {
            ";" => return at + 1,
            "{" => return (matching(tokens, at) + 1).min(tokens.len()),
            "(" | "[" => at = matching(tokens, at) + 1,
            _ => at += 1,
        }
    }
    tokens.len()
}

/// The index of the bracket that closes the one at `open`; the last token's if none does.
pub(crate) fn matching(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        let source = Source::lex("a.rs", text);
        source.tokens.iter().map(|token| token.text).collect()
    }

    #[test]
    fn strings_characters_and_comments_hide_what_is_in_them() {
        let text = r###"a("unsafe \" b", r#"unsafe " c"#, b"unsafe", br"\", c"d", 'u', '\'', b'\'', '"') // unsafe
            /* unsafe /* nested */ unsafe */ e"###;
        let source = Source::lex("a.rs", text);
        let idents = source.tokens.iter().filter(|token| token.kind == Kind::Ident);
        assert_eq!(idents.map(|token| token.text).collect::<Vec<_>>(), ["a", "e"]);
        assert_eq!(source.comments.len(), 1);
        assert!(source.comments[0].text.ends_with("nested */ unsafe */"));
    }

    #[test]
    fn lifetimes_are_no_characters() {
        assert_eq!(
            texts("fn f<'a>(x: &'a str, y: &'_ u8)"),
            [
                "fn", "f", "<", "'a", ">", "(", "x", ":", "&", "'a", "str", ",", "y", ":", "&", "'_", "u8", ")"
            ]
        );
        assert_eq!(texts("'ä' 'a' 'static"), ["'ä'", "'a'", "'static"]);
    }

    #[test]
    fn raw_identifiers_and_ranges_are_taken_apart() {
        assert_eq!(
            texts("r#mod::brand 0..0x1f_u8"),
            ["mod", "::", "brand", "0", ".", ".", "0x1f_u8"]
        );
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let source = Source::lex("a.rs", "/* \n */ a \"\n\" b\n\n// c\n// d\ne // f");
        let lines: Vec<_> = source.tokens.iter().map(|token| token.line).collect();
        assert_eq!(lines, [2, 2, 3, 7]);
        let comments: Vec<_> = source
            .comments
            .iter()
            .map(|c| (c.first_line, c.last_line, c.before))
            .collect();
        assert_eq!(comments, [(1, 2, 0), (5, 6, 3), (7, 7, 4)]);
    }

    #[test]
    fn items_for_tests_are_marked_and_nothing_else() {
        let marked = |text| {
            let source = Source::lex("a.rs", text);
            let marked = source
                .tokens
                .iter()
                .zip(&source.in_test)
                .filter(|(token, mark)| **mark && token.kind == Kind::Ident && token.text.len() == 1);
            marked.map(|(token, _)| token.text).collect::<String>()
        };
        assert_eq!(
            marked("fn a() {} #[cfg(test)] #[b] mod c { fn d() { {} } } fn e() {}"),
            "bcd"
        );
        assert_eq!(marked("#[cfg(test)] mod a; mod b;"), "a");
        assert_eq!(marked("#[cfg(all(any(unix, windows), test, not(miri)))] mod a {}"), "a");
        assert_eq!(marked("#[cfg(any(test, unix))] mod a {}"), "");
        assert_eq!(marked("#[cfg(any(test, all(test, unix)))] mod a {}"), "a");
        assert_eq!(
            marked("#[cfg(not(test))] mod a {} #[cfg(feature = \"test\")] mod b {} #[cfg()] mod c {}"),
            ""
        );
        assert_eq!(marked("#[cfg(all(test, unix))] fn a(b: [u8; 2]) {} fn c() {}"), "ab");
        assert_eq!(marked("#[cfg(unix)] mod a { #[test] fn b() {} }"), "");
        assert_eq!(marked("#![cfg(test)] fn a() {}"), "a");
    }

    #[test]
    fn test_modules_in_files_of_their_own_are_listed() {
        let source = Source::lex("a.rs", "mod a; #[cfg(test)] mod b; #[cfg(test)] mod c { mod d {} }");
        assert_eq!(source.test_modules().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn files_that_end_in_the_middle_are_read_to_their_end() {
        for text in [
            "\"a",
            "r#\"a",
            "/* a",
            "'",
            "'\\",
            "#[cfg(test)] mod a {",
            "#[",
            "b'",
            "((",
        ] {
            Source::lex("a.rs", text);
        }
    }
}
