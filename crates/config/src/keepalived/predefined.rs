//! The names that are there without a definition: `${_PWD}`, `${_INSTANCE}`, `${_RANDOM}`, `${_ENV}`, `${_HASH}`, `${_BANG}`.

use super::Host;
use crate::report::{Fault, quoted};

/// The greatest number of `${_RANDOM}` where none is said.
const RANDOM_MAX: u64 = 32_767;

/// Where a name is used.
pub(super) struct Surroundings<'h> {
    pub(super) host: &'h Host,
    /// The folder of the file that is being read.
    pub(super) folder: String,
    /// The state of the numbers that look random (splitmix64).
    pub(super) random: &'h mut u64,
}

/// What a name stands for; none if it is not one of these, or used in another way.
pub(super) fn value(
    name: &str,
    parameters: &str,
    surroundings: &mut Surroundings<'_>,
) -> Option<Result<String, Fault>> {
    let words: Vec<&str> = parameters.split_ascii_whitespace().collect();
    match (name, words.as_slice()) {
        ("_PWD", []) => Some(Ok(surroundings.folder.clone())),
        ("_INSTANCE", []) => Some(Ok(surroundings.host.config_id.clone())),
        ("_HASH", []) => Some(Ok("#".to_owned())),
        ("_BANG", []) => Some(Ok("!".to_owned())),
        ("_ENV", [name]) => Some(Ok(surroundings.host.environment.get(*name).cloned().unwrap_or_default())),
        ("_RANDOM", words) => Some(random(words, surroundings.random)),
        _ => None,
    }
}

fn random(words: &[&str], state: &mut u64) -> Result<String, Fault> {
    let wrong = || {
        let fault = Fault::new(format!("`_RANDOM` takes up to two numbers, not {}", quoted(&words.join(" "))));
        fault.help("write ${_RANDOM}, ${_RANDOM 10} or ${_RANDOM 10 99}")
    };
    let numbers: Vec<u64> =
        words.iter().map(|word| word.parse::<u32>().map(u64::from)).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let (least, most) = match numbers.as_slice() {
        [] => (0, RANDOM_MAX),
        [least] => (*least, RANDOM_MAX.max(*least)),
        [least, most] if least <= most => (*least, *most),
        _ => return Err(wrong()),
    };
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Ok((least + (mixed ^ (mixed >> 31)) % (most - least + 1)).to_string())
}
