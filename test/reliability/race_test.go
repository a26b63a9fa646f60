//go:build race

package reliability_test

// raceDetector: the tests were built with -race, and so is the daemon.
const raceDetector = true
