// Package vteptest holds in-memory forms of what a VTEP stands on, and the
// conformance suites that they and the real ones pass.
//
// A [Network] joins hosts; a [Host] is a vtep.Host whose devices and sockets
// live in memory. [TestPort], [TestDevice] and [TestUnderlay] state the
// contracts of vtep.Port, of vtep.Device, and of vtep.Receiver with
// vtep.Transmitter.
package vteptest
