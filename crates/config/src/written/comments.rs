//! Comments of a keepalived.conf, each at the block to which it belongs.
//!
//! One that stands on lines of its own just before a block is that block's; any other is of the block in which it stands, with
//! the word of its line before it. Blocks are those that are blocks in relvs.toml too: a check's comments are its server's.

use crate::keepalived::{Keepalived, Place, comment_begins};
use std::collections::{BTreeMap, BTreeSet};

/// Comments by the file and line where their block begins; line 0 is before all blocks.
#[derive(Default)]
pub(super) struct Comments {
    by_block: BTreeMap<(usize, u32), Vec<String>>,
}

impl Comments {
    pub(super) fn of(read: &Keepalived) -> Comments {
        let places = &read.places;
        let services = places.services.iter().flat_map(|(place, servers)| std::iter::once(place).chain(servers));
        // Those that were left out too: what is in them is nobody else's.
        let outermost = read.document.statements.iter().map(|statement| &statement.keyword.place);
        let services = services.chain(outermost);
        let blocks: BTreeSet<(usize, u32)> = (places.global.iter().chain(places.named.values()).chain(services))
            .map(|place| (place.file, place.line))
            .collect();
        let mut comments = Comments::default();
        for (file, source) in read.document.sources.iter().enumerate() {
            comments.add(file, &source.text, &blocks);
        }
        comments
    }

    fn add(&mut self, file: usize, text: &str, blocks: &BTreeSet<(usize, u32)>) {
        let mut within = 0;
        // Lines of comments alone, of which it is not known yet whose they are.
        let mut waiting: Vec<String> = Vec::new();
        for (number, line) in (1u32..).zip(text.lines()) {
            let begins = comment_begins(line);
            let comment = begins.and_then(|at| line.get(at + 1..)).map(tidied).filter(|comment| !comment.is_empty());
            let code = begins.map_or(line, |at| &line[..at]).trim();
            if code.is_empty() {
                // An empty line ends what stands just before a block.
                if begins.is_none() {
                    self.put(file, within, &mut waiting);
                }
                waiting.extend(comment);
                continue;
            }
            if blocks.contains(&(file, number)) {
                within = number;
            }
            self.put(file, within, &mut waiting);
            if let Some(comment) = comment {
                let word = code.split_whitespace().next().unwrap_or_default().trim_end_matches('{');
                let said = if word.is_empty() || word == "}" { comment } else { format!("{word}: {comment}") };
                self.by_block.entry((file, within)).or_default().push(said);
            }
        }
        self.put(file, within, &mut waiting);
    }

    fn put(&mut self, file: usize, line: u32, waiting: &mut Vec<String>) {
        if !waiting.is_empty() {
            self.by_block.entry((file, line)).or_default().append(waiting);
        }
    }

    /// The comments of a block, which are given once; none: those before all blocks.
    pub(super) fn take(&mut self, place: Option<Place>) -> Vec<String> {
        self.by_block.remove(&place.map_or((0, 0), |place| (place.file, place.line))).unwrap_or_default()
    }

    /// All that nobody took.
    pub(super) fn left(&mut self) -> Vec<String> {
        std::mem::take(&mut self.by_block).into_values().flatten().collect()
    }
}

/// Without the signs that only make it stand out.
fn tidied(comment: &str) -> String {
    comment.trim_start_matches(['#', '!']).trim().to_owned()
}
