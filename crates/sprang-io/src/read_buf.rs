//! [`ReadBuf`]: a byte buffer that knows how much of it is filled and how much of it is initialised.
//!
//! Purpose: let a reader fill memory that nobody has zeroed first, without any safe code ever seeing an
//! uninitialised byte.
//!
//! Data flow: made by the callers of [`AsyncRead::poll_read`](crate::AsyncRead::poll_read) (the read futures,
//! `BufReader`, `copy`); filled by its implementors. [`lend`] is the one way in which uninitialised memory of this crate
//! goes to a reader and comes back: `read_buf`, `read_to_end` and `Take` call it.
//!
//! Invariants
//! - I1: `filled <= initialized <= buf.len()`.
//! - I2: the bytes `buf[..initialized]` are initialised, and no safe method makes one of them uninitialised again.
//! - I3: no byte of the borrowed memory is ever made uninitialised, whether the buffer knows it as initialised or not:
//!   the memory may be a `[u8]` again afterwards. Safe code cannot do it; the contracts of `inner_mut` and
//!   `unfilled_mut` forbid it.
//! - I4: safe code cannot make a second buffer over the memory of a first one that outlives it. A buffer that comes
//!   back from a reader with the start and the length that it went in with is therefore the one that went in, and what
//!   it says of its memory is true. (A reader is free to put another buffer in its place.)

use std::fmt;
use std::mem::MaybeUninit;

use bytes::BufMut;
use bytes::buf::UninitSlice;

/// A byte buffer that is filled step by step, and that need not be initialised beforehand.
///
/// It consists of three regions, which may be empty:
///
/// ```text
/// [               capacity                ]
/// [  filled  |          unfilled          ]
/// [      initialized      | uninitialised ]
/// ```
///
/// # Examples
///
/// ```
/// use std::mem::MaybeUninit;
/// use sprang_io::ReadBuf;
///
/// let mut memory = [MaybeUninit::<u8>::uninit(); 8];
/// let mut buf = ReadBuf::uninit(&mut memory);
/// buf.put_slice(b"abc");
/// assert_eq!(buf.filled(), b"abc");
/// assert_eq!(buf.remaining(), 5);
/// ```
pub struct ReadBuf<'a> {
    buf: &'a mut [MaybeUninit<u8>],
    filled: usize,
    initialized: usize,
}

impl<'a> ReadBuf<'a> {
    /// Wraps an initialised slice: nothing filled, everything initialised.
    #[inline]
    pub fn new(buf: &'a mut [u8]) -> ReadBuf<'a> {
        let initialized = buf.len();
        let bytes: *mut [u8] = buf;
        // SAFETY: `MaybeUninit<u8>` has the layout of `u8`, the pointer comes from an exclusive borrow that lasts for
        // `'a`, and nothing uninitialised is written through it (I3).
        let buf = unsafe { &mut *(bytes as *mut [MaybeUninit<u8>]) };
        ReadBuf {
            buf,
            filled: 0,
            initialized,
        }
    }

    /// Wraps a slice that may be uninitialised: nothing filled, nothing initialised.
    ///
    /// Use [`assume_init`](Self::assume_init) when a part of it is known to be initialised.
    #[inline]
    pub fn uninit(buf: &'a mut [MaybeUninit<u8>]) -> ReadBuf<'a> {
        ReadBuf {
            buf,
            filled: 0,
            initialized: 0,
        }
    }

    /// The length of the whole buffer in bytes.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.buf.len()
    }

    /// The bytes filled so far.
    #[inline]
    pub fn filled(&self) -> &[u8] {
        // SAFETY: these bytes are initialised (I1, I2).
        unsafe { self.buf[..self.filled].assume_init_ref() }
    }

    /// The bytes filled so far, mutably.
    #[inline]
    pub fn filled_mut(&mut self) -> &mut [u8] {
        // SAFETY: these bytes are initialised (I1, I2).
        unsafe { self.buf[..self.filled].assume_init_mut() }
    }

    /// A buffer over at most the next `n` unfilled bytes, all of them taken to be uninitialised.
    ///
    /// What is put into it is not filled here until [`assume_init`](Self::assume_init) and
    /// [`advance`](Self::advance) say so.
    #[inline]
    pub fn take(&mut self, n: usize) -> ReadBuf<'_> {
        let end = self.filled + n.min(self.remaining());
        ReadBuf::uninit(&mut self.buf[self.filled..end])
    }

