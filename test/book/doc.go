// Package book holds tests only: a reader of docs/ with three hosts in network namespaces, who makes the faults that
// docs/troubleshooting.md names and tries the commands that it says.
//
// The hosts are a, b and c, at 192.0.2.1, .2 and .3 of one Ethernet segment, on their device eth0. The reader sits at a
// shell of each, with /etc and /run of its own.
package book
