// Package capture writes captured frames as pcapng, and tells what is in such files, for
// people.
package capture
