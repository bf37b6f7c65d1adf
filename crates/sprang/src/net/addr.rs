//! Names and addresses.
//!
//! Purpose: what `connect`, `bind` and [`lookup_host`] take. Addresses and their literals resolve at once; only a host
//! name needs the blocking resolver.
//!
//! Called by: `tcp`. Calls: `resolve`.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{option, vec};

use super::resolve::{Lookup, lookup};

/// What can be resolved to socket addresses, without blocking the task.
///
/// Sealed: implemented for the address types of `std::net`, for `(IpAddr, u16)` and the like, for `&[SocketAddr]`, and
/// for `str`, `String`, `(&str, u16)` and `(String, u16)`, which may hold a host name.
///
/// ```no_run
/// # async fn run() -> std::io::Result<()> {
/// let by_address = sprang::net::TcpStream::connect("127.0.0.1:80").await?;
/// let by_name = sprang::net::TcpStream::connect(("localhost", 80)).await?;
/// # Ok(())
/// # }
/// ```
pub trait ToSocketAddrs: sealed::ToSocketAddrsPriv {}

/// Resolves `host` to socket addresses.
///
/// # Errors
///
/// If `host` is neither an address nor a name that the resolver knows, or no thread can be started to ask it.
///
/// ```no_run
/// # async fn run() -> std::io::Result<()> {
/// for addr in sprang::net::lookup_host("localhost:3000").await? {
///     println!("{addr}");
/// }
/// # Ok(())
/// # }
/// ```
pub async fn lookup_host<T: ToSocketAddrs>(host: T) -> io::Result<impl Iterator<Item = SocketAddr>> {
    resolve(host).await
}

/// Resolves `host`: the future does not borrow it.
pub(super) fn resolve(host: impl ToSocketAddrs) -> Resolving {
    host.resolving(sealed::Internal)
}

/// Calls `attempt` for each address of `host`, until one succeeds.
///
/// # Errors
///
/// The last one of `attempt`; `InvalidInput` if there is no address at all.
pub(super) async fn first_of<T, F: Future<Output = io::Result<T>>>(
    host: impl ToSocketAddrs,
    mut attempt: impl FnMut(SocketAddr) -> F,
) -> io::Result<T> {
    let mut last = None;
    for addr in resolve(host).await? {
        match attempt(addr).await {
            Ok(found) => return Ok(found),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any address")))
}

pub(crate) mod sealed {
    /// Makes the method of the trait uncallable outside of this crate.
    #[derive(Debug)]
    #[expect(unnameable_types, reason = "part of the seal")]
    pub struct Internal;

    #[doc(hidden)]
    #[expect(unnameable_types, reason = "the seal")]
    pub trait ToSocketAddrsPriv {
        fn resolving(&self, _: Internal) -> super::Resolving;
    }
}

/// The future of a resolution.
#[derive(Debug)]
#[expect(unnameable_types, reason = "named only by the sealed trait")]
pub struct Resolving(State);

#[derive(Debug)]
enum State {
    Known(Addrs),
    Asking(Lookup),
}

/// The addresses that were found.
#[derive(Debug)]
#[expect(unnameable_types, reason = "returned as an `impl Iterator`")]
pub enum Addrs {
    /// At most one, kept in place.
    One(option::IntoIter<SocketAddr>),
    /// Any number.
    Many(vec::IntoIter<SocketAddr>),
}

impl Resolving {
    fn one(addr: impl Into<SocketAddr>) -> Self {
        Self(State::Known(Addrs::One(Some(addr.into()).into_iter())))
    }

    fn many(addrs: Vec<SocketAddr>) -> Self {
        Self(State::Known(Addrs::Many(addrs.into_iter())))
    }
}

impl Future for Resolving {
    type Output = io::Result<Addrs>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match &mut self.0 {
            State::Known(addrs) => Ok(std::mem::replace(addrs, Addrs::One(None.into_iter()))),
            State::Asking(lookup) => ready!(Pin::new(lookup).poll(cx)).map(Addrs::Many),
        })
    }
}

impl Iterator for Addrs {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        match self {
            Self::One(addr) => addr.next(),
            Self::Many(addrs) => addrs.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::One(addr) => addr.size_hint(),
            Self::Many(addrs) => addrs.size_hint(),
        }
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}

impl<T: sealed::ToSocketAddrsPriv + ?Sized> sealed::ToSocketAddrsPriv for &T {
    fn resolving(&self, internal: sealed::Internal) -> Resolving {
        (**self).resolving(internal)
    }
}

impl ToSocketAddrs for SocketAddr {}

impl sealed::ToSocketAddrsPriv for SocketAddr {
    fn resolving(&self, _: sealed::Internal) -> Resolving {
        Resolving::one(*self)
    }
}

impl ToSocketAddrs for SocketAddrV4 {}

impl sealed::ToSocketAddrsPriv for SocketAddrV4 {
    fn resolving(&self, _: sealed::Internal) -> Resolving {
        Resolving::one(*self)
    }
}

impl ToSocketAddrs for SocketAddrV6 {}

impl sealed::ToSocketAddrsPriv for SocketAddrV6 {
    fn resolving(&self, _: sealed::Internal) -> Resolving {
        Resolving::one(*self)
    }
}

impl ToSocketAddrs for (IpAddr, u16) {}

impl sealed::ToSocketAddrsPriv for (IpAddr, u16) {
    fn resolving(&self, _: sealed::Internal) -> Resolving {
        Resolving::one(*self)
    }
}

impl ToSocketAddrs for (Ipv4Addr, u16) {}

impl sealed::ToSocketAddrsPriv for (Ipv4Addr, u16) {
    fn resolving(&self, _: sealed::Internal) -> Resolving {
        Resolving::one(*self)
    }
}

impl ToSocketAddrs for (Ipv6Addr, u16) {}

impl sealed::ToSocketAddrsPriv for (Ipv6Addr, u16) {
    fn resolving(&self, _: sealed::Internal) -> Resolving {
        Resolving::one(*self)
    }
}

impl ToSocketAddrs for &[SocketAddr] {}

impl sealed::ToSocketAddrsPriv for &[SocketAddr] {
    fn resolving(&self, _: sealed::Internal) -> Resolving {
        Resolving::many(self.to_vec())
    }
}

impl ToSocketAddrs for str {}

impl sealed::ToSocketAddrsPriv for str {
    fn resolving(&self, _: sealed::Internal) -> Resolving {
        match self.parse::<SocketAddr>() {
            Ok(addr) => Resolving::one(addr),
            Err(_) => Resolving(State::Asking(lookup(self.to_owned()))),
        }
    }
}

impl ToSocketAddrs for String {}

impl sealed::ToSocketAddrsPriv for String {
    fn resolving(&self, internal: sealed::Internal) -> Resolving {
        self.as_str().resolving(internal)
    }
}

impl ToSocketAddrs for (&str, u16) {}

impl sealed::ToSocketAddrsPriv for (&str, u16) {
    fn resolving(&self, _: sealed::Internal) -> Resolving {
        let (host, port) = *self;
        match host.parse::<IpAddr>() {
            Ok(ip) => Resolving::one((ip, port)),
            Err(_) => Resolving(State::Asking(lookup((host.to_owned(), port)))),
        }
    }
}

impl ToSocketAddrs for (String, u16) {}

impl sealed::ToSocketAddrsPriv for (String, u16) {
    fn resolving(&self, internal: sealed::Internal) -> Resolving {
        (self.0.as_str(), self.1).resolving(internal)
    }
}
