//! Many records of a per-CPU array by one system call (BPF_MAP_LOOKUP_BATCH in the kernel's bpf.h; since Linux 5.13 for
//! such arrays): one for each destination would be most of what a large director does.
#![allow(unsafe_code, reason = "aya has no call for it")]

use super::Error;
use aya::util::nr_cpus;
use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

/// BPF_MAP_LOOKUP_BATCH.
const LOOKUP_BATCH: libc::c_long = 24;
/// Records that are asked for at once.
const RECORDS: u32 = 4096;
/// Words of a record of one CPU.
const WORDS: usize = 8;

/// The part of `union bpf_attr` that batches have.
#[repr(C, align(8))]
struct Attributes {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// Gives the records below `end` of an array of eight words, summed over all CPUs. `None`: this kernel cannot.
pub(super) fn sums(
    map: BorrowedFd<'_>,
    end: u32,
    mut give: impl FnMut(u32, [u64; WORDS]),
) -> Result<Option<()>, Error> {
    let cpus = nr_cpus().map_err(|(_, e)| Error::io("counting the CPUs", e))?;
    let mut values = vec![0u64; RECORDS as usize * cpus * WORDS];
    let mut keys = vec![0u32; RECORDS as usize];
    let (mut last, mut next) = (0u32, 0u32);
    let mut begun = false;
    while next < end {
        let mut asked = Attributes {
            in_batch: if begun { address(&raw mut last) } else { 0 },
            out_batch: address(&raw mut last),
            keys: address(keys.as_mut_ptr()),
            values: address(values.as_mut_ptr()),
            count: RECORDS.min(end - next),
            map_fd: map.as_raw_fd() as u32,
            elem_flags: 0,
            flags: 0,
        };
        // SAFETY: the attributes are of this command, and point to memory of the lengths that the count says.
        let done = unsafe {
            libc::syscall(libc::SYS_bpf, LOOKUP_BATCH, &raw mut asked, size_of::<Attributes>() as libc::c_ulong)
        };
        let failed = (done < 0).then(io::Error::last_os_error);
        match failed.as_ref().and_then(io::Error::raw_os_error) {
            // The end was reached.
            None | Some(libc::ENOENT) => {}
            Some(libc::EINVAL | ENOTSUPP) if !begun => return Ok(None),
            Some(_) => return Err(Error::io("reading counters", failed.unwrap_or_else(io::Error::last_os_error))),
        }
        let count = (asked.count as usize).min(keys.len());
        for (key, record) in keys[..count].iter().zip(values.chunks_exact(cpus * WORDS)) {
            let mut sum = [0; WORDS];
            for of_cpu in record.chunks_exact(WORDS) {
                sum.iter_mut().zip(of_cpu).for_each(|(sum, word)| *sum = u64::wrapping_add(*sum, *word));
            }
            give(*key, sum);
        }
        begun = true;
        next += asked.count;
        if failed.is_some() || count == 0 {
            break;
        }
    }
    Ok(Some(()))
}

/// What the kernel says where a map has no batches; libc has no name for it.
const ENOTSUPP: i32 = 524;

fn address<T>(of: *mut T) -> u64 {
    of.expose_provenance() as u64
}
