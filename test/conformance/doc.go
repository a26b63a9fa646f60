// Package conformance holds the tests of what uvtep does on the wire, and no
// code. Each runs a real daemon: packets are crafted on the far end of its
// underlay and inner frames on its netdev, and what comes out at either end is
// decoded by code that is not uvtep's (github.com/google/gopacket).
//
// docs/conformance.md says which test stands for which behaviour.
package conformance
