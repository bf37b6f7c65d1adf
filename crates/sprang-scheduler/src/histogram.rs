//! Histograms of durations.
//!
//! Purpose: how long polls last, for whoever asks for it.
//!
//! Data flow: the runtime's builder → [`HistogramConfiguration`]; `hooks` → `Histogram::record`; `multi_thread`,
//! `current_thread` → `Histogram::count`.
//!
//! Logarithmic buckets are those of an H2 histogram (<https://iop.systems/blog/h2-histogram/>): each power of two of
//! nanoseconds is divided into `2^p` buckets of the same width.
//!
//! Cost of a record: a binary search among the buckets, and a plain store.

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use crate::metrics::Counter;

/// The highest precision of a [`LogHistogram`].
const MAX_PRECISION: u32 = 10;

/// The buckets of a histogram.
///
/// ```
/// use std::time::Duration;
/// use sprang_scheduler::histogram::{HistogramConfiguration, LogHistogram};
///
/// let linear = HistogramConfiguration::linear(Duration::from_micros(50), 20);
/// assert_eq!(linear.num_buckets(), 20);
/// let log = HistogramConfiguration::log(LogHistogram::builder().max_error(0.1));
/// assert!(log.num_buckets() > 20);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistogramConfiguration {
    /// Where each bucket begins, in nanoseconds: ascending, and from 0.
    starts_ns: Vec<u64>,
}

impl HistogramConfiguration {
    /// `num_buckets` buckets of the same width; the last one holds all that is longer, too.
    ///
    /// # Panics
    ///
    /// If there are no buckets, or if their width is 0.
    #[track_caller]
    pub fn linear(bucket_width: Duration, num_buckets: usize) -> Self {
        assert!(num_buckets > 0, "a histogram needs buckets");
        assert!(!bucket_width.is_zero(), "the width of a bucket must be greater than 0");
        let width_ns = nanoseconds(bucket_width);
        Self {
            starts_ns: (0..num_buckets as u64)
                .map(|bucket| width_ns.saturating_mul(bucket))
                .collect(),
        }
    }

    /// Buckets whose width grows with what they hold.
    pub fn log(configuration: impl Into<LogHistogram>) -> Self {
        Self {
            starts_ns: configuration.into().starts_ns(),
        }
    }

    /// The number of buckets.
    pub fn num_buckets(&self) -> usize {
        self.starts_ns.len()
    }

    /// What the bucket holds: from the start of the range to just below its end.
    ///
    /// # Panics
    ///
    /// If there is no such bucket.
    #[track_caller]
    pub fn bucket_range(&self, bucket: usize) -> Range<Duration> {
        let end_ns = self.starts_ns.get(bucket + 1).copied().unwrap_or(u64::MAX);
        Duration::from_nanos(self.starts_ns[bucket])..Duration::from_nanos(end_ns)
    }
}

/// How fine a logarithmic histogram is: from [`builder`](Self::builder).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogHistogram {
    precision: u32,
    min_ns: u64,
    max_ns: u64,
}

impl Default for LogHistogram {
    fn default() -> Self {
        LogHistogramBuilder::default().build()
    }
}

impl LogHistogram {
    /// A builder: buckets from 100 ns to 68 s, with an error of at most 25 %, unless set.
    pub fn builder() -> LogHistogramBuilder {
        LogHistogramBuilder::default()
    }

    /// The duration, in nanoseconds, from which on all is in the last bucket.
    pub fn max_value(&self) -> u64 {
        self.starts_ns().last().copied().unwrap_or(0)
    }

    fn starts_ns(self) -> Vec<u64> {
        let mut starts_ns = vec![0];
        let mut boundaries = (1..).map_while(|index| self.boundary_ns(index)).peekable();
        while let Some(boundary) = boundaries.next() {
            // The first bucket ends at the last boundary that is not above the minimum.
            let ends_first = boundary >= self.min_ns || boundaries.peek().is_some_and(|next| *next > self.min_ns);
            if ends_first {
                starts_ns.push(boundary);
            }
            if ends_first && boundary >= self.max_ns {
                break;
            }
        }
        starts_ns
    }

    /// The boundary between buckets `index - 1` and `index`, were there no minimum; `None` beyond 2^64 ns.
    fn boundary_ns(self, index: u64) -> Option<u64> {
        let group = index >> self.precision;
        if group == 0 {
            return Some(index);
        }
        let in_group = index & ((1 << self.precision) - 1);
        let boundary = u128::from((1 << self.precision) + in_group) << (group - 1).min(64);
        u64::try_from(boundary).ok()
    }
}

/// Builds a [`LogHistogram`].
#[derive(Debug, Clone, Copy, Default)]
pub struct LogHistogramBuilder {
    precision: Option<u32>,
    min: Option<Duration>,
    max: Option<Duration>,
}

impl LogHistogramBuilder {
    /// The most by which a bucket's bounds may differ, as a fraction: at least 2⁻¹⁰; what is less is taken for that.
    ///
    /// # Panics
    ///
    /// If `max_error` is not between 0 and 1.
    #[track_caller]
    pub fn max_error(mut self, max_error: f64) -> Self {
        assert!(max_error > 0.0, "max_error must be greater than 0");
        assert!(max_error < 1.0, "max_error must be less than 1");
        let enough = |p: &u32| 0.5_f64.powi(*p as i32) <= max_error;
        self.precision = Some((2..MAX_PRECISION).find(enough).unwrap_or(MAX_PRECISION));
        self
    }

