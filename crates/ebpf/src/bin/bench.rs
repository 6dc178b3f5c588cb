//! What `relvs-bench` measures with: a wrapper around the program under test, and the floors.
//!
//! BPF_PROG_TEST_RUN does not restore the frame between its repeats: from the second on, a program that rewrites or
//! encapsulates would see its own output. [`bench`] checks and undoes what the last run did, chooses the next flow, and
//! tail-calls the unmodified program. It is no part of the product: an object of its own, that nothing else loads.
#![no_std]
#![no_main]

use aya_ebpf::{
    EbpfContext as _,
    bindings::xdp_action,
    btf_maps::{Array, ProgramArray},
    helpers::bpf_xdp_adjust_head,
    macros::{btf_map, xdp},
    programs::XdpContext,
};

/// Words of the configuration before the template; `bench/src/wrapper.rs` writes them.
///
/// ```text
/// word 0: length to restore (32), length that a run leaves (32)     word 1: first eight bytes that a run leaves
/// word 2: flows - 1 (32), mode (32)     word 3: multiplier of the spread
/// word 4: first client, its last four bytes as a number (32), identification of its packets (16)
/// ```
///
/// The template is the frame's first bytes, cut as the program reads them: 8, 6, then eights. A load from two stores
/// would wait for both.
const TEMPLATE: usize = 8;
/// Eights of the template behind the Ethernet header: enough for IPv6 and TCP.
const EIGHTS: usize = 8;
/// Bytes of the template; no frame is shorter.
const BYTES: usize = 14 + 8 * EIGHTS;
/// Words of the configuration.
const WORDS: usize = TEMPLATE + 2 + EIGHTS;

/// Mode: IPv6.
const SIX: u32 = 1;
/// Mode: the client is the packet's destination.
const REPLY: u32 = 2;
/// Mode: each flow has two packets, one with the flags of the template and one with ACK instead.
const HANDSHAKE: u32 = 4;

/// Client ports of one address, as a power of two; then the next address follows.
const PORTS: u32 = 14;
const FIRST_PORT: u32 = 1024;

#[btf_map]
static CONFIG: Array<[u64; WORDS], 1> = Array::new();
/// Packets so far, and how many came back otherwise than expected.
#[btf_map]
static SEEN: Array<[u64; 2], 1> = Array::new();
#[btf_map]
static TARGET: ProgramArray<1> = ProgramArray::new();

/// A pointer to `N` bytes at `at`, if the frame has them.
#[inline(always)]
fn at<const N: usize>(ctx: &XdpContext, at: usize) -> Option<*mut u8> {
    let begin = ctx.data() + at;
    (begin + N <= ctx.data_end()).then_some(begin as *mut u8)
}

/// The wrapper.
#[xdp]
#[inline(always)]
pub fn bench(ctx: XdpContext) -> u32 {
    if prepare(&ctx).is_some() {
        // SAFETY: the context is the program's own; a tail call that succeeds does not come back.
        unsafe { TARGET.tail_call(&ctx, 0) };
    }
    xdp_action::XDP_ABORTED
}

#[inline(always)]
fn prepare(ctx: &XdpContext) -> Option<()> {
    // SAFETY: map values live as long as the program; user space writes them only between runs.
    let (config, seen) = unsafe { (&*CONFIG.get_ptr(0)?, &mut *SEEN.get_ptr_mut(0)?) };
    let length = (ctx.data_end() - ctx.data()) as u32;
    let (wanted, left) = (config[0] as u32, (config[0] >> 32) as u32);
    // SAFETY: within the frame.
    let first = unsafe { at::<8>(ctx, 0)?.cast::<u64>().read_unaligned() };
    if length != left || first != config[1] {
        seen[1] += 1;
    }
    if length != wanted {
        // SAFETY: the context is the program's own.
        if unsafe { bpf_xdp_adjust_head(ctx.as_ptr().cast(), length as i32 - wanted as i32) } != 0 {
            return None;
        }
    }
    let number = seen[0];
    seen[0] += 1;
    restore(again(ctx)?, config);
    vary(again(ctx)?, config, number);
    Some(())
}

/// The frame's beginning, with the template's length known to be there.
#[inline(always)]
fn again(ctx: &XdpContext) -> Option<*mut u8> {
    at::<BYTES>(ctx, 0)
}

