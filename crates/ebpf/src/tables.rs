//! The core's tables as maps.

use crate::{maps, words::Words};
use aya_ebpf::{
    EbpfContext as _,
    bindings::{bpf_fib_lookup as FibLookup, xdp_md},
    helpers::{bpf_fib_lookup, bpf_get_prandom_u32, bpf_jiffies64, bpf_ktime_get_ns, bpf_loop},
    programs::XdpContext,
};
use core::{
    arch::asm,
    ffi::c_void,
    mem::{MaybeUninit, size_of},
    ptr::{self, null_mut, read_volatile},
};
use relvs_core::{
    Constants, Reason, Route, Tables, Zone, director,
    table::{interface, trace},
};

const BPF_NOEXIST: u64 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// BPF_FIB_LKUP_RET_SUCCESS and BPF_FIB_LKUP_RET_NO_NEIGH.
const FOUND: i64 = 0;
const NO_NEIGHBOUR: i64 = 7;

pub struct Maps {
    context: *mut xdp_md,
}

impl Maps {
    #[inline(always)]
    pub fn new(ctx: &XdpContext) -> Self {
        Maps { context: ctx.as_ptr().cast() }
    }

    /// For functions that do not ask for a route.
    #[inline(always)]
    pub fn without_context() -> Self {
        Maps { context: null_mut() }
    }
}

// What the loader sets. The compiler must not use the value that it was built with, so it does not see that this is a
// load. A volatile one would be made even where nobody needs the value.
macro_rules! constant {
    ($name:ident, $type:ty, $load:literal) => {
        #[inline(always)]
        fn $name(place: &'static $type) -> $type {
            let value: u64;
            // SAFETY: reads a static.
            unsafe {
                asm!($load, out(reg) value, in(reg) ptr::from_ref(place),
                    options(pure, readonly, nostack, preserves_flags));
            }
            value as $type
        }
    };
}
constant!(constant64, u64, "{} = *(u64 *)({} + 0)");
constant!(constant32, u32, "{} = *(u32 *)({} + 0)");

/// A MAC address on the stack, by halves that are aligned there.
///
/// # Safety
///
/// Six bytes at an even address.
#[inline(always)]
unsafe fn mac(bytes: *const [u8; 6]) -> u64 {
    let halves = bytes.cast::<u16>();
    // SAFETY: the caller's; volatile, so that they are not read as one.
    let half = |i| u64::from(unsafe { read_volatile(halves.add(i)) });
    half(0) | half(1) << 16 | half(2) << 32
}

/// One turn of [`Tables::walk`], as bpf_loop calls it: 0 goes on.
extern "C" fn turn<S: FnMut(u32) -> bool>(index: u32, step: *mut c_void) -> i64 {
    // SAFETY: `walk` gave it, and has it alone.
    let step = unsafe { &mut *step.cast::<S>() };
    i64::from(!step(index))
}

impl Tables for Maps {
    type Line = Words<8>;
    type Double = Words<16>;
    type Quadruple = Words<32>;
    type Half = Words<4>;

    #[inline(always)]
    fn constants(&self) -> Constants {
        let m = &maps::MULTIPLIERS;
        Constants {
            multipliers: [
                constant64(&m[0]),
                constant64(&m[1]),
                constant64(&m[2]),
                constant64(&m[3]),
                constant64(&m[4]),
                constant64(&m[5]),
            ],
            masks4: [constant32(&maps::MASKS4[0]), constant32(&maps::MASKS4[1])],
            masks6: [constant32(&maps::MASKS6[0]), constant32(&maps::MASKS6[1])],
            set_mask: constant32(&maps::SET_MASK),
            rules: constant32(&maps::RULES_HALF),
        }
    }

    #[inline(always)]
    fn now(&self) -> u16 {
        // SAFETY: no arguments.
        (unsafe { bpf_jiffies64() } >> (constant32(&maps::SECOND_SHIFT) & 63)) as u16
    }

    #[inline(always)]
    fn active(&self) -> Option<Words<8>> {
        Words::new(maps::ACTIVE.get_ptr_mut(0))
    }

    #[inline(always)]
    fn interface(&self, index: u32) -> Option<Words<16>> {
        Words::new(maps::INTERFACES.get_ptr_mut(index % interface::SLOTS))
    }

    #[inline(always)]
    fn services4(&self, set: u32) -> Option<Words<8>> {
        Words::new(maps::SERVICES4.get_ptr_mut(set))
    }

    #[inline(always)]
    fn services6(&self, set: u32) -> Option<Words<16>> {
        Words::new(maps::SERVICES6.get_ptr_mut(set))
    }