    /// Divides each power of two into `2^p` buckets.
    ///
    /// # Panics
    ///
    /// If `p` is greater than 10.
    #[track_caller]
    pub fn precision_exact(mut self, p: u32) -> Self {
        assert!(p <= MAX_PRECISION, "precision must be <= {MAX_PRECISION}");
        self.precision = Some(p);
        self
    }

    /// What is shorter need not be told apart.
    pub fn min_value(mut self, duration: Duration) -> Self {
        self.min = Some(duration);
        self
    }

    /// What is longer need not be told apart.
    ///
    /// # Panics
    ///
    /// If `duration` is 0.
    #[track_caller]
    pub fn max_value(mut self, duration: Duration) -> Self {
        assert!(!duration.is_zero(), "max value must be greater than 0");
        self.max = Some(duration);
        self
    }

    /// As [`build`](Self::build), unless that takes too many buckets.
    ///
    /// # Errors
    ///
    /// If more than `max_buckets` buckets are needed.
    pub fn max_buckets(&mut self, max_buckets: usize) -> Result<LogHistogram, InvalidHistogramConfiguration> {
        let histogram = self.build();
        match histogram.starts_ns().len() {
            needed if needed > max_buckets => Err(InvalidHistogramConfiguration::TooManyBuckets {
                required_bucket_count: needed,
            }),
            _ => Ok(histogram),
        }
    }

    /// Builds it.
    pub fn build(&self) -> LogHistogram {
        LogHistogram {
            precision: self.precision.unwrap_or(2),
            min_ns: self.min.map_or(100, nanoseconds),
            max_ns: self.max.map_or(68_000_000_000, nanoseconds),
        }
    }
}

impl From<LogHistogramBuilder> for LogHistogram {
    fn from(builder: LogHistogramBuilder) -> Self {
        builder.build()
    }
}

/// The error of [`LogHistogramBuilder::max_buckets`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidHistogramConfiguration {
    /// More buckets are needed than there may be.
    TooManyBuckets {
        /// How many are needed.
        required_bucket_count: usize,
    },
}

impl fmt::Display for InvalidHistogramConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::TooManyBuckets { required_bucket_count } = self;
        write!(f, "the histogram needs {required_bucket_count} buckets")
    }
}

impl Error for InvalidHistogramConfiguration {}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What one worker measured.
#[derive(Debug)]
pub(crate) struct Histogram {
    configuration: HistogramConfiguration,
    counts: Box<[Counter]>,
}

impl Histogram {
    pub(crate) fn new(configuration: &HistogramConfiguration) -> Self {
        Self {
            configuration: configuration.clone(),
            counts: configuration.starts_ns.iter().map(|_| Counter::default()).collect(),
        }
    }

    /// Counts a duration. Called by the worker alone.
    pub(crate) fn record(&self, duration: Duration) {
        let ns = nanoseconds(duration);
        let buckets_begun = self.configuration.starts_ns.partition_point(|start| *start <= ns);
        self.counts[buckets_begun - 1].add(1);
    }

    pub(crate) fn count(&self, bucket: usize) -> Option<u64> {
        self.counts.get(bucket).map(Counter::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(p: u32, min_ns: u64, max_ns: u64) -> Vec<u64> {
        let builder = LogHistogram::builder()
            .precision_exact(p)
            .min_value(Duration::from_nanos(min_ns))
            .max_value(Duration::from_nanos(max_ns));
        HistogramConfiguration::log(builder).starts_ns
    }

    #[test]
    fn powers_of_two_are_divided_evenly() {
        assert_eq!(log(0, 1, 16), [0, 1, 2, 4, 8, 16]);
        assert_eq!(log(1, 1, 16), [0, 1, 2, 3, 4, 6, 8, 12, 16]);
        assert_eq!(log(2, 8, 16), [0, 8, 10, 12, 14, 16]);
        assert_eq!(log(2, 9, 15), [0, 8, 10, 12, 14, 16]);
        assert_eq!(log(0, 0, 2), [0, 1, 2]);
        assert!(log(10, 1, u64::MAX).is_sorted());
    }

    #[test]
    fn a_duration_is_counted_in_the_bucket_whose_range_holds_it() {
        for configuration in [
            HistogramConfiguration::linear(Duration::from_nanos(10), 5),
            HistogramConfiguration::log(LogHistogram::default()),
        ] {
            for ns in [0, 1, 9, 10, 49, 50, 100, 12_345, 70_000_000_000] {
                let histogram = Histogram::new(&configuration);
                let duration = Duration::from_nanos(ns);
                histogram.record(duration);
                let counted: Vec<usize> = (0..configuration.num_buckets())
                    .filter(|bucket| histogram.count(*bucket) == Some(1))
                    .collect();
                assert_eq!(counted.len(), 1);
                assert!(configuration.bucket_range(counted[0]).contains(&duration));
            }
        }
    }

    #[test]
    fn a_histogram_of_too_many_buckets_is_refused() {
        let needed = HistogramConfiguration::log(LogHistogram::default()).num_buckets();
        assert!(LogHistogram::builder().max_buckets(needed).is_ok());
        assert_eq!(
            LogHistogram::builder().max_buckets(needed - 1),
            Err(InvalidHistogramConfiguration::TooManyBuckets {
                required_bucket_count: needed
            })
        );
    }
}
