//! A frame as XDP shows it.

use aya_ebpf::{
    EbpfContext as _,
    bindings::xdp_md,
    helpers::{bpf_xdp_adjust_head, bpf_xdp_adjust_tail},
    programs::XdpContext,
};
use core::{arch::asm, hint::assert_unchecked, ptr::read_volatile};
use relvs_core::Frame;

/// Offsets are below this: the verifier wants to know. The core's are below 1,024.
const OFFSETS: usize = 0x7ff;

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
