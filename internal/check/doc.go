// Package check finds what would keep a VTEP from working on this host, before or while a
// daemon runs: rules over facts. Facts has everything that rules judge, so that each rule has
// a fixture; Gather reads it from the host and its remotes.
package check
