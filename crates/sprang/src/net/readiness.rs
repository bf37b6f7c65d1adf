//! The methods that wait for a socket or a pipe, apart from any operation, and those that run the caller's own.
//!
//! Purpose: what all of them have alike, written and documented once.
//!
//! Called by: the types of streams, datagram sockets and pipes, whose field `io` has the registration. Calls: the
//! reactor.

/// Makes `ready`.
macro_rules! ready {
    () => {
        /// Waits for any state of `interest`, and returns what is ready. Any number of tasks can wait at once.
        ///
        /// The operation that follows may still say `WouldBlock`. Cancel safe: readiness stays until an operation says
        /// so.
        ///
        /// # Errors
        ///
        /// If the runtime is gone.
        pub async fn ready(&self, interest: sprang_reactor::Interest) -> std::io::Result<sprang_reactor::Ready> {
            Ok(self.io.registration().readiness(interest).await?.ready())
        }
    };
}

/// Makes `readable`, and `$poll` of the same meaning, which wait until `$state`, for `$doing`.
macro_rules! readable {
    ($poll:ident, $state:literal, $doing:literal) => {
        $crate::net::readiness::waits!(READABLE readable $poll poll_read_ready $state $doing);
    };
}

/// Makes `writable`, and `$poll` of the same meaning, which wait until `$state`, for `$doing`.
macro_rules! writable {
    ($poll:ident, $state:literal, $doing:literal) => {
        $crate::net::readiness::waits!(WRITABLE writable $poll poll_write_ready $state $doing);
    };
}

/// Makes `$wait` and `$poll`. The registration calls the latter `$inner`.
macro_rules! waits {
    ($interest:ident $wait:ident $poll:ident $inner:ident $state:literal $doing:literal) => {
        #[doc = concat!("Waits until ", $state, ". As [`ready`](Self::ready).")]
        ///
        /// # Errors
        ///
        /// If the runtime is gone.
        pub async fn $wait(&self) -> std::io::Result<()> {
            self.ready(sprang_reactor::Interest::$interest).await.map(drop)
        }

        #[doc = concat!("Whether ", $state, "; if not, the task is woken when that may have changed.")]
        ///
        #[doc = concat!("Only the last task to poll for ", $doing, " is woken.")]
        ///
        /// # Errors
        ///
        /// If the runtime is gone.
        pub fn $poll(&self, cx: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
            self.io.registration().$inner(cx).map_ok(drop)
        }
    };
}

/// Makes `try_io` and `async_io`.
macro_rules! operations {
    () => {
        /// Calls `f`, an operation of the caller's own on this socket, if the socket is ready for `interest`.
        ///
        /// When `f` says `WouldBlock`, the socket counts as not ready from then on: it must say so only if the
        /// operation on this very socket would block.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if the socket is not ready; else those of `f`.
        pub fn try_io<R>(
            &self,
            interest: sprang_reactor::Interest,
            f: impl FnOnce() -> std::io::Result<R>,
        ) -> std::io::Result<R> {
            self.io.registration().try_io(interest, || (*self.io).try_io(f))
        }

        /// Calls `f`, an operation of the caller's own on this socket, whenever the socket is ready for `interest`,
        /// until it does not say `WouldBlock`.
        ///
        /// # Errors
        ///
        /// Those of `f`; besides, if the runtime is gone.
        pub async fn async_io<R>(
            &self,
            interest: sprang_reactor::Interest,
            mut f: impl FnMut() -> std::io::Result<R>,
        ) -> std::io::Result<R> {
            let registration = self.io.registration();
            registration
                .async_io(interest, || (*self.io).try_io(&mut f))
                .await
        }
    };
}

pub(super) use {operations, readable, ready, waits, writable};
