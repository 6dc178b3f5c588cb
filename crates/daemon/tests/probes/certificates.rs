//! Certificates of an authority of the test's own: good, expired, not valid yet, for another name; and one that it has not signed.

use crate::place::Place;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

/// Writes `ca.pem`, and for each of `good`, `expired`, `early`, `stranger` and `self-signed` a `.pem` and a `.key`.
pub(crate) fn write(place: &Place) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "test authority");
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    place.write("ca.pem", &ca.pem());
    for (name, site, years) in [
        ("good", "site.example", [2000, 2100]),
        ("expired", "site.example", [2000, 2010]),
        ("early", "site.example", [2090, 2100]),
        ("stranger", "other.example", [2000, 2100]),
        ("self-signed", "site.example", [2000, 2100]),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut certificate = CertificateParams::new(vec![site.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        certificate.not_before = date_time_ymd(years[0], 1, 1);
        certificate.not_after = date_time_ymd(years[1], 1, 1);
        let by_itself = name == "self-signed";
        let signed = if by_itself { certificate.self_signed(&key) } else { certificate.signed_by(&key, &ca) }.unwrap();
        place.write(&format!("{name}.pem"), &signed.pem());
        place.write(&format!("{name}.key"), &key.serialize_pem());
    }
}