    /// The initialised bytes: the filled ones and those after them.
    #[inline]
    pub fn initialized(&self) -> &[u8] {
        // SAFETY: these bytes are initialised (I1, I2).
        unsafe { self.buf[..self.initialized].assume_init_ref() }
    }

    /// The initialised bytes, mutably.
    #[inline]
    pub fn initialized_mut(&mut self) -> &mut [u8] {
        // SAFETY: these bytes are initialised (I1, I2).
        unsafe { self.buf[..self.initialized].assume_init_mut() }
    }

    /// The whole buffer, without a look at what is filled or initialised.
    ///
    /// # Safety
    ///
    /// The caller must not make any initialised byte uninitialised, whether the buffer knows of it or not.
    #[inline]
    pub unsafe fn inner_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        self.buf
    }

    /// The unfilled part of the buffer, without a look at what is initialised.
    ///
    /// # Safety
    ///
    /// The caller must not make any initialised byte uninitialised, whether the buffer knows of it or not.
    #[inline]
    pub unsafe fn unfilled_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        &mut self.buf[self.filled..]
    }

    /// The unfilled part, initialised first. Zeroes each byte at most once, however often it is called.
    #[inline]
    pub fn initialize_unfilled(&mut self) -> &mut [u8] {
        self.initialize_unfilled_to(self.remaining())
    }

    /// The first `n` unfilled bytes, initialised first.
    ///
    /// # Panics
    ///
    /// If `n` is more than [`remaining`](Self::remaining).
    #[inline]
    #[track_caller]
    pub fn initialize_unfilled_to(&mut self, n: usize) -> &mut [u8] {
        assert!(
            n <= self.remaining(),
            "{n} bytes asked for, {} remain in the buffer",
            self.remaining()
        );
        let end = self.filled + n;
        if self.initialized < end {
            self.buf[self.initialized..end].fill(MaybeUninit::new(0));
            self.initialized = end;
        }
        // SAFETY: `end <= initialized`, by the branch above (I2).
        unsafe { self.buf[self.filled..end].assume_init_mut() }
    }

    /// The number of unfilled bytes.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.buf.len() - self.filled
    }

    /// Makes the filled part empty. What is initialised stays so.
    #[inline]
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// Makes the filled part `n` bytes longer.
    ///
    /// # Panics
    ///
    /// If it would become longer than the initialised part.
    #[inline]
    #[track_caller]
    pub fn advance(&mut self, n: usize) {
        let filled = self.filled.checked_add(n).expect("the filled length overflows");
        self.set_filled(filled);
    }

    /// Sets the length of the filled part; it may shrink.
    ///
    /// # Panics
    ///
    /// If it would become longer than the initialised part.
    #[inline]
    #[track_caller]
    pub fn set_filled(&mut self, n: usize) {
        assert!(
            n <= self.initialized,
            "cannot fill {n} bytes, only {} are initialised",
            self.initialized
        );
        self.filled = n;
    }

    /// Says that the first `n` unfilled bytes are initialised. They are not filled by that.
    ///
    /// # Panics
    ///
    /// If fewer than `n` bytes remain.
    ///
    /// # Safety
    ///
    /// The first `n` bytes of the unfilled part must be initialised.
    #[inline]
    #[track_caller]
    pub unsafe fn assume_init(&mut self, n: usize) {
        assert!(
            n <= self.remaining(),
            "{n} bytes said to be initialised, {} remain",
            self.remaining()
        );
        self.initialized = self.initialized.max(self.filled + n);
    }

    /// Appends `bytes` to the filled part.
    ///
    /// # Panics
    ///
    /// If fewer than `bytes.len()` bytes remain.
    #[inline]
    #[track_caller]
    pub fn put_slice(&mut self, bytes: &[u8]) {
        assert!(
            bytes.len() <= self.remaining(),
            "{} bytes do not fit into the {} that remain",
            bytes.len(),
            self.remaining()
        );
        let end = self.filled + bytes.len();
        self.buf[self.filled..end].write_copy_of_slice(bytes);
        self.initialized = self.initialized.max(end);
        self.filled = end;
    }
}

