// Package bench holds the benchmarks of the whole product:
//
//	go test -run '^$' -bench . -timeout 60m ./bench
//
// components (header, FDB), the data path over in-memory ports and underlays,
// and end to end through real TAPs: uvtep, the kernel's vxlan and, where it is
// installed, Open vSwitch in turn, with the ratio in each round. -bench
// EndToEnd/UDP selects rows, -benchtime 2s makes each of the five rounds longer
// than a second, -short does one short round, and UVTEP_BENCH_OUT=FILE.json
// keeps the figures, from which bench/report makes docs/performance.md. The
// end-to-end part needs root, as the lab it builds does.
//
// BenchmarkIsolation measures what strangers and storms cost others.
//
// Where UVTEP_BENCH_BEFORE names another build of uvtep, both that and the rows of
// the end-to-end part are measured beside it, in turn, in place of the kernel:
//
//	UVTEP_BENCH_BEFORE=/path/to/uvtep go test -run '^$' -bench 'Isolation|EndToEnd' -benchtime 2s ./bench
package bench
