//! Certificates of an authority of the test's own: good, expired, for another name.

use crate::place::Place;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

/// Writes `ca.pem`, and for each of `good`, `expired` and `stranger` a `.pem` and a `.key`.
pub(crate) fn write(place: &Place) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "test authority");
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    place.write("ca.pem", &ca.pem());
    for (name, site, until) in
        [("good", "site.example", 2100), ("expired", "site.example", 2010), ("stranger", "other.example", 2100)]
    {
        let key = KeyPair::generate().unwrap();
        let mut certificate = CertificateParams::new(vec![site.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        certificate.not_before = date_time_ymd(2000, 1, 1);
        certificate.not_after = date_time_ymd(until, 1, 1);
        let signed = certificate.signed_by(&key, &ca).unwrap();
        place.write(&format!("{name}.pem"), &signed.pem());
        place.write(&format!("{name}.key"), &key.serialize_pem());
    }
}
