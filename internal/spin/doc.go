// Package spin decides when a reader that found nothing looks again before it
// waits.
package spin
