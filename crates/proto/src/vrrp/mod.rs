//! The Virtual Router Redundancy Protocol: RFC 9568, RFC 5798 (version 3) and RFC 3768 (version 2).
