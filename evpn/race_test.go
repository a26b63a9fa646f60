//go:build race

package evpn

// raceDetector says that this test runs with the race detector.
const raceDetector = true
