//go:build !race

package fdb

// raceDetector says that the tests run some ten times slower: those that use
// one goroutine do less then.
const raceDetector = false
