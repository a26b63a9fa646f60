// Package spin keeps a processor awake while packets are expected: a reader
// that found nothing looks again for a while before it waits.
package spin
