// Package load makes the traffic of the end-to-end benchmarks on the hosts of a
// [lab.Lab] and measures what arrives. TCP streams and UDP floods run in two
// processes of their own, a sender and a receiver, as with iperf3, so that
// neither shares a scheduler or a garbage collector with the other or with who
// measures. The processes are the test binary itself, hence [TestMain].
//
// Everything but this comment is Linux only; on other systems the package is
// empty.
package load
