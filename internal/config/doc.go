// Package config reads what operators write: the link sentence of `ip link add
// ... type vxlan`, the FDB sentence of `bridge fdb`, and the filters of `bridge
// fdb show` and `flush`, word for word as iproute2 has them, and the
// configuration file, whose keys are the same words, into the types of package
// control.
//
// A mistake in a sentence is a UsageError that says what to write instead; mistakes in a file
// are FileErrors, which have the places as well.
// What only the daemon or the kernel can know is not checked here.
package config
