// Package vteptest holds in-memory forms of what a VTEP stands on, and the
// conformance suites that they and the real ones pass.
//
// A [Network] joins hosts; a [Host] is a vtep.Host whose netdevs and sockets
// live in memory. [TestPort], [TestNetdev] and [TestUnderlay] state the
// contracts of vtep.Port, of vtep.Netdev, and of vtep.Receiver with
// vtep.Transmitter.
package vteptest
