// Package interop holds tests only: real uvtep processes against the kernel's
// VXLAN driver, and against one another, on hosts of test/lab. What they
// show is the matrix of the README, the scenarios that operators know from
// kernel VXLAN, the words and the output of iproute2, and that a daemon leaves
// nothing behind.
//
// Three tests ask other programs: bridge(8) for the lines that `uvtep fdb show`
// must equal, and tshark as a decoder that shares no code with uvtep. They skip
// where these are not installed, and fail where UVTEP_REQUIRE_LAB=1 says that
// nothing may skip.
package interop
