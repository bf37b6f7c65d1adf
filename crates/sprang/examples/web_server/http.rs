//! HTTP/1.1, as much of it as three pages need: bytes in, a decision out.
//!
//! Purpose: everything about HTTP that is not I/O, so that it can be tested with byte strings.
//!
//! Data flow: `connection` hands the unread bytes to [`parse`], carries out the [`Request`] and sends the bytes that
//! [`response`] picks. All responses are laid out once; to answer is to choose a slice.
//!
//! What is refused: a malformed head (400), a body without a `Content-Length` (411: chunked bodies are not read), a
//! body above [`MAX_BODY`] (413), a head above [`MAX_HEAD`] or with more than [`MAX_HEADERS`] fields (431). After a
//! refusal the two sides no longer agree on where the next request begins, so the connection ends.

use std::mem::MaybeUninit;
use std::sync::LazyLock;

/// Bytes that the request line and the header fields may have together.
pub(crate) const MAX_HEAD: usize = 16 * 1024;
/// Bytes that the body of a request may have.
pub(crate) const MAX_BODY: u64 = 1024 * 1024;
/// Header fields that a request may have.
const MAX_HEADERS: usize = 64;

/// Asks a client that waits for permission to send its body.
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Hello,
    Sleep,
    Unknown,
}

/// A request whose head is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) route: Route,
    /// Bytes of the head; the body follows.
    pub(crate) head_len: usize,
    /// Bytes of the body.
    pub(crate) body_len: u64,
    /// Whether the client waits for [`CONTINUE`] before it sends the body.
    pub(crate) expects_continue: bool,
    /// Whether the response has a body: not to a HEAD.
    pub(crate) wants_body: bool,
    /// Whether the client may send another request on this connection.
    pub(crate) keep_alive: bool,
}

/// What a response says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Ok,
    BadRequest,
    NotFound,
    LengthRequired,
    ContentTooLarge,
    HeadTooLarge,
}

/// Parses the request at the start of `bytes`; `None` when its head is not complete yet.
///
/// # Errors
///
/// The status to answer with before the connection ends.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Request>, Status> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut []);
    let head_len = match head.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(httparse::Status::Complete(len)) if len <= MAX_HEAD => len,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Status::HeadTooLarge),
        Err(_) => return Err(Status::BadRequest),
    };

    let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version) else {
        return Err(Status::BadRequest);
    };
    let fields = Fields::read(head.headers)?;
    let is_http_1_1 = version == 1;
    if is_http_1_1 && fields.hosts != 1 {
        return Err(Status::BadRequest);
    }
    Ok(Some(Request {
        route: route(method, target),
        head_len,
        body_len: fields.body_len.unwrap_or(0),
        expects_continue: is_http_1_1 && fields.expects_continue,
        wants_body: method != "HEAD",
        keep_alive: !fields.close && (is_http_1_1 || fields.keep_alive),
    }))
}

/// The header fields that matter here.
#[derive(Default)]
struct Fields {
    hosts: usize,
    body_len: Option<u64>,
    expects_continue: bool,
    close: bool,
    keep_alive: bool,
}

impl Fields {
    fn read(headers: &[httparse::Header<'_>]) -> Result<Self, Status> {
        let mut fields = Self::default();
        for header in headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("host") {
                fields.hosts += 1;
            } else if is("connection") {
                fields.close |= lists(header.value, b"close");
                fields.keep_alive |= lists(header.value, b"keep-alive");
            } else if is("content-length") {
                let len = body_len(header.value)?;
                if fields.body_len.replace(len).is_some_and(|other| other != len) {
                    return Err(Status::BadRequest);
                }
            } else if is("transfer-encoding") {
                return Err(Status::LengthRequired);
            } else if is("expect") {
                fields.expects_continue |= lists(header.value, b"100-continue");
            }
        }
        Ok(fields)
    }
}

/// Whether `token` is in the comma-separated list `value`.
fn lists(value: &[u8], token: &[u8]) -> bool {
    value
        .split(|&byte| byte == b',')
        .any(|entry| entry.trim_ascii().eq_ignore_ascii_case(token))
}