impl ReadBuf<'_> {
    /// Has at most the next `n` bytes filled, and returns how many were, beside the result of `fill`.
    ///
    /// # Panics
    ///
    /// If `fill` puts another buffer in the place of the one it is given.
    #[inline]
    pub(crate) fn fill_part<R>(&mut self, n: usize, fill: impl FnOnce(&mut ReadBuf<'_>) -> R) -> (R, usize) {
        let end = self.filled + n.min(self.remaining());
        let initialized = self.initialized.min(end) - self.filled;
        // SAFETY: those bytes are initialised (I2).
        let lent = unsafe { lend(&mut self.buf[self.filled..end], initialized, fill) };
        self.initialized = self.initialized.max(self.filled + lent.initialized);
        self.filled += lent.filled;
        (lent.result, lent.filled)
    }
}

/// What became of memory that was lent to a reader.
pub(crate) struct Lent<R> {
    pub(crate) result: R,
    /// The length of the filled part.
    pub(crate) filled: usize,
    /// The length of the initialised part, of which the filled part is the start.
    pub(crate) initialized: usize,
}

/// Has `memory` filled, whose first `initialized` bytes are initialised.
///
/// # Panics
///
/// If `fill` puts another buffer in the place of the one it is given.
///
/// # Safety
///
/// The first `initialized` bytes must exist and be initialised.
#[inline]
pub(crate) unsafe fn lend<R>(
    memory: &mut [MaybeUninit<u8>],
    initialized: usize,
    fill: impl FnOnce(&mut ReadBuf<'_>) -> R,
) -> Lent<R> {
    let mut buf = ReadBuf {
        buf: memory,
        filled: 0,
        initialized,
    };
    let before: *const [MaybeUninit<u8>] = buf.buf;
    let result = fill(&mut buf);
    assert!(std::ptr::eq(before, buf.buf), "the reader replaced the buffer");
    Lent {
        result,
        filled: buf.filled,
        initialized: buf.initialized,
    }
}

// SAFETY: `chunk_mut` is the unfilled part, of the length that `remaining_mut` names, and `advance_mut` moves its start.
unsafe impl BufMut for ReadBuf<'_> {
    #[inline]
    fn remaining_mut(&self) -> usize {
        self.remaining()
    }

    #[inline]
    unsafe fn advance_mut(&mut self, n: usize) {
        // SAFETY: the caller has initialised the first `n` bytes of `chunk_mut`, which is the unfilled part.
        unsafe { self.assume_init(n) };
        self.filled += n;
    }

    #[inline]
    fn chunk_mut(&mut self) -> &mut UninitSlice {
        UninitSlice::uninit(&mut self.buf[self.filled..])
    }
}

