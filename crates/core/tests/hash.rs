//! The flow hash over addresses and ports as networks have them: in order, with few bits that differ. Buckets, tags and
//! the place in a bucket are filled evenly, and the two buckets of a flow have nothing to do with each other.

use relvs_core::{Constants, V4, V6, family::Family, flow::Key, flow::control::TAG};

/// Multipliers as a daemon draws them: odd, and otherwise anything.
fn constants(seed: u64) -> Constants {
    let mut at = seed;
    let mut draw = || {
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (at ^ at >> 31).wrapping_mul(0xd6e8_feb8_6659_fd93) | 1
    };
    Constants { multipliers: std::array::from_fn(|_| draw()), ..Constants::default() }
}

const FLOWS: u32 = 1 << 16;

/// By how many standard deviations chi squared is off what chance gives.
fn deviation(counts: &[u32]) -> f64 {
    let expected = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
    let chi: f64 = counts.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
    let freedom = counts.len() as f64 - 1.0;
    (chi - freedom) / (2.0 * freedom).sqrt()
}

/// More uneven than chance by so many standard deviations is not accepted.
const LIMIT: f64 = 12.0;

fn check<F: Family>(what: &str, flow: impl Fn(u32) -> (F::Address, F::Address, u16, u16)) {
    for seed in 1..=32 {
        let c = constants(seed);
        let mut buckets = [vec![0; 4096], vec![0; 4096]];
        let (mut tags, mut slots, mut twice) = (vec![0; 2048], vec![0; 4], 0);
        let mut pairs = vec![0; 64 * 64];
        for n in 0..FLOWS {
            let (source, destination, from, to) = flow(n);
            let ports = u32::from(from.to_be()) | u32::from(to.to_be()) << 16;
            let key = Key::<F>::new(&c, source, destination, ports, 6, false);
            let (first, second) = (key.first & 4095, key.second & 4095);
            buckets[0][first as usize] += 1;
            buckets[1][second as usize] += 1;
            pairs[(first & 63 | (second & 63) << 6) as usize] += 1;
            tags[(key.name & TAG) as usize] += 1;
            slots[key.slot(0)] += 1;
            twice += u32::from(first == second);
        }
        for (name, counts) in
            [("first", &buckets[0]), ("second", &buckets[1]), ("tags", &tags), ("slots", &slots), ("pairs", &pairs)]
        {
            let off = deviation(counts);
            assert!(off < LIMIT, "{what}, seed {seed}: {name} are off by {off:.1}");
        }
        // One bucket for both: as often as chance has it, 16 times.
        assert!(twice < 60, "{what}, seed {seed}: {twice} flows have one bucket only");
    }
}

fn v4(a: u8, b: u8, c: u8, d: u8) -> u32 {
    u32::from_ne_bytes([a, b, c, d])
}

#[test]
fn ipv4() {
    let vip = v4(192, 0, 2, 1);
    check::<V4>("one client's ports", |n| (v4(198, 51, 100, 7), vip, n as u16, 80));
    check::<V4>("clients in order", |n| (v4(10, 0, (n >> 8) as u8, n as u8), vip, 40_000, 80));
    check::<V4>("networks in order", |n| (v4((n >> 8) as u8, n as u8, 0, 1), vip, 40_000, 80));
    check::<V4>("some clients, some ports", |n| (v4(10, 0, 0, n as u8), vip, 32_768 + (n >> 8) as u16, 443));
    let rip = v4(10, 2, 0, 24);
    check::<V4>("replies to clients in order", |n| (rip, v4(10, 0, (n >> 8) as u8, n as u8), 8080, 40_000));
    check::<V4>("replies to some ports", |n| (rip, v4(10, 0, 0, n as u8), 8080, 32_768 + (n >> 8) as u16));
    check::<V4>("some VIPs and ports", |n| (v4(10, 0, 0, 1), v4(192, 0, 2, n as u8), 5000, (n >> 8) as u16));
}

fn v6(prefix: u16, interface: u64) -> [u64; 2] {
    [u64::from_ne_bytes([0x20, 1, 0xd, 0xb8, (prefix >> 8) as u8, prefix as u8, 0, 0]), interface.to_be()]
}

#[test]
fn ipv6() {
    let vip = v6(0xf, 1);
    check::<V6>("one client's ports", |n| (v6(1, 7), vip, n as u16, 80));
    check::<V6>("clients in order", |n| (v6(1, u64::from(n)), vip, 40_000, 80));
    check::<V6>("networks in order", |n| (v6(n as u16, 1), vip, 40_000, 80));
    check::<V6>("EUI-64", |n| (v6(1, 0x0200_5eff_fe00_0000 | u64::from(n)), vip, 5000, 443));
    check::<V6>("replies to clients in order", |n| (v6(2, 0x24), v6(1, u64::from(n)), 8080, 40_000));
    check::<V6>("some VIPs and ports", |n| (v6(1, 1), v6(0xf, u64::from(n & 255)), 5000, (n >> 8) as u16));
}

/// A reply's key and a request's of the same words differ, and so do those of protocols and templates.
#[test]
fn names_tell_directions_and_protocols_apart() {
    let c = constants(1);
    let key = |protocol, reply| Key::<V4>::new(&c, 1, 2, 3, protocol, reply);
    let flows = [key(6, false), key(6, true), key(17, false), key(17, true), key(132, false), key(132, true)];
    let template = Key::<V4>::template(&c, 1, 2, 3);
    let names: Vec<u64> = flows.iter().chain([&template]).map(|key| key.name).collect();
    for (i, name) in names.iter().enumerate() {
        assert!(names[i + 1..].iter().all(|other| other != name));
    }
}
