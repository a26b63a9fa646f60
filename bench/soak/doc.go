// Command soak has two daemons carry mixed traffic for a long time, at a share of what they carry without loss, while both
// read a changed file again and again. It wants next to nothing lost and no memory taken:
//
//	go run ./bench/soak -for 30m
//
// It needs root and a machine that does nothing else: what takes the processors away for longer than the queues last is
// lost as well. Exit status 1 says that a promise was broken.
package main
