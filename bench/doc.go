// Package bench holds the benchmarks of the whole product:
//
//	go test -run '^$' -bench . ./bench
//
// components (header, FDB), the data path over in-memory ports and underlays,
// and end to end through real TAPs beside the kernel's vxlan in the same run,
// with the ratio of both printed. -short shortens each end-to-end round.
// The end-to-end part needs root, as the lab it builds does.
package bench
