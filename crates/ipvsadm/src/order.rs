//! The order of listings: that of ipvsadm's comparison, by the C library's merge sort.
//!
//! Addresses are compared by the sign of a difference of 32 bits, which goes round in a circle: 10.0.0.1, 100.0.0.1 and
//! 192.0.2.1 are each before the next, and the last before the first. What comes out then depends on how it is sorted, and
//! on the order before that, which for servers is the kernel's own: the last added first.

use crate::{ServerView, ServiceView};
use relvs_model::{Protocol, ServiceKey};
use std::{cmp::Ordering, net::IpAddr};

/// Services as they are listed.
pub(crate) fn services(views: &[ServiceView], sorted: bool) -> Vec<&ServiceView> {
    let marked = |view: &&ServiceView| matches!(view.key, ServiceKey::Mark(_));
    let newest = || views.iter().rev();
    let mut order: Vec<&ServiceView> = newest().filter(|view| !marked(view)).chain(newest().filter(marked)).collect();
    if sorted {
        merge_sort(&mut order, &|one, other| service_key(one.key, other.key));
    }
    order
}

/// Servers as they are listed.
pub(crate) fn servers(views: &[ServerView], sorted: bool) -> Vec<&ServerView> {
    let mut order: Vec<&ServerView> = views.iter().rev().collect();
    if sorted {
        merge_sort(&mut order, &|one, other| {
            let ports = || one.address.port().cmp(&other.address.port());
            // An IPv4 address is the first word of four, and the first address says how many words count.
            address(one.address.ip(), other.address.ip()).then_with(ports)
        });
    }
    order
}

fn service_key(one: ServiceKey, other: ServiceKey) -> Ordering {
    let mark = |key| if let ServiceKey::Mark(mark) = key { mark.mark } else { 0 };
    let protocol = |key: ServiceKey| key.protocol().map_or(0, Protocol::number);
    let addresses = || match (one.address(), other.address()) {
        (Some(one), Some(other)) => address(one, other),
        _ => Ordering::Equal,
    };
    circular(mark(one), mark(other))
        .then_with(|| other.is_ipv4().cmp(&one.is_ipv4()))
        .then_with(|| protocol(one).cmp(&protocol(other)))
        .then_with(addresses)
        .then_with(|| one.port().cmp(&other.port()))
}

fn address(one: IpAddr, other: IpAddr) -> Ordering {
    let count = if one.is_ipv4() { 1 } else { 4 };
    let pairs = words(one).into_iter().zip(words(other)).take(count);
    pairs.map(|(one, other)| circular(one, other)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(four) => [four.to_bits(), 0, 0, 0],
        IpAddr::V6(six) => {
            let bits = six.to_bits();
            [96, 64, 32, 0].map(|shift| (bits >> shift) as u32)
        }
    }
}

/// The sign of the difference of two numbers in 32 bits.
fn circular(one: u32, other: u32) -> Ordering {
    (one.wrapping_sub(other) as i32).cmp(&0)
}

/// Sorts as glibc's qsort(3) does where memory allows: halves, the first the smaller, and of equal ones the first first.
/// Rust's own sorts ask for an order without circles.
fn merge_sort<T: Copy>(items: &mut [T], compare: &dyn Fn(&T, &T) -> Ordering) {
    if items.len() < 2 {
        return;
    }
    let half = items.len() / 2;
    merge_sort(&mut items[..half], compare);
    merge_sort(&mut items[half..], compare);
    let (left, right) = (items[..half].to_vec(), items[half..].to_vec());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    for place in items {
        let next = match (left.peek(), right.peek()) {
            (Some(one), Some(other)) if compare(one, other).is_gt() => right.next(),
            (Some(_), _) => left.next(),
            (None, _) => right.next(),
        };
        if let Some(item) = next {
            *place = item;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sorts() {
        let mut items: Vec<u32> = (0..100).map(|number: u32| number.wrapping_mul(2_654_435_761) >> 20).collect();
        let mut expected = items.clone();
        expected.sort_unstable();
        merge_sort(&mut items, &|one, other| one.cmp(other));
        assert_eq!(items, expected);
        let mut pairs = [(1, 'a'), (0, 'b'), (1, 'c'), (0, 'd'), (1, 'e')];
        merge_sort(&mut pairs, &|one, other| one.0.cmp(&other.0));
        assert_eq!(pairs, [(0, 'b'), (0, 'd'), (1, 'a'), (1, 'c'), (1, 'e')]);
    }

    #[test]
    fn addresses_go_round() {
        let before = |one: &str, other: &str| address(one.parse().unwrap(), other.parse().unwrap()).is_lt();
        assert!(before("10.0.0.1", "100.0.0.1") && before("100.0.0.1", "192.0.2.1") && before("192.0.2.1", "10.0.0.1"));
        assert!(before("fd00::1", "fd00::2") && before("fd00::1", "2001:db8::1"));
    }
}
