//go:build !race

package agent

// raceDetector says that this test runs with the race detector.
const raceDetector = false
