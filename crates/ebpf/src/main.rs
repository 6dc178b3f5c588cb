//! The BPF programs: the director, a real server's decapsulator, and a clock.
//!
//! Entry points and maps; it decides nothing: that is `relvs-core`'s. The unsafe code that BPF needs is here.
#![no_std]
#![no_main]
#![allow(internal_features, reason = "the target's atomics are intrinsics only")]
#![feature(asm_experimental_arch, core_intrinsics)]

mod frame;
mod maps;
mod tables;
mod words;

use aya_ebpf::{
    bindings::xdp_action,
    helpers::{bpf_jiffies64, bpf_redirect},
    macros::xdp,
    programs::XdpContext,
};
use frame::Xdp;
use relvs_core::{Reason, Stage, Tables as _, V4, V6, Verdict, decapsulate, director, flow};
use tables::Maps;

/// The common way.
#[xdp]
#[inline(always)]
pub fn director(ctx: XdpContext) -> u32 {
    let maps = Maps::new(&ctx);
    let verdict = director::fast(&mut Xdp::new(&ctx), &maps);
    action(&ctx, &maps, verdict)
}

macro_rules! stages {
    ($($name:ident = $stage:ident,)*) => {$(
        /// A stage of the slow way: entered by a tail call.
        #[xdp]
        #[inline(always)]
        pub fn $name(ctx: XdpContext) -> u32 {
            let maps = Maps::new(&ctx);
            let verdict = director::stage(&mut Xdp::new(&ctx), &maps, Stage::$stage);
            action(&ctx, &maps, verdict)
        }
    )*};
}

stages! {
    slow_parse = Parse,
    slow_packet4 = Packet4,
    slow_packet6 = Packet6,
    slow_reply4 = Reply4,
    slow_reply6 = Reply6,
    slow_fragment4 = Fragment4,
    slow_fragment6 = Fragment6,
    slow_icmp4 = Icmp4,
    slow_icmp6 = Icmp6,
    slow_deliver4 = Deliver4,
    slow_deliver6 = Deliver6,
    slow_answer4 = Answer4,
    slow_answer6 = Answer6,
    slow_match4 = Match4,
    slow_match6 = Match6,
    slow_open4 = Open4,
    slow_open6 = Open6,
    slow_persist4 = Persist4,
    slow_persist6 = Persist6,
    slow_settle4 = Settle4,
    slow_settle6 = Settle6,
    slow_trace = Trace,
    slow_tunnel4 = Tunnel4,
    slow_tunnel6 = Tunnel6,
    slow_path4 = Path4,
    slow_path6 = Path6,
}

/// The real server's end of a tunnel.
#[xdp]
#[inline(always)]
pub fn decapsulator(ctx: XdpContext) -> u32 {
    let maps = Maps::new(&ctx);
    let verdict = decapsulate::decapsulate(&mut Xdp::new(&ctx), &maps);
    action(&ctx, &maps, verdict)
}

/// Tells user space the time as the others see it, through BPF_PROG_TEST_RUN.
#[xdp]
pub fn clock(_: XdpContext) -> u32 {
    // SAFETY: no arguments.
    unsafe { bpf_jiffies64() as u32 }
}

/// Lets every frame pass: what a veth's peer needs, so that frames sent back on it arrive.
#[xdp]
pub fn pass(_: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

/// The only place where a verdict becomes an action.
#[inline(always)]
fn action(ctx: &XdpContext, maps: &Maps, verdict: Verdict) -> u32 {
    match verdict {
        Verdict::Pass(reason) => {
            maps.note(reason);
            xdp_action::XDP_PASS
        }
        Verdict::Drop(reason) => {
            maps.note(reason);
            xdp_action::XDP_DROP
        }
        Verdict::Transmit => xdp_action::XDP_TX,
        // SAFETY: no pointers.
        Verdict::Redirect(interface) => (unsafe { bpf_redirect(interface, 0) }) as u32,
        Verdict::Next(stage) => {
            // SAFETY: the context is the program's own; a tail call that succeeds does not come back.
            unsafe { maps::TAILS.tail_call(ctx, stage as u32) };
            maps.note(Reason::Inconsistent);
            xdp_action::XDP_DROP
        }
    }
}

// Global functions: each is verified by itself, whatever calls it.

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn open4() -> u64 {
    director::open::<V4, _>(&Maps::without_context())
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn open6() -> u64 {
    director::open::<V6, _>(&Maps::without_context())
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn insert4() -> u64 {
    flow::insert::<V4, _>(&Maps::without_context())
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn settle4() -> u64 {
    flow::settle::<V4, _>(&Maps::without_context())
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn insert6() -> u64 {
    flow::insert::<V6, _>(&Maps::without_context())
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn settle6() -> u64 {
    flow::settle::<V6, _>(&Maps::without_context())
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn persist4() -> u64 {
    director::persist::<V4, _>(&Maps::without_context())
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn persist6() -> u64 {
    director::persist::<V6, _>(&Maps::without_context())
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn schedule() -> u64 {
    director::schedule(&Maps::without_context())
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn template4() -> u64 {
    director::template::<V4, _>(&Maps::without_context())
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn template6() -> u64 {
    director::template::<V6, _>(&Maps::without_context())
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
