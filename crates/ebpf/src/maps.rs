//! The maps, and what the loader sets. Sizes here are the least; the loader gives the real ones.
//!
//! [`relvs_core::table`] says what is in their records. Those that user space reads and writes in place are mmapable.

use aya_ebpf::{
    btf_maps::{Array, HashMap, LruHashMap, PerCpuArray, ProgramArray, RingBuf},
    macros::btf_map,
};
use relvs_core::{
    Reason, Stage,
    table::{interface, trace},
};

const MMAPABLE: usize = 1 << 10;

#[btf_map]
pub static ACTIVE: Array<[u64; 8], 1, MMAPABLE> = Array::new();
#[btf_map]
pub static INTERFACES: Array<[u64; 16], { interface::SLOTS as usize }, MMAPABLE> = Array::new();
#[btf_map]
pub static SERVICES4: Array<[u64; 8], 2, MMAPABLE> = Array::new();
#[btf_map]
pub static SERVICES6: Array<[u64; 16], 2, MMAPABLE> = Array::new();
#[btf_map]
pub static SERVICES: Array<[u64; 8], 2, MMAPABLE> = Array::new();
#[btf_map]
pub static LIMITS: Array<[u64; 4], 2, MMAPABLE> = Array::new();
#[btf_map]
pub static BANDS: Array<[u64; 2], 2, MMAPABLE> = Array::new();
#[btf_map]
pub static RINGS: Array<u64, 2, MMAPABLE> = Array::new();
#[btf_map]
pub static DESTINATIONS: Array<[u64; 8], 2, MMAPABLE> = Array::new();
#[btf_map]
pub static HOPS: Array<[u64; 4], 2, MMAPABLE> = Array::new();
#[btf_map]
pub static HOPS_BY_MAC: HashMap<[u32; 3], u32, 65536> = HashMap::new();
#[btf_map]
pub static FLOWS4: Array<[u64; 16], 1, MMAPABLE> = Array::new();
#[btf_map]
pub static YOUNG4: Array<[u64; 16], 1, MMAPABLE> = Array::new();
#[btf_map]
pub static FLOWS6: Array<[u64; 32], 1, MMAPABLE> = Array::new();
#[btf_map]
pub static YOUNG6: Array<[u64; 32], 1, MMAPABLE> = Array::new();
#[btf_map]
pub static LOADS: Array<[u64; 4], 2, MMAPABLE> = Array::new();
#[btf_map]
pub static RULES: Array<[u64; 16], 2, MMAPABLE> = Array::new();
#[btf_map]
pub static FRAGMENTS: LruHashMap<[u64; 5], [u64; 4], 16384> = LruHashMap::new();
/// What lblc and lblcr remember of an address.
#[btf_map]
pub static NEAR: LruHashMap<[u64; 4], [u64; 16], 65536> = LruHashMap::new();
/// Clients whose neighbour is not resolved.
#[btf_map]
pub static WANTED: LruHashMap<[u64; 2], u32, 256> = LruHashMap::new();
#[btf_map]
pub static VIPS: HashMap<[u64; 2], u32, 1024> = HashMap::new();
/// Flows opened, packets and bytes in, packets and bytes out.
#[btf_map]
pub static COUNTERS: PerCpuArray<[u64; 8], 2> = PerCpuArray::new();
/// What is new in [`NEAR`]: too much for the stack.
#[btf_map]
pub static NOTHING: Array<[u64; 16], 1> = Array::new();
#[btf_map]
pub static REASONS: PerCpuArray<u64, { Reason::COUNT }> = PerCpuArray::new();
#[btf_map]
pub static REQUEST: PerCpuArray<[u64; 32], 1> = PerCpuArray::new();
#[btf_map]
pub static ANSWERS: PerCpuArray<[u64; 8], 1> = PerCpuArray::new();
/// Filters of events.
#[btf_map]
pub static TRACE: Array<[u64; 8], { trace::SLOTS as usize }, MMAPABLE> = Array::new();
/// Events that user space has not taken yet; in bytes.
#[btf_map]
pub static EVENTS: RingBuf<[u64; trace::EVENT], { 1 << 18 }> = RingBuf::new();
#[btf_map]
pub static TAILS: ProgramArray<{ Stage::COUNT }> = ProgramArray::new();

// Set by the loader, and constants to the verifier. `tables::constant` reads them.
#[unsafe(no_mangle)]
pub static MULTIPLIERS: [u64; 6] = [1; 6];
#[unsafe(no_mangle)]
pub static MASKS4: [u32; 2] = [0; 2];
#[unsafe(no_mangle)]
pub static MASKS6: [u32; 2] = [0; 2];
#[unsafe(no_mangle)]
pub static SET_MASK: u32 = 0;
#[unsafe(no_mangle)]
pub static RULES_HALF: u32 = 0;
/// Jiffies shifted right by so many bits are about seconds.
#[unsafe(no_mangle)]
pub static SECOND_SHIFT: u32 = 8;