#[inline(always)]
fn restore(frame: *mut u8, config: &[u64; WORDS]) {
    // SAFETY: within the template's length.
    unsafe {
        frame.cast::<u64>().write_unaligned(config[TEMPLATE]);
        frame.add(8).cast::<u32>().write_unaligned(config[TEMPLATE + 1] as u32);
        frame.add(12).cast::<u16>().write_unaligned((config[TEMPLATE + 1] >> 32) as u16);
    }
    let mut i = 0;
    while i < EIGHTS {
        // SAFETY: as above.
        unsafe { frame.add(14 + 8 * i).cast::<u64>().write_unaligned(config[TEMPLATE + 2 + i]) };
        i += 1;
    }
}

/// The packet of the next flow. An IPv4 header's sum stays right: what the address gains, the identification loses.
#[inline(always)]
fn vary(frame: *mut u8, config: &[u64; WORDS], number: u64) {
    let mode = (config[2] >> 32) as u32;
    let (number, acknowledged) = if mode & HANDSHAKE != 0 { (number >> 1, number & 1 != 0) } else { (number, false) };
    let flow = number.wrapping_mul(config[3]) as u32 & config[2] as u32;
    let step = flow >> PORTS;
    let address = (config[4] as u32).wrapping_add(step).to_be();
    let port = ((FIRST_PORT + (flow & ((1 << PORTS) - 1))) as u16).to_be();
    let reply = mode & REPLY != 0;
    // Each field is written as wide as it is read.
    // SAFETY: all offsets are below the template's length.
    unsafe {
        let transport = if mode & SIX != 0 {
            let rest = if reply { 46 } else { 30 };
            let half = frame.add(rest).cast::<u64>();
            half.write_unaligned(u64::from(address) << 32);
            54
        } else {
            let identification = ((config[4] >> 32) as u32).wrapping_sub(step) as u16;
            let flags = (config[TEMPLATE + 2] >> 48) as u16;
            let word = u32::from(identification.to_be()) | u32::from(flags) << 16;
            frame.add(18).cast::<u32>().write_unaligned(word);
            frame.add(if reply { 30 } else { 26 }).cast::<u32>().write_unaligned(address);
            34
        };
        let ports = frame.add(transport).cast::<u32>();
        let template = template_ports(config, transport);
        let ports_now =
            if reply { template & 0xffff | u32::from(port) << 16 } else { template & 0xffff_0000 | u32::from(port) };
        ports.write_unaligned(ports_now);
        if acknowledged {
            let flags = frame.add(transport + 12).cast::<u16>();
            flags.write_unaligned(0x50 | 0x10 << 8);
        }
    }
}

/// The ports of the template, whose transport header is here.
#[inline(always)]
fn template_ports(config: &[u64; WORDS], transport: usize) -> u32 {
    let eighth = (transport - 14) / 8;
    (config[TEMPLATE + 2 + eighth] >> ((transport - 14) % 8 * 8)) as u32
}

/// Floor: nothing at all.
#[xdp]
pub fn empty(_: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

/// Floor: an IPv4 header that never changes, put in front without any look-up.
#[xdp]
#[inline(always)]
pub fn encapsulate(ctx: XdpContext) -> u32 {
    match wrap(&ctx) {
        Some(()) => xdp_action::XDP_TX,
        None => xdp_action::XDP_ABORTED,
    }
}

#[inline(always)]
fn wrap(ctx: &XdpContext) -> Option<()> {
    const HEADER: [u32; 5] = [0x6300_0045, 0x0040_0000, 0x9027_043f, 0x0100_000a, 0x0700_000a];
    // SAFETY: the context is the program's own.
    if unsafe { bpf_xdp_adjust_head(ctx.as_ptr().cast(), -20) } != 0 {
        return None;
    }
    let frame = at::<34>(ctx, 0)?;
    // SAFETY: within the frame.
    unsafe {
        frame.cast::<u64>().write_unaligned(0x0002_0700_0000_0002);
        frame.add(8).cast::<u32>().write_unaligned(0x0100_0000);
        frame.add(12).cast::<u16>().write_unaligned(0x0008);
    }
    let mut i = 0;
    while i < HEADER.len() {
        // SAFETY: as above.
        unsafe { frame.add(14 + 4 * i).cast::<u32>().write_unaligned(HEADER[i]) };
        i += 1;
    }
    Some(())
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
