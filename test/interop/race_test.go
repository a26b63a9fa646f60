//go:build race

package interop_test

// raceDetector: the tests were built with -race, and so is the daemon.
const raceDetector = true
