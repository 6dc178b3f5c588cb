//! A frame as XDP shows it.

use aya_ebpf::{
    EbpfContext as _,
    bindings::xdp_md,
    helpers::{bpf_loop, bpf_xdp_adjust_head, bpf_xdp_adjust_tail},
    programs::XdpContext,
};
use core::{
    arch::asm,
    ffi::c_void,
    hint::assert_unchecked,
    ptr::{self, read_volatile},
};
use relvs_core::Frame;

/// Offsets are below this: the verifier wants to know. The core's are below 1,024.
const OFFSETS: usize = 0x7ff;

/// Those of a packet's last bytes likewise.
const LAST: usize = 0x7fff;
/// Bytes that are added up in one turn.
const CHUNK: usize = 64;

pub struct Xdp {
    context: *mut xdp_md,
    data: usize,
    end: usize,
}

impl Xdp {
    /// The address of `N` bytes at `at`, if the frame has them.
    #[inline(always)]
    fn at<const N: usize>(&self, at: usize) -> Option<usize> {
        let begin = opaque(self.data + (at & OFFSETS));
        if begin + N > self.end {
            return None;
        }
        // SAFETY: a frame is not at the address 0, which the compiler would otherwise test for.
        unsafe { assert_unchecked(begin != 0) };
        Some(begin)
    }

    #[inline(always)]
    pub fn new(ctx: &XdpContext) -> Self {
        Xdp { context: ctx.as_ptr().cast(), data: ctx.data(), end: ctx.data_end() }
    }

    /// The helpers that move a frame's ends make all that was known of them invalid.
    #[inline(always)]
    fn again(&mut self) {
        // SAFETY: the context is the program's own; volatile, because a helper has changed it.
        unsafe {
            self.data = read_volatile(&raw const (*self.context).data) as usize;
            self.end = read_volatile(&raw const (*self.context).data_end) as usize;
        }
    }
}

/// An address that the compiler knows nothing of. It would otherwise conclude from one view's comparison what another
/// one needs not compare, and compare one register where the verifier wants another.
#[inline(always)]
fn opaque(address: usize) -> usize {
    let same: usize;
    // SAFETY: copies a register. With no instruction at all there would be two line informations for the next one.
    unsafe { asm!("{} = {}", out(reg) same, in(reg) address, options(pure, nomem, nostack, preserves_flags)) };
    same
}

/// `N` bytes at an offset that may be anywhere in the frame, whose ends are read anew: for what [`bpf_loop`] calls.
#[inline(always)]
fn far<const N: usize>(context: *mut xdp_md, at: usize) -> Option<*const [u8; N]> {
    // SAFETY: the context is the program's own.
    let (data, end) = unsafe {
        let (data, end) = (&raw const (*context).data, &raw const (*context).data_end);
        (read_volatile(data) as usize, read_volatile(end) as usize)
    };
    let begin = opaque(data + (at & LAST));
    if begin + N > end { None } else { Some(begin as *const [u8; N]) }
}

/// A sum under way. Where it is follows from the turn: what a callback changes is followed value by value by the verifier.
#[repr(C)]
struct Sum {
    context: *mut xdp_md,
    /// Where it begins.
    at: usize,
    total: u64,
    /// Not 0 when bytes were not there.
    missing: u64,
}

impl Sum {
    /// So many turns.
    #[inline(always)]
    fn turns(&mut self, count: usize, call: extern "C" fn(u32, *mut c_void) -> i64) {
        // SAFETY: the callback takes back what it is given here, and the kernel calls it before this returns.
        let _ = unsafe { bpf_loop(count as u32, call as *mut c_void, ptr::from_mut(self).cast(), 0) };
    }
}

