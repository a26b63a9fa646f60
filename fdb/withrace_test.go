//go:build race

package fdb

const raceDetector = true