impl fmt::Debug for ReadBuf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBuf")
            .field("filled", &self.filled)
            .field("initialized", &self.initialized)
            .field("capacity", &self.capacity())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initialising_zeroes_only_what_is_not_initialised_yet() {
        let mut memory = [MaybeUninit::uninit(); 6];
        let mut buf = ReadBuf::uninit(&mut memory);
        buf.initialize_unfilled_to(3).copy_from_slice(b"abc");
        assert_eq!(buf.initialize_unfilled(), b"abc\0\0\0");
        assert_eq!(buf.initialized(), b"abc\0\0\0");
        assert_eq!(buf.filled(), b"");
        buf.advance(2);
        assert_eq!(buf.filled(), b"ab");
        assert_eq!(buf.remaining(), 4);
    }

    #[test]
    fn clear_keeps_the_initialised_bytes() {
        let mut memory = *b"12345";
        let mut buf = ReadBuf::new(&mut memory);
        buf.put_slice(b"ab");
        buf.clear();
        assert_eq!((buf.filled(), buf.initialized()), (&b""[..], &b"ab345"[..]));
        buf.set_filled(5);
        assert_eq!(buf.remaining(), 0);
    }

    #[test]
    fn a_taken_part_never_shows_the_bytes_of_its_parent() {
        let mut memory = *b"12345";
        let mut buf = ReadBuf::new(&mut memory);
        buf.advance(1);
        let taken = buf.take(100);
        assert_eq!((taken.capacity(), taken.initialized()), (4, &b""[..]));
    }

    #[test]
    #[should_panic(expected = "only 0 are initialised")]
    fn advancing_over_uninitialised_bytes_panics() {
        let mut memory = [MaybeUninit::uninit(); 4];
        ReadBuf::uninit(&mut memory).advance(1);
    }

    #[test]
    #[should_panic(expected = "overflows")]
    fn an_overflowing_advance_panics() {
        let mut memory = [0; 4];
        let mut buf = ReadBuf::new(&mut memory);
        buf.advance(1);
        buf.advance(usize::MAX);
    }

    #[test]
    #[should_panic(expected = "do not fit")]
    fn putting_more_than_remains_panics() {
        ReadBuf::new(&mut [0; 2]).put_slice(b"abc");
    }

    #[test]
    #[should_panic(expected = "said to be initialised")]
    fn more_than_the_buffer_cannot_be_initialised() {
        let mut memory = [0; 2];
        let mut buf = ReadBuf::new(&mut memory);
        buf.advance(1);
        // SAFETY: it panics before the claim is recorded.
        unsafe { buf.assume_init(2) };
    }

    #[test]
    fn a_filled_part_hands_on_and_gives_back_what_is_initialised() {
        let mut memory = [MaybeUninit::uninit(); 8];
        let mut buf = ReadBuf::uninit(&mut memory);
        buf.initialize_unfilled_to(3);
        buf.advance(1);
        let ((), filled) = buf.fill_part(4, |part| {
            assert_eq!(
                (part.capacity(), part.initialized().len(), part.filled().len()),
                (4, 2, 0)
            );
            part.put_slice(b"a");
            part.initialize_unfilled();
        });
        assert_eq!((filled, buf.filled(), buf.initialized().len()), (1, &b"\0a"[..], 5));
        let ((), filled) = buf.fill_part(100, |part| assert_eq!(part.capacity(), 6));
        assert_eq!((filled, buf.filled().len(), buf.initialized().len()), (0, 2, 5));
    }

    #[test]
    #[should_panic(expected = "replaced the buffer")]
    fn a_part_that_is_replaced_is_found_out() {
        let mut memory = [0; 8];
        ReadBuf::new(&mut memory).fill_part(4, |part| *part = ReadBuf::new(&mut []));
    }

    #[test]
    fn it_is_a_buf_mut_over_the_unfilled_part() {
        let mut memory = [MaybeUninit::uninit(); 8];
        let mut buf = ReadBuf::uninit(&mut memory);
        buf.put_u16(0x0102);
        buf.put_bytes(7, 3);
        assert_eq!(buf.filled(), [1, 2, 7, 7, 7]);
        assert_eq!(buf.remaining_mut(), 3);
        assert_eq!(buf.chunk_mut().len(), 3);
    }
}
