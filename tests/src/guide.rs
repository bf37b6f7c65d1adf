//! The guide's code has to work: each chapter's samples are tests of the documentation, and its links lead somewhere.
//!
//! Purpose: `chapters!` names the chapters of `docs/guide` once. Under `cfg(doctest)` each becomes the documentation of
//! an item, so that `cargo test --workspace` compiles and runs its samples; the tests below compare the list with the
//! folder.

/// Takes the chapters' names, as items and as files.
macro_rules! chapters {
    ($($chapter:ident: $file:literal,)*) => {
        $(
            #[cfg(doctest)]
            #[doc = include_str!(concat!("../../docs/guide/src/", $file))]
            pub struct $chapter;
        )*

        #[cfg(test)]
        const CHAPTERS: &[(&str, &str)] = &[$(($file, include_str!(concat!("../../docs/guide/src/", $file)))),*];
    };
}

chapters! {
    Introduction: "introduction.md",
    GettingStarted: "getting-started.md",
    TasksAndThreads: "tasks-and-threads.md",
    Blocking: "blocking.md",
    Cancellation: "cancellation.md",
    Time: "time.md",
    Io: "io.md",
    SharingState: "sharing-state.md",
    Streams: "streams.md",
    Testing: "testing.md",
    MetricsAndDumps: "metrics-and-dumps.md",
    Tuning: "tuning.md",
    MovingFromTokio: "moving-from-tokio.md",
    HowItWorks: "how-it-works.md",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::CHAPTERS;

    const SUMMARY: &str = include_str!("../../docs/guide/src/SUMMARY.md");

    fn source() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/src")
    }

    /// The lines outside of code blocks.
    fn prose(text: &str) -> impl Iterator<Item = &str> {
        let mut in_code = false;
        text.lines().filter(move |line| {
            let is_fence = line.starts_with("```");
            in_code ^= is_fence;
            !in_code && !is_fence
        })
    }

    /// The targets of the links in a text: `[text](target)`.
    fn links(text: &str) -> impl Iterator<Item = &str> {
        prose(text).flat_map(|line| line.split("](").skip(1).filter_map(|rest| rest.split(')').next()))
    }

    /// The anchors that mdBook and GitHub give to a text's headings.
    fn anchors(text: &str) -> BTreeSet<String> {
        let headings = prose(text).filter(|line| line.starts_with('#'));
        headings
            .map(|line| {
                let title = line.trim_start_matches('#').trim().to_lowercase();
                let kept = title.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
                kept.map(|c| if c == ' ' { '-' } else { c }).collect()
            })
            .collect()
    }

    #[test]
    fn every_chapter_is_in_the_summary_and_tested() {
        let files = std::fs::read_dir(source())
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let files: BTreeSet<_> = files.map(|name| name.into_string().unwrap()).collect();
        let mut tested: BTreeSet<_> = CHAPTERS.iter().map(|(file, _)| (*file).to_owned()).collect();
        let listed: BTreeSet<_> = links(SUMMARY).map(str::to_owned).collect();
        assert_eq!(listed, tested);
        tested.insert("SUMMARY.md".to_owned());
        assert_eq!(files, tested);
    }

    #[test]
    fn every_link_leads_somewhere() {
        for (file, text) in CHAPTERS {
            for link in links(text).filter(|link| !link.starts_with("https://")) {
                let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = if target.is_empty() { *file } else { target };
                assert!(source().join(target).exists(), "{file}: there is no {target}");
                let chapter = CHAPTERS.iter().find(|(file, _)| *file == target);
                if let Some((_, text)) = chapter.filter(|_| !anchor.is_empty()) {
                    assert!(anchors(text).contains(anchor), "{file}: {target} has no {anchor}");
                }
            }
        }
    }

    #[test]
    fn every_code_block_names_its_language() {
        for (file, text) in CHAPTERS {
            // Every other fence opens a block; one without a name is Rust for rustdoc, and for nobody else.
            for fence in text.lines().filter(|line| line.starts_with("```")).step_by(2) {
                assert_ne!(fence, "```", "{file}");
            }
        }
    }
}