    #[inline(always)]
    fn service(&self, index: u32) -> Option<Words<8>> {
        Words::new(maps::SERVICES.get_ptr_mut(index))
    }

    #[inline(always)]
    fn limit(&self, index: u32) -> Option<Words<4>> {
        Words::new(maps::LIMITS.get_ptr_mut(index))
    }

    #[inline(always)]
    fn band(&self, index: u32) -> Option<[u64; 2]> {
        // SAFETY: a map's value.
        maps::BANDS
            .get_ptr(index)
            .map(|band| unsafe { [read_volatile(&raw const (*band)[0]), read_volatile(&raw const (*band)[1])] })
    }

    #[inline(always)]
    fn ring(&self, index: u32) -> u64 {
        // SAFETY: a map's value.
        maps::RINGS.get_ptr(index).map_or(0, |slot| unsafe { read_volatile(slot) })
    }

    #[inline(always)]
    fn load_of(&self, number: u32) -> Option<Words<4>> {
        Words::new(maps::LOADS.get_ptr_mut(number))
    }

    #[inline(always)]
    fn rule(&self, index: u32) -> Option<Words<16>> {
        Words::new(maps::RULES.get_ptr_mut(index))
    }

    #[inline(always)]
    fn near(&self, key: &[u64; 4]) -> Option<Words<16>> {
        Words::new(maps::NEAR.get_ptr_mut(key))
    }

    #[inline(always)]
    fn remember_near(&self, key: &[u64; 4]) {
        // A full table gives up its oldest; one that another CPU has made meanwhile stays as it is.
        let nothing = maps::NOTHING.get_ptr(0);
        if let Some(nothing) = nothing {
            // SAFETY: a map's value, which nobody writes.
            let _ = maps::NEAR.insert(key, unsafe { &*nothing }, BPF_NOEXIST);
        }
    }

    #[inline(always)]
    fn destination(&self, number: u32) -> Option<Words<8>> {
        Words::new(maps::DESTINATIONS.get_ptr_mut(number))
    }

    #[inline(always)]
    fn hop(&self, index: u32) -> Option<Words<4>> {
        Words::new(maps::HOPS.get_ptr_mut(index))
    }

    #[inline(always)]
    fn hop_of(&self, interface: u32, destination: u64) -> u32 {
        let key = [interface, destination as u32, (destination >> 32) as u32];
        // SAFETY: a map's value.
        maps::HOPS_BY_MAC.get_ptr(key).map_or(0, |reference| unsafe { read_volatile(reference) })
    }

    #[inline(always)]
    fn flows4(&self, zone: Zone, bucket: u32) -> Option<Words<16>> {
        Words::new(match zone {
            Zone::Settled => maps::FLOWS4.get_ptr_mut(bucket),
            Zone::Young => maps::YOUNG4.get_ptr_mut(bucket),
        })
    }

    #[inline(always)]
    fn flows6(&self, zone: Zone, bucket: u32) -> Option<Words<32>> {
        Words::new(match zone {
            Zone::Settled => maps::FLOWS6.get_ptr_mut(bucket),
            Zone::Young => maps::YOUNG6.get_ptr_mut(bucket),
        })
    }

    #[inline(always)]
    fn request(&self) -> Option<Words<32>> {
        Words::new(maps::REQUEST.get_ptr_mut(0))
    }

    #[inline(always)]
    fn open4(&self) -> u64 {
        crate::open4()
    }

    #[inline(always)]
    fn open6(&self) -> u64 {
        crate::open6()
    }

    #[inline(always)]
    fn insert4(&self) -> u64 {
        crate::insert4()
    }

    #[inline(always)]
    fn settle4(&self) -> u64 {
        crate::settle4()
    }

    #[inline(always)]
    fn insert6(&self) -> u64 {
        crate::insert6()
    }

    #[inline(always)]
    fn settle6(&self) -> u64 {
        crate::settle6()
    }

    #[inline(always)]
    fn persist4(&self) -> u64 {
        crate::persist4()
    }

    #[inline(always)]
    fn persist6(&self) -> u64 {
        crate::persist6()
    }

    #[inline(always)]
    fn schedule(&self) -> u64 {
        crate::schedule()
    }

    #[inline(always)]
    fn template4(&self) -> u64 {
        crate::template4()
    }

    #[inline(always)]
    fn template6(&self) -> u64 {
        crate::template6()
    }

    #[inline(always)]
    fn walk<S: FnMut(u32) -> bool>(&self, count: u32, step: &mut S) {
        let call: extern "C" fn(u32, *mut c_void) -> i64 = turn::<S>;
        // SAFETY: the callback takes back what it is given here, and the kernel calls it before this returns.
        let _ = unsafe { bpf_loop(count, call as *mut c_void, ptr::from_mut(step).cast(), 0) };
    }