/// The number in a `Content-Length`: digits and nothing else, not even a sign.
fn body_len(value: &[u8]) -> Result<u64, Status> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Status::BadRequest);
    }
    value
        .iter()
        .try_fold(0_u64, |len, digit| {
            len.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        })
        .filter(|&len| len <= MAX_BODY)
        .ok_or(Status::ContentTooLarge)
}

/// The page at a request target: a path, or the whole URL that proxies are sent; a query changes nothing.
fn route(method: &str, target: &str) -> Route {
    let target = target.split('?').next().unwrap_or(target);
    let path = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    };
    match (method, path) {
        ("GET" | "HEAD", "/") => Route::Hello,
        ("GET" | "HEAD", "/sleep") => Route::Sleep,
        _ => Route::Unknown,
    }
}

/// The bytes to answer with.
///
/// The response says whether the connection stays open (`keep_alive`), and ends after its head unless `with_body`.
pub(crate) fn response(status: Status, keep_alive: bool, with_body: bool) -> &'static [u8] {
    static RESPONSES: LazyLock<[[Response; 2]; Status::ALL.len()]> =
        LazyLock::new(|| Status::ALL.map(|status| [false, true].map(|keep_alive| Response::new(status, keep_alive))));
    let response = &RESPONSES[status as usize][usize::from(keep_alive)];
    if with_body {
        &response.bytes
    } else {
        &response.bytes[..response.head_len]
    }
}

/// A response as it goes over the wire.
struct Response {
    bytes: Box<[u8]>,
    head_len: usize,
}

impl Response {
    fn new(status: Status, keep_alive: bool) -> Self {
        let (line, title, text) = status.words();
        let body = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body><h1>{title}</h1><p>{text}</p></body>\n</html>\n"
        );
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let head = format!(
            "HTTP/1.1 {line}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
             Connection: {connection}\r\n\r\n",
            body.len()
        );
        Self {
            head_len: head.len(),
            bytes: (head + &body).into_bytes().into(),
        }
    }
}

impl Status {
    /// Every status, in the order of their declaration.
    const ALL: [Self; 6] = [
        Self::Ok,
        Self::BadRequest,
        Self::NotFound,
        Self::LengthRequired,
        Self::ContentTooLarge,
        Self::HeadTooLarge,
    ];

    /// The status line, and the title and text of the page.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Ok => ("200 OK", "Hello!", "Hi from sprang."),
            Self::BadRequest => ("400 Bad Request", "Pardon?", "That was not an HTTP/1 request."),
            Self::NotFound => ("404 Not Found", "Oops!", "There is no such page here."),
            Self::LengthRequired => (
                "411 Length Required",
                "How long?",
                "A body needs a Content-Length here.",
            ),
            Self::ContentTooLarge => ("413 Content Too Large", "Too much!", "The body is too large."),
            Self::HeadTooLarge => (
                "431 Request Header Fields Too Large",
                "Too much!",
                "The header fields are too large.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(head: &str) -> Request {
        let request = parse(head.as_bytes())
            .expect("a valid request")
            .expect("a complete head");
        assert_eq!(request.head_len, head.len());
        request
    }

    fn refusal(head: &str) -> Status {
        parse(head.as_bytes()).expect_err("an invalid request")
    }

