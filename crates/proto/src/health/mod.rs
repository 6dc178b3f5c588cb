//! Whether servers are up, and what follows: checks, quorum, sorry servers (`keepalived.conf(5)`, virtual_server).