/// Adds [`CHUNK`] bytes: 0 goes on.
extern "C" fn chunk(turn: u32, sum: *mut c_void) -> i64 {
    // SAFETY: `turns` gave it, and has it alone.
    let sum = unsafe { &mut *sum.cast::<Sum>() };
    let Some(bytes) = far::<CHUNK>(sum.context, sum.at + turn as usize * CHUNK) else {
        sum.missing = 1;
        return 1;
    };
    let mut total = sum.total;
    let mut at = 0;
    while at < CHUNK {
        // SAFETY: within the chunk; a frame's words need no alignment.
        let word = unsafe { bytes.cast::<u8>().add(at).cast::<u64>().read_unaligned() };
        total = total.wrapping_add((word & 0xffff_ffff) + (word >> 32));
        at += 8;
    }
    sum.total = total;
    0
}

/// Adds four bytes.
extern "C" fn word(turn: u32, sum: *mut c_void) -> i64 {
    // SAFETY: as in `chunk`.
    let sum = unsafe { &mut *sum.cast::<Sum>() };
    let Some(bytes) = far::<4>(sum.context, sum.at + turn as usize * 4) else {
        sum.missing = 1;
        return 1;
    };
    // SAFETY: within the frame.
    sum.total = sum.total.wrapping_add(u64::from(u32::from_ne_bytes(unsafe { *bytes })));
    0
}

impl Frame for Xdp {
    #[inline(always)]
    fn length(&self) -> usize {
        // Read again: were it the difference of the two, the compiler would conclude from a length what the verifier
        // wants to see compared.
        // SAFETY: the context is the program's own.
        unsafe {
            let (data, end) = (&raw const (*self.context).data, &raw const (*self.context).data_end);
            read_volatile(end) as usize - read_volatile(data) as usize
        }
    }

    #[inline(always)]
    fn view<const N: usize>(&self, at: usize) -> Option<&[u8; N]> {
        let begin = self.at::<N>(at)?;
        // SAFETY: within the frame; nobody else has it, and what moves it takes it mutably.
        Some(unsafe { &*(begin as *const [u8; N]) })
    }

    #[inline(always)]
    fn view_mut<const N: usize>(&mut self, at: usize) -> Option<&mut [u8; N]> {
        let begin = self.at::<N>(at)?;
        // SAFETY: as in `view`.
        Some(unsafe { &mut *(begin as *mut [u8; N]) })
    }

    #[inline(always)]
    fn sum(&self, at: usize, length: usize) -> Option<u64> {
        // To the verifier the sum of anything and something is anything; that of nothing and something it would follow.
        let seed = u64::from_ne_bytes(*self.view::<8>(0)?);
        let mut sum = Sum { context: self.context, at, total: seed, missing: 0 };
        sum.turns(length / CHUNK, chunk);
        sum.at += length / CHUNK * CHUNK;
        sum.turns(length % CHUNK / 4, word);
        sum.at += length % CHUNK / 4 * 4;
        let mut total = sum.total.wrapping_sub(seed);
        if length & 2 != 0 {
            // SAFETY: within the frame.
            total += u64::from(u16::from_ne_bytes(unsafe { *far::<2>(self.context, sum.at)? }));
            sum.at += 2;
        }
        if length & 1 != 0 {
            // SAFETY: within the frame.
            total += u64::from(unsafe { *far::<1>(self.context, sum.at)? }[0]);
        }
        if sum.missing == 0 { Some(total) } else { None }
    }

    #[inline(always)]
    fn grow_front(&mut self, by: i32) -> Option<()> {
        // SAFETY: the context is the program's own.
        if unsafe { bpf_xdp_adjust_head(self.context, -by) } != 0 {
            return None;
        }
        self.again();
        Some(())
    }

    #[inline(always)]
    fn truncate(&mut self, length: usize) -> Option<()> {
        let by = length as i32 - self.length() as i32;
        // SAFETY: as in `grow_front`.
        if by > 0 || by < 0 && unsafe { bpf_xdp_adjust_tail(self.context, by) } != 0 {
            return None;
        }
        self.again();
        Some(())
    }

    #[inline(always)]
    fn ingress(&self) -> u32 {
        // SAFETY: the context is the program's own.
        unsafe { (*self.context).ingress_ifindex }
    }
}