    #[test]
    fn a_plain_get_keeps_the_connection() {
        let expected = Request {
            route: Route::Hello,
            head_len: 27,
            body_len: 0,
            expects_continue: false,
            wants_body: true,
            keep_alive: true,
        };
        assert_eq!(request("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), expected);
    }

    #[test]
    fn every_proper_prefix_is_incomplete() {
        let head = b"GET /sleep HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        for len in 0..head.len() {
            assert_eq!(parse(&head[..len]), Ok(None), "{len} bytes");
        }
    }

    #[test]
    fn routes_are_found_in_paths_and_urls() {
        for (line, route) in [
            ("GET /", Route::Hello),
            ("HEAD /", Route::Hello),
            ("GET /?q=/sleep", Route::Hello),
            ("GET /sleep", Route::Sleep),
            ("GET http://a/sleep?x", Route::Sleep),
            ("GET http://a", Route::Hello),
            ("GET /sleep/", Route::Unknown),
            ("GET /http://a/", Route::Unknown),
            ("POST /", Route::Unknown),
            ("OPTIONS *", Route::Unknown),
        ] {
            assert_eq!(
                request(&format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n")).route,
                route,
                "{line}"
            );
        }
    }

    #[test]
    fn keep_alive_follows_version_and_connection() {
        for (rest, keep_alive) in [
            ("HTTP/1.1\r\nHost: a\r\n\r\n", true),
            ("HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n", false),
            ("HTTP/1.0\r\n\r\n", false),
            ("HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
            ("HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false),
        ] {
            assert_eq!(request(&format!("GET / {rest}")).keep_alive, keep_alive, "{rest}");
        }
    }

    #[test]
    fn bodies_need_one_plain_length() {
        let with = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        assert_eq!(request(&with("Content-Length: 12\r\ncontent-length: 12")).body_len, 12);
        assert_eq!(
            request(&with(&format!("Content-Length: {MAX_BODY}"))).body_len,
            MAX_BODY
        );
        for (fields, status) in [
            ("Content-Length: 12\r\nContent-Length: 13", Status::BadRequest),
            ("Content-Length: +12", Status::BadRequest),
            ("Content-Length: 1 2", Status::BadRequest),
            ("Content-Length:", Status::BadRequest),
            ("Content-Length: 1048577", Status::ContentTooLarge),
            ("Content-Length: 99999999999999999999", Status::ContentTooLarge),
            ("Transfer-Encoding: chunked", Status::LengthRequired),
            (
                "Content-Length: 12\r\nTransfer-Encoding: chunked",
                Status::LengthRequired,
            ),
        ] {
            assert_eq!(refusal(&with(fields)), status, "{fields}");
        }
    }

    #[test]
    fn http_1_1_needs_one_host() {
        assert_eq!(refusal("GET / HTTP/1.1\r\n\r\n"), Status::BadRequest);
        assert_eq!(
            refusal("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
            Status::BadRequest
        );
    }

    #[test]
    fn garbage_is_refused() {
        for head in [
            "\0\0\0\0",
            "GET\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        ] {
            assert_eq!(refusal(head), Status::BadRequest, "{head:?}");
        }
    }

    #[test]
    fn heads_are_bounded() {
        let long = |len: usize| {
            let start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
            format!("{start}{}\r\n\r\n", "x".repeat(len - start.len() - 4))
        };
        assert_eq!(request(&long(MAX_HEAD)).route, Route::Hello);
        assert_eq!(refusal(&long(MAX_HEAD + 1)), Status::HeadTooLarge);
        assert_eq!(refusal(&long(MAX_HEAD + 1)[..MAX_HEAD]), Status::HeadTooLarge);
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(MAX_HEADERS));
        assert_eq!(refusal(&many), Status::HeadTooLarge);
    }

    #[test]
    fn only_a_waiting_http_1_1_client_expects_continue() {
        let with =
            |version| format!("PUT / HTTP/1.{version}\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n");
        assert!(request(&with(1)).expects_continue);
        assert!(!request(&with(0)).expects_continue);
    }

    #[test]
    fn responses_state_the_length_of_their_body() {
        for (index, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(status as usize, index);
            for keep_alive in [false, true] {
                let full = str::from_utf8(response(status, keep_alive, true)).unwrap();
                let head = str::from_utf8(response(status, keep_alive, false)).unwrap();
                let body = full.strip_prefix(head).expect("the head is a prefix");
                assert!(head.starts_with("HTTP/1.1 ") && head.ends_with("\r\n\r\n"));
                assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())));
                assert_eq!(head.contains("\r\nConnection: keep-alive\r\n"), keep_alive);
            }
        }
    }
}