    #[inline(always)]
    fn random(&self) -> u32 {
        // SAFETY: no arguments.
        unsafe { bpf_get_prandom_u32() }
    }

    #[inline(always)]
    fn route(&self, six: bool, source: [u64; 2], destination: [u64; 2]) -> Route {
        let words = |address: [u64; 2]| {
            [address[0] as u32, (address[0] >> 32) as u32, address[1] as u32, (address[1] >> 32) as u32]
        };
        // SAFETY: all zero is a valid value of these plain numbers.
        let mut way: FibLookup = unsafe { MaybeUninit::zeroed().assume_init() };
        // SAFETY: the context is the program's own.
        way.ifindex = unsafe { (*self.context).ingress_ifindex };
        if six {
            way.family = AF_INET6;
            way.__bindgen_anon_3.ipv6_src = words(source);
            way.__bindgen_anon_4.ipv6_dst = words(destination);
        } else {
            way.family = AF_INET;
            way.__bindgen_anon_3.ipv4_src = source[0] as u32;
            way.__bindgen_anon_4.ipv4_dst = destination[0] as u32;
        }
        // SAFETY: the context is the program's own, and the length is the parameter's.
        let result =
            unsafe { bpf_fib_lookup(self.context.cast(), (&raw mut way).cast(), size_of::<FibLookup>() as i32, 0) };
        match result {
            FOUND => Route::Found {
                interface: way.ifindex,
                // SAFETY: both stand at even offsets of an aligned structure.
                destination: unsafe { mac(&raw const way.dmac) },
                // SAFETY: as above.
                source: unsafe { mac(&raw const way.smac) },
            },
            NO_NEIGHBOUR => Route::NoNeighbour,
            _ => Route::None,
        }
    }

    #[inline(always)]
    fn want(&self, address: [u64; 2]) {
        // A full table gives up its oldest: that client's next packet asks again.
        let _ = maps::WANTED.insert(address, 1, 0);
    }

    #[inline(always)]
    fn fragment(&self, key: &[u64; 5]) -> Option<Words<4>> {
        Words::new(maps::FRAGMENTS.get_ptr_mut(key))
    }

    #[inline(always)]
    fn remember_fragment(&self, key: &[u64; 5], value: &[u64; 4]) {
        // A full table gives up its oldest; nothing else can fail, and then a fragment comes early.
        let _ = maps::FRAGMENTS.insert(key, value, 0);
    }

    #[inline(always)]
    fn decapsulates(&self, address: [u64; 2]) -> u32 {
        // SAFETY: a map's value.
        maps::VIPS.get_ptr(address).map_or(0, |ends| unsafe { read_volatile(ends) })
    }

    #[inline(always)]
    fn answers(&self) -> Option<Words<8>> {
        Words::new(maps::ANSWERS.get_ptr_mut(0))
    }

    #[inline(always)]
    fn tracing(&self, slot: u32) -> Option<Words<8>> {
        Words::new(maps::TRACE.get_ptr_mut(slot))
    }

    #[inline(always)]
    fn emit(&self) -> bool {
        let Some(line) = maps::REQUEST.get_ptr_mut(0) else { return false };
        // SAFETY: within this CPU's own line, which is longer than where the event ends.
        let event: &[u64; trace::EVENT] = unsafe { &*line.cast::<u64>().add(director::EVENT).cast() };
        maps::EVENTS.output(event, 0).is_ok()
    }

    #[inline(always)]
    fn nanoseconds(&self) -> u64 {
        // SAFETY: no arguments.
        unsafe { bpf_ktime_get_ns() }
    }

    #[inline(always)]
    fn count(&self, destination: u32, bytes: u32, reply: bool) {
        if let Some(counters) = maps::COUNTERS.get_ptr_mut(destination) {
            let at = if reply { 3 } else { 1 };
            // SAFETY: this CPU's own.
            unsafe {
                (*counters)[at] += 1;
                (*counters)[at + 1] += u64::from(bytes);
            }
        }
    }

    #[inline(always)]
    fn count_flow(&self, destination: u32) {
        if let Some(counters) = maps::COUNTERS.get_ptr_mut(destination) {
            // SAFETY: this CPU's own.
            unsafe { (*counters)[0] += 1 }
        }
    }

    #[inline(always)]
    fn note(&self, reason: Reason) {
        if let Some(counter) = maps::REASONS.get_ptr_mut(reason as u32) {
            // SAFETY: this CPU's own.
            unsafe { *counter += 1 }
        }
    }
}
