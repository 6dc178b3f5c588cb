//! Which known word a misspelt one was meant to be.

/// Longer words are nobody's misspelling of a known one.
const MAX_LENGTH: usize = 32;

/// The known name nearest to `word`: at most one mistake in three letters, where a mistake is a letter too many, one
/// missing, one wrong, or two exchanged.
pub(crate) fn nearest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let word: Vec<char> = word.chars().take(MAX_LENGTH + 1).flat_map(char::to_lowercase).collect();
    if word.len() > MAX_LENGTH {
        return None;
    }
    let limit = (word.len() / 3).max(1);
    names
        .into_iter()
        .map(|name| (distance(&word, &name.chars().collect::<Vec<_>>()), name))
        .filter(|&(distance, name)| distance <= limit && distance < name.len())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// The optimal string alignment distance, by the usual table of which three rows are kept.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, &letter) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &other) in b.iter().enumerate() {
            let replaced = above[j] + usize::from(letter != other);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && letter == b[j - 1] && a[i - 1] == other {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 5] = ["listen", "scheduler", "method", "rr", "wrr"];

    #[test]
    fn small_mistakes_are_understood() {
        for (word, meant) in [
            ("listne", Some("listen")),
            ("Listen", Some("listen")),
            ("lisen", Some("listen")),
            ("sheduler", Some("scheduler")),
            ("schedulers", Some("scheduler")),
            ("wr", Some("rr")),
            ("wwr", Some("wrr")),
            ("x", None),
            ("", None),
            ("weight", None),
            ("interfaces", None),
        ] {
            assert_eq!(nearest(word, NAMES), meant, "{word}");
        }
        assert_eq!(nearest(&"s".repeat(1 << 20), NAMES), None);
    }
}
